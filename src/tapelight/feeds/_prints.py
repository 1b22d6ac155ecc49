"""Collect what a venue's frames bring, event by event, and make one batch of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError, Rejected
from tapelight.model.batch import MAX_AHEAD_NS, Batch, Quotes, Trades, quotes_of, trades_of
from tapelight.model.universe import Universe

FAULTS = (
    msgspec.MsgspecError, ValueError, LookupError, OverflowError, TypeError, RecursionError, Rejected,
)  # fmt: skip
"""What a malformed frame may raise: counted, with a sample."""
MOST = 1e15
"""No price or size of a market is above this."""
MOST_NUMBER = 2**63
"""Times and numbers of prints fit a column of 64 bits."""


class RefusedSymbol(ConfigError):
    """Say that the venue refuses one symbol, by our name of it; the others may come."""

    def __init__(self, message: str, symbol: str) -> None:
        super().__init__(message)
        self.symbol = symbol


@dataclass(slots=True)
class Prints:
    """Hold the trades and quotes of one read, in arrival order; times are ns UTC."""

    trades: list[tuple[str, int, float, float, int]] = field(default_factory=list)
    """(symbol, time, price, size, number: rising by symbol, 0 none)"""
    quotes: list[tuple[str, int, float, float, float, float, int]] = field(default_factory=list)
    """(symbol, time, bid, ask, bid size, ask size, trades before it)"""

    rejected: list[tuple[str, bytes | str]] = field(default_factory=list)
    """(kind, sample) of each event, or frame, that cannot be."""

    repeated: int = 0
    """Trades that came before."""

    def trade(self, symbol: str, ts_ns: int, price: float, size: float, number: int) -> None:
        """Add a print; raises Rejected when its price, size, time or number cannot be."""
        if not (0.0 < price < MOST and 0.0 <= size < MOST):
            raise Rejected(f"price {price}, size {size}")
        if not (0 < ts_ns < MOST_NUMBER and 0 <= number < MOST_NUMBER):
            raise Rejected(f"time {ts_ns}, number {number}")
        self.trades.append((symbol, ts_ns, price, size, number))

    def each(self, raw: msgspec.Raw, add: Callable[[msgspec.Raw, "Prints"], None]) -> None:
        """Add one of a frame's events; a malformed one rejects only itself."""
        try:
            add(raw, self)
        except FAULTS as error:
            self.rejected.append((type(error).__name__, bytes(raw)[:200]))

    def quote(
        self, symbol: str, ts_ns: int, bid: float, ask: float, bid_size: float, ask_size: float
    ) -> None:
        """Add a best quote; an empty side is NaN. Raises Rejected when a value cannot be."""
        if not 0 < ts_ns < MOST_NUMBER:
            raise Rejected(f"time {ts_ns}")
        for value in (bid, ask, bid_size, ask_size):
            if not (math.isnan(value) or 0.0 <= value < MOST):
                raise Rejected(f"quote {bid} {ask} {bid_size} {ask_size}")
        before = len(self.trades)
        self.quotes.append((symbol, ts_ns, bid or NAN, ask or NAN, bid_size, ask_size, before))

    def batch(self, universe: Universe, now_ns: int) -> tuple[Batch | None, int]:
        """Return what has a row and a possible time as a batch, and how many had not."""
        rows, latest = universe.rows, now_ns + MAX_AHEAD_NS
        kept = [t[0] in rows and t[1] <= latest for t in self.trades]
        trades = [t for t, keep in zip(self.trades, kept, strict=True) if keep]
        quotes = [q for q in self.quotes if q[0] in rows and q[1] <= latest]
        lost = len(self.trades) + len(self.quotes) - len(trades) - len(quotes)
        if not trades and not quotes:
            return None, lost
        passed = np.concatenate([[0], np.cumsum(kept)])
        return Batch(
            now_ns,
            trades=_trades(trades, rows) if trades else None,
            quotes=_quotes(quotes, rows, passed) if quotes else None,
        ), lost


NAN = float("nan")


def _trades(trades: list[tuple[str, int, float, float, int]], rows: dict[str, int]) -> Trades:
    none = [0] * len(trades)
    symbols, times, prices, sizes, numbers = zip(*trades, strict=True)
    return trades_of([rows[s] for s in symbols], times, prices, sizes, none, none, numbers)


def _quotes(
    quotes: list[tuple[str, int, float, float, float, float, int]],
    rows: dict[str, int],
    passed: npt.NDArray[np.int64],
) -> Quotes:
    symbols, times, bids, asks, bid_sizes, ask_sizes, before = zip(*quotes, strict=True)
    counts = passed[list(before)].tolist()
    return quotes_of([rows[s] for s in symbols], times, bids, asks, bid_sizes, ask_sizes, counts)
