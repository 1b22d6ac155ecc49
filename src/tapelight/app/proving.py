"""Reports from the order logs: each strategy's record, and the broker's desk against the paper one."""

from decimal import Decimal
from pathlib import Path

from tapelight.app.orderbook import Row
from tapelight.model.limits import Trade
from tapelight.model.session import calendar, session_at
from tapelight.model.trading import DRY, MAIN
from tapelight.orders.book import Book
from tapelight.orders.proving import differences, records
from tapelight.stores.orders import OrderReader

XNYS = calendar("XNYS")


def book_of(folder: Path) -> Book:
    """Return what a folder's log adds up to; a log that is not there is an empty one."""
    reader = OrderReader(folder)
    try:
        return Book(record for _, record in reader.read())
    finally:
        reader.close()


def day_of(ts_ns: int) -> str:
    """Return the trading day of a time; empty where there is none."""
    session = session_at(XNYS, ts_ns)
    return session.date.isoformat() if session else ""


def strategy_rows(folder: Path, trade: Trade) -> list[Row]:
    """Return the record of each strategy, by desk; `needed` are the days in dry-run before real money.

    Only days of the paper desk beside a broker count for that: the other desk has no `needed`.
    """
    return [
        {"desk": desk, "strategy": one.strategy, "days": one.days,
         "needed": trade.dry_run_days if desk == DRY else None,
         "entries": one.entries, "refused": one.refused, "filled": one.filled,
         "realised": f"{one.realised:.2f}"}
        for desk, place in ((MAIN, folder), (DRY, folder / DRY))
        for one in sorted(records(book_of(place), day_of).values(), key=lambda one: one.strategy)
    ]  # fmt: skip


def difference_rows(folder: Path) -> list[Row]:
    """Return the entries that both desks made of the same signal, the newest first."""
    found = differences(book_of(folder), book_of(folder / DRY))
    return [
        {"signal": one.cause, "strategy": one.strategy, "symbol": one.symbol, "state": one.state,
         "dry_state": one.dry_state, "filled": str(one.filled), "dry_filled": str(one.dry_filled),
         "worse_bps": _rounded(one.worse_bps), "delay_ms": _ms(one.delay_ms),
         "dry_delay_ms": _ms(one.dry_delay_ms)}
        for one in reversed(list(found))
    ]  # fmt: skip


def _rounded(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"
