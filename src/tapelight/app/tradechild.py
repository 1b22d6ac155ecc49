"""The trader as a child of the scanner: it dies with it, and is started again when it ends.

The child of the scanner is a keeper, and the trader the keeper's: where the trader is killed, the next
one is there some milliseconds later; where the keeper is killed too, the scanner starts another.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from tapelight.app.allowed import PAPER, open_broker, routed
from tapelight.app.keeper import FINAL, keep
from tapelight.app.loop import loop_factory
from tapelight.app.trader import Trader, TraderOptions
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.orders.book import Book
from tapelight.plugins import load
from tapelight.stores.commands import Commands
from tapelight.stores.orders import SqliteOrderLog
from tapelight.stores.traderstate import PID, stand, stands
from tapelight.telemetry import log_to_stderr

log = structlog.get_logger()
SHORTEST_S, LONGEST_S = 0.2, 10.0
STOP_S = 5.0
LOOK_S = 1.0
GONE_S = 10.0
"""After this a trader of its own is not only being started again, or upgraded."""
WORD = "LIVE"


@dataclass(frozen=True, slots=True)
class TradeChild:
    """Say how the trader is started; with nothing to trade none is."""

    data: Path
    port: int
    config: Path | None = None
    dry_run: tuple[str, ...] = ()
    live: bool = False
    paper: bool = False
    """Whatever broker is configured: signals of a synthetic market go to no venue."""

    def confirm(self, config: Config) -> None:
        """Have a person type a word before real money may be used; raises ConfigError otherwise."""
        if not self.live or not open_broker(config, self.live).live:
            return
        if not sys.stdin.isatty():
            raise ConfigError("--live needs a person at the terminal who types a word.")
        typed = input(f"Orders of REAL MONEY will be sent. Type {WORD} to go on: ")
        if typed.strip() != WORD:
            raise ConfigError(f"That was not {WORD}: nothing was started.")

    def begin(self, config: Config, with_parent: bool) -> Coroutine[None, None, None]:
        """Become the keeper, and return in each of its children what that one has to run."""
        if not with_parent:
            self.confirm(config)
        log_to_stderr()
        if config.use_broker != PAPER:
            load("brokers", config.use_broker)
        if config.telemetry.trade_port:
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no thread before the fork
            import_module("tapelight.web.operations")
        rehearse()
        keep(with_parent)
        return _run(config, self)

    async def beside(self, config: Config, scanner: Coroutine[None, None, None]) -> None:
        """Run the scanner, and a trader beside it as long as it runs."""
        if not self.dry_run and not routed(config, self.data):
            await scanner
            return
        keeping = asyncio.create_task(self._keep(), name="trader")
        try:
            await scanner
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))

    async def _keep(self) -> None:
        """Start the trader, again after each end; until cancelled."""
        wait_s = SHORTEST_S
        await self._left_alone()
        while True:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tapelight", *self._arguments()
            )
            began_s = asyncio.get_running_loop().time()
            try:
                code = await child.wait()
            finally:
                await _end(child)
            if code in FINAL:
                log.error("the trader has ended and stays so; see its message above", code=code)
                return
            lived_s = asyncio.get_running_loop().time() - began_s
            wait_s = SHORTEST_S if lived_s > LONGEST_S else min(2 * wait_s, LONGEST_S)
            log.warning("the trader has ended and starts again", code=code, in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def _left_alone(self) -> None:
        """Wait while a trader runs that is nobody's child: ours would fence it off."""
        if not stands(self.data):
            return
        log.info("a trader runs on its own already and is left alone", data=str(self.data))
        gone_s = 0.0
        while gone_s < GONE_S:
            await asyncio.sleep(LOOK_S)
            gone_s = 0.0 if stands(self.data) else gone_s + LOOK_S
        log.warning("the trader that ran on its own is gone: one is started")

    def _arguments(self) -> list[str]:
        made = ["run", "--role", "trade", "--data", str(self.data), "--port", str(self.port)]
        if self.config is not None:
            made += ["--config", str(self.config)]
        for name in self.dry_run:
            made += ["--dry-run", name]
        flags = [("--live", self.live), ("--paper", self.paper), ("--die-with-parent", True)]
        return [*made, *(flag for flag, given in flags if given)]


def rehearse() -> None:
    """Do once what each trader does at its start, so that what that imports is there already."""
    loop_factory()
    with TemporaryDirectory(prefix="tapelight") as folder:
        log_file, commands = SqliteOrderLog(Path(folder)), Commands(Path(folder))
        log_file.begin(0)
        Book(log_file.records())
        commands.waiting()
        log_file.close()
        commands.close()


async def _run(config: Config, child: TradeChild) -> None:
    """Run the trader in this process until it is stopped."""
    options = TraderOptions(
        data=child.data,
        url=f"http://{config.web.host}:{child.port}",
        dry_run=child.dry_run,
        live=child.live,
    )
    child.data.mkdir(parents=True, exist_ok=True)
    beside = child.data / f"{PID}.new"
    beside.write_text(f"{os.getpid()}\n", "utf-8")
    beside.replace(child.data / PID)
    standing = stand(child.data)
    try:
        await Trader(config, options).run()
    finally:
        if standing is not None:
            standing.close()


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await child.wait()
    if child.returncode is None:
        child.kill()
        await child.wait()
