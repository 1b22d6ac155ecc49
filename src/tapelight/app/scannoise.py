"""What a scan would have said: the difference of two texts, and how often it fires at which bound."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from tapelight.app.scanplay import Played, Span, Watch, last_days, play
from tapelight.errors import ConfigError
from tapelight.scan.parse import ScanSql, parse, together
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
    where = tree.args.get("where")
    bounds = [n for n in together(where.this) if _number(n)] if where is not None else []
    found: list[Variant] = []
    for bound in bounds[:MOST_BOUNDS]:
        literal = _number(bound)
        assert literal is not None
        value = float(literal.name) * (-1 if isinstance(literal.parent, exp.Neg) else 1)
        said = written(bound)
        for factor in FACTORS:
            moved = value * factor
            literal.set("this", f"{abs(moved):.12g}")
            sql = tree.sql(dialect=ScanSql)
            tight = _tightness(bound, value, factor)
            found.append(Variant(said, moved, tight, "\n".join([*header, sql])))
        literal.set("this", f"{abs(value):.12g}")
    return found


def _number(node: exp.Expr) -> exp.Literal | None:
    """Return the number that bounds a leaf, None when there is none or it is 0."""
    if not isinstance(node, (*_LOWER, *_UPPER)):
        return None
    for side in (node.args["expression"], node.args["this"]):
        plain = side.this if isinstance(side, exp.Neg) else side
        if isinstance(plain, exp.Literal) and not plain.is_string and float(plain.name):
            return plain
    return None


def _tightness(bound: exp.Expr, value: float, factor: float) -> float:
    """Return the factor, turned round where a smaller number is the narrower bound."""
    literal = _number(bound)
    on_the_right = literal is not None and literal.find_ancestor(*_LOWER, *_UPPER) is bound
    side = bound.args["expression"]
    plain = side.this if isinstance(side, exp.Neg) else side
    lower = isinstance(bound, _LOWER) == (on_the_right and plain is literal)
    return factor if lower == (value > 0) else 1.0 / factor


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
    names the widest threshold that meets the wish.

    Raises ConfigError for a board: it fires nothing.
    """  # fmt: skip
    if question.header.kind != "events":
        raise ConfigError(f"{question.name} is a board: only a scan (kind = events) makes signals.")
    moved = variants(text, question)
    asked = {NEW: text, **{f"variant_{i:03d}": v.text for i, v in enumerate(moved)}}
    hours, counts = 0.0, dict.fromkeys(asked, 0)
    for day in days:
        played = play(Span(day), {**texts, **asked}, tuple(asked), data, watch)
        hours += _hours(played, question)
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


def _hours(played: Played, question: Question) -> float:
    phases = question.header.phases or ("pre", "regular", "post")
    return sum(played.seconds.get(phase, 0) for phase in phases) / 3600


__all__ = ["difference", "last_days", "noise", "variants"]
