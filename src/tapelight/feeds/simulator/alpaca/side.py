"""What one data feed knows of the market: SIP all of it, IEX the prints of one exchange.

Prints that the tape marks as bad are taken back five seconds later, every second of them by a
correction to the bid. Sums and bars are kept without them.
"""

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.totals import Totals
from tapelight.feeds.simulator.window import BAD, OK, Prints, Window

IEX = 15
"""The exchange id of IEX."""
TAKEN_BACK_MS = 5_000
KEEP_TRADES = 200_000


@dataclass(frozen=True, slots=True)
class Amended:
    """Hold a print that is taken back: by a correction to `price`, cancelled where that is 0."""

    due_ms: int
    row: int
    number: int
    trades: Prints
    at: int
    price: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what one window brought to a side."""

    window: Window
    """With its prints as they were sent."""
    numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    """The running number of each print."""
    bars: list[Closed]
    """Minute bars that closed."""
    updated: list[Closed]
    """Minute bars that a late print amended."""
    amended: list[Amended]


class Side:
    """Fold one feed's share of each window."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation, self.name = simulation, name
        self.totals = Totals(len(simulation.listing), simulation.totals.prev_close)
        if name == "sip":
            self.totals = copy.deepcopy(simulation.totals)
        self._session = simulation.tape.day.plan.session
        self._waiting: deque[Amended] = deque()
        self._recent: deque[tuple[Window, np.ndarray[tuple[int], np.dtype[np.int64]]]] = deque()
        self._held = 0

    def take(self, window: Window) -> Seen:
        """Fold a window."""
        plan = self.simulation.tape.day.plan
        if plan.session is not self._session:
            self._session = plan.session
            self.totals.begin(plan.prev_close)
        numbers = window.first_trade + np.arange(len(window.trades))
        if self.name == "iex":
            mine = window.trades.venue == IEX
            window, numbers = replace(window, trades=window.trades.take(mine)), numbers[mine]
        clean, clean_numbers = self._cleaned(window, numbers)
        self.totals.add(clean)
        spans = self.totals.spans(clean)
        minutes = [bars for span_s, bars in spans if span_s == 60]
        closing = window.end_ms - 60_000
        self._keep(clean, clean_numbers)
        return Seen(
            window, numbers, [b for b in minutes if b.start_ms == closing],
            [b for b in minutes if b.start_ms != closing], self._due(window.end_ms),
        )  # fmt: skip

    def _cleaned(
        self, window: Window, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    ) -> "tuple[Window, np.ndarray[tuple[int], np.dtype[np.int64]]]":
        """Return the window as it will have been, noting what has to be taken back."""
        trades = window.trades
        bad = np.flatnonzero(trades.truth == BAD)
        if not len(bad):
            return window, numbers
        keep, price = np.ones(len(trades), np.bool_), trades.price.copy()
        for at in bad.tolist():
            row, number = int(trades.row[at]), int(numbers[at])
            right = int(self.totals.bid[row]) if number % 2 else 0
            keep[at], price[at] = right > 0, right or price[at]
            due = window.end_ms + TAKEN_BACK_MS
            self._waiting.append(Amended(due, row, number, trades, at, right))
        truth = np.where(trades.truth == BAD, OK, trades.truth).astype(np.uint8)
        fixed = replace(trades, price=price, truth=truth).take(keep)
        return replace(window, trades=fixed), numbers[keep]

    def pending(self, row: int) -> list[Amended]:
        """Return the prints of a row that have been sent and not yet taken back."""
        return [one for one in self._waiting if one.row == row]

    def _due(self, now_ms: int) -> list[Amended]:
        found = []
        while self._waiting and self._waiting[0].due_ms <= now_ms:
            found.append(self._waiting.popleft())
        return found

    def _keep(self, window: Window, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
        if not len(numbers):
            return
        self._recent.append((window, numbers))
        self._held += len(numbers)
        while self._held > KEEP_TRADES and len(self._recent) > 1:
            self._held -= len(self._recent.popleft()[1])

    def trades(self, row: int, since_ns: int, until_ns: int) -> Iterator[tuple[Prints, int, int]]:
        """Yield (prints, place, number) of a row's trades in [since, until), oldest first."""
        for window, numbers in self._recent:
            if window.end_ms * MS <= since_ns - 30_000 * MS or window.start_ms * MS >= until_ns:
                continue
            stamp = window.trades.ts_ms * MS
            mine = (window.trades.row == row) & (stamp >= since_ns) & (stamp < until_ns)
            for at in np.flatnonzero(mine).tolist():
                yield window.trades, at, int(numbers[at])
