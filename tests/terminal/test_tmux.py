"""`tapelight top` in tmux over a live demo: what stands on the screen is the gateway's."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.test_asof_live import get
from replay.test_recorded_runs import clock, environment, free_port, running, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not on this machine"),
]


class Tmux:
    """A tmux server of its own with one window of 150 by 40."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"

    def __call__(self, *arguments: object) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *map(str, arguments)],
            capture_output=True, text=True, check=True, timeout=30, env=environment(),
        )  # fmt: skip
        return done.stdout

    def screen(self) -> str:
        """Return what the window shows."""
        return self("capture-pane", "-p")

    def until(self, true: Callable[[str], bool], seconds: float = 90.0) -> str:
        deadline = time.monotonic() + seconds
        while not true(shown := self.screen()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.2)
        return shown


def test_the_terminal_shows_live_boards(tmp_path: Path) -> None:
    port, tmux = free_port(), Tmux(tmp_path)
    demo = ("demo", "--port", port, "--symbols", 100, "--rate", 300)
    with running(*demo, cwd=tmp_path):
        wait_for(port, lambda s: clock(s) >= "09:28:10" and s["feed"]["state"] == "live")
        command = f"{sys.executable} -m tapelight top --port {port} --board top_volume"
        tmux("new-session", "-d", "-x", 150, "-y", 40, command)
        try:
            shown = tmux.until(lambda text: "tapelight live" in text and "symbol" in text)
            first = tmux.until(lambda text: "feed massive live" in text)
            code, board = get(port, "/api/boards/top_volume")
            leaders = {row["symbol"] for row in board["rows"][:10]}
            tmux.until(lambda text: sum(symbol in text for symbol in leaders) >= 5)
            moved = tmux.until(lambda text: text.splitlines()[0] != first.splitlines()[0])
            tmux("send-keys", "Enter")
            tmux.until(lambda text: "prev_close" in text)
            tmux("send-keys", "h")
            tmux.until(lambda text: "feed.state" in text)
            tmux("send-keys", "q")
        finally:
            subprocess.run(["tmux", "-S", tmp_path / "tmux", "kill-server"], check=False)
    assert code == 200
    assert "Next board" in shown
    assert "synthetic" in moved


def test_what_is_not_there_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tapelight", "top", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("tapelight: No scanner answers at http://127.0.0.1:9: start one")
