"""The example scripts run: against a demo, and over what it recorded."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from replay.test_recorded_runs import clock, environment, free_port, running, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def example(name: str, *arguments: object, cwd: Path) -> str:
    """Run an example; return what it printed."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120, cwd=cwd, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_run(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    demo = ("demo", "--port", port, "--symbols", 100, "--rate", 300, "--data", data, "--speed", 8)
    with running(*demo, cwd=tmp_path):
        wait_for(port, lambda s: clock(s) >= "09:30:30" and s["feed"]["state"] == "live")
        told = example("live_board.py", f"http://127.0.0.1:{port}", "top_volume", 3, cwd=tmp_path)
        wait_for(port, lambda s: clock(s) >= "09:31:30")
    assert told.startswith("massive is live, ")
    assert told.count("snapshot") == 1
    assert told.count("diff") == 2
    assert told.count("shape: (3,") == 4
    day = example("recorded_day.py", "2026-11-20", data, "09:30:30", "09:31:00", cwd=tmp_path)
    assert day.startswith("Recording(2026-11-20/0001, 2026-11-20T09:28:")
    assert day.count("shape: (3, 4)") == 2
    assert "fired" in day
    found = example("backtest_scan.py", "hod_momo", data, cwd=tmp_path)
    assert "fires in 1 sessions" in found
