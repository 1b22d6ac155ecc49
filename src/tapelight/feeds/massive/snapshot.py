"""Turn Massive's full snapshot into columns, and read from it who is active."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import numpy as np

from tapelight.feeds._minutes import Cut, Minute, begin_of
from tapelight.feeds.massive.payloads import (
    DayPart,
    LastQuote,
    LastTrade,
    MinutePart,
    TickerSnapshot,
)
from tapelight.feeds.massive.sound import normal_one_ns
from tapelight.model.batch import Floats, Int64s
from tapelight.model.conditions import ConditionRules, mask_of
from tapelight.model.records import Snapshot
from tapelight.model.session import REGULAR, Session

NAN = float("nan")
_DAY, _MINUTE, _TRADE, _QUOTE = DayPart(), MinutePart(), LastTrade(), LastQuote()


Lines = tuple[Floats, Int64s]
"""Numbers, shape (n, 11) in the order of the fields of `Snapshot`, and `updated_ns`."""


def lines_of(
    tickers: Sequence[TickerSnapshot],
    session: Session | None,
    rules: ConditionRules,
    adjusted: Mapping[str, float],
) -> Lines:
    """Return the day so far of all symbols; 0 of the provider is NaN. Safe in a thread.

    `adjusted` names previous closes that hold instead of the snapshot's own, which a split
    effective today may have left behind. Before the open the provider's `day` is empty, and
    the volume from 04:00 stands in the last minute bar.
    """
    numbers = [_line(t, session, rules, adjusted) for t in tickers]
    updated = np.array([_updated_ns(t) for t in tickers], np.int64)
    return np.array(numbers, np.float64).reshape(len(numbers), 11), updated


def snapshot_of(
    tickers: Sequence[TickerSnapshot], lines: Lines, row: Callable[[str], int], ts_recv_ns: int
) -> Snapshot:
    """Return the record of those symbols that have a row."""
    numbers, updated_ns = lines
    rows = np.array([row(t.ticker) for t in tickers], np.int32)
    placed = rows >= 0
    columns = [np.ascontiguousarray(c) for c in numbers[placed].T]
    return Snapshot(ts_recv_ns, rows[placed], updated_ns[placed], *columns)


def cuts_of(tickers: Iterable[TickerSnapshot], wanted: Container[str]) -> dict[str, Cut]:
    """Return what the snapshot tells of its own minute, of the symbols that are `wanted`.

    Where its last minute bar is older, and its last trade too, nothing has traded in it. A bar without
    prices tells nothing.
    """
    found = {}
    for ticker in tickers:
        if ticker.ticker not in wanted or (bar := ticker.min) is None:
            continue
        until_ns = _updated_ns(ticker)
        begin_ns = begin_of(until_ns)
        bar_ns, trade_ns = normal_one_ns(bar.t), normal_one_ns((ticker.last_trade or _TRADE).t)
        minute: Minute
        if bar_ns == begin_ns and bar.h >= bar.l > 0 and bar.v >= 0:
            minute = (begin_ns, bar.o, bar.h, bar.l, bar.c, bar.v, bar.vw or NAN, bar.n)
        elif bar_ns < begin_ns and 0 < trade_ns < begin_ns:
            minute = (begin_ns, NAN, NAN, NAN, NAN, 0.0, NAN, 0.0)
        else:
            continue
        found[ticker.ticker] = Cut(minute, until_ns)
    return found


def _line(
    ticker: TickerSnapshot,
    session: Session | None,
    rules: ConditionRules,
    adjusted: Mapping[str, float],
) -> tuple[float, ...]:
    """Return the numbers of one symbol in the order of the fields of `Snapshot`."""
    day, minute = ticker.day or _DAY, ticker.min or _MINUTE
    quote = ticker.last_quote or _QUOTE
    before = (ticker.prev_day or _DAY).c
    return (
        _last(ticker, session, rules),
        max(_shares(day.v, day.dv), _shares(minute.av, minute.dav)),
        day.o or NAN,
        day.h or NAN,
        day.l or NAN,
        day.vw or NAN,
        quote.p or NAN,
        quote.ask or NAN,
        quote.s if quote.p else NAN,
        quote.ask_size if quote.ask else NAN,
        adjusted.get(ticker.ticker, before or NAN),
    )


def _last(ticker: TickerSnapshot, session: Session | None, rules: ConditionRules) -> float:
    """Return the last trade's price where its conditions let it be last, else a bar's close."""
    trade = ticker.last_trade or _TRADE
    at_ns = normal_one_ns(trade.t)
    regular = session is not None and session.phase(at_ns) == REGULAR
    barred = rules.no_last if regular else rules.not_clean
    if trade.p > 0 and not mask_of(trade.c or ()) & barred:
        return trade.p
    return (ticker.min or _MINUTE).c or (ticker.day or _DAY).c or NAN


def _updated_ns(ticker: TickerSnapshot) -> int:
    trade = ticker.last_trade or _TRADE
    return max(normal_one_ns(ticker.updated), normal_one_ns(trade.t))


def _shares(whole: float, fractional: str) -> float:
    try:
        return float(fractional) if fractional else whole
    except ValueError:
        return whole
