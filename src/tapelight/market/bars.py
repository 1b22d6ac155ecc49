"""Closed minute bars of the session: one immutable chunk a minute, replaced when a bar changes."""

import numpy as np

from tapelight.market.fold import BAR

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

    def add_late(self, prints: Chunk) -> None:
        """Add late prints (as bars of one trade) to the bars they belong to."""
        for late in prints:
            minute, row = int(late["minute"]), int(late["row"])
            old = self.get(minute, row)
            if old is None:
                continue
            bar = np.array([old], BAR)
            bar["volume"] += late["volume"]
            bar["value"] += late["value"]
            bar["trades"] += 1
            bar["high"] = np.fmax(bar["high"], late["high"])
            bar["low"] = np.fmin(bar["low"], late["low"])
            self.add(bar)

    def of_row(self, row: int) -> Chunk:
        """Return the row's bars, oldest first."""
        found = [self.get(minute, row) for minute in sorted(self.chunks)]
        return np.array([bar for bar in found if bar is not None], BAR)

    def clear(self) -> None:
        """Forget the session."""
        self.chunks.clear()


def _merge(old: Chunk | None, fresh: Chunk) -> Chunk:
    """Return both, sorted by row; of two bars of one row the fresh one stays."""
    if old is not None and len(old):
        fresh = np.concatenate([old[~np.isin(old["row"], fresh["row"])], fresh])
    return fresh[np.argsort(fresh["row"], kind="stable")]
