"""Minute bars of the day so far: whose are fetched first, and what they are as columns."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tapelight.model.batch import Bars
from tapelight.model.records import Snapshot
from tapelight.model.session import MINUTE_NS, NS

MAX_TRADES = 1e9
"""A minute of more trades than this cannot be."""
GAPPERS = 50
PUBLISHED_NS = 5 * NS
"""So long after its end a minute's bar can be asked for."""
Minute = tuple[int, float, float, float, float, float, float, float]
"""Start ns, open, high, low, close, shares, VWAP (0 = unknown), trades."""


class Cut(NamedTuple):
    """What a snapshot tells of the minute in which it was taken; of no price where none traded."""

    minute: Minute
    until_ns: int

    @property
    def span_s(self) -> int:
        """Return its length in whole seconds, always less than a minute."""
        return max(1, min((self.until_ns - self.minute[0]) // NS, 59))


def most_active(snapshot: Snapshot, count: int) -> list[int]:
    """Return the rows of the `count` highest by volume x price, then of the top gappers."""
    known = np.isfinite(snapshot.last) & (snapshot.volume > 0)
    dollars = np.where(known, snapshot.volume * snapshot.last, 0.0)
    by_dollars = np.argsort(-dollars, kind="stable")[:count]
    gap = np.abs(snapshot.last / snapshot.prev_close - 1.0)
    by_gap = np.argsort(-np.where(known & np.isfinite(gap), gap, 0.0), kind="stable")[:GAPPERS]
    chosen = [int(i) for i in (*by_dollars, *(by_gap if count else ())) if known[i]]
    return [int(snapshot.row[i]) for i in dict.fromkeys(chosen)]


def begin_of(ts_ns: int) -> int:
    """Return the begin of the minute in which a time lies."""
    return ts_ns // MINUTE_NS * MINUTE_NS


def minute_columns(
    minutes: Iterable[Minute], row: int, from_ns: int, until_ns: int, cut: Cut | None = None
) -> Bars | None:
    """Return the sound bars that lie wholly in [from_ns, until_ns), None where there is none.

    The `cut` comes after them, as long as it is, where nothing can lack before it: unless its whole
    minute is among them, or the minute before may not have been published yet.
    """
    kept = [
        (start, o, h, low, c, v, vw or np.nan, n)
        for start, o, h, low, c, v, vw, n in minutes
        if from_ns <= start <= until_ns - MINUTE_NS and h >= low > 0 and v >= 0 and n <= MAX_TRADES
    ]
    spans = [60] * len(kept)
    if cut is not None and _follows(cut, {bar[0] for bar in kept}, from_ns):
        kept.append(cut.minute)
        spans.append(cut.span_s)
    if not kept:
        return None
    count = len(kept)
    open_, high, low, close, volume, vwap, trades = (
        np.array([k[i] for k in kept], np.float64) for i in range(1, 8)
    )
    return Bars(
        np.full(count, row, np.int32),
        np.array([k[0] for k in kept], np.int64),
        np.array(spans, np.int32),
        open_, high, low, close, volume, vwap, trades,
        day_volume=np.full(count, np.nan), day_open=np.full(count, np.nan),
    )  # fmt: skip


def _follows(cut: Cut, known: set[int], from_ns: int) -> bool:
    """Return whether the minutes before a cut are known, and its own is not."""
    start, _, _, _, _, volume, _, _ = cut.minute
    if start in known or not (known or volume > 0):
        return False
    published = cut.until_ns >= start + PUBLISHED_NS
    return published or start <= from_ns or start - MINUTE_NS in known
