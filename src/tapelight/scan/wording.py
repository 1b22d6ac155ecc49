"""Wording: leaves as sentences, and times as traders say them."""

import datetime as dt
from collections.abc import Iterable

from tapelight.model.session import NEW_YORK, iso
from tapelight.model.signals import Leaf, Value

CLOCK = slice(11, 19)


def said(leaf: Leaf) -> str:
    """Return a leaf as it stands: `rvol_tod 2.1 >= 3`, `NOT halted`, `symbol in (A, B)`."""
    if leaf.op == "is":
        return leaf.name if leaf.bound else f"NOT {leaf.name}"
    value, bound = _apart(leaf.value, leaf.bound)
    if leaf.op.endswith("null"):
        return f"{leaf.name} {value} {leaf.op}"
    if leaf.op.endswith("in"):
        bound = f"({bound})"
    return f"{leaf.name} {value} {leaf.op} {bound}{_as_written(leaf)}"


def faulted(leaf: Leaf) -> str:
    """Return why a leaf does not hold: `float_shares unknown`, `rvol_tod 2.1 >= 3 false`."""
    if leaf.true is None:
        what = leaf.name if leaf.value is None else leaf.against or leaf.name
        return f"{what} unknown"
    if leaf.op == "is":
        return f"{leaf.name} {'false' if leaf.bound else 'true'}"
    return f"{said(leaf)} false"


def listed(leaves: Iterable[Leaf]) -> str:
    """Return why a condition does not hold: each leaf that fails, alternatives joined by or."""
    failed = list(leaves)
    words: list[str] = []
    for i, leaf in enumerate(failed):
        either = i > 0 and _alternatives(failed[i - 1], leaf)
        words.append(f"{' or ' if either else '; ' if i else ''}{faulted(leaf)}")
    return "".join(words)


def _alternatives(a: Leaf, b: Leaf) -> bool:
    """Tell whether two neighbouring leaves stand in one group joined by or."""
    shared = 0
    for left, right in zip(a.within, b.within, strict=False):
        if left != right:
            break
        shared += 1
    return shared > 0 and a.within[shared - 1].startswith("or")


def number(value: float) -> str:
    """Return a number short, yet never so that it looks like another one."""
    size = abs(value)
    if value == int(value) or size >= 10_000:
        return f"{value:,.0f}"
    if size < 1:
        return f"{value:.4g}"
    return f"{value:,.{2 if size >= 100 else 4}f}".rstrip("0").rstrip(".")


def _apart(value: Value, bound: Value) -> tuple[str, str]:
    """Return both as text; two numbers that differ look different."""
    words = _word(value), _word(bound)
    both = isinstance(value, float) and isinstance(bound, float)
    if both and words[0] == words[1] and value != bound:
        return repr(value), repr(bound)
    return words


def _word(value: Value) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float) and abs(value) < 1e15:
        return number(value)
    return str(value)


def _as_written(leaf: Leaf) -> str:
    return f" ({leaf.against})" if leaf.against else ""


def clock(ts_ns: int, zone: dt.tzinfo = NEW_YORK) -> str:
    """Return the time of day in `zone`, whole seconds: 09:41:31."""
    return iso(ts_ns, zone)[CLOCK]


def span(seconds: float) -> str:
    """Return a span as people say it: 41 s, 3 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{rest} s" if not minutes else f"{minutes} min {rest} s".removesuffix(" 0 s")
