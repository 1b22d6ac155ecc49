"""A trader that runs on its own, while the scanner beside it comes and goes."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tapelight.app.demo import free_port
from tapelight.model.order_log import Started
from tapelight.stores.orders import read
from tapelight.stores.traderstate import stand, stands, told

LIMIT_S = 200.0


def test_a_trader_that_lives_is_seen(tmp_path: Path) -> None:
    assert not stands(tmp_path / "none")
    assert not stands(tmp_path)
    first, second = stand(tmp_path), stand(tmp_path)
    assert first is not None
    assert second is not None
    assert stands(tmp_path)
    first.close()
    assert stands(tmp_path), "the one that took over"
    second.close()
    assert not stands(tmp_path)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, within a limit."""
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


@contextlib.contextmanager
def started(*arguments: object) -> Iterator[None]:
    """Run a command until the block is over."""
    command = [sys.executable, "-m", "tapelight", *(str(a) for a in arguments)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_scanner_that_is_started_and_replaced_leaves_the_trader_its_process(
    tmp_path: Path,
) -> None:
    port = free_port()

    def sure() -> bool:
        report = told(tmp_path)
        return report is not None and report.clock_sure and time.time() - report.ts_s < 2

    def epochs() -> int:
        return sum(isinstance(record, Started) for _, record in read(tmp_path))

    alone = ("run", "--role", "trade", "--paper", "--dry-run", "new_hod")
    market = ("demo", "--scenario", "calm", "--symbols", 50, "--rate", 100)
    where = ("--data", tmp_path, "--port", port)
    with started(*alone, *where):
        until((tmp_path / "trader.pid").exists)
        pid = (tmp_path / "trader.pid").read_text()
        for _ in range(2):
            with started(*market, *where):
                until(sure)
            until(lambda: not sure())
        assert epochs() == 1
        assert (tmp_path / "trader.pid").read_text() == pid
