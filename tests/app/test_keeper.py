"""The keeper: it forks, forks again, and leaves what another has taken over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHILD = """
import os, pathlib, sys, time
from tapelight.app.keeper import keep
folder = pathlib.Path(sys.argv[1])
keep(False)
count = len(list(folder.glob("life*")))
(folder / f"new{count}").write_text(str(os.getpid()))
(folder / f"new{count}").rename(folder / f"life{count}")
if len(sys.argv) > 2:
    sys.exit(int(sys.argv[2]))
time.sleep(60)
"""


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder), *more])


def life(folder: Path, number: int) -> int:
    """Wait for a child and return its process id."""
    path = folder / f"life{number}"
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"no child {number}"
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_a_killed_child_is_followed_by_another_until_the_keeper_is_stopped(tmp_path: Path) -> None:
    with start(tmp_path) as keeper:
        pids = []
        for number in range(4):
            pids.append(life(tmp_path, number))
            if number < 3:
                os.kill(pids[-1], signal.SIGKILL)
        assert len(set(pids)) == 4
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(60) == 0
    assert gone(pids[-1])


def test_a_child_dies_with_a_killed_keeper(tmp_path: Path) -> None:
    with start(tmp_path) as keeper:
        child = life(tmp_path, 0)
        keeper.kill()
        keeper.wait(60)
    assert gone(child)


@pytest.mark.parametrize("code", [0, 2, 3])
def test_what_can_not_run_is_not_started_again(tmp_path: Path, code: int) -> None:
    with start(tmp_path, str(code)) as keeper:
        assert keeper.wait(60) == code
    assert len(list(tmp_path.glob("life*"))) == 1
