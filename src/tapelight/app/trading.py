"""What the gateway tells and asks of the trader: its log, its state, its commands, the kill file.

The gateway holds no key and no limit: all that it can do is read, and ask.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec

from tapelight.app.orderbook import OrderBook, Row
from tapelight.errors import Missing, Rejected, Unavailable
from tapelight.model.order_log import Armed, Killed
from tapelight.model.session import POST, PRE, REGULAR, calendar, session_at
from tapelight.model.trading import (
    DRY,
    MAIN,
    UNHEARD_S,
    DeskReport,
    TraderReport,
    TradeState,
)
from tapelight.orders.book import Book
from tapelight.ports import Json, WantedOrders
from tapelight.stores.commands import Command, Commands
from tapelight.stores.killswitch import KillFile, desk_folders
from tapelight.stores.orders import OrderReader
from tapelight.stores.traderstate import told

T = TypeVar("T")
ANSWER_S = 10.0
POLL_S = 0.05
FRESH_S = 0.2
"""How long what was read of the trader's state is shown again."""
NS = 1_000_000_000
XNYS = calendar("XNYS")
Guard = Literal["venue", "desk", "none"]


class Price(NamedTuple):
    """Hold a symbol's last price, and whether it is STALE or PROVISIONAL."""

    last: float
    stale: bool = False


PriceOf = Callable[[str], Price | None]


@dataclass(slots=True)
class Shelf:
    """Keep a desk's book up to its log."""

    reader: OrderReader
    book: Book = field(default_factory=Book)
    seq: int = 0

    def up_to_date(self) -> OrderBook:
        """Read what is new; raises Unavailable."""
        for seq, record in self.reader.read(self.seq):
            self.book.apply(record)
            self.seq = seq
        return OrderBook(self.book)


class Books:
    """Answer from the order logs of a data folder; `price` is the last price of a symbol."""

    def __init__(self, folder: Path, price: PriceOf) -> None:
        self._shelves = {
            MAIN: Shelf(OrderReader(folder)), DRY: Shelf(OrderReader(folder / DRY))
        }  # fmt: skip
        self._folder, self._price = folder, price
        self._lock = asyncio.Lock()

    async def orders(self, wanted: WantedOrders) -> list[Row]:
        """Return orders, the newest first."""

        def rows(book: OrderBook) -> Iterable[Row]:
            return book.orders(wanted.state, wanted.symbol, wanted.strategy)

        return await self._ask(wanted.desk, lambda book: list(islice(rows(book), wanted.limit)))

    async def fills(self, wanted: WantedOrders) -> list[Row]:
        """Return fills, the newest first."""

        def rows(book: OrderBook) -> Iterable[Row]:
            return book.fills(wanted.symbol, wanted.strategy)

        return await self._ask(wanted.desk, lambda book: list(islice(rows(book), wanted.limit)))

    async def positions(self, desk: str) -> list[Row]:
        """Return what is held, with the last price, what closing there would bring, and its guard."""
        found = await self._prices(desk)
        prices = {symbol: price.last for symbol, price in found.items()}
        rows, pnl = await self._ask(desk, lambda book: (book.positions(), book.pnl(prices)))
        unrealised = {row["symbol"]: row["unrealised"] for row in pnl}
        report = await asyncio.to_thread(told, self._folder)
        return [
            {**row, "last": prices.get(row["symbol"]), "unrealised": unrealised[row["symbol"]],
             "guard": guard_of(row, report, time.time()),
             "stale": _is_stale(found.get(row["symbol"]))}
            for row in rows
        ]  # fmt: skip

    async def pnl(self, desk: str) -> Mapping[str, Json]:
        """Return profit and loss by symbol, and the account as the venue last told it."""
        found = await self._prices(desk)
        prices = {symbol: price.last for symbol, price in found.items()}
        rows, account = await self._ask(desk, lambda book: (book.pnl(prices), _account(book)))
        old = any(map(_is_stale, found.values()))
        stale = {symbol: _is_stale(price) for symbol, price in found.items()} | {"total": old}
        told = [{**row, "stale": stale.get(row["symbol"], False)} for row in rows]
        return {"rows": told, "account": account}

    async def _prices(self, desk: str) -> dict[str, Price]:
        """Return the last price of what is held, where it is known."""
        held = await self._ask(desk, OrderBook.held)
        return {symbol: price for symbol in held if (price := self._price(symbol)) is not None}

    async def _ask(self, desk: str, question: Callable[[OrderBook], T]) -> T:
        """Ask a desk's book in a thread: a long log must not hold up the loop."""
        shelf = self._shelves[desk]
        async with self._lock:
            return await asyncio.to_thread(lambda: question(shelf.up_to_date()))

    def close(self) -> None:
        """Close the files."""
        for shelf in self._shelves.values():
            shelf.reader.close()


def _is_stale(price: Price | None) -> bool:
    return price is not None and price.stale


def guard_of(row: Row, report: TraderReport | None, now_s: float) -> Guard:
    """Return what would end a position at its stop now, by the time that the trader tells.

    The venue's stops sleep outside regular hours. Before and after them the desk watches the stop
    price itself: that is no protection against its own crash.
    """
    unheard_s = now_s - report.ts_s if report is not None else 0.0
    if report is None:
        return "none"
    market_ns = report.market_ns + int(unheard_s * report.rate * NS)
    session = session_at(XNYS, market_ns)
    phase = session.phase(market_ns) if session is not None else 0
    ours = abs(Decimal(row["ours"]))
    if phase == REGULAR:
        return "venue" if Decimal(row["covered"]) >= ours > 0 else "none"
    watched = phase in (PRE, POST) and row["stop"] is not None and unheard_s <= UNHEARD_S
    return "desk" if watched else "none"


def _account(book: OrderBook) -> Row | None:
    valued = book.book.valued
    if valued is None:
        return None
    return {**msgspec.to_builtins(valued.account), "peak": str(valued.peak)}


class Asking:
    """Ask the trader, through its commands and the kill file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._commands: Commands | None = None
        self._read_s = float("-inf")
        self._report: TraderReport | None = None

    # --- what stands -----------------------------------------------------------------------------

    def status(self) -> Mapping[str, Json]:
        """Return the trader's state as it last told it, and the kill switch as it stands."""
        report, killed = self.report(), self.killed()
        unheard_s = time.time() - report.ts_s if report else 0.0
        state, reason = _state(report, killed, unheard_s)
        return {
            "state": state,
            "mode": report.mode if report else "off",
            "reason": reason,
            "kill": _told(killed),
            "approve_s": report.approve_s if report else None,
            "desks": msgspec.to_builtins(report.desks) if report else [],
        }

    def summary(self) -> Mapping[str, Json]:
        """Return what everybody may see who may see the market: no account, no figures."""
        status = self.status()
        return {name: status[name] for name in ("state", "mode", "reason", "kill")}

    def report(self) -> TraderReport | None:
        """Return what the trader last told of itself."""
        now_s = time.monotonic()
        if now_s - self._read_s > FRESH_S:
            self._read_s, self._report = now_s, told(self._folder)
        return self._report

    def killed(self) -> Killed | None:
        """Return the kill that holds: the file's, or what a desk has in its log."""
        asked = KillFile(self._folder).read()
        if isinstance(asked, Killed):
            return asked
        main = _main(self.report())
        return main.killed if main is not None else None

    # --- what is asked ---------------------------------------------------------------------------

    async def ask(self, what: str, subject: str, by: str) -> str:
        """Have the trader approve, decline or close; return its answer."""
        if self.status()["state"] in ("off", "stopped"):
            raise Unavailable("No trader runs: start `tapelight run`, then ask again.")
        command = Command(what=_kind(what), subject=subject, by=by, ts_s=time.time())
        commands = self._opened()
        seq = await asyncio.to_thread(commands.put, command)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while True:
                    answer = await asyncio.to_thread(commands.answered, seq)
                    if answer is not None:
                        return answer
                    await asyncio.sleep(POLL_S)
        raise Unavailable(f"The trader did not answer within {ANSWER_S:g} s: see what it does.")

    async def kill(self, reason: str, by: str, flatten: bool) -> None:
        """Switch every desk's kill switch on; a kill to flatten is not taken back by one without."""
        stands = self.killed()
        flattens = flatten or (stands is not None and stands.flatten)
        await asyncio.to_thread(self._trip, Killed(time.time_ns(), reason, by, flattens))

    async def arm(self, by: str) -> None:
        """Ask every desk to arm."""
        if self.killed() is None:
            raise Rejected("The kill switch is off: there is nothing to arm.")
        armed = Armed(time.time_ns(), by)
        for folder in desk_folders(self._folder):
            await asyncio.to_thread(KillFile(folder).arm, armed)

    def close(self) -> None:
        """Close the files."""
        if self._commands is not None:
            self._commands.close()

    def _trip(self, killed: Killed) -> None:
        for folder in desk_folders(self._folder):
            KillFile(folder).trip(killed)

    def _opened(self) -> Commands:
        if self._commands is None:
            self._commands = Commands(self._folder)
        return self._commands


def _kind(what: str) -> Literal["approve", "decline", "close"]:
    if what == "approve":
        return "approve"
    if what == "decline":
        return "decline"
    if what == "close":
        return "close"
    raise Missing(f"The trader knows no {what!r}: there are approve, decline and close.")


def _main(report: TraderReport | None) -> DeskReport | None:
    return report.desks[0] if report and report.desks else None


def _state(
    report: TraderReport | None, killed: Killed | None, unheard_s: float
) -> tuple[TradeState, str]:
    """Return the state and, where it is not ready, why."""
    main = _main(report)
    if report is None or main is None:
        return "off", "no trader has run in this data folder"
    if unheard_s > UNHEARD_S:
        return "stopped", f"the trader has told nothing for {unheard_s:.0f} s"
    if killed is not None:
        return "killed", f"{killed.by}: {killed.reason}"
    if not report.clock_sure:
        return "halted", "the clock is unsure: no beat of the scanner for 2 s"
    if main.fault:
        return "halted", main.fault
    if not main.ready:
        return "halted", "the venue has not been asked yet what it has"
    return "ready", ""


def _told(killed: Killed | None) -> Mapping[str, Json]:
    if killed is None:
        return {"on": False, "reason": "", "by": "", "ts_ns": 0, "flatten": False}
    return {
        "on": True, "reason": killed.reason, "by": killed.by, "ts_ns": killed.ts_ns,
        "flatten": killed.flatten,
    }  # fmt: skip
