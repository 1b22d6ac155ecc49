"""The bank: TA-Lib's streaming handles of many rows, moved on bar by bar.

A value is a pure function of the row's closed bars: a handle that was opened over all of them
and one that was moved on through them agree bit for bit. So the bank may be dropped and filled
anew at any time, in this process or in another.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import call
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.candles import CANDLE
from tapelight.market.indicators import (
    PERIODS,
    TIMEFRAMES,
    Ask,
    bars_needed,
    indicator_functions,
    opener,
)
from tapelight.model.records import TierResult, TierValues

Bars = Mapping[str, np.ndarray]
"""CANDLEs by timeframe, sorted by row and minute."""
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Work:
    """Hold what the bank needs to know of one cut, and what it is asked."""

    cut_ns: int
    due_ns: int
    """The market time at which the values are to be seen."""
    asks: tuple[Ask, ...]
    reopened: Rows
    """Rows of which `whole` holds all bars: their handles are opened anew."""
    whole: Bars
    fresh: Bars
    """Bars that closed since the last cut, one a row at the most, of rows not reopened."""
    dropped: Rows


@dataclass(frozen=True, slots=True)
class Values:
    """Hold the values of series of one timeframe: `values[i, j]` of series i in row j."""

    asks: tuple[Ask, ...]
    rows: Rows
    values: npt.NDArray[np.float64]


@dataclass(slots=True)
class Series:
    """Move one function with its parameters on, over one timeframe; it may answer several asks."""

    open: Callable[..., Any]
    inputs: tuple[str, ...]
    need: int
    period: float
    """What stands in for the input `periods`."""
    outputs: list[tuple[int, int]]
    """Index of the ask among its timeframe's, and of the function's output."""
    handles: dict[int, Callable[..., Any]] = field(default_factory=dict)
    """Of each row, its handle's `update`."""

    def begin(self, places: list[tuple[int, int, int]], fields: "Fields") -> tuple[Any, list[Any]]:
        """Open the handles of rows over their bars; return which had enough, and their values.

        A place is a row and where its bars begin and end. None of the rows has a handle.
        """
        columns = [fields.of(name, self.period) for name in self.inputs]
        warm, values = [], []
        for j, (row, begin, end) in enumerate(places):
            if end - begin < self.need:
                continue
            handle = self.open(*[column[begin:end] for column in columns])
            self.handles[row] = handle.update
            warm.append(j)
            values.append(handle.value)
        return warm, values

    def move(self, rows: list[int], columns: "Columns") -> tuple[Any, list[Any]]:
        """Move the open handles of `rows` on by a bar each; return which, and their values."""
        updates = [self.handles.get(row) for row in rows]
        if None not in updates:
            return slice(None), list(map(call, updates, *columns.lists(self)))
        at = [i for i, update in enumerate(updates) if update is not None]
        given = [[column[i] for i in at] for column in columns.lists(self)]
        return at, list(map(call, [updates[i] for i in at], *given))

    def peek(self, rows: list[int], columns: "Columns") -> tuple[Any, list[Any]]:
        """Return which of `rows` have an open handle, and their values with a bar not closed."""
        updates: list[Any] = [self.handles.get(row) for row in rows]
        at = [i for i, update in enumerate(updates) if update is not None]
        given = [[column[i] for i in at] for column in columns.lists(self)]
        return at, [updates[i].__self__.peek(*bar) for i, *bar in zip(at, *given, strict=True)]

    def stand(self, rows: list[int]) -> tuple[Any, list[Any]]:
        """Return which of `rows` have an open handle, and their values as they are."""
        updates: list[Any] = [self.handles.get(row) for row in rows]
        at = [i for i, update in enumerate(updates) if update is not None]
        return at, [updates[i].__self__.value for i in at]


class Fields:
    """Give the columns of bars as arrays, each gathered once for all rows and series."""

    def __init__(self, bars: np.ndarray) -> None:
        self._bars = bars
        self._done: dict[tuple[str, float], npt.NDArray[np.float64]] = {}

    def of(self, name: str, period: float) -> npt.NDArray[np.float64]:
        """Return one input; `period` stands in for the input `periods`."""
        key = (name, period) if name == PERIODS else (name, 0.0)
        found = self._done.get(key)
        if found is None:
            given = np.full(len(self._bars), period) if name == PERIODS else self._bars[name]
            found = self._done[key] = np.ascontiguousarray(given)
        return found


class Columns:
    """Give the columns of bars as lists of floats, each made once."""

    def __init__(self, bars: np.ndarray) -> None:
        self._bars = bars
        self._done: dict[str, list[float]] = {}

    def lists(self, series: Series) -> list[list[float]]:
        """Return the inputs of a series."""
        return [self._list(name, series.period) for name in series.inputs]

    def _list(self, name: str, period: float) -> list[float]:
        if name == PERIODS:
            return [period] * len(self._bars)
        if name not in self._done:
            self._done[name] = self._bars[name].tolist()
        return self._done[name]


class Early:
    """Hold the bars of rows in which some series is not open yet."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._bars: dict[int, list[np.ndarray]] = {}
        self._count: dict[int, int] = {}

    def begin(self, row: int, bars: np.ndarray) -> None:
        """Keep a row's bars, if there are too few for some series."""
        if len(bars) < self._longest:
            self._bars[row], self._count[row] = [bars.copy()], len(bars)

    def add(self, rows: list[int], bars: np.ndarray) -> dict[int, list[int]]:
        """Take the bar that each row has in `bars`; return which have how many by now."""
        found: dict[int, list[int]] = {}
        for j, row in enumerate(rows):
            if row in self._count:
                self._bars[row].append(bars[j : j + 1])
                count = self._count[row] = self._count[row] + 1
                found.setdefault(count, []).append(j)
        return found

    def of(self, rows: list[int]) -> tuple[list[tuple[int, int, int]], np.ndarray]:
        """Return where each row's bars begin and end, and the bars of all of them."""
        ends = np.cumsum([self._count[row] for row in rows]).tolist()
        bars = np.concatenate([bar for row in rows for bar in self._bars[row]])
        return list(zip(rows, [0, *ends[:-1]], ends, strict=True)), bars

    def drop(self, rows: Iterable[int]) -> None:
        """Forget rows."""
        for row in rows:
            if self._count.pop(row, None) is not None:
                del self._bars[row]


class Frame:
    """Move all series of one timeframe on."""

    def __init__(self, asks: tuple[Ask, ...]) -> None:
        self.asks = asks
        self.series = _series(asks)
        self._of_need: dict[int, list[Series]] = {}
        for series in self.series:
            self._of_need.setdefault(series.need, []).append(series)
        self._longest = max(self._of_need)
        self._early = Early(self._longest)
        self._held: set[int] = set()

    def reopen(self, rows: list[int], bars: np.ndarray) -> npt.NDArray[np.float64]:
        """Open all series of `rows` over their bars; return (asks, rows) values."""
        self.drop(rows)
        self._held.update(rows)
        values = np.full((len(self.asks), len(rows)), np.nan)
        begins = np.searchsorted(bars["row"], rows)
        ends = np.searchsorted(bars["row"], rows, "right")
        most = int((ends - begins).max())
        places = list(zip(rows, begins.tolist(), ends.tolist(), strict=True))
        fields = Fields(bars)
        for series in self.series:
            if series.need <= most:
                warm, opened = series.begin(places, fields)
                _put(values, series, warm, opened)
        for row, begin, end in places:
            self._early.begin(row, bars[begin:end])
        return values

    def move(self, rows: list[int], bars: np.ndarray) -> npt.NDArray[np.float64]:
        """Move all series of `rows` on by the bar that each has in `bars`."""
        values = np.full((len(self.asks), len(rows)), np.nan)
        columns = Columns(bars)
        for series in self.series:
            at, moved = series.move(rows, columns)
            if moved:
                _put(values, series, at, moved)
        self._warm(rows, bars, values)
        return values

    def _warm(self, rows: list[int], bars: np.ndarray, values: npt.NDArray[np.float64]) -> None:
        """Open the series of rows that have just as many bars as they need."""
        counts = self._early.add(rows, bars)
        enough = {count: at for count, at in counts.items() if count in self._of_need}
        if not enough:
            return
        places, early = self._early.of([rows[j] for at in enough.values() for j in at])
        fields, begin = Fields(early), 0
        for count, at in enough.items():
            mine, begin = places[begin : begin + len(at)], begin + len(at)
            for series in self._of_need[count]:
                _put(values, series, at, series.begin(mine, fields)[1])
        self._early.drop(rows[j] for j in enough.get(self._longest, ()))

    def peek(self, rows: list[int], bars: np.ndarray) -> npt.NDArray[np.float64]:
        """Return (asks, rows) values with the bar that is not closed, of rows that have one."""
        values = np.full((len(self.asks), len(rows)), np.nan)
        columns, place = Columns(bars), {row: j for j, row in enumerate(rows)}
        forming = bars["row"].tolist()
        quiet = sorted(set(rows) - set(forming))
        for series in self.series:
            for some, (at, found) in (
                (forming, series.peek(forming, columns)),
                (quiet, series.stand(quiet)),
            ):
                if found:
                    _put(values, series, [place[some[i]] for i in at], found)
        return values

    def drop(self, rows: list[int]) -> None:
        """Forget rows."""
        held = self._held.intersection(rows)
        self._held -= held
        self._early.drop(held)
        for series in self.series:
            for row in held:
                series.handles.pop(row, None)


class Bank:
    """Reckon the series that are asked for over the rows whose bars it was given."""

    def __init__(self) -> None:
        self._asks: tuple[Ask, ...] = ()
        self._frames: dict[str, Frame] = {}

    def reckon(self, work: Work) -> list[Values]:
        """Take a cut's bars and return the values that they change.

        Other asks than last time need all rows reopened.
        """
        if work.asks != self._asks:
            self._asks = work.asks
            self._frames = _frames(work.asks)
        found: list[Values] = []
        dropped, reopened = work.dropped.tolist(), work.reopened.tolist()
        for name, frame in self._frames.items():
            frame.drop(dropped)
            if reopened:
                opened = frame.reopen(reopened, work.whole.get(name, np.zeros(0, CANDLE)))
                found.append(Values(frame.asks, work.reopened, _known(opened)))
            fresh = work.fresh.get(name)
            if fresh is not None and len(fresh):
                rows = fresh["row"].astype(np.intp)
                found.append(Values(frame.asks, rows, _known(frame.move(rows.tolist(), fresh))))
        return found

    def peek(self, rows: Rows, bars: Bars) -> list[Values]:
        """Return the values of `rows` with the bars that are not closed, where they have one."""
        return [
            Values(frame.asks, rows, _known(frame.peek(rows.tolist(), bars[name])))
            for name, frame in self._frames.items()
        ]


def result_of(work: Work, found: list[Values]) -> TierResult:
    """Return what was reckoned for a cut as a record."""
    parts = [
        TierValues(
            tuple(ask.key for ask in values.asks),
            values.rows.astype(np.int32).tobytes(),
            np.ascontiguousarray(values.values).tobytes(),
        )
        for values in found
    ]
    return TierResult(work.cut_ns, work.due_ns, tuple(parts))


def _frames(asks: tuple[Ask, ...]) -> dict[str, Frame]:
    return {
        name: Frame(mine)
        for name in TIMEFRAMES
        if (mine := tuple(a for a in asks if a.timeframe == name))
    }


def _series(asks: tuple[Ask, ...]) -> list[Series]:
    """Return the series that answer `asks`: outputs of one function with one handle."""

    def what(numbered: tuple[int, Ask]) -> tuple[str, tuple[float, ...]]:
        return indicator_functions()[numbered[1].name].function, numbered[1].params

    found: list[Series] = []
    for (function, params), group in groupby(sorted(enumerate(asks), key=what), key=what):
        numbered = list(group)
        infos = [indicator_functions()[one.name] for _, one in numbered]
        found.append(
            Series(
                open=opener(infos[0], params),
                inputs=infos[0].inputs,
                need=bars_needed(function, params),
                period=params[0] if PERIODS in infos[0].inputs else 0.0,
                outputs=[(i, info.output) for (i, _), info in zip(numbered, infos, strict=True)],
            )
        )
    return found


def _put(values: npt.NDArray[np.float64], series: Series, at: Any, moved: Any) -> None:
    """Let what a series gave stand in the rows of its asks: one row at a time comes often."""
    if isinstance(at, list) and len(at) == 1:
        for i, output in series.outputs:
            values[i, at[0]] = moved[0][output] if isinstance(moved[0], tuple) else moved[0]
        return
    given = np.asarray(moved, np.float64)
    for i, output in series.outputs:
        values[i, at] = given[:, output] if given.ndim > 1 else given


def _known(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return values with NaN for what is no number: a division by nothing."""
    values[~np.isfinite(values)] = np.nan
    return values
