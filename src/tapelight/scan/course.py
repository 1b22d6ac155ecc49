"""What becomes of a strategy's signals on the tape: the paper course, trader or none.

A fired signal waits until its entry is traded within the limit, then for its stop, targets,
time and reasons to give up. All of it is read from last prices at marks: a replay is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.scan.strategy import MAX_TARGETS, Entries, Flags, Floats, Int64s, Live

NONE, ARMED, FIRED, CONFIRMED = range(4)
COURSE = np.dtype(
    [(n, "f8") for n in "entry limit stop risk fill best".split()]
    + [("targets", "f8", (MAX_TARGETS,))]
    + [(n, "i8") for n in "born_ns fired_ns filled_ns seen_ns expires_ns exit_ns".split()]
    + [("rested_ns", "i8"), ("tries", "i4"), ("state", "u1"), ("side", "i1"), ("hits", "u1")]
    + [(n, "?") for n in "touched halted held".split()],
    align=True,
)
"""One row's course. `rested_ns`: when it last fired, for the cooldown; `held`: whether all held."""


@dataclass(frozen=True, slots=True)
class Step:
    """Tell that at the rows `at` (places in the look) a signal came into `state`."""

    at: npt.NDArray[np.intp]
    state: str
    kind: str
    reason: str
    text: str = ""
    target: int = 0
    """Which target was reached, from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """Hold what a course is followed by, one element a row."""

    last: Floats
    last_ns: Int64s
    """When the last price was printed."""
    halted: Flags
    sound: Flags
    """Neither stale nor provisional: the others wait."""
    now_ns: int


RAW = np.dtype((np.void, COURSE.itemsize))
"""The same bytes without fields: rows of it are picked and put at a twentieth of the cost."""


def picked(course: np.ndarray, rows: npt.NDArray[np.intp]) -> np.ndarray:
    """Return a copy of some rows."""
    return course.view(RAW)[rows].view(COURSE)


def put(course: np.ndarray, rows: npt.NDArray[np.intp], fresh: np.ndarray) -> None:
    """Put rows back."""
    course.view(RAW)[rows] = fresh.view(RAW)


def followed(course: np.ndarray) -> Flags:
    """Tell which rows are to be asked though nothing changed: a signal lives, or all holds."""
    return np.asarray((course["state"] != NONE) | course["held"])


def empty_course(rows: int) -> np.ndarray:
    """Return the courses of `rows` rows: no signal."""
    course = np.zeros(rows, COURSE)
    for name in ("entry", "limit", "stop", "risk", "fill", "best", "targets"):
        course[name] = np.nan
    return course


def past_of(course: np.ndarray, born_ns: int) -> np.ndarray:
    """Return the course of the signal that was born then: unknown where a later one took its place."""
    past = course.copy() if int(course["born_ns"][0]) == born_ns else empty_course(1)
    past["born_ns"] = born_ns
    return past


def untell(course: np.ndarray, fired_ns: int) -> None:
    """Let one row's course be, in place, as if the signal that fired then had not been.

    An entry that was traded is followed to its end all the same.
    """
    newest = int(course["fired_ns"][0]) == fired_ns
    if newest and course["state"][0] == CONFIRMED:
        return
    course["tries"] -= 1
    if newest:
        course["rested_ns"] = 0
        course["state"][course["state"] == FIRED] = NONE


def live_of(course: np.ndarray) -> Live:
    """Return what a strategy may know of its live signals."""
    names = "state side entry stop risk fill best fired_ns filled_ns".split()
    return Live(*(np.ascontiguousarray(course[name]) for name in names))


def follow(course: np.ndarray, tape: Tape, entries: Entries) -> Iterator[Step]:
    """Move the courses of the rows on, in place, and yield what changed.

    A halt comes first, and a row takes one step a mark, but that two targets may be reached at
    once. What would be an exit invalidates an entry that was never traded.
    """
    follows = tape.sound & (course["state"] >= FIRED)
    if not follows.any():
        return
    halts = follows & tape.halted & ~course["halted"]
    yield from _halt(course, halts)
    course["halted"][follows & ~tape.halted] = False
    rows = follows & ~tape.halted
    waiting = rows & (course["state"] == FIRED)
    holding = rows & (course["state"] == CONFIRMED)
    yield from _wait(course, waiting, tape, entries)
    yield from _hold(course, holding, tape, entries)


def _halt(course: np.ndarray, at: Flags) -> Iterator[Step]:
    """Void the entries that a halt overtakes; those that were traded go on after it."""
    if at.any():
        course["halted"][at] = True
        course["state"][at & (course["state"] == FIRED)] = NONE
        yield Step(np.flatnonzero(at), "halted", "entry", "halted")


def _wait(course: np.ndarray, rows: Flags, tape: Tape, entries: Entries) -> Iterator[Step]:
    """Follow entries that have not been traded."""
    side, last = course["side"], tape.last
    late = rows & _due(course["expires_ns"], tape.now_ns)
    yield from _end(course, late, "expired", "entry", "time")
    rows = rows & ~late
    stopped = rows & (side * (last - course["stop"]) <= 0.0)
    yield from _end(course, stopped, "invalidated", "entry", "stop")
    rows = rows & ~stopped
    for way in entries.exits:
        gone = rows & way.true
        yield from _end(course, gone, "invalidated", "entry", way.reason, way.text)
        rows = rows & ~gone
    over = rows & _due(course["exit_ns"], tape.now_ns)
    yield from _end(course, over, "expired", "entry", "time")
    rows = rows & ~over & (tape.last_ns > course["seen_ns"])
    course["touched"][rows & (side * (last - course["entry"]) >= 0.0)] = True
    filled = rows & course["touched"] & (side * (course["limit"] - last) >= 0.0)
    if filled.any():
        course["state"][filled] = CONFIRMED
        course["filled_ns"][filled] = tape.now_ns
        course["fill"][filled] = course["best"][filled] = last[filled]
        yield Step(np.flatnonzero(filled), "confirmed", "entry", "entry")


def _hold(course: np.ndarray, rows: Flags, tape: Tape, entries: Entries) -> Iterator[Step]:
    """Follow entries that were traded: stop, targets, reasons to give up, time, trail."""
    if not rows.any():
        return
    side, last = course["side"], tape.last
    better = rows & (side * (last - course["best"]) > 0.0)
    course["best"][better] = last[better]
    stopped = rows & (side * (last - course["stop"]) <= 0.0)
    yield from _end(course, stopped, "fired", "exit", "stop")
    rows = rows & ~stopped
    for number in range(1, MAX_TARGETS + 1):
        yield from _reach(course, rows, last, number, entries.trail is not None)
    rows = rows & (course["state"] == CONFIRMED)
    for way in entries.exits:
        gone = rows & way.true
        yield from _end(course, gone, "fired", "exit", way.reason, way.text)
        rows = rows & ~gone
    over = rows & _due(course["exit_ns"], tape.now_ns)
    yield from _end(course, over, "fired", "exit", "time")
    _trail(course, rows & ~over & (course["hits"] > 0), entries)


def _reach(
    course: np.ndarray, rows: Flags, last: Floats, number: int, trails: bool
) -> Iterator[Step]:
    """Tell of target `number`; the last one ends the course unless a trailing stop takes over."""
    target = course["targets"][:, number - 1]
    hit = rows & (course["hits"] == number - 1) & (course["side"] * (last - target) >= 0.0)
    if not hit.any():
        return
    course["hits"][hit] = number
    following = course["targets"][:, number] if number < MAX_TARGETS else np.full(len(last), np.nan)
    if not trails:
        course["state"][hit & np.isnan(following)] = NONE
    yield Step(np.flatnonzero(hit), "fired", "exit", "target", f"target {number}", number)


def _trail(course: np.ndarray, rows: Flags, entries: Entries) -> None:
    """Let the stop follow, never back."""
    if entries.trail is None:
        return
    nearer = rows & (course["side"] * (entries.trail - course["stop"]) > 0.0)
    course["stop"][nearer] = entries.trail[nearer]


def _end(
    course: np.ndarray, rows: Flags, state: str, kind: str, reason: str, text: str = ""
) -> Iterator[Step]:
    if rows.any():
        course["state"][rows] = NONE
        yield Step(np.flatnonzero(rows), state, kind, reason, text)


def _due(at_ns: Any, now_ns: int) -> Flags:
    return np.asarray((at_ns > 0) & (at_ns <= now_ns))
