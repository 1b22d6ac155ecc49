"""Limit-up limit-down: price bands, limit states and five-minute pauses."""

import numpy as np
import numpy.typing as npt

from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.market import MS, Prices
from tapelight.model.batch import Floats, Int64s
from tapelight.model.session import Session

NO_UPPER = 1 << 60
_LIMIT_MS, _PAUSE_MS, _REFRESH_MS = 15_000, 300_000, 30_000
_SPREAD_S = 5
"""The first bands of the day are sent over this many seconds."""


class Luld:
    """Keep the bands that bind `prices` and tell which symbols may trade.

    Source: the LULD plan as amended (no doubling at the open).
    """

    def __init__(self, listing: Listing, session: Session, prev_close: Floats) -> None:
        n = len(listing)
        self._open_ms, self._close_ms = session.open_ns // MS, session.close_ns // MS
        self._tier1 = listing.tier1
        self._prev_close = prev_close
        exempt = ("WARRANT", "RIGHT")
        self._bound = np.array([c.type not in exempt for c in listing.companies])
        self._mean: Floats = np.zeros(n)
        self._reference: Floats = np.zeros(n)
        self._sent_ms: Int64s = np.zeros(n, np.int64)
        self._limit_ms: Int64s = np.zeros(n, np.int64)
        self.halted_until: Int64s = np.zeros(n, np.int64)
        """ms since the epoch at which the pause ends; 0 while trading."""
        self.pauses: list[tuple[int, int, int]] = []
        """(row, begin, end in ms since the epoch) of each pause of the day."""

    @property
    def trading(self) -> npt.NDArray[np.bool_]:
        """Return which symbols are not paused."""
        free: npt.NDArray[np.bool_] = self.halted_until == 0
        return free

    def second(self, ts_ms: int, prices: Prices) -> tuple[Int64s, Int64s]:
        """Advance to the second `ts_ms`; return rows with new bands, and rows that reopen."""
        nothing = np.zeros(0, np.int64)
        if ts_ms >= self._close_ms:
            self._lift(prices)
            return nothing, nothing
        if ts_ms < self._open_ms:
            return nothing, nothing
        price = prices.efficient()
        # The reference is about the mean of the past five minutes.
        self._mean = np.where(self._mean == 0.0, price, self._mean + (price - self._mean) / 300.0)
        reopened = np.flatnonzero((self.halted_until > 0) & (self.halted_until <= ts_ms))
        self.halted_until[reopened] = 0
        self._mean[reopened] = price[reopened]
        self._sent_ms[reopened] = 0
        fresh = self._fresh(ts_ms)
        self._publish(fresh, ts_ms, prices)
        self._check_limits(price, ts_ms, prices)
        return fresh, reopened

    def _fresh(self, ts_ms: int) -> Int64s:
        since = (ts_ms - self._open_ms) // 1000
        rows = np.arange(len(self._mean))
        moved = np.abs(self._mean / np.maximum(self._reference, 1.0) - 1.0) > 0.01
        due = moved & (ts_ms - self._sent_ms >= _REFRESH_MS)
        first_turn = (rows % _SPREAD_S) <= since
        return np.flatnonzero(due & first_turn & self._bound & self.trading)

    def _publish(self, rows: Int64s, ts_ms: int, prices: Prices) -> None:
        reference = self._mean[rows]
        width = reference * self._percent(rows, ts_ms)
        small = self._prev_close[rows] < 0.75
        width = np.where(small, np.minimum(0.15 * TICKS, 0.75 * reference), width)
        step = prices.tick[rows]
        prices.upper[rows] = (np.rint((reference + width) / step) * step).astype(np.int64)
        lower = np.rint((reference - width) / step) * step
        prices.lower[rows] = np.maximum(lower, step).astype(np.int64)
        self._reference[rows] = reference
        self._sent_ms[rows] = ts_ms

    def _percent(self, rows: Int64s, ts_ms: int) -> Floats:
        close = self._prev_close[rows]
        tier1 = self._tier1[rows]
        percent = np.where(close > 3.0, np.where(tier1, 0.05, 0.10), 0.20)
        if ts_ms >= self._close_ms - 25 * 60_000:
            percent = np.where(tier1 | (close <= 3.0), 2.0 * percent, percent)
        return np.minimum(percent, 0.75)

    def _check_limits(self, price: Floats, ts_ms: int, prices: Prices) -> None:
        outside = (price >= prices.upper) | (price <= prices.lower)
        outside &= self._bound & self.trading & (prices.upper < NO_UPPER)
        self._limit_ms = np.where(outside, np.where(self._limit_ms, self._limit_ms, ts_ms), 0)
        paused = outside & (ts_ms - self._limit_ms >= _LIMIT_MS)
        until = ts_ms + _PAUSE_MS
        if ts_ms >= self._close_ms - 10 * 60_000:
            until = self._close_ms
        self.halted_until[paused] = until
        self.pauses += [(int(row), ts_ms, until) for row in np.flatnonzero(paused)]
        self._limit_ms[paused] = 0

    def _lift(self, prices: Prices) -> None:
        prices.upper[:] = NO_UPPER
        prices.lower[:] = 0
        self.halted_until[:] = 0
