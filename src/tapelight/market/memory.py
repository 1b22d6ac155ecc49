"""What questions remember of the market's past values: those of a while ago, and the last ranks.

Both are sampled at whole market seconds, after signals and boards, so a mark sees the values of
the second before: whatever cuts the market into parts can merge them and still agree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SAMPLES = 120
"""Samples of a span at the most: a longer span than 120 s is sampled every span / 120 s."""
LATE_S = 10
"""How much older than asked for a sample may be: a feed's silence leaves seconds without one."""
DELTA, CROSS = "delta", "cross"


@dataclass(frozen=True, slots=True)
class Kept:
    """Name a value that the table keeps: equal where kind and key are."""

    kind: str
    """delta (the value `span_s` ago) or cross (the last second's, over all rows)."""
    key: str
    reckon: Callable[[Any], Any] = field(compare=False)
    """Gives the value over the rows of a view of the whole table."""
    span_s: int = 0

    @property
    def step_s(self) -> int:
        """Return how many seconds lie between two samples."""
        return -(-self.span_s // SAMPLES) or 1

    @property
    def slots(self) -> int:
        """Return how many samples are kept."""
        return -(-self.span_s // self.step_s) + 1


class Series:
    """Hold the samples of one kept value: values (slots, rows), the second of each slot."""

    def __init__(self, kept: Kept, n: int) -> None:
        self.kept = kept
        self.values: Floats = np.full((kept.slots, n), np.nan)
        self.seconds: npt.NDArray[np.int64] = np.full(kept.slots, -1, np.int64)

    def put(self, second: int, values: Floats) -> None:
        """Take the values of a whole second."""
        grown = len(values) - self.values.shape[1]
        if grown > 0:
            more = np.full((len(self.values), max(grown, self.values.shape[1])), np.nan)
            self.values = np.concatenate([self.values, more], axis=1)
        slot = second // self.kept.step_s % self.kept.slots
        self.values[slot, : len(values)] = values
        self.values[slot, len(values) :] = np.nan
        self.seconds[slot] = second

    def at(self, second: int, n: int) -> Floats:
        """Return the newest sample of `n` rows that is not after `second`; null where none is."""
        step = self.kept.step_s
        wanted = second // step * step
        fits = (self.seconds <= wanted) & (self.seconds >= wanted - max(step, LATE_S))
        fits &= self.seconds >= 0
        if not fits.any():
            return np.full(n, np.nan)
        slot = int(np.argmax(np.where(fits, self.seconds, -1)))
        found = self.values[slot, :n]
        short = n - len(found)
        return np.concatenate([found, np.full(short, np.nan)]) if short else found


class Memory:
    """Keep what the questions ask for, and nothing else: a part of the engine."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._asked: dict[str, dict[str, Kept]] = {}

    def want(self, kept: Iterable[Kept], by: str = "questions") -> None:
        """Let `kept` be all that is remembered for `by`; what was remembered before stays."""
        self._asked[by] = {k.key: k for k in kept}
        wanted = {key: k for asked in self._asked.values() for key, k in asked.items()}
        self._series = {
            key: self._series.get(key) or Series(k, 0) for key, k in sorted(wanted.items())
        }
        for key, series in self._series.items():
            series.kept = wanted[key]

    def keeps(self, key: str) -> bool:
        """Tell whether a value is remembered."""
        return key in self._series

    def past(self, key: str, now_s: int, n: int) -> Floats:
        """Return a delta's value `span_s` before the second `now_s`; (n,), null unknown."""
        series = self._series[key]
        return series.at(now_s - series.kept.span_s, n)

    def last(self, key: str, n: int) -> Floats:
        """Return the last whole second's values; (n,), null before the first."""
        series = self._series[key]
        return series.at(int(series.seconds[0]), n)

    def sample(self, view: Any, second: int) -> None:
        """Take the values of a whole second from a view of the whole table.

        All are reckoned before one is put down: none sees another of this second.
        """
        due = [s for s in self._series.values() if second % s.kept.step_s == 0]
        n = len(view)
        found = [np.broadcast_to(np.asarray(s.kept.reckon(view), np.float64), n) for s in due]
        for series, values in zip(due, found, strict=True):
            series.put(second, values)

    def freeze(self) -> dict[str, Any]:
        """Return what is remembered: for each key an array of values and one of seconds."""
        state: dict[str, Any] = {"keys": "\n".join(self._series).encode()}
        for i, series in enumerate(self._series.values()):
            state[f"{i}.values"] = series.values.copy()
            state[f"{i}.seconds"] = series.seconds.copy()
        return state

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave, for what is still wanted."""
        for i, key in enumerate(state.get("keys", b"").decode().split("\n")):
            series = self._series.get(key)
            if series is not None:
                series.values, series.seconds = state[f"{i}.values"], state[f"{i}.seconds"]

    def clear(self) -> None:
        """Begin a new session: nothing is known of a while ago."""
        for series in self._series.values():
            series.values[:] = np.nan
            series.seconds[:] = -1


def percentile(values: Floats) -> Floats:
    """Return each known value's percentile, 0 the lowest to 100 the highest, ties alike.

    100 (r - 1) / (n - 1) with r the lowest rank among ties: SQL's PERCENT_RANK; 0 where n is 1.
    """
    out, at, ordered = _ordered(values)
    out[at] = 100.0 * np.searchsorted(ordered, values[at], "left") / max(len(at) - 1, 1)
    return out


def ranking(values: Floats) -> Floats:
    """Return each known value's place, 1 the highest, ties alike: SQL's RANK, descending."""
    out, at, ordered = _ordered(values)
    out[at] = len(at) - np.searchsorted(ordered, values[at], "right") + 1
    return out


def _ordered(values: Floats) -> tuple[Floats, npt.NDArray[np.intp], Floats]:
    at = np.flatnonzero(~np.isnan(values))
    return np.full(len(values), np.nan), at, np.sort(values[at])


def ranking_within(codes: npt.NDArray[np.int32], values: Floats) -> Floats:
    """Return each known value's place among the rows of its group `codes` (-1 is none)."""
    out = np.full(len(values), np.nan)
    at = np.flatnonzero(~np.isnan(values) & (codes >= 0))
    if not len(at):
        return out
    order = at[np.lexsort((-values[at], codes[at]))]
    group, value = codes[order], values[order]
    place = np.arange(len(order))
    begins = np.concatenate([[True], group[1:] != group[:-1]])
    rises = begins | np.concatenate([[True], value[1:] != value[:-1]])
    first = np.maximum.accumulate(np.where(begins, place, 0))
    out[order] = np.maximum.accumulate(np.where(rises, place, 0)) - first + 1
    return out
