"""The day so far: what a snapshot shows, summed from the same windows that were sent."""

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.bars import Closed, Series, timely
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import LATE, Prints, Quoted, Window
from tapelight.model.batch import Floats
from tapelight.model.session import PRE

KEEP_MINUTES, KEEP_SECONDS = 5, 30
"""How many closed bars stay open to late prints."""


class Totals:
    """Hold one element a symbol; prices in ticks, 0 for unknown."""

    def __init__(self, symbols: int, prev_close: Floats) -> None:
        self.symbols = symbols
        self.begin(prev_close)

    def begin(self, prev_close: Floats) -> None:
        """Clear everything for a new session."""
        n = self.symbols
        self.prev_close = prev_close
        self.volume, self.amount, self.vwap_volume = np.zeros(n), np.zeros(n), np.zeros(n)
        self.count = np.zeros(n, np.int64)
        self.open, self.high = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.low, self.close = np.full(n, 1 << 60, np.int64), np.zeros(n, np.int64)
        self.official_open, self.official_close = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.last, self.last_ms = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.last_size, self.last_kind = np.zeros(n), np.zeros(n, np.int64)
        self.last_venue, self.last_number = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.bid, self.ask = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.bid_size, self.ask_size = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.quote_ms = np.zeros(n, np.int64)
        self.seconds = Series(n, 1000, KEEP_SECONDS)
        self.minutes = Series(n, 60_000, KEEP_MINUTES + 1)
        self.older: list[Closed] = []
        """Minute bars of today that no late print can change any more, oldest first."""
        self.recent = _no_bars(n)
        """Each symbol's last closed minute bar; `recent_ms` is its start, 0 for none."""
        self.recent_ms = np.zeros(n, np.int64)
        self.regular = False
        """Whether the opening bell has rung: until then the day bar is 0."""

    def add(self, window: Window) -> None:
        """Fold a window that was sent."""
        self.regular |= window.phase > PRE
        self._quote(window.quotes)
        if len(window.trades):
            now, _ = timely(window.trades)
            self._trade(window.trades, window.first_trade)
            self.seconds.add(now)
            self.minutes.add(now)

    def _quote(self, quotes: Quoted) -> None:
        row = quotes.row
        self.bid[row], self.ask[row] = quotes.bid, quotes.ask
        self.bid_size[row], self.ask_size[row] = quotes.bid_size, quotes.ask_size
        self.quote_ms[row] = quotes.ts_ms

    def _trade(self, trades: Prints, first: int) -> None:
        row, kind, price = trades.row, trades.kind, trades.price
        counts = sales.COUNTS[kind]
        np.add.at(self.volume, row[counts], trades.size[counts])
        np.add.at(self.count, row[counts], 1)
        self._regular(trades)
        last = np.flatnonzero(sales.MOVES_LAST[kind] & (trades.truth != LATE))
        who = row[last]
        self.last[who], self.last_ms[who] = price[last], trades.ts_ms[last]
        self.last_size[who], self.last_kind[who] = trades.size[last], kind[last]
        self.last_venue[who], self.last_number[who] = trades.venue[last], first + last
        for number, column in ((16, self.official_open), (15, self.official_close)):
            official = kind == sales.kind(number)
            if official.any():
                column[row[official]] = price[official]

    def _regular(self, trades: Prints) -> None:
        regular = ~sales.IS_EXTENDED[trades.kind]
        row, kind, price = trades.row, trades.kind, trades.price
        inside = regular & sales.IN_VWAP[kind]
        np.add.at(self.amount, row[inside], dollars(price[inside]) * trades.size[inside])
        np.add.at(self.vwap_volume, row[inside], trades.size[inside])
        wide = regular & sales.MOVES_HIGH_LOW[kind]
        np.maximum.at(self.high, row[wide], price[wide])
        np.minimum.at(self.low, row[wide], price[wide])
        last = np.flatnonzero(regular & sales.MOVES_LAST[kind])
        new = last[self.open[row[last]] == 0][::-1]
        self.open[row[new]] = price[new]
        self.close[row[last]] = price[last]

    def vwap(self) -> Floats:
        """Return the regular session's mean price in dollars, 0 where there was none."""
        known = self.vwap_volume > 0
        mean: Floats = np.where(known, self.amount / np.where(known, self.vwap_volume, 1.0), 0.0)
        return np.round(mean, 4)

    def end_close(self) -> Floats:
        """Return the session's close in dollars: official, else last, else the one before."""
        close = np.where(self.official_close > 0, self.official_close, self.close)
        price: Floats = np.where(close > 0, dollars(close), self.prev_close)
        return price

    def spans(self, window: Window) -> list[tuple[int, Closed]]:
        """Close the bars that end with `window` and amend older ones: (span in s, bars)."""
        _, late = timely(window.trades)
        done = [(1, bars) for bars in self.seconds.amend(late)] if len(late) else []
        if len(late):
            done += [(60, bars) for bars in self.minutes.amend(late)]
        if window.end_ms % 1000 == 0:
            done.append((1, self.seconds.cut(window.end_ms - 1000)))
        if window.end_ms % 60_000 == 0:
            bars = self.minutes.cut(window.end_ms - 60_000)
            self.note(bars)
            done.append((60, bars))
            if len(self.minutes.closed) > KEEP_MINUTES:
                self.older.append(self.minutes.closed.popleft().small())
        return done

    def note(self, bars: Closed) -> None:
        """Let `bars` be the last closed minute of their symbols."""
        for name in Closed.__slots__[2:]:
            getattr(self.recent, name)[bars.row] = getattr(bars, name)
        self.recent_ms[bars.row] = bars.start_ms

    def minute_bars(self) -> list[Closed]:
        """Return today's closed minute bars, oldest first."""
        return [*self.older, *self.minutes.closed]


def _no_bars(n: int) -> Closed:
    o, h, l, c, count = np.zeros((5, n), np.int64)  # noqa: E741
    return Closed(0, np.arange(n), o, h, l, c, np.zeros(n), np.zeros(n), np.zeros(n), count)
