"""Turn snapshots and bars of REST into records; what cannot be is left out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tapelight.feeds._minutes import Minute
from tapelight.feeds._sip import mask_of_letters
from tapelight.feeds.alpaca.moments import text_ns
from tapelight.feeds.alpaca.payloads import LatestQuote, PastBar, PastTrade, StockSnapshot
from tapelight.model.conditions import US_RULES
from tapelight.model.records import Snapshot
from tapelight.model.session import NEW_YORK, REGULAR, Session, local_date

NAN = float("nan")
_QUOTE = LatestQuote()
Lookup = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Day:
    """Hold one symbol's day so far as REST tells it; NaN is unknown."""

    updated_ns: int
    last: float
    today: PastBar | None
    volume: float
    before: float
    """The previous close."""
    quote: LatestQuote


def day_of(snapshot: StockSnapshot, session: Session) -> Day | None:
    """Return what a snapshot says of the session; None where a time cannot be.

    Before a day's first trade of the regular session `dailyBar` is still the day before's.
    """
    try:
        trade, daily = snapshot.latest_trade, snapshot.daily_bar
        today = daily if daily is not None and _is_of(daily, session) else None
        before = snapshot.prev_daily_bar if today is not None else daily
        last_ns = text_ns(trade.t) if trade is not None else 0
    except ValueError:
        return None
    traded = trade if trade is not None and last_ns >= session.start_ns else None
    return Day(
        last_ns if traded is not None else 0,
        _last(traded, today, session.phase(last_ns) == REGULAR),
        today,
        today.v if today is not None else NAN,
        before.c if before is not None and before.c > 0 else NAN,
        snapshot.latest_quote or _QUOTE,
    )


def _is_of(bar: PastBar, session: Session) -> bool:
    return local_date(text_ns(bar.t), NEW_YORK) == session.date


def _last(trade: PastTrade | None, today: PastBar | None, regular: bool) -> float:
    """Return the last trade's price where its conditions let it be last, else the day's close."""
    if trade is not None and trade.p > 0:
        barred = US_RULES.no_last if regular else US_RULES.not_clean
        if not mask_of_letters(trade.c or (), trade.z) & barred:
            return trade.p
    return today.c if today is not None else NAN


def early_risers(days: Mapping[str, Day]) -> list[str]:
    """Return the symbols that have traded today, and whose volume no daily bar tells yet."""
    return [symbol for symbol, day in days.items() if day.updated_ns and np.isnan(day.volume)]


def snapshot_of(
    days: Mapping[str, Day], volumes: Mapping[str, float], row: Lookup, ts_recv_ns: int
) -> Snapshot:
    """Return the record of the symbols that have a row; `volumes` stand in for missing ones."""
    placed = [(row(symbol), symbol, day) for symbol, day in days.items()]
    placed = [one for one in placed if one[0] >= 0]
    lines = [_line(day, volumes.get(symbol, day.volume)) for _, symbol, day in placed]
    numbers = np.array(lines, np.float64).reshape(len(lines), 11)
    return Snapshot(
        ts_recv_ns,
        np.array([one[0] for one in placed], np.int32),
        np.array([day.updated_ns for _, _, day in placed], np.int64),
        *(np.ascontiguousarray(column) for column in numbers.T),
    )


def _line(day: Day, volume: float) -> tuple[float, ...]:
    bar, quote = day.today, day.quote
    prices = (bar.o, bar.h, bar.l, bar.vw or NAN) if bar is not None else (NAN,) * 4
    return (
        day.last, volume, *prices, quote.bp or NAN, quote.ap or NAN,
        quote.bs if quote.bp else NAN, quote.ask_size if quote.ap else NAN, day.before,
    )  # fmt: skip


def minutes_of(bars: Iterable[PastBar]) -> list[Minute]:
    """Return minute bars as lines; one whose time cannot be is left out."""
    starts = ((_start_ns(bar), bar) for bar in bars)
    return [(at, b.o, b.h, b.l, b.c, b.v, b.vw or 0.0, b.n) for at, b in starts if at]


def _start_ns(bar: PastBar) -> int:
    try:
        return text_ns(bar.t)
    except ValueError:
        return 0


def volume_of(bars: Iterable[PastBar]) -> float:
    """Return the shares of minute bars."""
    return float(sum(bar.v for bar in bars if bar.v >= 0))
