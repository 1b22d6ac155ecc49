"""A strategy at work: gates, one live signal a symbol, re-arm, and the course of each signal."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.errors import Rejected, TapelightError
from tapelight.market.some import Some
from tapelight.market.table import Table
from tapelight.market.view import View
from tapelight.model.session import REGULAR
from tapelight.model.signals import Leaf, Signal
from tapelight.scan.answers import Answers, all_true, leaf
from tapelight.scan.course import (
    COURSE,
    FIRED,
    empty_course,
    followed,
    live_of,
    past_of,
    picked,
    put,
    untell,
)
from tapelight.scan.gates import common_gates
from tapelight.scan.life import Live, Told
from tapelight.scan.strategy import MAX_TARGETS, Entries, Flags, Look, Strategy, no_entries

FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    ReferenceError,
    RuntimeError,
    StopAsyncIteration,
    StopIteration,
    SyntaxError,
    SystemError,
    SystemExit,
    TypeError,
    ValueError,
    Warning,
    TapelightError,
)
"""What the code of a strategy may raise: it is then off, and the others go on."""


class StrategyRule:
    """Ask one strategy, remember its signals, and tell what becomes of them."""

    def __init__(self, name: str, strategy: Strategy, version: str) -> None:
        self.name = name
        self.strategy = strategy
        self.version = version
        """Hash of the code and its parameters."""
        self.fault = ""
        """Why it is off; empty while it runs."""
        self.course = empty_course(0)
        self._followed: Flags = np.zeros(0, np.bool_)
        self.told = Told()
        self._over = self.course
        """Courses that the session's end left open, of `_over_rows`: the next mark ends them."""
        self._over_rows: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.memory: dict[str, npt.NDArray[Any]] = {
            name: np.zeros(0, type(first)) for name, first in strategy.memory.items()
        }

    @property
    def on_closes(self) -> bool:
        """Tell whether it is asked when bars close, though nothing traded since."""
        return bool(self.strategy.candles) or bool(self.strategy.indicators())

    @cached_property
    def asks(self) -> frozenset[Any]:
        """Return the indicators that it looks at."""
        return frozenset(self.strategy.indicators())

    @property
    def pulsing(self) -> bool:
        """Tell whether it remembers what moves at each mark: a new high of it stands for one alone."""
        return bool(self.strategy.memory) and not self.strategy.by_bars

    @property
    def in_play_only(self) -> bool:
        """Tell whether it is asked of in-play rows alone: those of which bars are kept.

        What is remembered must know the whole day: it is asked of all rows, unless it moves with
        closed bars alone.
        """
        return self.on_closes and (self.strategy.by_bars or not self.memory)

    @property
    def live(self) -> bool:
        """Tell whether any signal lives."""
        return bool(self._followed.any()) or len(self._over) > 0

    def held_rows(self, n: int) -> Flags:
        """Tell for each of the table's `n` rows whether it is to be asked at whole seconds."""
        self._resize(n)
        return self._followed

    def evaluate(self, view: View, rows: npt.NDArray[np.intp], asked: Flags) -> list[Signal]:
        """Ask the strategy of those of `rows` (the view's) that are `asked`.

        Returns the signals that became true, and the states and exits of earlier ones. The view
        may hold more rows: they change nothing here.
        """
        self._resize(view.table.n)
        if self.fault or not self._awake(view, rows[asked]):
            return []
        at = asked.nonzero()[0]
        at = at[self._concerned(Some(view, at), rows[at])]
        if not len(at):
            return []
        return self._ask(Some(view, at), rows[at])

    def _concerned(self, view: View, rows: npt.NDArray[np.intp]) -> Flags:
        """Tell which rows the strategy has to see; of others nothing can become true or change."""
        look = Look(view, lambda: live_of(picked(self.course, rows)), self.memory)
        try:
            with np.errstate(all="ignore"):
                concerned = self.strategy.concerns(look)
            check_flags("concerns", concerned, len(rows))
        except FAULTS as error:
            self._fail(error)
            return np.zeros(len(rows), np.bool_)
        asked = np.ones(len(rows), np.bool_) if concerned is None else concerned
        if not self.memory:
            strategy = self.strategy
            gates = common_gates(look, strategy.params, strategy.gated)
            asked = asked & all_true(gates, len(rows))
        return np.asarray(asked | self._followed[rows])

    def _ask(self, view: View, rows: npt.NDArray[np.intp]) -> list[Signal]:
        """Ask the strategy of all of the view's `rows`."""
        course = picked(self.course, rows)
        look = self.look(view, course)
        entries = self._entries(look)
        if entries is None:
            return []
        for name, values in entries.keep.items():
            self.memory[name][rows] = values
        answers = self._answers(view, look, course, entries)
        signals = [*answers.follow(), *answers.enter()]
        if signals:
            self._note(view, rows, course)
        put(self.course, rows, course)
        self._followed[rows] = followed(course)
        return signals

    def _note(self, view: View, rows: npt.NDArray[np.intp], course: np.ndarray) -> None:
        """Note what fires at this mark, and on which print of its symbol."""
        now, prints = view.moment.now_ns, view.field("print_ns")
        for i in np.flatnonzero(course["fired_ns"] == now).tolist():
            self.told.add(Live(int(rows[i]), int(course["born_ns"][i]), now, int(prints[i])))

    def give_up(self, table: Table) -> list[Signal]:
        """Return the ends of all live signals, where the strategy goes or is switched off."""
        self._resize(table.n)
        closed = self.close(table)
        return closed + self._tell(table, np.flatnonzero(self._followed), Answers.give_up)

    def close(self, table: Table) -> list[Signal]:
        """Return the ends of the signals that were live when the session ended, halted or stale."""
        rows, course = self._over_rows, self._over
        if not len(rows):
            return []
        self._over_rows, self._over = rows[:0], course[:0]
        view = View(table, rows)
        answers = self._answers(view, self.look(view, course), course, no_entries(len(rows)))
        return [*answers.close()]

    def retract(self, table: Table, row: int, event_ns: int, reason: str) -> list[Signal]:
        """Take back the signals of this session that `row` gave on the print of `event_ns`."""
        self._resize(table.n)
        gone = self.told.of_event(row, event_ns)
        if gone:
            self.told.forget(gone)
        return [record for one in gone for record in self._take_back(table, one, reason)]

    def _take_back(self, table: Table, gone: Live, reason: str) -> list[Signal]:
        """Return the record of one signal's retraction; live or over, it never was."""
        rows = np.array([gone.row], np.intp)
        view, course = View(table, rows), picked(self.course, rows)
        past = past_of(course, gone.born_ns)
        answers = self._answers(view, self.look(view, past), past, no_entries(1))
        untell(course, gone.fired_ns)
        put(self.course, rows, course)
        self._followed[rows] = followed(course)
        return [*answers.take_back(reason)]

    def _tell(
        self, table: Table, rows: npt.NDArray[np.intp], told: Callable[[Answers], Iterable[Signal]]
    ) -> list[Signal]:
        """Return what is `told` of earlier signals of `rows`; no entry is asked for."""
        view, course = View(table, rows), picked(self.course, rows)
        answers = self._answers(view, self.look(view, course), course, no_entries(len(rows)))
        signals = [*told(answers)]
        put(self.course, rows, course)
        self._followed[rows] = followed(course)
        return signals

    def explain(self, view: View, at: int, *, due: bool = False) -> tuple[Leaf, ...]:
        """Return every leaf of the view's row `at` as it stands, those of the frame included.

        Where it is `due` to be asked, they are those it will be asked with: what the mark ends of
        an earlier signal is over by then. Nothing changes, not even where the strategy fails.
        """
        rows = np.arange(view.table.n) if view.index is None else view.index
        self._resize(view.table.n)
        course = picked(self.course, rows)
        look = self.look(view, course)
        try:
            entries = None if self.fault else self._asked(look)
        except FAULTS:
            entries = None
        if entries is None:
            return (Leaf("strategy is on", False, "is", True, False),)
        answers = self._answers(view, look, course, entries)
        if due:
            deque(answers.follow(), maxlen=0)
        asked = [*answers.conditions, *answers.turns]
        return tuple(leaf(condition, at) for condition in asked)

    def _answers(self, view: View, look: Look, course: np.ndarray, entries: Entries) -> Answers:
        return Answers(self.name, self.version, self.strategy, view, look, course, entries)

    def _awake(self, view: View, asked: npt.NDArray[np.intp]) -> bool:
        """Tell whether it has anything to do: in its hours, or while a signal of a row lives."""
        moment, params = view.moment, self.strategy.params
        if self._followed[asked].any():
            return True
        if moment.phase != REGULAR:
            return False
        minutes = moment.since_open_min()
        if params.end_min and minutes >= params.end_min:
            return False
        return bool(self.memory) or minutes >= params.begin_min

    def look(self, view: View, course: np.ndarray) -> Look:
        """Return what the strategy is shown of the view's rows, whose courses are given."""
        return Look(view, partial(live_of, course), self.memory)

    def _entries(self, look: Look) -> Entries | None:
        """Return the strategy's answer; one that fails or is malformed switches it off."""
        try:
            return self._asked(look)
        except FAULTS as error:
            self._fail(error)
            return None

    def _asked(self, look: Look) -> Entries:
        """Return the strategy's answer, checked; raises what its code raises."""
        with np.errstate(all="ignore"):
            entries = self.strategy.signals(look)
        check_entries(entries, len(look), self.memory)
        return entries

    def _fail(self, error: BaseException) -> None:
        """Switch it off, with the reason."""
        self.fault = f"{type(error).__name__}: {error}"

    def _resize(self, rows: int) -> None:
        grown = rows - len(self.course)
        if grown > 0:
            self.course = np.concatenate([self.course, empty_course(grown)])
            self._followed = followed(self.course)
            for name, first in self.strategy.memory.items():
                more = np.full(grown, first, type(first))
                self.memory[name] = np.concatenate([self.memory[name], more])

    def freeze(self) -> dict[str, Any]:
        """Return what it remembers: (rows,) arrays, and the fault as bytes."""
        kept = {f"memory.{name}": values.copy() for name, values in self.memory.items()}
        over = {"over": self._over.copy(), "over_rows": self._over_rows.copy()}
        told = {"told": self.told.freeze(), "fault": self.fault.encode()}
        return {"course": self.course.copy(), **told, **over, **kept}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        if state["course"].dtype != COURSE:
            raise Rejected("The snapshot is of another version.")
        self.course, self.fault = state["course"], bytes(state["fault"]).decode()
        self._over, self._over_rows = state["over"], state["over_rows"]
        self.told.take(Live(*each) for each in state["told"].tolist())
        self._followed = followed(self.course)
        self.memory = {name: state[f"memory.{name}"] for name in self.memory}

    def clear(self) -> None:
        """Begin a new session: what lives will end, the memory is as declared. A fault stays."""
        left = np.flatnonzero(self.course["state"] >= FIRED)
        self._over_rows = np.concatenate([self._over_rows, left])
        self._over = np.concatenate([self._over, picked(self.course, left)])
        self.course = empty_course(len(self.course))
        self.told.take(())
        self._followed[:] = False
        for name, first in self.strategy.memory.items():
            self.memory[name][:] = first


def check_entries(entries: Entries, n: int, memory: dict[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError or TypeError that names the first part of `entries` that is not as it must be."""
    if not isinstance(entries, Entries):
        raise TypeError(f"signals returned {type(entries).__name__}, it must return Entries")
    if len(entries.targets) > MAX_TARGETS:
        raise ValueError(f"{len(entries.targets)} targets, at most {MAX_TARGETS}")
    for name, values, kinds in _parts(entries):
        shape, kind = (
            (values.shape, values.dtype.kind)
            if isinstance(values, np.ndarray)
            else ("none", type(values).__name__)
        )
        if shape != (n,) or kind not in kinds:
            raise ValueError(f"{name} has shape {shape} and type {kind!r}, rows are {n}")
    for name, values in entries.keep.items():
        if name not in memory:
            raise ValueError(f"keep names {name!r}, which memory does not declare")
        if np.shape(values) != (n,):
            raise ValueError(f"keep {name!r} has shape {np.shape(values)}, rows are {n}")


def check_flags(name: str, flags: Flags | None, n: int) -> None:
    """Raise ValueError where `flags` are not one truth for each of `n` rows."""
    if flags is not None and (np.shape(flags) != (n,) or np.asarray(flags).dtype != np.bool_):
        raise ValueError(f"{name} has shape {np.shape(flags)}, it must be {n} truths")


def _parts(entries: Entries) -> Iterator[tuple[str, Any, str]]:
    yield "side", entries.side, "i"
    yield "entry", entries.entry, "f"
    yield "stop", entries.stop, "f"
    for number_, target in enumerate(entries.targets, 1):
        yield f"target {number_}", target, "f"
    for name, maybe, kinds in (("armed", entries.armed, "b"), ("trail", entries.trail, "f")):
        if maybe is not None:
            yield name, maybe, kinds
    for name, times in (("expires_ns", entries.expires_ns), ("exit_ns", entries.exit_ns)):
        if not isinstance(times, int):
            yield name, times, "i"
    for way in entries.exits:
        yield f"exit {way.text!r}", way.true, "b"
    for condition in entries.when:
        yield f"condition {condition.name!r}", condition.true, "b"
        yield f"value of {condition.name!r}", condition.value, "fbiuU"
