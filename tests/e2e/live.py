"""A small live demo in processes of its own: simulator, scanner, trader, and an own strategy."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tapelight.app.demo import free_port
from tapelight.scan.source import shipped

Json = Any
LIMIT_S = 120.0
SPEED = 2.5
"""Five minutes of market pass in two."""
START_S = 300.0
STRATEGY = '''"""Buy what trades most, at its last price: something for a person to approve."""

from tapelight.scan.strategy import Common, Entries, Look, Strategy, at_least, longs, multiples, told
from typing import Annotated


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds, wide."""

    adv20_min: Annotated[float, told("shares", "Least usual day.", ge=0)] = 0.0
    trade_rate_min: Annotated[float, told("1/s", "Fewest prints.", ge=0)] = 0.0
    spread_pct_max: Annotated[float, told("%", "Widest spread.", ge=0)] = 1.0
    cooldown_s: Annotated[float, told("s", "Silence after a signal.", ge=0)] = 60.0


class Walk(Strategy):
    """Enter at the last price."""

    takes = Params
    params: Params
    title = "Walk"
    doc = "An entry at the last price of what trades most."

    def signals(self, look: Look) -> Entries:
        entry = look["last"]
        stop = entry * 0.95
        return Entries(
            when=(at_least("dollar_vol", look["dollar_vol"], 4e8),),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, 2.0),
            expires_ns=look.now_ns + 600_000_000_000,
        )
'''
WIDE_LIMITS = """
[trade.limits]
signal_age_ms = 6_000_000
picture_age_ms = 60_000
collar_pct = 5
spread_pct = 2
orders_per_s = 50
orders_per_min = 500
orders_per_day = 500
open_positions = 50
total_pct = 100
"""
"""Limits that are not reached where a busy machine, or a person, takes long."""
SETTINGS = (
    """
strategies = "{folder}/strategies"
questions = "{folder}/scans"

[alerts]
allow = ["127.0.0.1"]

[options]
symbols = 0

[strategy.walk]

[trade]
approve_s = 6000

[trade.strategy.walk]
mode = "approve"
"""
    + WIDE_LIMITS
)


class LiveDemo:
    """Where the demo answers, and what it says."""

    def __init__(self, folder: Path, port: int, pid: int) -> None:
        self.folder, self.port, self.pid = folder, port, pid
        self.url = f"http://127.0.0.1:{port}/"

    def ask(self, path: str, **query: Json) -> Json:
        """Return what the gateway answers to somebody on this machine."""
        answer = httpx.get(self.url + path.lstrip("/"), params=query, timeout=30)
        return answer.raise_for_status().json()


def until(holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait until something holds, within a limit."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


@contextlib.contextmanager
def live_demo(folder: Path, *, speed: float = SPEED) -> Iterator[LiveDemo]:
    """Run a demo of a calm regular session of 300 symbols until the block ends."""
    (folder / "strategies").mkdir()
    (folder / "strategies" / "walk.py").write_text(STRATEGY, "utf-8")
    (folder / "scans").mkdir()
    settings = folder / "tapelight.toml"
    off = [f"[strategy.{name}]\nenabled = false\n" for name in shipped()]
    settings.write_text(SETTINGS.format(folder=folder) + "\n".join(off), "utf-8")
    port = free_port()
    command = [
        sys.executable, "-m", "tapelight", "demo", "--scenario", "calm", "--symbols", "300",
        "--rate", "200", "--speed", str(speed), "--port", str(port),
        "--data", str(folder / "data"), "--config", str(settings),
    ]  # fmt: skip
    environment = {**os.environ, "TAPELIGHT_DATA": ""}
    log = (folder / "demo.log").open("wb")
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as demo:
        made = LiveDemo(folder, port, demo.pid)
        try:
            until(lambda: _serves(made, demo), START_S)
            yield made
        finally:
            demo.send_signal(signal.SIGTERM)
            try:
                demo.wait(30)
            except subprocess.TimeoutExpired:
                demo.kill()


def _serves(made: LiveDemo, demo: "subprocess.Popen[bytes]") -> bool:
    assert demo.poll() is None, (made.folder / "demo.log").read_text("utf-8")[-3000:]
    with contextlib.suppress(httpx.HTTPError):
        return bool(made.ask("/health")["ok"]) and made.ask("/api/trader")["state"] == "ready"
    return False
