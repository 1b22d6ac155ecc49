"""Cuts: the bars of the rows in tier 2 as of one moment, kept until they are seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.candles import (
    CANDLE,
    open_minute,
    resample,
    session_candles,
    span_start,
)
from tapelight.market.indicators import TIMEFRAMES
from tapelight.market.spill import BAR
from tapelight.market.table import Table
from tapelight.model.session import MINUTE_NS

Rows = npt.NDArray[np.intp]
Bars = dict[str, np.ndarray]
"""CANDLEs by timeframe, sorted by row and minute."""
NOTHING: Bars = {name: np.zeros(0, CANDLE) for name in TIMEFRAMES}


@dataclass(frozen=True, slots=True)
class Cut:
    """Hold what closed: all bars of the rows `replaced`, the newest ones of the others."""

    due_ns: int
    replaced: Rows
    whole: Bars
    fresh: Bars

    def freeze(self) -> dict[str, Any]:
        """Return it as arrays."""
        whole = {f"cut.whole.{name}": bars for name, bars in self.whole.items()}
        fresh = {f"cut.fresh.{name}": bars for name, bars in self.fresh.items()}
        return {"cut.replaced": self.replaced, **whole, **fresh}

    @staticmethod
    def thaw(state: dict[str, Any], due_ns: int) -> "Cut":
        """Return what `freeze` gave."""
        whole, fresh = (
            {name: state[f"cut.{kind}.{name}"] for name in TIMEFRAMES}
            for kind in ("whole", "fresh")
        )
        return Cut(due_ns, state["cut.replaced"].astype(np.intp), whole, fresh)


class Cutter:
    """Take the closed bars of rows from the table, each one once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.boundary = 0
        """The minute of the session before which everything has been cut."""
        self.whole_next = False
        """Whether the next minute takes all bars of all rows: what came since is not known."""
        self._news = table.bars.watch()

    def minute(self, boundary: int, rows: Rows, waiting: npt.NDArray[np.bool_], due_ns: int) -> Cut:
        """Return the bars that closed since the last time in `rows`, up to minute `boundary`.

        Rows that wait, and those in which an earlier bar changed, are taken whole.
        """
        news = self._take_news(rows, boundary)
        again = waiting[rows]
        ahead = boundary - self.boundary
        if self.whole_next or ahead not in (0, 1):
            again[:] = True
        late = news["minute"] < self.boundary
        again |= np.isin(rows, news["row"][late])
        self.boundary, self.whole_next = boundary, False
        others = rows[~again]
        replaced = rows[again]
        spans = self._spans(news[np.isin(news["row"], others)], others) if ahead else NOTHING
        return Cut(due_ns, replaced, self.whole(replaced), spans)

    def rows(self, rows: Rows, due_ns: int) -> Cut:
        """Return all bars of `rows` up to the last boundary."""
        return Cut(due_ns, rows, self.whole(rows), NOTHING)

    def whole(self, rows: Rows) -> Bars:
        """Return all bars of `rows` before the boundary, by timeframe."""
        session = self.table.session
        assert session is not None
        minutes = session_candles(self.table.bars.of_rows(rows), session)
        opens = open_minute(session)
        return {
            name: resample(minutes, span, opens, self.boundary) for name, span in TIMEFRAMES.items()
        }

    def show(self, cut: Cut) -> None:
        """Let the candles of a cut be seen, in the rows that still are in tier 2."""
        candles = self.table.candles
        second = self.table.tiers.levels(self.table.n) > 1
        rows = cut.replaced[second[cut.replaced]]
        candles.replace(rows, {n: b[second[b["row"]]] for n, b in cut.whole.items()})
        candles.add({n: b[candles.slot[b["row"]] >= 0] for n, b in cut.fresh.items()})

    def skip(self) -> None:
        """Let go of what came: the next minute takes all bars of all rows."""
        self._news.clear()
        self.whole_next = True

    def stop(self) -> None:
        """Watch the bars no more: it is asked no more."""
        self.table.bars.unwatch(self._news)

    def _take_news(self, rows: Rows, boundary: int) -> np.ndarray:
        """Return the bars of `rows` that came or changed, the newest state of each."""
        session = self.table.session
        assert session is not None
        news = np.concatenate([np.zeros(0, BAR), *self._news])
        self._news.clear()
        mine = np.zeros(self.table.n, np.bool_)
        mine[rows] = True
        end = boundary + session.start_ns // MINUTE_NS
        early = news["minute"] >= end
        if early.any():
            self._news.append(news[early])
        made = session_candles(news[mine[news["row"]] & ~early], session)
        last = np.append(
            (made["row"][1:] != made["row"][:-1]) | (made["minute"][1:] != made["minute"][:-1]),
            np.ones(min(len(made), 1), np.bool_),
        )
        return made[last]

    def _spans(self, fresh: np.ndarray, rows: Rows) -> Bars:
        """Return the bars of each timeframe that the minute just closed ends, in `rows`."""
        session = self.table.session
        assert session is not None
        opens, until = open_minute(session), self.boundary
        found = {"1m": fresh}
        for name, span in list(TIMEFRAMES.items())[1:]:
            if span_start(until, span, opens) != until:
                found[name] = np.zeros(0, CANDLE)
                continue
            before = self.table.candles.window(rows, span)
            before = before[(before["minute"] >= until - span) & (before["minute"] < until - 1)]
            minutes = np.concatenate([before, fresh])
            minutes = minutes[np.lexsort((minutes["minute"], minutes["row"]))]
            found[name] = resample(minutes, span, opens, until)
        return found

    def clear(self) -> None:
        """Begin a new session."""
        self.boundary, self.whole_next = 0, False
