"""A desk on virtual time, with its real log and kill file, and a venue that answers at once."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from tapelight.errors import Unavailable
from tapelight.model.limits import Limits, Route, Trade
from tapelight.model.orders import Order, OrderRequest, Picture, Report, Statement
from tapelight.model.session import Session, calendar
from tapelight.model.signals import Plan, Signal
from tapelight.orders.desk import Desk
from tapelight.orders.world import World
from tapelight.stores.killswitch import KillFile
from tapelight.stores.orders import SqliteOrderLog
from tapelight.testing.sim.loop import run
from tapelight.testing.venue import Quote, Venue

NS = 1_000_000_000
SESSION = calendar("XNYS").session_on(dt.date(2026, 11, 20))
assert SESSION is not None
OPEN_NS = SESSION.open_ns
SETTLE_S = 0.5


class DirectBroker:
    """Reach the venue at once; `mute` loses every answer, `cut` every request."""

    name = "direct"
    host = ""
    live = False

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.idempotent = venue.idempotent
        self.mute = self.cut = False
        self.reported: asyncio.Queue[Report] = asyncio.Queue()
        self.cancels: list[str] = []
        venue.on_report = self.reported.put_nowait

    async def submit(self, request: OrderRequest) -> Report:
        self._out()
        report = self.venue.submit(request)
        self._back()
        return report

    async def cancel(self, order: Order) -> None:
        self._out()
        self.cancels.append(order.id)
        self.venue.cancel(order.venue_id)
        self._back()

    async def look(self, ids: Sequence[str]) -> Statement:
        self._out()
        self._back()
        return self.venue.statement(self.venue.known(ids))

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            report = await self.reported.get()
            if not self.mute:
                yield report

    def _out(self) -> None:
        if self.cut:
            raise Unavailable("The connection broke.")

    def _back(self) -> None:
        if self.mute:
            raise Unavailable("No answer came.")


@dataclass
class Stage:
    """Hold what a test moves: the market, the venue, and the desk on it."""

    folder: Path
    trade: Trade
    idempotent: bool = True
    parts: float = 0.0
    quotes: dict[str, tuple[float, float]] = field(default_factory=lambda: {"AAA": (20.0, 20.02)})
    state: str = "LIVE"
    age_s: float = 0.0
    at_ns: int = OPEN_NS + 600 * NS
    clock_sure: bool = True
    approve_only: str = ""
    taken: int = 0

    def __post_init__(self) -> None:
        self.venue = Venue(Random(1), self.now_ns, self.quote, self.idempotent)
        self.venue.part_share = self.parts
        self.broker = DirectBroker(self.venue)
        self.switch = KillFile(self.folder)
        self.desk = self._desk()

    def now_ns(self) -> int:
        return self.at_ns + int(asyncio.get_running_loop().time() * NS)

    def session(self, _ns: int) -> Session | None:
        return SESSION

    def quote(self, symbol: str) -> Quote | None:
        bid, ask = self.quotes[symbol]
        return None if self.state == "HALTED" else (Decimal(str(bid)), Decimal(str(ask)))

    def picture(self, symbol: str) -> Picture | None:
        if symbol not in self.quotes:
            return None
        bid, ask = self.quotes[symbol]
        return Picture(
            symbol=symbol, ts_ns=self.now_ns() - int(self.age_s * NS), state=self.state,
            bid=bid, ask=ask, last=bid,
        )  # fmt: skip

    def watch(self, symbols: frozenset[str]) -> None:
        self.watched = symbols

    def _desk(self) -> Desk:
        self.log = SqliteOrderLog(self.folder)
        world = World(
            self.log, self.broker, self, self.switch, self.now_ns, self.session,
            lambda: self.clock_sure, approve_only=lambda: self.approve_only,
        )  # fmt: skip
        return Desk(world, self.trade)

    async def start(self) -> "asyncio.Task[None]":
        """Start the desk (again) and let it look."""
        self.desk = self._desk()
        self.task = asyncio.ensure_future(self.desk.run())
        await self.settle()
        return self.task

    async def stop(self) -> None:
        """End the desk's process."""
        self.task.cancel()
        await asyncio.wait((self.task,))

    async def settle(self, seconds: float = SETTLE_S) -> None:
        """Let time pass, and the market match."""
        end_s = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end_s:
            await asyncio.sleep(0.1)
            self.venue.advance()

    def signal(self, **changes: Any) -> Signal:
        """Return a long signal that just fired, its trigger at the market."""
        self.taken += 1
        plan = Plan(side="long", entry=20.0, limit=20.06, stop=19.8)
        signal = Signal(
            id=f"s{self.taken}", scan="own", symbol="AAA", state="fired", ts_ns=self.now_ns(),
            mark=self.now_ns(), values={}, plan=plan,
        )  # fmt: skip
        return replace(signal, **changes)

    def take(self, **changes: Any) -> str:
        """Hand a signal over, and return the state of its entry."""
        signal = self.signal(**changes)
        assert self.desk.take(self.taken, signal)
        return self.entry(signal.id)

    def entry(self, cause: str) -> str:
        orders = [o for o in self.desk.book.orders.values() if o.request.cause == cause]
        return f"{orders[0].state} {orders[0].reason}".strip() if orders else "none"

    def resting(self) -> list[tuple[str, str, Decimal]]:
        """Return what works at the venue: kind, side and what is left."""
        return [
            (o.request.kind, o.request.side, o.request.quantity - o.filled)
            for o in self.venue.orders
            if o.state == "working"
        ]


def trade(mode: str = "auto", **limits: Any) -> Trade:
    """Return the desk's rules with one strategy."""
    return Trade(limits=Limits(**limits), strategy={"own": Route(mode=mode)})  # type: ignore[arg-type]


def play(
    folder: Path, act: Callable[[Stage], Awaitable[None]], rules: Trade | None = None, **stage: Any
) -> Stage:
    """Run a test on virtual time, with the desk started."""
    kept: list[Stage] = []

    async def main() -> None:
        on = Stage(folder, rules or trade(), **stage)
        kept.append(on)
        await on.start()
        await act(on)
        assert not on.task.done(), on.task
        await on.stop()

    run(main())
    return kept[0]
