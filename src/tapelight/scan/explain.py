"""Explain: why a row is, or is not, on a board or fired by a scan; and which rows come nearest."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from math import inf
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.column import columns
from tapelight.market.some import Some
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.model.session import PHASES, clock_zone
from tapelight.model.signals import Leaf, Value
from tapelight.scan.board import ENTER_NS, HOLD_NS, Board
from tapelight.scan.course import ARMED, CONFIRMED, FIRED
from tapelight.scan.leaves import NULL_TESTS, Group, Probe, leaves, tree_of
from tapelight.scan.question import Question
from tapelight.scan.rule import StrategyRule
from tapelight.scan.scan import Scan
from tapelight.scan.sql import cells
from tapelight.scan.wording import clock, listed, number

NS = 1_000_000_000
HOPELESS = 2
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Say how a question stands for one row at a mark, whether or not anything came of it."""

    symbol: str
    scan: str
    title: str
    kind: str
    """board, events or strategy."""
    ts_ns: int
    """The mark that is explained."""
    true: bool | None
    """Whether the condition and the gate hold; None where that is unknown, which counts as not."""
    leaves: tuple[Leaf, ...]
    failed: tuple[Leaf, ...]
    """Those for which it does not hold."""
    muted: tuple[str, ...]
    """What keeps it silent although it holds: phase, cooldown, re-arm, stale, provisional."""
    state: str = ""
    """armed, fired (a signal is live), held (true since an earlier mark), listed (on the board)."""
    since_ns: int = 0
    """Since when that is so; 0 unknown."""
    values: dict[str, Value] = {}
    """The question's columns."""
    text: str = ""
    """All of it in a sentence."""


class NearMiss(msgspec.Struct, frozen=True):
    """Name a row for which one leaf alone fails."""

    symbol: str
    leaf: Leaf
    by: float | None
    """How far the value is from the bound, relative to the bound; None where that has no measure."""
    text: str


def verdict(found: Iterable[Leaf]) -> bool | None:
    """Return what leaves come to, by three-valued logic; None is unknown."""
    return _verdict(_nested(list(found), 0), "and")


def failing(found: Iterable[Leaf]) -> tuple[Leaf, ...]:
    """Return the leaves for which the condition does not hold; none when it does."""
    return tuple(_failing(_nested(list(found), 0), "and"))


_Parts = list[Any]
"""Leaves and (join, parts) pairs."""


def _nested(found: list[Leaf], depth: int) -> _Parts:
    """Return the leaves in the joins that their `within` names."""
    parts: _Parts = []
    for name, run in groupby(found, lambda leaf: (leaf.within[depth:] or ("",))[0]):
        if not name:
            parts += run
        else:
            parts.append(("or" if name.startswith("or") else "and", _nested(list(run), depth + 1)))
    return parts


def _verdict(parts: _Parts, join: str) -> bool | None:
    truths = [p.true if isinstance(p, Leaf) else _verdict(p[1], p[0]) for p in parts]
    decides = join == "or"
    if decides in truths:
        return decides
    return None if None in truths else not decides


def _failing(parts: _Parts, join: str) -> Iterator[Leaf]:
    if _verdict(parts, join):
        return
    for part in parts:
        if not isinstance(part, Leaf):
            yield from _failing(part[1], part[0])
        elif not part.true:
            yield part


def explain(
    question: Question, view: View, row: int, memory: Scan | Board | None = None
) -> Explanation:
    """Explain how `question` stands at the view's place `row`, at the view's mark.

    `memory` is the board or scan that asks it: it knows of cooldown, re-arm and membership.
    """
    at = np.array([row], np.intp)
    (found,) = leaves(tree_of(question.query), view, at)
    names = [named.name for named in question.query.select]
    index = row if view.index is None else int(view.index[row])
    muted = [*_of_data(question, view, row), *_of_phase(question, view)]
    state, since_ns = "", 0
    if isinstance(memory, Scan):
        muted += _of_memory(memory, view, row, index)
        state, since_ns = _scan_state(memory, index)
    elif memory is not None and index < len(memory.entered):
        muted += _of_membership(memory, view, index)
        since_ns = int(memory.entered[index])
        state = "listed" if since_ns else ""
    made = Explanation(
        symbol=view.table.universe.symbols[index],
        scan=question.name,
        title=question.header.title,
        kind=question.header.kind,
        ts_ns=view.moment.now_ns,
        true=verdict(found),
        leaves=found,
        failed=failing(found),
        muted=tuple(muted),
        state=state,
        since_ns=since_ns,
        values=dict(zip(names, (c[0] for c in cells(question.query, view, at)), strict=True)),
    )
    return msgspec.structs.replace(made, text=sentence(made, _zone(view)))


def explain_rule(
    rule: StrategyRule, view: View, row: int, asked: tuple[Leaf, ...] | None = None
) -> Explanation:
    """Explain how a strategy stands for the view's place `row`, its frame's conditions included.

    `asked` are the leaves that it was asked with; without them, those that stand.
    """
    found = rule.explain(view, row) if asked is None else asked
    index = row if view.index is None else int(view.index[row])
    course = rule.course[index]
    state = _COURSES.get(int(course["state"]), "")
    made = Explanation(
        symbol=view.table.universe.symbols[index],
        scan=rule.name,
        title=rule.name.replace("_", " ").capitalize(),
        kind="strategy",
        ts_ns=view.moment.now_ns,
        true=verdict(found),
        leaves=found,
        failed=failing(found),
        muted=(f"the strategy is off: {rule.fault}",) if rule.fault else (),
        state=state,
        since_ns=int(course["fired_ns" if state == "fired" else "born_ns"]) if state else 0,
    )
    return msgspec.structs.replace(made, text=sentence(made, _zone(view)))


_COURSES = {ARMED: "armed", FIRED: "fired", CONFIRMED: "fired"}


def _zone(view: View) -> dt.tzinfo:
    """Return whose time of day the sentences tell."""
    return clock_zone(view.table.calendar)


def sentence(told: Explanation, zone: dt.tzinfo) -> str:
    """Return an explanation as a sentence: failed: float_shares unknown; rvol_tod 2.1 >= 3 false."""
    parts = []
    if told.state:
        words = {"listed": "on the board", "held": "true", "fired": "a signal is live"}
        since = f" since {clock(told.since_ns, zone)}" if told.since_ns else ""
        parts.append(f"{words.get(told.state, told.state)}{since}")
    if told.failed:
        parts.append(f"failed: {listed(told.failed)}")
    elif not told.state:
        parts.append("every condition holds")
    return "; ".join([*parts, *told.muted])


def _of_data(question: Question, view: View, row: int) -> Iterator[str]:
    """Yield why the row's data make no signal."""
    if question.header.kind != "events":
        return
    if np.asarray(view["stale"])[row]:
        age_s = float(np.asarray(view["age_ms"])[row]) / 1000.0
        yield f"stale: its data are {number(age_s)} s old, and a stale row makes no signal"
    if np.asarray(view["provisional"])[row]:
        yield "provisional: a hole in the feed is open, or a split waits for its check"


def _of_phase(question: Question, view: View) -> Iterator[str]:
    phases, phase = question.header.phases, PHASES[view.moment.phase]
    if phases and phase not in phases:
        yield f"not asked in the {phase} phase: it is for {', '.join(phases)}"


def _of_memory(scan: Scan, view: View, row: int, index: int) -> Iterator[str]:
    """Yield what keeps a scan from firing for the row again."""
    header = scan.question.header
    fired_ns = int(scan.fired_ns[index]) if index < len(scan.fired_ns) else 0
    if not fired_ns:
        return
    until_ns = fired_ns + int(header.cooldown_s * NS)
    if until_ns > view.moment.now_ns:
        zone = _zone(view)
        yield f"muted until {clock(until_ns, zone)}: it fired at {clock(fired_ns, zone)}"
    price, last = float(scan.fired_price[index]), float(np.asarray(view["last"])[row])
    if header.rearm_pct and 100.0 * abs(last / price - 1.0) < header.rearm_pct:
        moved = number(100.0 * abs(last / price - 1.0))
        yield (
            f"not re-armed: last moved {moved} % from {number(price)}, where it fired; "
            f"{number(header.rearm_pct)} % are asked for"
        )
    if index in scan.life.spent:
        yield "not re-armed: since it fired the condition was not let go, its bounds let out by a fifth"


def _scan_state(scan: Scan, index: int) -> tuple[str, int]:
    life = scan.life
    if index in life.live:
        return "fired", life.live[index].fired_ns
    if index in life.armed:
        return "armed", life.armed[index]
    held = index < len(scan.held) and bool(scan.held[index])
    return ("held", 0) if held else ("", 0)


def _of_membership(board: Board, view: View, index: int) -> Iterator[str]:
    """Yield what keeps a row from entering a board, or from leaving it."""
    now, since, entered = view.moment.now_ns, board.true_since[index], board.entered[index]
    if not entered and since and now - since < ENTER_NS:
        yield "enters when it has held for 500 ms"
    elif entered and not since and now - entered < HOLD_NS:
        until = clock(int(entered) + HOLD_NS, _zone(view))
        yield f"stays until {until} at least: a row is held for 15 s"


def near_misses(question: Question, view: View, limit: int) -> list[NearMiss]:
    """Return the rows for which exactly one leaf fails, the nearest first, ties by symbol.

    Of alternatives joined by `or` the one that fails least counts. A flag, a word or an unknown
    value has no distance: those rows come last. What is true for a mark's blink only (a new high)
    is waited for, not missed: a row that lacks nothing else comes first.
    """
    tree = tree_of(question.query)
    rows = nearest(tree, view, limit)
    found = [_near(row_leaves) for row_leaves in leaves(tree, view, rows)]
    ranked = sorted(
        zip(found, view.symbols(rows), strict=True),
        key=lambda each: (inf if each[0][1] is None else each[0][1], each[1]),
    )
    return [NearMiss(symbol, leaf, by, listed([leaf])) for (leaf, by), symbol in ranked]


def nearest(tree: Group, view: View, limit: int) -> Positions:
    """Return the places in the view of `limit` near misses, the nearest first.

    Told by arrays: half the market may lack one leaf, and leaves are made of few rows.
    """
    missing = _missing(tree, view, _blinks)
    waiting = (missing == 0) & (_missing(tree, view, lambda _probe: False) > 0)
    rows = np.flatnonzero((missing == 1) | waiting)
    some = Some(view, rows)
    assert some.index is not None
    _, by = _lacks(tree, some)
    by[waiting[rows]] = 0.0
    order = np.lexsort((view.table.symbol_rank()[some.index], by))
    return rows[order[:limit]]


def _lacks(part: Group | Probe, view: View) -> tuple[Flags, npt.NDArray[np.float64]]:
    """Return where a part holds, and how far the one leaf that it lacks is from its bound.

    That is 0 where it holds, infinite where there is no measure or more than one leaf is lacking.
    """
    n = len(view)
    if isinstance(part, Probe):
        holds = np.ones(n, np.bool_) if _blinks(part) else np.asarray(part.test(view))
        return holds, np.where(holds, 0.0, _distances(part, view))
    if not part.parts:
        return np.ones(n, np.bool_), np.zeros(n)
    found = [_lacks(inner, view) for inner in part.parts]
    if part.join == "or":
        either = np.logical_or.reduce([holds for holds, _ in found])
        return either, np.minimum.reduce([by for _, by in found])
    wrong = np.add.reduce([~holds for holds, _ in found], dtype=np.int64)
    by = np.maximum.reduce([by for _, by in found])
    return wrong == 0, np.where(wrong > 1, inf, by)


def _distances(probe: Probe, view: View) -> npt.NDArray[np.float64]:
    """Return each row's `distance` from the probe's bound, infinite where there is none."""
    nothing = np.full(len(view), inf)
    value = probe.value(view)
    bound = probe.literal if probe.bound is None else probe.bound(view)
    if probe.op in NULL_TESTS or not (_numbers(value) and _numbers(bound)):
        return nothing
    with np.errstate(all="ignore"):
        size = np.abs(np.asarray(bound, np.float64))
        by = np.abs(value - bound) / np.where(size == 0.0, 1.0, size)
    return np.where(np.isnan(by), nothing, by)


def _numbers(values: Any) -> bool:
    return not isinstance(values, Text) and np.asarray(values).dtype.kind == "f"


def _blinks(leaf: Probe | Leaf) -> bool:
    """Tell whether a leaf asks for what is true only until the next mark."""
    info = columns().get(leaf.name)
    return info is not None and info.pulse and leaf.op == "is"


def _missing(
    tree: Group | Probe, view: View, waived: Callable[[Probe], bool]
) -> npt.NDArray[np.int64]:
    """Return for each row how many leaves would have to change: 0 where it holds; 2 is many."""
    if isinstance(tree, Probe):
        return np.zeros(len(view), np.int64) if waived(tree) else np.where(tree.test(view), 0, 1)
    counts = [_missing(part, view, waived) for part in tree.parts]
    if not counts:
        return np.zeros(len(view), np.int64)
    joined = np.add.reduce(counts) if tree.join == "and" else np.minimum.reduce(counts)
    return np.minimum(joined, HOPELESS)


def _near(found: tuple[Leaf, ...]) -> tuple[Leaf, float | None]:
    """Return the leaf that alone is missing; of alternatives, the nearest to its bound."""
    waived = [msgspec.structs.replace(leaf, true=True) if _blinks(leaf) else leaf for leaf in found]
    candidates = [(leaf, distance(leaf)) for leaf in _alone(_nested(waived, 0), "and")]
    if not candidates:
        return next(leaf for leaf in failing(found) if _blinks(leaf)), 0.0
    return min(candidates, key=lambda each: inf if each[1] is None else each[1])


def _alone(parts: _Parts, join: str) -> Iterator[Leaf]:
    """Yield the leaves each of which alone would make the condition true."""
    wrong = [p for p in parts if not (p.true if isinstance(p, Leaf) else _verdict(p[1], p[0]))]
    if join == "and" and len(wrong) > 1:
        return
    for part in wrong:
        if isinstance(part, Leaf):
            yield part
        else:
            yield from _alone(part[1], part[0])


def distance(leaf: Leaf) -> float | None:
    """Return how far a value is from its bound, relative to the bound; None has no measure."""
    value, bound = leaf.value, leaf.bound
    numbers = isinstance(value, float) and isinstance(bound, float)
    if leaf.op in NULL_TESTS or not numbers:
        return None
    assert isinstance(value, float)
    assert isinstance(bound, float)
    return abs(value - bound) / (abs(bound) or 1.0)
