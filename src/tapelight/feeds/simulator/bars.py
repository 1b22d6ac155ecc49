"""Second and minute bars of the tape, kept a while so that a late print can amend one."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import LATE, Prints
from tapelight.model.batch import Floats, Int64s


@dataclass(frozen=True, slots=True)
class Closed:
    """Hold the bars of one span of time, rows ascending; prices in ticks."""

    start_ms: int
    row: Int64s
    open: Int64s
    high: Int64s
    low: Int64s
    close: Int64s
    volume: Floats
    amount: Floats
    """Sum of price x size, dollars, of the prints in the VWAP."""
    vwap_volume: Floats
    count: Int64s

    def vwap(self) -> Floats:
        """Return the mean price, the close where no print counts for it."""
        known = self.vwap_volume > 0
        mean: Floats = np.where(
            known, self.amount / np.where(known, self.vwap_volume, 1.0), dollars(self.close)
        )
        return np.round(mean, 4)

    def take(self, at: Int64s) -> "Closed":
        """Return the bars at positions `at`."""
        return Closed(
            self.start_ms, self.row[at], self.open[at], self.high[at], self.low[at],
            self.close[at], self.volume[at], self.amount[at], self.vwap_volume[at], self.count[at],
        )  # fmt: skip

    def small(self) -> "Closed":
        """Return the same bars in half the memory."""

        def narrow(column: Int64s) -> Any:
            return column.astype(np.int32)

        return Closed(
            self.start_ms, narrow(self.row), narrow(self.open), narrow(self.high),
            narrow(self.low), narrow(self.close), self.volume, self.amount, self.vwap_volume,
            narrow(self.count),
        )  # fmt: skip

    def bar_of(self, row: int) -> list[float] | None:
        """Return [start ms, open, high, low, close, volume, vwap, trades] of `row` if it has one."""
        at = int(np.searchsorted(self.row, row))
        if at == len(self.row) or self.row[at] != row:
            return None
        one = self.take(np.array([at]))
        prices = [float(dollars(p)[0]) for p in (one.open, one.high, one.low, one.close)]
        return [
            self.start_ms,
            *prices,
            float(one.volume[0]),
            float(one.vwap()[0]),
            int(one.count[0]),
        ]


class Series:
    """Form bars of `span_ms`; `keep` closed ones stay open to late prints."""

    def __init__(self, symbols: int, span_ms: int, keep: int) -> None:
        self.span_ms = span_ms
        self._n = symbols
        self.closed: deque[Closed] = deque(maxlen=keep)
        self._clear()

    def _clear(self) -> None:
        n = self._n
        self.open, self.close = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.high, self.low = np.zeros(n, np.int64), np.full(n, 1 << 60, np.int64)
        self.volume, self.amount, self.vwap_volume = np.zeros(n), np.zeros(n), np.zeros(n)
        self.count, self.eligible = np.zeros(n, np.int64), np.zeros(n, np.int64)

    def add(self, trades: Prints) -> None:
        """Fold trades that all fall in the forming span."""
        row, kind = trades.row, trades.kind
        counts, in_vwap = sales.COUNTS[kind], sales.IN_VWAP[kind] | sales.IS_EXTENDED[kind]
        np.add.at(self.volume, row[counts], trades.size[counts])
        np.add.at(self.count, row[counts], 1)
        value = dollars(trades.price) * trades.size
        np.add.at(self.amount, row[in_vwap], value[in_vwap])
        np.add.at(self.vwap_volume, row[in_vwap], trades.size[in_vwap])
        wide = sales.MOVES_HIGH_LOW[kind]
        np.maximum.at(self.high, row[wide], trades.price[wide])
        np.minimum.at(self.low, row[wide], trades.price[wide])
        last = np.flatnonzero(sales.MOVES_LAST[kind])
        new = last[self.eligible[row[last]] == 0][::-1]
        self.open[row[new]] = trades.price[new]
        self.close[row[last]] = trades.price[last]
        np.add.at(self.eligible, row[last], 1)

    def cut(self, start_ms: int) -> Closed:
        """Close the span that began at `start_ms`; a symbol without eligible print has no bar."""
        row = np.flatnonzero(self.eligible)
        bars = Closed(
            start_ms, row, self.open[row], np.maximum(self.high[row], self.open[row]),
            np.minimum(self.low[row], self.open[row]), self.close[row], self.volume[row],
            self.amount[row], self.vwap_volume[row], self.count[row],
        )  # fmt: skip
        self.closed.append(bars)
        self._clear()
        return bars

    def amend(self, trades: Prints) -> list[Closed]:
        """Fold late prints into the closed bars they belong to; return those bars again."""
        amended = []
        for i in range(len(trades)):
            bars = self._holding(int(trades.ts_ms[i]))
            at = int(np.searchsorted(bars.row, trades.row[i])) if bars else 0
            if bars and at < len(bars.row) and bars.row[at] == trades.row[i]:
                self._amend_one(bars, at, trades.take(np.array([i])))
                amended.append(bars.take(np.array([at])))
        return amended

    def _holding(self, ts_ms: int) -> Closed | None:
        for bars in self.closed:
            if bars.start_ms <= ts_ms < bars.start_ms + self.span_ms:
                return bars
        return None

    def _amend_one(self, bars: Closed, at: int, trade: Prints) -> None:
        kind, price, size = int(trade.kind[0]), int(trade.price[0]), float(trade.size[0])
        bars.volume[at] += size
        bars.count[at] += 1
        if sales.MOVES_HIGH_LOW[kind]:
            bars.high[at] = max(bars.high[at], price)
            bars.low[at] = min(bars.low[at], price)
        if sales.IN_VWAP[kind]:
            bars.amount[at] += float(dollars(trade.price)[0]) * size
            bars.vwap_volume[at] += size


def timely(trades: Prints) -> tuple[Prints, Prints]:
    """Split trades into those of the present and the late ones."""
    late = trades.truth == LATE
    if not late.any():
        return trades, trades.take(late)
    return trades.take(~late), trades.take(late)
