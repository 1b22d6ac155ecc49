"""What a scan would have said: the difference of two texts, and how often it fires at which bound."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from tapelight.app.scanplay import Played, Span, Watch, last_days, play
from tapelight.errors import ConfigError
from tapelight.scan.parse import ScanSql, parse
from tapelight.scan.question import Question
from tapelight.scan.refuse import written

OLD, NEW = "the_old_text", "the_new_text"
FACTORS = (0.33, 0.5, 0.67, 0.8, 0.9, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
MOST_BOUNDS = 8
_LOWER = (exp.GT, exp.GTE)
_UPPER = (exp.LT, exp.LTE)


def difference(
    old: str, new: str, texts: Mapping[str, str], days: Sequence[str], data: Path, watch: Watch
) -> Iterator[dict[str, Any]]:
    """Yield what one text says and the other does not: day, change (+ or -), symbol, time.

    A signal of a scan, or a symbol that comes on a board, is the same when symbol and mark are.
    The last row is the sum: {"added", "gone", "same"}.
    """
    every = {**texts, OLD: old, NEW: new}
    added = gone = same = 0
    for day in days:
        played = play(Span(day), every, (OLD, NEW), data, watch)
        before = {f.place: f for f in played.fires if f.scan == OLD}
        after = {f.place: f for f in played.fires if f.scan == NEW}
        same += len(before.keys() & after.keys())
        changes = [("-", before[place]) for place in before.keys() - after.keys()]
        changes += [("+", after[place]) for place in after.keys() - before.keys()]
        added += sum(change == "+" for change, _ in changes)
        gone += sum(change == "-" for change, _ in changes)
        for change, fire in sorted(changes, key=lambda c: (c[1].ts_ns, c[1].symbol, c[0])):
            yield {"run": played.run, "change": change, **fire.told()}
    yield {"added": added, "gone": gone, "same": same}


@dataclass(frozen=True, slots=True)
class Variant:
    """Hold a scan with one of its bounds moved."""

    bound: str
    value: float
    tightness: float
    """Greater is narrower, 1 is as written."""
    text: str


def variants(text: str, question: Question) -> list[Variant]:
    """Return the scan with each numeric bound moved, one at a time; those of 0 can't be scaled."""
    header = [line for line in text.splitlines() if line.startswith("--")]
    tree = parse(question.query.text)
    found: list[Variant] = []
    for bound in _bounds(tree)[:MOST_BOUNDS]:
        for factor in FACTORS:
            moved = bound.value * factor
            bound.literal.set("this", f"{abs(moved):.12g}")
            sql = tree.sql(dialect=ScanSql)
            tight = factor if bound.lower == (bound.value > 0) else 1.0 / factor
            found.append(Variant(bound.said, moved, tight, "\n".join([*header, sql])))
        bound.literal.set("this", f"{abs(bound.value):.12g}")
    return found


def unvaried(question: Question) -> list[str]:
    """Return the leaves that no variant moves, as written: flags and tests for null left out."""
    tree = parse(question.query.text)
    found = _bounds(tree)
    moved = {id(bound.literal) for bound in found[:MOST_BOUNDS]}
    silent = (exp.Column, exp.Is, exp.Boolean)
    kept = [leaf for leaf in _leaves(tree) if not isinstance(_plain(leaf), silent)]
    return [
        written(leaf)
        for leaf in kept
        if not any(id(n) in moved for n in leaf.find_all(exp.Literal))
    ]


def _plain(leaf: exp.Expr) -> exp.Expr:
    inner: exp.Expr = leaf.this.unnest() if isinstance(leaf, exp.Not) else leaf
    return inner


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    """Hold a number that bounds a leaf, and which way: `lower` bounds from below."""

    said: str
    literal: exp.Literal
    value: float
    lower: bool


def _leaves(tree: exp.Select) -> list[exp.Expr]:
    """Return the comparisons that AND and OR join, in text order."""
    where = tree.args.get("where")
    waiting: list[exp.Expr] = [where.this] if where is not None else []
    found: list[exp.Expr] = []
    while waiting:
        node = waiting.pop().unnest()
        if isinstance(node, exp.And | exp.Or):
            waiting += [node.right, node.left]
        else:
            found.append(node)
    return found


def _bounds(tree: exp.Select) -> list[_Bound]:
    """Return the numbers that bound leaves from one side, BETWEEN from two; those of 0 are none."""
    found: list[_Bound | None] = []
    for leaf in _leaves(tree):
        if isinstance(leaf, exp.Between):
            name = written(leaf.this)
            found.append(_bound(f"{name} >= {written(leaf.args['low'])}", leaf.args["low"], True))
            found.append(
                _bound(f"{name} <= {written(leaf.args['high'])}", leaf.args["high"], False)
            )
        elif isinstance(leaf, (*_LOWER, *_UPPER)):
            lower, said = isinstance(leaf, _LOWER), written(leaf)
            right = _bound(said, leaf.args["expression"], lower)
            found.append(right or _bound(said, leaf.args["this"], not lower))
    return [bound for bound in found if bound is not None]


def _bound(said: str, side: exp.Expr, lower: bool) -> _Bound | None:
    negative = isinstance(side, exp.Neg)
    literal = side.this if isinstance(side, exp.Neg) else side
    if not isinstance(literal, exp.Literal) or literal.is_string or not float(literal.name):
        return None
    value = float(literal.name) * (-1 if negative else 1)
    return _Bound(said, literal, value, lower)


def noise(
    text: str,
    question: Question,
    texts: Mapping[str, str],
    per_hour: float,
    days: Sequence[str],
    data: Path,
    watch: Watch,
) -> Iterator[dict[str, Any]]:
    """Yield signals an hour as written, and for each bound by threshold; the last row of a bound
    names the widest threshold that meets the wish. At the end stands what was not varied.

    Raises ConfigError for a board: it fires nothing.
    """  # fmt: skip
    if question.header.kind != "events":
        raise ConfigError(f"{question.name} is a board: only a scan (kind = events) makes signals.")
    moved = variants(text, question)
    asked = {NEW: text, **{f"variant_{i:03d}": v.text for i, v in enumerate(moved)}}
    hours, counts = 0.0, dict.fromkeys(asked, 0)
    for day in days:
        played = play(Span(day), {**texts, **asked}, tuple(asked), data, watch)
        hours += hours_of(played, question)
        for fire in played.fires:
            counts[fire.scan] += 1
    if not hours:
        raise ConfigError(f"{question.name} is asked in no phase of the recorded days.")
    rates = {name: count / hours for name, count in counts.items()}
    yield {"bound": "", "value": None, "per_hour": round(rates[NEW], 2), "hours": round(hours, 3)}
    for bound in dict.fromkeys(v.bound for v in moved):
        steps = [(v, rates[f"variant_{i:03d}"]) for i, v in enumerate(moved) if v.bound == bound]
        steps.sort(key=lambda step: step[0].tightness)
        for variant, rate in steps:
            yield {"bound": bound, "value": variant.value, "per_hour": round(rate, 2)}
        yield {"bound": bound, "meets": _meets(bound, steps, rates[NEW], per_hour)}
    if rest := unvaried(question):
        yield {"unvaried": rest}


def _meets(
    bound: str, steps: list[tuple[Variant, float]], as_written: float, per_hour: float
) -> float | str | None:
    """Return the widest threshold whose rate is within the wish, None when none is."""
    wider = [v.value for v, rate in steps if v.tightness < 1 and rate <= per_hour]
    if wider:
        return wider[0]
    if as_written <= per_hour:
        return bound
    return next((v.value for v, rate in steps if v.tightness > 1 and rate <= per_hour), None)


def hours_of(played: Played, question: Question) -> float:
    """Return how many hours of a recording asked a question: those of its phases."""
    phases = question.header.phases or ("pre", "regular", "post")
    return sum(played.seconds.get(phase, 0) for phase in phases) / 3600


__all__ = ["difference", "hours_of", "last_days", "noise", "unvaried", "variants"]
