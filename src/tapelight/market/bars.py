"""Closed minute bars of the session, in immutable pieces that are replaced when a bar changes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.spill import BAR

Chunk = np.ndarray
"""A structured array of BAR, sorted by row."""
_FIRST = np.zeros(1, np.intp)
MOST_PIECES = 1_000
"""Pieces that wait for who watches: more become one, in which no bar stands twice."""


class BarStore:
    """Keep the session's closed minute bars, sparse: no bar where nothing traded.

    What closes live lies in a chunk a minute. A backfilled row has its past in one piece of its
    own, which counts for the minutes that it holds: hundreds of minutes come at once then, and
    would otherwise each touch a chunk of the whole market.
    """

    def __init__(self) -> None:
        self._chunks: dict[int, Chunk] = {}
        self._past: dict[int, Chunk] = {}
        self._past_until = -1
        self._watches: list[list[Chunk]] = []
        self._kept: list[list[Chunk]] = []
        self._row_index: dict[int, tuple[Chunk, npt.NDArray[np.int32]]] = {}

    def watch(self, *, over_night: bool = False) -> list[Chunk]:
        """Return a list to which all bars that come, and those that change, are appended.

        A bar in it is whole, a later one of the same row and minute replaces it. Whoever
        watches empties the list; the session's end does, too, where it is not `over_night`.
        """
        made: list[Chunk] = []
        (self._kept if over_night else self._watches).append(made)
        return made

    def unwatch(self, watch: list[Chunk]) -> None:
        """Append nothing to a list that `watch` gave any more."""
        self._watches = [one for one in self._watches if one is not watch]
        self._kept = [one for one in self._kept if one is not watch]

    def _tell(self, bars: Chunk) -> None:
        for watch in (*self._watches, *self._kept):
            watch.append(bars)
            if len(watch) > MOST_PIECES:
                watch[:] = [_newest(np.concatenate(watch))]

    def add(self, bars: Chunk) -> None:
        """Add closed bars; one that exists is replaced."""
        self._tell(bars)
        for minute in np.unique(bars["minute"]).tolist():
            fresh = bars[bars["minute"] == minute]
            if minute <= self._past_until:
                fresh = self._amend_past(minute, fresh)
            if len(fresh):
                self._chunks[minute] = _merge(self._chunks.get(minute), fresh)

    def _amend_past(self, minute: int, fresh: Chunk) -> Chunk:
        """Replace bars of backfilled rows where they lie; return those of the other rows."""
        elsewhere = np.ones(len(fresh), np.bool_)
        for i, row in enumerate(fresh["row"].tolist()):
            past = self._past.get(row)
            if past is not None and minute <= past["minute"][-1]:
                kept = past[past["minute"] != minute]
                both = np.concatenate([kept, fresh[i : i + 1]])
                self._past[row] = both[np.argsort(both["minute"])]
                elsewhere[i] = False
        return fresh[elsewhere]

    def drop(self, minute: int, row: int) -> None:
        """Forget one bar: its only trade was taken back. Whoever watches keeps what it made of it."""
        chunk, past = self._chunks.get(minute), self._past.get(row)
        if chunk is not None:
            self._chunks[minute] = chunk[chunk["row"] != row]
        if past is not None:
            left = past[past["minute"] != minute]
            self._past[row] = left
            if not len(left):
                del self._past[row]

    def set_past(self, row: int, bars: Chunk) -> None:
        """Let `bars` (oldest first) be all that is known of a row up to the last of them."""
        if len(bars):
            self._tell(bars)
            self._past[row] = bars
            self._past_until = max(self._past_until, int(bars["minute"][-1]))

    def get(self, minute: int, row: int) -> np.void | None:
        """Return one bar, None where nothing traded."""
        past = self._past.get(row)
        if past is not None and minute <= past["minute"][-1]:
            return _found(past, "minute", minute)
        chunk = self._chunks.get(minute)
        return None if chunk is None else _found(chunk, "row", row)

    def of_minute(self, minute: int) -> Chunk:
        """Return the bars of one minute that closed live, sorted by row; no backfilled past."""
        chunk = self._chunks.get(minute)
        return np.zeros(0, BAR) if chunk is None else chunk

    def has(self, minute: int, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return for each of `rows` whether it has a bar in `minute`."""
        if minute <= self._past_until:
            return np.array([self.get(minute, r) is not None for r in rows.tolist()], np.bool_)
        chunk = self._chunks.get(minute)
        return np.zeros(len(rows), np.bool_) if chunk is None else np.isin(rows, chunk["row"])

    def add_late(self, prints: Chunk) -> None:
        """Add late prints (as bars of one trade) to the bars they belong to, in arrival order.

        One that may open a bar makes it where there is none; of a bar that is there it moves
        the high and low, never the open, and the close where it has one. Thousands come at once
        just after a minute has closed, so each minute's chunk is made anew once.
        """
        for minute in np.unique(prints["minute"]).tolist():
            late = prints[prints["minute"] == minute]
            rows = np.unique(late["row"])
            known = [self.get(minute, row) for row in rows.tolist()]
            bars = np.zeros(len(rows), BAR)
            exists = np.array([bar is not None for bar in known], np.bool_)
            bars[exists] = np.array([bar for bar in known if bar is not None], BAR)
            self.add(_widened(bars, exists, np.searchsorted(rows, late["row"]), late))

    def of_row(self, row: int) -> Chunk:
        """Return the row's bars, oldest first."""
        past = self._past.get(row)
        since = -1 if past is None else int(past["minute"][-1])
        later = [self.get(m, row) for m in sorted(self._chunks) if m > since]
        fresh = np.array([bar for bar in later if bar is not None], BAR)
        return fresh if past is None else np.concatenate([past, fresh])

    def of_rows(self, rows: npt.NDArray[np.intp]) -> Chunk:
        """Return the bars of `rows` (ascending), in no order."""
        if not len(rows):
            return np.zeros(0, BAR)
        found = [np.zeros(0, BAR)]
        for minute, chunk in self._chunks.items():
            known = self._rows_in(minute, chunk)
            at = np.searchsorted(known, rows)
            at = at[known[np.minimum(at, len(known) - 1)] == rows] if len(known) else at[:0]
            bars = chunk[at]
            found.append(bars[self._counts(minute, bars["row"])] if self._past else bars)
        found += [self._past[row] for row in rows.tolist() if row in self._past]
        return np.concatenate(found)

    def _rows_in(self, minute: int, chunk: Chunk) -> npt.NDArray[np.int32]:
        """Return a chunk's rows side by side: gathering them anew is what a look-up costs."""
        kept = self._row_index.get(minute)
        if kept is None or kept[0] is not chunk:
            kept = self._row_index[minute] = (chunk, np.ascontiguousarray(chunk["row"]))
        return kept[1]

    def all(self) -> Chunk:
        """Return every bar, in no order."""
        chunks = [c[self._counts(minute, c["row"])] for minute, c in self._chunks.items()]
        return np.concatenate([np.zeros(0, BAR), *self._past.values(), *chunks])

    def _counts(self, minute: int, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return for each row whether its bar in a minute's chunk is not overruled by its past."""
        if minute > self._past_until:
            return np.ones(len(rows), np.bool_)
        since = [int(p["minute"][-1]) if (p := self._past.get(r)) is not None else -1
                 for r in rows.tolist()]  # fmt: skip
        return np.array(since, np.int64) < minute

    def clear(self) -> None:
        """Forget the session."""
        self._chunks.clear()
        self._past.clear()
        self._past_until = -1
        self._row_index.clear()
        for watch in self._watches:
            watch.clear()


def _newest(bars: Chunk) -> Chunk:
    """Return the last bar of each row and minute, in arrival order."""
    order = np.lexsort((bars["minute"], bars["row"]))
    ordered = bars[order]
    last = np.ones(len(bars), np.bool_)
    last[:-1] = (ordered["row"][1:] != ordered["row"][:-1]) | (
        ordered["minute"][1:] != ordered["minute"][:-1]
    )
    return bars[np.sort(order[last])]


def _found(chunk: Chunk, key: str, value: int) -> np.void | None:
    """Return the bar of a chunk that is sorted by `key`, None when there is none."""
    at = int(np.searchsorted(chunk[key], value))
    if at < len(chunk) and chunk[key][at] == value:
        bar: np.void = chunk[at]
        return bar
    return None


def _widened(bars: Chunk, exists: npt.NDArray[np.bool_], at: Any, late: Chunk) -> Chunk:
    """Return `bars` with late prints added in order; print i belongs to bar `at[i]`."""
    there = exists[at]
    place, into = at[there], late[there]
    for name in ("volume", "value", "trades"):
        np.add.at(bars[name], place, into[name])
    np.fmax.at(bars["high"], place, into["high"])
    np.fmin.at(bars["low"], place, into["low"])
    ends = ~np.isnan(into["close"])
    bars["close"][place[ends]] = into["close"][ends]
    for new, one in zip(at[~there].tolist(), late[~there], strict=True):
        if exists[new]:
            bars[new : new + 1] = _widened(
                bars[new : new + 1], exists[new : new + 1], _FIRST, np.array([one], BAR)
            )
        elif not np.isnan(one["open"]):
            bars[new] = one
            bars["high"][new] = np.fmax(one["high"], one["open"])
            bars["low"][new] = np.fmin(one["low"], one["open"])
            bars["close"][new] = one["open"] if np.isnan(one["close"]) else one["close"]
            exists[new] = True
    return bars[exists]


def _merge(old: Chunk | None, fresh: Chunk) -> Chunk:
    """Return both, sorted by row; of two bars of one row the fresh one stays.

    Bars that come in the order of their rows, as from a file, are put behind each other.
    """
    rows = np.ascontiguousarray(fresh["row"])
    ordered = bool((rows[1:] > rows[:-1]).all())
    if old is not None and len(old):
        if ordered and len(rows) and rows[0] > old["row"][-1]:
            return np.concatenate([old, fresh])
        fresh = np.concatenate([old[~np.isin(old["row"], fresh["row"])], fresh])
    elif ordered:
        return fresh
    return fresh[np.argsort(fresh["row"], kind="stable")]
