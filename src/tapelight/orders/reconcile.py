"""Reconciliation: what a statement of the venue says that the book does not know."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tapelight.model.order_log import Adopted, OrderRecord, Split, Valued
from tapelight.model.orders import (
    BUY,
    ID_PREFIX,
    SELL,
    ZERO,
    Account,
    Fill,
    Holding,
    Order,
    Position,
    Report,
    Statement,
)
from tapelight.orders.book import Book
from tapelight.orders.case import NS

SAME_COST = Decimal("0.01")
"""By how much of the cost a split may seem to change it: venues round averages."""
SAME_AVERAGE = Decimal("0.0005")
"""By how much a new symbol may seem to change the average: nothing is divided, so hardly at all.

Somebody may sell one symbol and buy as many shares of another at nearly its price.
"""
LEAST_SPLIT = Decimal("1.2")
"""Ratio from which on a change may be a split; 5 for 4 is the smallest usual one."""

KEEP_NS = 60 * NS
PEAK_GROWS = Decimal("1.0005")
"""By how much the day's peak has to grow to be kept at once."""

Differences = Mapping[str, Decimal]
"""Shares by symbol that the venue holds beyond the book."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what a statement brings."""

    reports: tuple[Report, ...]
    """News of our orders."""
    missing: tuple[Order, ...]
    """Orders that were asked for, unknown or working, and that the venue does not know."""
    strangers: tuple[Report, ...]
    """Open orders that are not in the book; `order` is set where it bears an id like ours."""


def compare(book: Book, statement: Statement, asked: Collection[str]) -> Found:
    """Return what a statement says of orders, against the book."""
    known = {report.order for report in statement.orders}
    return Found(
        tuple(report for report in statement.orders if book.told(report)),
        tuple(o for o in book.live.values() if o.open and o.id in asked and o.id not in known),
        tuple(r for r in statement.orders if r.order not in book.orders and r.state == "working"),
    )


def ghosts(found: Found) -> list[Report]:
    """Return the strangers that bear an id of ours: the log must have lost an intent."""
    return [report for report in found.strangers if report.order.startswith(ID_PREFIX)]


def differences(book: Book, statement: Statement) -> dict[str, Decimal]:
    """Return by symbol what the venue holds beyond the book, symbols with an unknown order left out."""
    held = {holding.symbol: holding.quantity for holding in statement.holdings}
    unsure = {o.request.symbol for o in book.live.values() if o.state == "unknown"}
    symbols = sorted((held.keys() | book.positions.keys()) - unsure)
    found = {symbol: held.get(symbol, ZERO) - book.quantity(symbol) for symbol in symbols}
    return {symbol: quantity for symbol, quantity in found.items() if quantity}


def adopt(
    book: Book, statement: Statement, seen: Differences, now_ns: int
) -> Iterator[OrderRecord]:
    """Yield the records that explain differences which two statements have shown."""
    holdings = {holding.symbol: holding for holding in statement.holdings}
    moved = dict(_moves(book, holdings, seen))
    for old, new in moved.items():
        yield Split(now_ns, old, holdings[new].quantity, new)
    for symbol, quantity in seen.items():
        if symbol in moved or symbol in moved.values():
            continue
        holding, position = holdings.get(symbol), book.positions.get(symbol)
        if holding is not None and _splits(position, holding):
            yield Split(now_ns, symbol, holding.quantity)
        else:
            fill = _fill(symbol, quantity, holding, position, statement.ts_ns)
            yield Adopted(now_ns, fill, "the venue holds it, and no order of ours explains it")


def valued(last: Valued | None, account: Account, now_ns: int, day_ns: int) -> Valued:
    """Return the account's value now, with the day's highest equity."""
    if last is None or last.ts_ns < day_ns:
        return Valued(now_ns, account, account.equity)
    return Valued(now_ns, account, max(last.peak, account.equity))


def worth_keeping(kept: Valued | None, new: Valued, day_ns: int) -> bool:
    """Tell whether a value belongs into the log: it is asked anew at each start, but for the peak."""
    if kept is None or kept.ts_ns < day_ns or new.ts_ns - kept.ts_ns >= KEEP_NS:
        return True
    grown = new.peak > kept.peak * PEAK_GROWS
    return grown or (kept.account.blocked, kept.account.day_trades_left) != (
        new.account.blocked, new.account.day_trades_left,
    )  # fmt: skip


def _moves(
    book: Book, holdings: Mapping[str, Holding], seen: Differences
) -> Iterator[tuple[str, str]]:
    """Yield (old, new) where a whole position stands under another symbol at the same cost."""
    gone = [s for s in seen if s not in holdings and book.quantity(s)]
    come = [s for s in seen if s in holdings and not book.quantity(s)]
    for old in gone:
        position = book.positions[old]
        for new in come:
            holding = holdings[new]
            same = _close(holding.average, position.average, SAME_AVERAGE)
            if holding.quantity == position.quantity and same:
                come.remove(new)
                yield old, new
                break


def _splits(position: Position | None, holding: Holding) -> bool:
    """Tell a split from a trade: the shares changed by a lot, and their cost did not."""
    if position is None or position.quantity * holding.quantity <= 0:
        return False
    ratio = holding.quantity / position.quantity
    cost = position.quantity * position.average
    return max(ratio, 1 / ratio) >= LEAST_SPLIT and _close(holding.quantity * holding.average, cost)


def _close(one: Decimal, other: Decimal, share: Decimal = SAME_COST) -> bool:
    return abs(one - other) <= abs(other) * share


def _fill(
    symbol: str, quantity: Decimal, holding: Holding | None, position: Position | None, ts_ns: int
) -> Fill:
    """Return the trade that explains a difference, at the price that the venue's average gives.

    Of shares that went the venue names no price: they go at their entry price, without a profit.
    """
    before = position if position is not None else Position(symbol=symbol)
    price = before.average
    if holding is not None and before.quantity * quantity >= 0:
        cost = holding.quantity * holding.average - before.quantity * before.average
        price = cost / quantity
    elif holding is not None and before.quantity * holding.quantity < 0:
        price = holding.average
    return Fill(
        order="",
        symbol=symbol,
        side=BUY if quantity > 0 else SELL,
        quantity=abs(quantity),
        price=max(price, ZERO),
        cumulative=ZERO,
        ts_ns=ts_ns,
    )
