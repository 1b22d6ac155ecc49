"""Column batches: what a feed decodes from one read, in arrival order.

Prices are in the quote currency, sizes in shares, times in ns UTC. A null number is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]
UInt8s = npt.NDArray[np.uint8]
MAX_AHEAD_NS = 15 * 1_000_000_000
"""An event stamped further than this beyond its `ts_recv_ns` can't be true."""


@dataclass(frozen=True, slots=True)
class Trades:
    """Hold n trades (prints) in arrival order."""

    row: Int32s
    ts_ns: Int64s
    """Event time at the SIP or venue."""
    price: Floats
    size: Floats
    """Shares, fractions included."""
    conditions: UInt64s
    """Bit mask, see `model.conditions`."""
    exchange: UInt8s
    """The provider's exchange id; 0 unknown."""
    seq: Int64s
    """The provider's sequence number, rising by symbol; 0 none. Not above the last: a repeat."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Hold n national best quotes in arrival order."""

    row: Int32s
    ts_ns: Int64s
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    before: Int32s
    """How many of the batch's trades arrived before this quote: keeps the arrival order."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Hold n aggregate bars; one with a start seen before replaces, it does not add."""

    row: Int32s
    start_ns: Int64s
    span_s: Int32s
    """1 (second bars) or 60 (minute bars); in a `History` less where a snapshot cut the minute."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats
    """Number of trades; NaN where the provider gives none."""
    day_volume: Floats
    """Accumulated volume of the day including this bar; NaN unknown."""
    day_open: Floats
    """Official opening price; NaN unknown."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Hold n limit-up limit-down bands."""

    row: Int32s
    ts_ns: Int64s
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold everything that one read of a feed brought; `ts_recv_ns` is market time."""

    ts_recv_ns: int
    trades: Trades | None = None
    quotes: Quotes | None = None
    bars: Bars | None = None
    bands: Bands | None = None


def size(batch: Batch) -> int:
    """Return how many events a batch holds."""
    parts = (batch.trades, batch.quotes, batch.bars, batch.bands)
    return sum(len(part.row) for part in parts if part is not None)


def trades_of(
    row: Sequence[int],
    ts_ns: Sequence[int],
    price: Sequence[float],
    size: Sequence[float],
    conditions: Sequence[int],
    exchange: Sequence[int],
    seq: Sequence[int],
) -> Trades:
    """Build the columns from lists that were filled while decoding."""
    return Trades(
        np.array(row, np.int32),
        np.array(ts_ns, np.int64),
        np.array(price, np.float64),
        np.array(size, np.float64),
        np.array(conditions, np.uint64),
        np.array(exchange, np.uint8),
        np.array(seq, np.int64),
    )


def quotes_of(
    row: Sequence[int],
    ts_ns: Sequence[int],
    bid: Sequence[float],
    ask: Sequence[float],
    bid_size: Sequence[float],
    ask_size: Sequence[float],
    before: Sequence[int],
) -> Quotes:
    """Build the columns from lists that were filled while decoding."""
    return Quotes(
        np.array(row, np.int32),
        np.array(ts_ns, np.int64),
        np.array(bid, np.float64),
        np.array(ask, np.float64),
        np.array(bid_size, np.float64),
        np.array(ask_size, np.float64),
        np.array(before, np.int32),
    )


def bars_of(columns: Sequence[Sequence[float]]) -> Bars:
    """Build the columns from lists in the order of the fields of `Bars`."""
    row, start_ns, span_s, *prices = columns
    return Bars(
        np.array(row, np.int32),
        np.array(start_ns, np.int64),
        np.array(span_s, np.int32),
        *(np.array(c, np.float64) for c in prices),
    )


def bands_of(
    row: Sequence[int], ts_ns: Sequence[int], lower: Sequence[float], upper: Sequence[float]
) -> Bands:
    """Build the columns from lists that were filled while decoding."""
    return Bands(
        np.array(row, np.int32),
        np.array(ts_ns, np.int64),
        np.array(lower, np.float64),
        np.array(upper, np.float64),
    )
