"""Indicators with the bar that is not closed yet: reckoned at whole seconds, for who asks so."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tapelight.market.bank import Bank, Work
from tapelight.market.candles import CANDLE, open_minute, resample, span_start
from tapelight.market.indicators import TIMEFRAMES, Ask
from tapelight.market.table import Table
from tapelight.model.session import MINUTE_NS
from tapelight.scan.cut import Cutter

Rows = npt.NDArray[np.intp]
_PARTS = {"open": "bar_o", "high": "bar_h", "low": "bar_l", "close": "bar_c", "volume": "bar_v"}
_NEVER = 1 << 30
"""A minute after every session."""


class Forming:
    """Peek with the forming bar, in the engine itself: a second can't wait for a worker.

    A value is a pure function of the closed bars of the table and of the forming one, so that
    it needs no memory: the handles are opened anew after a snapshot.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.asked: tuple[Ask, ...] = ()
        self._bank = Bank()
        self._cutter: Cutter | None = None
        self._open: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def begin(self, wanted: Iterable[Ask]) -> None:
        """Begin anew, with the forming ones of `wanted`."""
        self.asked = tuple(a for a in wanted if a.forming)
        self._bank = Bank()
        self._open = np.zeros(0, np.bool_)
        if self.asked and self._cutter is None:
            self._cutter = Cutter(self.table)
        elif not self.asked and self._cutter is not None:
            self._cutter.stop()
            self._cutter = None

    def skip(self) -> None:
        """Let go of what came: nothing is stepped."""
        if self._cutter is not None:
            self._cutter.skip()

    def step(self, rows: Rows, boundary: int, now_ns: int) -> None:
        """Reckon the values of `rows` (ascending) at a whole second.

        In the first instant of a minute its bar has just closed and is not cut: values stay.
        """
        if now_ns // MINUTE_NS - self._first_minute() != boundary or self._cutter is None:
            return
        opened = np.zeros(self.table.n, np.bool_)
        opened[: len(self._open)] = self._open
        here = np.zeros(self.table.n, np.bool_)
        here[rows] = True
        cut = self._cutter.minute(boundary, rows, ~opened, now_ns)
        gone = np.flatnonzero(opened & ~here)
        work = Work(now_ns, now_ns, self.asked, cut.replaced, cut.whole, cut.fresh, gone)
        self._bank.reckon(work)
        self._open = here
        known = rows[self.table.candles.slot[rows] >= 0]
        for values in self._bank.peek(known, self._bars(known, boundary)):
            for ask, row_values in zip(values.asks, values.values, strict=True):
                self.table.indicators.put(ask, values.rows, row_values, self.table.n)

    def _first_minute(self) -> int:
        session = self.table.session
        assert session is not None
        return session.start_ns // MINUTE_NS

    def _bars(self, rows: Rows, boundary: int) -> dict[str, np.ndarray]:
        """Return the forming bar of `rows` by timeframe; a row without one has none."""
        session = self.table.session
        assert session is not None
        live = self.table.rows[rows]
        has = (live["bar_min"] - self._first_minute() == boundary) & ~np.isnan(live["bar_o"])
        minute = np.zeros(int(has.sum()), CANDLE)
        minute["row"], minute["minute"] = rows[has], boundary
        for name, part in _PARTS.items():
            minute[name] = live[part][has]
        opens = open_minute(session)
        found = {}
        for name, span in TIMEFRAMES.items():
            closed = self.table.candles.window(rows, span)
            closed = closed[closed["minute"] >= span_start(boundary, span, opens)]
            both = np.concatenate([closed, minute])
            both = both[np.lexsort((both["minute"], both["row"]))]
            found[name] = resample(both, span, opens, _NEVER)
        return found
