"""`tapelight demo`: the simulator as a child process, and the ordinary Massive feed on it."""

import asyncio
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tapelight.app import run
from tapelight.app.feeds import open_feed
from tapelight.app.tradechild import TradeChild
from tapelight.brokers.paper import Paper
from tapelight.config import Config
from tapelight.engine import Cycle
from tapelight.errors import Unavailable
from tapelight.orders.binding import refuse_another
from tapelight.ports import Feed
from tapelight.stores.orders import bound

NS = 1_000_000_000
START_S = 30.0
DRY_RUN = ("gap_and_go", "opening_range", "new_hod", "momentum_burst")
"""Strategies whose signals become paper orders."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Say which market the demo makes."""

    port: int = 8787
    symbols: int = 2000
    rate: float = 3000.0
    seed: int = 1
    duration_s: float | None = None
    scenario: str = "open"
    speed: float = 1.0
    data: Path | None = None
    ledger: Path | None = None
    config: Path | None = None
    """The file from which the configuration came."""


FOLDER = "tapelight-demo-"
"""How a folder of its own begins."""


async def demo(options: DemoOptions, config: Config) -> dict[str, object]:
    """Run the demo; return the scanner's status at its end."""
    with tempfile.TemporaryDirectory(prefix=FOLDER) as scratch:
        data = options.data or Path(scratch)
        refuse_another(bound(data), Paper.name, Paper.host)  # where the demo's trader sends to
        web = msgspec.structs.replace(config.web, port=options.port)
        port = free_port()
        config = msgspec.structs.replace(
            config, web=web, sources=("nasdaq_halts",), source=_halts(port)
        )
        parts = run.assemble(config, _feed(port), data)
        _tell(options, data)
        over = Over(parts, options.duration_s) if options.duration_s is not None else None
        trader = TradeChild(data, options.port, options.config, DRY_RUN, paper=True)
        async with _simulator(options, port):
            served = run.serve(parts, over.reached if over is not None else None)
            await trader.beside(config, served)
        return over.status if over is not None else parts.scanner.status()


def _tell(options: DemoOptions, data: Path) -> None:
    """Say where the dashboard is, and where everything that is recorded lies."""
    fate = "" if options.data else "  (deleted at the end; --data DIR keeps it)"
    sys.stderr.write(
        f"Dashboard: http://127.0.0.1:{options.port}  (Ctrl-C ends the demo)\nData:      {data}{fate}\n"
    )


def _halts(port: int) -> dict[str, dict[str, object]]:
    """Return the settings of the source of halts: the simulator's own list, none of the real market."""
    return {"nasdaq_halts": {"url": f"http://127.0.0.1:{port}/rss.aspx", "every_s": 1.0}}


def _feed(port: int) -> Feed:
    settings = {
        "url": f"ws://127.0.0.1:{port}/stocks",
        "rest": f"http://127.0.0.1:{port}",
        "api_key": "demo",
    }
    return open_feed(Config(feed={"massive": settings}), "massive")


class Over:
    """Note when `duration_s` market seconds have passed since the first mark, and the status then."""

    def __init__(self, parts: run.Parts, duration_s: float) -> None:
        self.status: dict[str, object] = {}
        self.reached = asyncio.Event()
        self._scanner = parts.scanner
        self._duration_ns = int(duration_s * NS)
        self._first_ns = 0
        parts.scanner.listeners.append(self.on_cycle)

    def on_cycle(self, cycle: Cycle) -> None:
        """Look at the time of each mark."""
        now_ns = cycle.mark.ts_ns
        self._first_ns = self._first_ns or now_ns
        if now_ns - self._first_ns >= self._duration_ns and not self.reached.is_set():
            self.status = self._scanner.status()
            self.reached.set()


@asynccontextmanager
async def _simulator(options: DemoOptions, port: int) -> AsyncIterator[None]:
    arguments = [
        "simulate", "--port", port, "--symbols", options.symbols, "--rate", options.rate,
        "--seed", options.seed, "--scenario", options.scenario, "--speed", options.speed, "--hold",
    ]  # fmt: skip
    if options.ledger is not None:
        arguments += ["--ledger", options.ledger]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tapelight", *(str(a) for a in arguments), "--die-with-parent"
    )
    try:
        await _listening(child, port)
        yield
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(10.0):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()


async def _listening(child: asyncio.subprocess.Process, port: int) -> None:
    """Wait until the simulator takes connections."""
    for _ in range(int(START_S / 0.05)):
        if child.returncode is not None:
            raise Unavailable("The simulator ended at its start: see its message above.")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.05)
    raise Unavailable(f"The simulator did not listen within {START_S:.0f} s: try fewer --symbols.")


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def summary(status: dict[str, object]) -> str:
    """Return the demo's end as one JSON line."""
    return json.dumps(status, default=str)
