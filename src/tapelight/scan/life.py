"""What a scan remembers of its signals: who is armed, live, spent, in a burst, and what was told."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
MOST_TOLD = 4_096
"""Signals of a session that can be taken back, the newest of each scan."""


class Live(NamedTuple):
    """Name a signal by row and birth (the mark in its id); say when it fired, and on which print."""

    row: int
    born_ns: int
    fired_ns: int
    event_ns: int = 0
    """The time of the symbol's newest print then."""


WIDTH = len(Live._fields)


class Burst(NamedTuple):
    """Hold the first signal of a burst and how many there have been."""

    row: int
    born_ns: int
    first_ns: int
    repeats: int


class Told:
    """Keep the newest signals that fired: a ring of (row, born_ns, fired_ns, event_ns)."""

    def __init__(self) -> None:
        self._ring: Int64s = np.zeros((0, WIDTH), np.int64)
        self._count = 0

    def add(self, signal: Live) -> None:
        """Note one more."""
        if self._count == len(self._ring) < MOST_TOLD:
            more = np.zeros((max(self._count, 8), WIDTH), np.int64)
            self._ring = np.concatenate([self._ring, more])[:MOST_TOLD]
        self._ring[self._count % len(self._ring)] = signal
        self._count += 1

    def __iter__(self) -> Iterator[Live]:
        """Yield what is kept, oldest first."""
        begin = max(self._count - len(self._ring), 0)
        for i in range(begin, self._count):
            yield Live(*self._ring[i % len(self._ring)].tolist())

    def of_event(self, row: int, event_ns: int) -> list[Live]:
        """Return the signals of a row that fired on the print of a time, oldest first."""
        kept = self.freeze()
        found = (kept[:, 0] == row) & (kept[:, 3] == event_ns)
        return [Live(*each) for each in kept[found].tolist()]

    def forget(self, gone: Iterable[Live]) -> None:
        """Drop signals that were taken back."""
        out = set(gone)
        self.take([signal for signal in self if signal not in out])

    def take(self, signals: Iterable[Live]) -> None:
        """Keep these and no others."""
        self._ring, self._count = np.zeros((0, WIDTH), np.int64), 0
        for signal in signals:
            self.add(signal)

    def freeze(self) -> Int64s:
        """Return what is kept, (signals, 4), oldest first."""
        if self._count <= len(self._ring):
            return self._ring[: self._count].copy()
        return np.roll(self._ring, -(self._count % len(self._ring)), axis=0)


class Life:
    """Remember the few rows whose signals go on; keyed by row."""

    def __init__(self) -> None:
        self.armed: dict[int, int] = {}
        """row -> birth of the signal that may fire"""
        self.live: dict[int, Live] = {}
        self.over: list[Live] = []
        """Live when the session ended: told as expired when next asked."""
        self.spent: dict[int, None] = {}
        """Fired, and the condition let out has not failed since."""
        self.bursts: dict[int, Burst] = {}
        self.told = Told()

    @property
    def idle(self) -> bool:
        """Tell whether no row is remembered: a mark can bring nothing but new signals."""
        return not (self.armed or self.live or self.over or self.spent)

    def rows(self) -> npt.NDArray[np.intp]:
        """Return the rows to be asked again at whole seconds, unordered."""
        return _rows([*self.armed, *self.live, *self.spent, *(s.row for s in self.over)])

    def end_session(self) -> None:
        """Forget the session, but for the signals that it left open."""
        self.over = [*self.over, *self.live.values()]
        for memory in (self.armed, self.live, self.spent, self.bursts):
            memory.clear()
        self.told.take(())

    def freeze(self) -> dict[str, Any]:
        """Return everything as arrays."""
        return {
            "armed": _table(self.armed.items(), 2),
            "live": _table(self.live.values(), WIDTH),
            "over": _table(self.over, WIDTH),
            "spent": _rows(self.spent).astype(np.int64),
            "bursts": _table(self.bursts.values(), 4),
            "told": self.told.freeze(),
        }

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.armed = dict(state["armed"].tolist())
        self.live = {row: Live(row, *rest) for row, *rest in state["live"].tolist()}
        self.over = [Live(*each) for each in state["over"].tolist()]
        self.spent = dict.fromkeys(state["spent"].tolist())
        self.bursts = {row: Burst(row, *rest) for row, *rest in state["bursts"].tolist()}
        self.told.take(Live(*each) for each in state["told"].tolist())


def places(
    rows: npt.NDArray[np.intp], asked: npt.NDArray[np.bool_], wanted: Iterable[int]
) -> npt.NDArray[np.intp]:
    """Return where in `rows` (ascending) those `wanted` stand that are `asked`, ascending."""
    few = np.sort(_rows(wanted))
    at = np.searchsorted(rows, few)
    inside = at < len(rows)
    found, few = at[inside], few[inside]
    found = found[rows[found] == few]
    return found[asked[found]]


def _rows(rows: Iterable[int]) -> npt.NDArray[np.intp]:
    return np.array(list(rows), np.intp)


def _table(entries: Iterable[tuple[int, ...]], width: int) -> Int64s:
    return np.array(list(entries), np.int64).reshape(-1, width)
