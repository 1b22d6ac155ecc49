"""Proving: what each strategy has done on a desk, and how a desk differs from the paper one beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tapelight.model.orders import BUY, ZERO, Fill, Order, Position
from tapelight.orders import positions
from tapelight.orders.book import Book
from tapelight.orders.case import NS_IN_MS

BPS = Decimal(10_000)


@dataclass(slots=True)
class StrategyRecord:
    """Add up what came of a strategy's entries; money in $, by average cost within the strategy."""

    strategy: str
    on: set[str] = field(default_factory=set)
    """Trading days on which it made an entry that risk let go."""
    entries: int = 0
    refused: int = 0
    filled: int = 0
    """Entries that filled, in part at least."""
    books: dict[str, Position] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """Return on how many days it made entries."""
        return len(self.on)

    @property
    def realised(self) -> Decimal:
        """Return profit of what was closed, fees taken off."""
        realised, fees = positions.totals(self.books.values())
        return realised - fees

    def took(self, order: Order, day: str) -> None:
        """Count an entry."""
        self.entries += 1
        self.refused += order.state == "refused"
        self.filled += order.filled > 0
        if order.state != "refused" and day:
            self.on.add(day)

    def filled_by(self, fill: Fill) -> None:
        """Book a fill of its entries, stops or exits."""
        before = self.books.get(fill.symbol) or Position(symbol=fill.symbol)
        self.books[fill.symbol] = positions.added(before, fill, ours=True)


def records(book: Book, day_of: Callable[[int], str]) -> dict[str, StrategyRecord]:
    """Return the record of each strategy; `day_of` gives the trading day of a time."""
    found: dict[str, StrategyRecord] = {}
    for order in book.orders.values():
        if order.request.purpose == "entry":
            name = order.request.strategy
            one = found.setdefault(name, StrategyRecord(name))
            one.took(order, day_of(order.request.made_ns))
    for fill in book.fills:
        of = book.orders.get(fill.order)
        if of is not None and of.request.strategy in found:
            found[of.request.strategy].filled_by(fill)
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """Hold one signal's entry at the broker beside the paper one."""

    cause: str
    strategy: str
    symbol: str
    state: str
    dry_state: str
    filled: Decimal
    dry_filled: Decimal
    worse_bps: Decimal | None
    """By how much the broker's price was worse than the paper one; below 0 where it was better."""
    delay_ms: float | None
    """From the signal to the last record of the broker's order that filled."""
    dry_delay_ms: float | None


def differences(book: Book, dry: Book) -> Iterator[Difference]:
    """Yield the entries that both desks made of the same signal, in the broker's order."""
    beside = {o.request.cause: o for o in dry.orders.values() if o.request.purpose == "entry"}
    for order in book.orders.values():
        paper = beside.get(order.request.cause)
        if order.request.purpose == "entry" and paper is not None:
            yield Difference(
                order.request.cause, order.request.strategy, order.request.symbol,
                order.state, paper.state, order.filled, paper.filled,
                _worse_bps(order, paper), _delay_ms(order), _delay_ms(paper),
            )  # fmt: skip


def _worse_bps(order: Order, paper: Order) -> Decimal | None:
    if order.filled <= ZERO or paper.filled <= ZERO or paper.average <= ZERO:
        return None
    more = (order.average - paper.average) / paper.average * BPS
    return more if order.request.side == BUY else -more


def _delay_ms(order: Order) -> float | None:
    filled = order.filled > ZERO and order.request.signal_ns > 0
    return (order.ts_ns - order.request.signal_ns) / NS_IN_MS if filled else None
