"""The units of systemd, and the check before the session."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tapelight.app.preflight import judged, preflight, tell
from tapelight.app.service import PREFLIGHT, install, units
from tapelight.cli import app
from tapelight.config import Config, Web
from tapelight.errors import ConfigError


def test_the_units_run_what_the_program_takes(tmp_path: Path) -> None:
    made = units(tmp_path / "tapelight.toml", tmp_path / "data", user=False)
    assert list(made) == [
        "tapelight.service", "tapelight-preflight.service", "tapelight-preflight.timer",
    ]  # fmt: skip
    for name, command in (
        ("tapelight.service", "run"),
        ("tapelight-preflight.service", "preflight"),
    ):
        line = next(text for text in made[name].splitlines() if text.startswith("ExecStart="))
        arguments = line.split(" -m tapelight ")[1].split()
        found, _, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        assert found.__name__ == command
        # Where the tree is read-only the compiled loops can be kept in the data folder alone.
        assert f"NUMBA_CACHE_DIR={tmp_path}/data/cache" in made[name]
    assert "Restart=always" in made["tapelight.service"]
    assert "WantedBy=multi-user.target" in made["tapelight.service"]
    mine = units(tmp_path / "tapelight.toml", tmp_path / "data", user=True)
    assert "WantedBy=default.target" in mine["tapelight.service"]


@pytest.mark.integration
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Where its checker is installed; elsewhere the timer's time is looked at."""
    made = units(tmp_path / "tapelight.toml", tmp_path / "data", user=False)
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    if shutil.which("systemd-analyze"):
        paths = [str(tmp_path / name) for name in made]
        done = subprocess.run(
            ["systemd-analyze", "verify", *paths],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert [line for line in done.stderr.splitlines() if str(tmp_path) in line] == []
        when = subprocess.run(
            ["systemd-analyze", "calendar", PREFLIGHT],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "03:55:00 America/New_York" in when.stdout
    assert PREFLIGHT == "Mon..Fri 03:55 America/New_York"


def test_what_hinders_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tapelight init"):
        install(tmp_path / "none.toml", tmp_path)
    with pytest.raises(ConfigError, match="without spaces"):
        units(tmp_path / "a b.toml", tmp_path, user=False)


@pytest.mark.integration
def test_the_check_names_what_is_missing(tmp_path: Path) -> None:
    config = Config(web=Web(port=1), use_feed="replay")
    found = {one["name"]: one for one in preflight(config, tmp_path)}
    assert "port" not in found
    assert {"disk", "clock", "scanner", "baselines"} <= set(found)
    assert found["scanner"]["state"] == "fail"
    assert "systemctl start tapelight" in found["scanner"]["text"]
    assert "data pull" in found["baselines"]["text"]


def test_old_baselines_fail_and_missing_floats_warn() -> None:
    rows = [{"what": "days", "count": 20, "to": "2026-11-19"}]
    states = {one["name"]: one["state"] for one in judged(rows, "2026-11-20")}
    assert states == {"baselines": "fail", "floats": "warn", "splits": "warn"}
    rows = [
        {"what": "days", "count": 20, "to": "2026-11-20"},
        {"what": "float", "count": 5_000, "to": ""}, {"what": "splits", "count": 3, "to": ""},
    ]  # fmt: skip
    assert {one["state"] for one in judged(rows, "2026-11-20")} == {"ok"}


def test_a_failure_goes_to_every_channel_of_the_operator() -> None:
    failed = [{"name": "disk", "state": "fail", "text": "full"}]
    hook = {"kind": "webhook", "url": "https://127.0.0.1:1/x", "secret": "s" * 32}
    config = Config(channel={"ops": hook, "odd": {"kind": "pigeon"}})
    faults = tell(config, failed)
    assert len(faults) == 2
    assert "channel odd: 'pigeon' is no kind of channel" in faults[1]
    assert tell(config, [{"name": "disk", "state": "ok", "text": ""}]) == []
    assert tell(Config(), failed) == []
