"""Usage: how much of each limit is used now, for people; risk itself asks its rules."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tapelight.model.limits import Limits
from tapelight.model.orders import ZERO, Account
from tapelight.model.trading import LimitUse
from tapelight.orders.book import Book
from tapelight.orders.case import HUNDRED, NS, Moment
from tapelight.orders.rules import after, exposed, fallen_pct, lost_pct


def usage(book: Book, limits: Limits, moment: Moment) -> tuple[LimitUse, ...]:
    """Return every limit of risk with what is used of it, in the order of the configuration."""
    return (
        LimitUse("order_value", "$", _text(limits.order_value)),
        LimitUse("order_shares", "shares", _text(limits.order_shares)),
        *_exposures(book, limits),
        _count("open_positions", "symbols", len(book.symbols()), limits.open_positions),
        *_paces(book, limits, moment),
        *_losses(book, limits),
        LimitUse("repeat_s", "s", f"{limits.repeat_s:g}"),
        LimitUse("collar_pct", "%", _text(limits.collar_pct)),
        LimitUse("luld_pct", "%", _text(limits.luld_pct)),
        LimitUse("spread_pct", "%", _text(limits.spread_pct)),
        LimitUse("signal_age_ms", "ms", str(limits.signal_age_ms)),
        LimitUse("picture_age_ms", "ms", str(limits.picture_age_ms)),
        LimitUse("extended_hours", "", "on" if limits.extended_hours else "off"),
        LimitUse("shorts", "", "on" if limits.shorts else "off"),
    )


def _exposures(book: Book, limits: Limits) -> Iterator[LimitUse]:
    """Yield the share of equity in one symbol (the largest) and in all."""
    at_risk = {symbol: exposed(book, symbol) for symbol in book.symbols()}
    largest = max(at_risk, key=lambda symbol: at_risk[symbol], default="")
    equity = book.valued.account.equity if book.valued else ZERO
    for name, value, most, where in (
        ("symbol_pct", at_risk.get(largest, ZERO), limits.symbol_pct, largest),
        ("total_pct", sum(at_risk.values(), ZERO), limits.total_pct, ""),
    ):
        used = value / equity * HUNDRED if equity > 0 else None
        yield _share(name, used, most, where)


def _paces(book: Book, limits: Limits, moment: Moment) -> Iterator[LimitUse]:
    """Yield the entries of the last second, minute and day, and the orders that reduce."""
    now_ns = moment.now_ns
    for name, paces, since_ns, most in (
        ("orders_per_s", book.entered, now_ns - NS, limits.orders_per_s),
        ("orders_per_min", book.entered, now_ns - 60 * NS, limits.orders_per_min),
        ("orders_per_day", book.entered, moment.day_ns, limits.orders_per_day),
        ("reducing_per_min", book.reduced, now_ns - 60 * NS, limits.reducing_per_min),
    ):
        yield _count(name, "orders", len(after(paces, since_ns)), most)
    today = Counter(request.symbol for _, request in after(book.entered, moment.day_ns))
    symbol, count = next(iter(today.most_common(1)), ("", 0))
    yield _count("repeats_per_day", "orders", count, limits.repeats_per_day, symbol)


def _losses(book: Book, limits: Limits) -> Iterator[LimitUse]:
    account: Account | None = book.valued.account if book.valued else None
    day = peak = None
    if account is not None and book.valued is not None:
        day, peak = lost_pct(account), fallen_pct(account, book.valued.peak)
    yield _share("day_loss_pct", day, limits.day_loss_pct)
    yield _share("peak_loss_pct", peak, limits.peak_loss_pct)


def _share(name: str, used: Decimal | None, most: Decimal, where: str = "") -> LimitUse:
    told = None if used is None else f"{max(used, ZERO):.2f}"
    return LimitUse(name, "%", _text(most), told, where, used is not None and used >= most)


def _count(name: str, unit: str, used: int, most: int, where: str = "") -> LimitUse:
    return LimitUse(name, unit, str(most), str(used), where, used >= most)


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
