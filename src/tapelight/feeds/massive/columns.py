"""Turn events of one kind into the columns of a batch; a row below 0 has no place in it.

Each function raises ValueError or OverflowError when some event is unsound (see `sound`), or
stamped later than `latest_ns`;
rows are looked up last, so that a refused attempt gives nobody a row.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tapelight.feeds.massive.events import BandEvent, BarEvent, MinuteEvent, QuoteEvent, TradeEvent
from tapelight.feeds.massive.sound import amounts, normal_ns
from tapelight.model.batch import Bands, Bars, Floats, Int32s, Quotes, Trades

Lookup = Callable[[str], int]
Masks = Callable[[tuple[int, ...]], int]


def trade_columns(events: Sequence[TradeEvent], row: Lookup, mask: Masks, latest_ns: int) -> Trades:
    """Return the columns of prints; sizes take the fractional form where there is one."""
    count = len(events)
    ts_ns = normal_ns([e.t for e in events], latest_ns)
    size = amounts([e.s for e in events], [e.ds for e in events])
    exchange = np.frombuffer(bytes([e.x for e in events]), np.uint8)
    seq = np.fromiter([e.q for e in events], np.int64, count)
    price = np.fromiter([e.p for e in events], np.float64, count)
    conditions = np.fromiter(map(mask, [e.c for e in events]), np.uint64, count)
    rows = np.fromiter(map(row, [e.sym for e in events]), np.int32, count)
    return Trades(rows, ts_ns, price, size, conditions, exchange, seq)


def quote_columns(
    events: Sequence[QuoteEvent], row: Lookup, before: Int32s, latest_ns: int
) -> Quotes:
    """Return the columns of quotes; an empty side (price 0) is NaN."""
    count = len(events)
    ts_ns = normal_ns([e.t for e in events], latest_ns)
    bid, ask = _known([e.bp for e in events]), _known([e.ap for e in events])
    bid_size = np.fromiter([e.bs for e in events], np.float64, count)
    ask_size = np.fromiter([e.ask_size for e in events], np.float64, count)
    rows = np.fromiter(map(row, [e.sym for e in events]), np.int32, count)
    return Quotes(rows, ts_ns, bid, ask, bid_size, ask_size, before)


def bar_columns(events: Sequence[BarEvent], row: Lookup, latest_ns: int) -> Bars:
    """Return the columns of second and minute bars."""
    start_ns = normal_ns([e.s for e in events], latest_ns)
    volume = amounts([e.v for e in events], [e.dv for e in events])
    day_volume = amounts([e.av for e in events], [e.dav for e in events])
    prices = np.array([(e.o, e.h, e.l, e.c) for e in events], np.float64)
    open_, high, low, close = (np.ascontiguousarray(column) for column in prices.T)
    if (low > high).any():
        raise ValueError("a bar's low is above its high")
    span_s = np.array([60 if type(e) is MinuteEvent else 1 for e in events], np.int32)
    trades = trade_count(volume, np.array([e.z for e in events], np.float64))
    vwap, day_open = _known([e.vw for e in events]), _known([e.op for e in events])
    rows = np.array([row(e.sym) for e in events], np.int32)
    return Bars(
        rows, start_ns, span_s, open_, high, low, close, volume, vwap, trades, day_volume, day_open
    )


def band_columns(events: Sequence[BandEvent], row: Lookup, latest_ns: int) -> Bands:
    """Return the columns of limit-up limit-down bands."""
    ts_ns = normal_ns([e.t for e in events], latest_ns)
    lower = np.array([e.l for e in events], np.float64)
    upper = np.array([e.h for e in events], np.float64)
    if (lower > upper).any():
        raise ValueError("a lower band is above the upper one")
    return Bands(np.array([row(e.ticker) for e in events], np.int32), ts_ns, lower, upper)


def trade_count(volume: Floats, average_size: Floats) -> Floats:
    """Return volume / average trade size where it can only mean one whole number, else NaN.

    The average is sent rounded to whole shares (an error of up to 1), so the count is certain
    when it is below half the average size.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        count = volume / average_size
        certain = (average_size > 0) & (2.0 * count < average_size)
    return np.where(certain, np.rint(count), np.nan)


def _known(prices: Sequence[float]) -> Floats:
    """Return prices with NaN where the provider sends 0 for none."""
    column = np.fromiter(prices, np.float64, len(prices))
    column[column == 0.0] = np.nan
    return column
