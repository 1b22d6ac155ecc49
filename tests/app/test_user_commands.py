"""`tapelight user`, on a data folder whose scanner is stopped."""

import asyncio
import io
import sys
from pathlib import Path

import pytest

from tapelight.app.control import Control
from tapelight.buses.memory import MemoryBus
from tapelight.cli import main
from tapelight.config import Config
from tapelight.errors import ConfigError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens"),
]
PASSWORD = "correct horse battery"


def run(monkeypatch: pytest.MonkeyPatch, data: Path, *words: str, says: str = "") -> int:
    """Run `tapelight user ...`; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["tapelight", "user", *words, "--data", str(data)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(says + "\n"))
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


async def verified(data: Path, name: str, password: str) -> str:
    control = Control(data, Config(), MemoryBus())
    try:
        return (await control.users.verify(name, password)).role
    finally:
        await control.close()


def test_accounts_are_made_listed_and_get_a_new_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "add", "ann", says=PASSWORD) == 2
    assert "--role admin" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "add", "ann", "--role", "admin", says=PASSWORD) == 0
    assert run(monkeypatch, tmp_path, "add", "bob", "--role", "boss", says=PASSWORD) == 1
    assert run(monkeypatch, tmp_path, "add", "bob", says="short") == 1
    assert run(monkeypatch, tmp_path, "password", "eve", says=PASSWORD) == 2
    assert run(monkeypatch, tmp_path, "password", "ann", says="another one, long") == 0
    capsys.readouterr()
    assert run(monkeypatch, tmp_path, "list", "--json") == 0
    assert capsys.readouterr().out == '{"name": "ann", "role": "admin", "disabled": false}\n'
    assert asyncio.run(verified(tmp_path, "ann", "another one, long")) == "admin"


async def test_while_a_scanner_runs_it_is_told_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = Control(tmp_path, Config(), MemoryBus())
    try:
        assert run(monkeypatch, tmp_path, "list") == 2
        assert "in use by another Tapelight" in capsys.readouterr().err
        with pytest.raises(ConfigError, match="in use"):
            Control(tmp_path, Config(), MemoryBus())
    finally:
        await control.close()


def test_a_folder_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "none", "list") == 2
    assert "is no folder" in capsys.readouterr().err
