"""The command line's own part: exit codes and the folder for what is written."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tapelight.cli import _known, main
from tapelight.commands.options import data_folder, named_folder
from tapelight.commands.orders import kill
from tapelight.config import load
from tapelight.errors import Bug, ConfigError, TapelightError, Unavailable
from tapelight.stores.traderstate import stand

pytestmark = pytest.mark.integration

CONFIG, AWAY, BUG = ConfigError("set it"), Unavailable("retry"), Bug("ours")
NESTED = BaseExceptionGroup("inner", [CONFIG, AWAY])


@pytest.mark.parametrize(
    ("leaves", "known", "code"),
    [
        ([CONFIG], CONFIG, 2),
        ([CONFIG, BaseExceptionGroup("inner", [CONFIG])], CONFIG, 2),
        ([AWAY], AWAY, 1),
        ([CONFIG, AWAY], AWAY, 1),
        ([CONFIG, NESTED], AWAY, 1),
        ([CONFIG, BUG], None, 1),
        ([CONFIG, ValueError("foreign")], None, 1),
        ([NESTED, BaseExceptionGroup("inner", [OSError("foreign")])], None, 1),
    ],
)
def test_a_group_is_told_only_when_all_of_it_is_known(
    leaves: list[BaseException], known: TapelightError | None, code: int
) -> None:
    assert _known(BaseExceptionGroup("tasks", leaves)) == (known, code)


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "argv", ["tapelight", "init", str(tmp_path / "file" / "desk")])
    with pytest.raises(SystemExit) as end, pytest.warns(UserWarning, match="without tokens"):
        main()
    assert end.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith(f"tapelight: {tmp_path / 'file'}")
    assert told.endswith(": Not a directory: check that it may be written to.\n")
    assert told.count("\n") == 1


def test_the_folder_is_the_options_or_else_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAPELIGHT_DATA", "/named")
    assert named_folder(Path("/given")) == Path("/given")
    assert named_folder(None) == data_folder(None, "data") == Path("/named")
    monkeypatch.setenv("TAPELIGHT_DATA", "")
    assert named_folder(None) is None
    monkeypatch.delenv("TAPELIGHT_DATA")
    assert named_folder(None) is None
    assert data_folder(None, "data") == Path("data")


def test_a_reader_that_stops_is_no_fault() -> None:
    command = f"{shlex.quote(sys.executable)} -m tapelight list columns | head -n 1"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, timeout=100, check=False
    )
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port = 5", "unknown key 'port', 'port' stands under [web]."),
        ("portt = 5", "unknown key 'portt', 'port' stands under [web]."),
        ("[web]\nprot = 5", "[web] unknown key 'prot', did you mean 'port'?"),
        ("[web]\nqqqqq = 5", "[web] unknown key 'qqqqq', known are "),
    ],
)
def test_an_unknown_key_is_told_with_the_section_of_the_nearest(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "tapelight.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert told in str(caught.value)


def test_a_kill_where_no_trader_has_run_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    demo, folder = tmp_path / "tapelight-demo-x", tmp_path / "data"
    killed = tmp_path / "tapelight-demo-killed"
    for place in (demo, killed, folder):
        place.mkdir()
    (killed / "trader.pid").write_text("7\n", "utf-8")
    living = stand(demo)
    with pytest.raises(ConfigError, match=rf"No trader has run in {folder}.*--data {demo}\)"):
        kill(reason="odd data", data=folder)
    assert (folder / "KILL").exists(), "it waits there all the same"
    with pytest.raises(ConfigError, match="nothing would be stopped"):
        kill(drill=True, data=folder)
    (folder / "trader.pid").write_text("8\n", "utf-8")
    kill(reason="odd data", data=folder)
    assert living is not None
    living.close()
