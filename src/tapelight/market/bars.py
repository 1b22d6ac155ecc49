"""Closed minute bars of the session: one immutable chunk a minute, replaced when a bar changes."""

import numpy as np
import numpy.typing as npt

from tapelight.market.spill import BAR

Chunk = np.ndarray
"""A structured array of BAR, sorted by row."""


class BarStore:
    """Keep the session's closed minute bars, sparse: no bar where nothing traded."""

    def __init__(self) -> None:
        self.chunks: dict[int, Chunk] = {}

    def add(self, bars: Chunk) -> None:
        """Add closed bars; one that exists is replaced."""
        for minute in np.unique(bars["minute"]):
            fresh = bars[bars["minute"] == minute]
            old = self.chunks.get(int(minute))
            self.chunks[int(minute)] = _merge(old, fresh)

    def get(self, minute: int, row: int) -> np.void | None:
        """Return one bar, None where nothing traded."""
        chunk = self.chunks.get(minute)
        if chunk is None:
            return None
        at = int(np.searchsorted(chunk["row"], row))
        found = at < len(chunk) and chunk["row"][at] == row
        return chunk[at] if found else None

    def has(self, minute: int, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return for each of `rows` whether it has a bar in `minute`."""
        chunk = self.chunks.get(minute)
        if chunk is None:
            return np.zeros(len(rows), np.bool_)
        return np.isin(rows, chunk["row"])

    def add_late(self, prints: Chunk) -> None:
        """Add late prints (as bars of one trade) to the bars they belong to.

        One that may open a bar makes it where there is none; of a bar that is there it moves
        the high and low, never the open or close.
        """
        for late in prints:
            old = self.get(int(late["minute"]), int(late["row"]))
            if old is None and not np.isnan(late["open"]):
                bar = np.array([late], BAR)
                bar["high"] = np.fmax(bar["high"], bar["open"])
                bar["low"] = np.fmin(bar["low"], bar["open"])
                self.add(bar)
            elif old is not None:
                self.add(_widened(old, late))

    def of_row(self, row: int) -> Chunk:
        """Return the row's bars, oldest first."""
        found = [self.get(minute, row) for minute in sorted(self.chunks)]
        return np.array([bar for bar in found if bar is not None], BAR)

    def clear(self) -> None:
        """Forget the session."""
        self.chunks.clear()


def _widened(old: np.void, late: np.void) -> Chunk:
    bar = np.array([old], BAR)
    for name in ("volume", "value", "trades"):
        bar[name] += late[name]
    bar["high"] = np.fmax(bar["high"], late["high"])
    bar["low"] = np.fmin(bar["low"], late["low"])
    return bar


def _merge(old: Chunk | None, fresh: Chunk) -> Chunk:
    """Return both, sorted by row; of two bars of one row the fresh one stays."""
    if old is not None and len(old):
        fresh = np.concatenate([old[~np.isin(old["row"], fresh["row"])], fresh])
    return fresh[np.argsort(fresh["row"], kind="stable")]
