"""The town: a trader's real process, kill -9 again and again, and an audit when all is calm."""

import asyncio
import datetime as dt
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tapelight.errors import TapelightError, Unavailable
from tapelight.model.order_log import Intended, Sent
from tapelight.model.orders import OrderRequest
from tapelight.model.session import calendar
from tapelight.model.signals import Signal
from tapelight.orders.book import Book
from tapelight.stores.commands import Command, Commands
from tapelight.stores.orders import OrderReader, SqliteOrderLog
from tapelight.stores.signals import SignalLog
from tapelight.stores.traderstate import told
from tapelight.testing.audit import Audit
from tapelight.testing.kills.gateway import PriceGateway
from tapelight.testing.kills.remote import VenueServer
from tapelight.testing.kills.sites import SITES, choose
from tapelight.testing.sim.market import SYMBOLS, Market
from tapelight.testing.sim.signals import fire, follow
from tapelight.testing.venue import Venue

NS = 1_000_000_000
SESSION = calendar("XNYS").session_on(dt.date(2026, 11, 20))
STEP_S = 0.1
SIGNAL_S = 0.12
LIFE_S = 0.8
"""How long a process lives at most once it is ready, where it is killed at any time."""
SITE_S = 2.0
"""How long a site may not be passed until the process is killed all the same."""
START_S = 60.0
CALM_S = 90.0
LOST = 0.1
CONFIG = """
use_broker = "tapelight.testing.kills.remote"
[broker."tapelight.testing.kills.remote"]
path = "{path}"
idempotent = {idempotent}
[trade]
approve_s = 5.0
send_s = 1.0
ask_s = 0.2
lost_s = 5.0
look_s = 2.0
[trade.strategy.auto]
mode = "auto"
[trade.strategy.hand]
mode = "approve"
[trade.limits]
order_value = 1000
orders_per_s = 1000
orders_per_min = 10000
orders_per_day = 1000000
reducing_per_min = 100000
repeat_s = 0
repeats_per_day = 1000000
open_positions = 4
shorts = true
symbol_pct = 100
total_pct = 400
day_loss_pct = 90
peak_loss_pct = 90
signal_age_ms = 20000
picture_age_ms = 20000
"""


@dataclass(slots=True)
class Outcome:
    """Hold what became of a run."""

    kills: int = 0
    orders: int = 0
    signals: int = 0
    fills: int = 0
    replies: int = 0
    losses: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    recovery_s: list[float] = field(default_factory=list)
    """From each kill until the next process has asked the venue and goes on."""
    violations: list[str] = field(default_factory=list)

    def quantile_s(self, share: float) -> float:
        """Return the recovery time below which a share lies, s."""
        found = sorted(self.recovery_s)
        return found[min(int(share * len(found)), len(found) - 1)] if found else 0.0


class Town:
    """Hold the venue, the gateway and the signals of one run, and kill its trader."""

    def __init__(self, folder: Path, seed: int, idempotent: bool, command: list[str]) -> None:
        self.folder, self.rng = folder, Random(seed)
        self.command = command
        self.market = Market(self.rng)
        self.venue = Venue(self.rng, self.now_ns, self.market.quote, idempotent)
        self.venue.reject_share = 0.02
        self.server = VenueServer(self.venue, str(folder / "venue"), self.rng, LOST)
        self.server.saw = self._sees
        self.gateway = PriceGateway(self.market, self.now_ns)
        self.outcome = Outcome()
        self.calm_s, self.signal_s = CALM_S, SIGNAL_S
        self.port = 0
        """Of the gateway."""
        self.fired: list[Signal] = []
        self._began_ns = time.monotonic_ns()
        self._reader = OrderReader(folder)
        self._seq = 0
        self.book = Book()
        self._killed_s = 0.0
        self.log = folder / "trader.log"
        self._durable: set[str] = set()
        self._sent: set[str] = set()

    def now_ns(self) -> int:
        """Return market time: ten minutes after the open and what has passed."""
        assert SESSION is not None
        return SESSION.open_ns + 600 * NS + time.monotonic_ns() - self._began_ns

    async def run(self, kills: int) -> Outcome:
        """Kill so many times, let it settle, and judge."""
        venue = await self.server.start()
        port = self.port = await self.gateway.start()
        idempotent = str(self.venue.idempotent).lower()
        config = self.folder / "tapelight.toml"
        config.write_text(CONFIG.format(path=self.folder / "venue", idempotent=idempotent))
        child = await self._start(port, config)
        world: list[asyncio.Task[None]] = []
        try:
            await self.ready(0)
            world += [
                asyncio.create_task(work) for work in (self._walk(), self._fire(), self._decide())
            ]
            await self.befall(kills)
            for task in world[1:]:
                task.cancel()
            await self._settle()
        finally:
            for task in world:
                task.cancel()
            await asyncio.gather(*world, return_exceptions=True)
            with suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
            venue.close()
            await self.server.stop()
            await self.gateway.stop()
            self._reader.close()
        return self.outcome

    async def _start(self, port: int, config: Path) -> asyncio.subprocess.Process:
        """Start the trader, as the scanner does."""
        with self.log.open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *self.command, str(self.folder / "site"), "run", "--role", "trade", "--data",
                str(self.folder), "--port", str(port), "--config", str(config),
                "--die-with-parent", stderr=log,
            )  # fmt: skip

    # --- the world -------------------------------------------------------------------------------

    async def _walk(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            self.market.step()
            self.market.calm()
            self.venue.advance()

    async def _fire(self) -> None:
        log = SignalLog(self.folder)
        try:
            while True:
                await asyncio.sleep(self.rng.expovariate(1 / self.signal_s))
                self.fired.append(self._signal())
                log.append("kills", [self.fired[-1]])
        finally:
            log.close()

    def _signal(self) -> Signal:
        number, now_ns = len(self.fired), self.now_ns()
        draw = self.rng.random()
        if self.fired and draw < 0.25:
            return follow(self.rng.choice(self.fired[-8:]), number, now_ns, void=draw < 0.12)
        return fire(self.rng, self.market, number, now_ns)

    async def _decide(self) -> None:
        """Approve, decline and close by the command file, as a person does."""
        commands = Commands(self.folder)
        try:
            while True:
                await asyncio.sleep(self.rng.uniform(0.1, 0.4))
                self.read_log()
                held = [o.id for o in self.book.live.values() if o.state == "held"]
                open_ = [s for s, p in self.book.positions.items() if p.quantity]
                if open_ and self.rng.random() < 0.2:
                    self._command(commands, "close", self.rng.choice(open_))
                elif held:
                    self._command(commands, "approve", self.rng.choice(held))
        finally:
            commands.close()

    def _command(self, commands: Commands, what: str, subject: str) -> None:
        close = what == "close"
        with suppress(TapelightError):
            commands.put(
                Command(what="close" if close else "approve", subject=subject, by="a person",
                        ts_s=time.time())
            )  # fmt: skip

    # --- kills -----------------------------------------------------------------------------------

    async def befall(self, kills: int) -> None:
        """Kill at any time or at a site, by turns of the dice, until it is enough.

        That is so many kills, and as many orders, for a slow machine places few between two kills;
        four times the kills at the most.
        """
        dead = 0
        while True:
            await self.ready(dead)
            done = self.outcome.kills
            if done >= 4 * kills or done >= kills <= len(self.venue.orders):
                return
            at_site = self.rng.random() < 0.5
            dead = await (self._at_site() if at_site else self._any_time())

    async def _any_time(self) -> int:
        """Kill some time after it was ready; return the id of the dead process."""
        await asyncio.sleep(self.rng.uniform(0.0, LIFE_S))
        return self.end(self.pid())

    def end(self, pid: int) -> int:
        """Kill a process; return its id."""
        assert pid > 0, "0 would be this process's whole group"
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._died("any time")
        return pid

    async def _at_site(self) -> int:
        """Let the next process end at a site; one that does not pass it is killed all the same."""
        site = self.rng.choice(SITES)
        choose(self.folder / "site", site, self.rng.randint(1, 2))
        first = await self._any_time()
        await self.until(lambda: self.pid() not in (0, first), START_S)
        pid = self.pid()
        if await self.until(lambda: not lives(pid), SITE_S):
            choose(self.folder / "site", "", 0)
            self._died(site)
            return pid
        choose(self.folder / "site", "", 0)
        return self.end(pid)

    def _died(self, where: str) -> None:
        self.outcome.kills += 1
        self.outcome.sites[where] += 1
        self._killed_s = time.time()

    async def ready(self, dead: int) -> None:
        """Wait until the process after `dead` has asked the venue."""

        def ready() -> bool:
            report = told(self.folder)
            return report is not None and report.pid == self.pid() != dead and report.desks[0].ready

        if not await self.until(ready, START_S):
            raise Unavailable(f"No trader was ready within {START_S:g} s: see {self.log}.")
        report = told(self.folder)
        if dead and report is not None:
            self.outcome.recovery_s.append(report.ts_s - self._killed_s)

    def pid(self) -> int:
        """Return the trader's process id, 0 where there is none yet."""
        try:
            return int((self.folder / "trader.pid").read_text())
        except (OSError, ValueError):
            return 0

    async def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Wait until something holds, for so long at the most; tell whether it does."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            if holds():
                return True
            await asyncio.sleep(0.005)
        return holds()

    # --- judging ---------------------------------------------------------------------------------

    def _sees(self, request: OrderRequest) -> None:
        """Hold what arrives at the venue against the log: intent and send are durable before."""
        self.read_log()
        if request.id not in self._durable or request.id not in self._sent:
            self.outcome.violations.append(f"{request.id} was sent and is not in the log")

    def read_log(self) -> None:
        """Bring the book up to the trader's log."""
        for seq, record in self._reader.read(self._seq):
            self._seq = seq
            self.book.apply(record)
            if isinstance(record, Intended):
                self._durable.add(record.request.id)
            elif isinstance(record, Sent):
                self._sent.add(record.order)

    async def _settle(self) -> None:
        """Let nothing go wrong any more, wait until all is settled, then judge."""
        self.server.lost = self.venue.reject_share = 0.0
        end_s = time.monotonic() + self.calm_s
        while time.monotonic() < end_s:
            await asyncio.sleep(0.5)
            self.read_log()
            if self._audit().calm(self.now_ns()) and self._all_read():
                break
        self.read_log()
        entries = {s.id for s in self.fired if s.state == "fired" and s.kind == "entry"}
        found = self._audit().final(self.now_ns(), entries)
        self.outcome.violations += [f"{name}: {what}" for name, what in found]
        self.outcome.violations += self.server.faults[:3]
        self._count()

    def _all_read(self) -> bool:
        causes = {order.request.cause for order in self.book.orders.values()}
        return all(s.id in causes for s in self.fired if s.state == "fired" and s.kind == "entry")

    def _audit(self) -> Audit:
        return Audit(self.book, self.venue, SYMBOLS)

    def _count(self) -> None:
        outcome = self.outcome
        outcome.orders, outcome.signals = len(self.venue.orders), len(self.fired)
        outcome.fills = len(self.book.fills)
        outcome.replies, outcome.losses = self.server.replies, self.server.losses
        log = SqliteOrderLog(self.folder)
        list(log.records())  # walks the chain
        log.close()


def lives(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def play(folder: Path, seed: int, idempotent: bool, kills: int, command: list[str]) -> Outcome:
    """Run a town in an empty folder; `command` starts `tapelight` with its sites wrapped."""
    return asyncio.run(Town(folder, seed, idempotent, command).run(kills))
