"""Lint: what a sound question probably does not mean to say.

The compiler refuses what has no meaning. What has one, but hardly the wanted one, is told here:
conditions that unknown values make false in silence, bounds that nothing meets, signals that
repaint, costs without a bound.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlglot import exp

from tapelight.market.column import columns
from tapelight.scan.parse import together
from tapelight.scan.question import Question
from tapelight.scan.refuse import written
from tapelight.scan.sql import Condition

DEAR_US = 2_000.0
"""A question that costs more than this takes a share of the second worth a thought."""
LONG = 500
"""Rows of a board, beyond which it is not a list that somebody reads."""
NOT_BEFORE_OPEN = frozenset(
    "open high low close_rth vwap vwap_sd vwap_z vwap_dist_pct vwap_dist_atr chg_open_pct "
    "or5_high or5_low or15_high or15_low or30_high or30_low".split()
)
REGULAR_ALONE = frozenset("luld_up luld_dn luld_dist_pct limit_s".split())
AFTER_CLOSE = frozenset(["post_chg_pct"])
NULL_IN = {
    "pre": NOT_BEFORE_OPEN | REGULAR_ALONE | AFTER_CLOSE,
    "regular": AFTER_CLOSE,
    "post": REGULAR_ALONE,
    "closed": REGULAR_ALONE,
}
"""Columns that no row knows in a phase."""
_FLIPPED: dict[type, type] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
_BOUNDS = (*_FLIPPED, exp.EQ)


class Finding(msgspec.Struct, frozen=True):
    """Say what is suspicious, where, and what to write instead."""

    rule: str
    """look-ahead, null, bounds, cost or idle."""
    message: str
    line: int | None = None
    column: int | None = None


def lint(question: Question) -> list[Finding]:
    """Return what is suspicious in a question, in the order of its text."""
    found = [*_repaints(question), *_idle(question), *_dear(question)]
    for query in question.queries():
        for condition in query.conditions:
            if not condition.gate:
                found += _nulls(condition)
    found += [*_bounds(question), *_never_known(question)]
    return sorted(dict.fromkeys(found), key=lambda f: (f.line or 0, f.column or 0, f.rule))


def _found(rule: str, message: str, node: exp.Expr | None = None) -> Finding:
    metas = [n.meta for n in node.walk() if n.meta.get("line")] if node is not None else []
    if not metas:
        return Finding(rule, message)
    at = min(metas, key=lambda meta: int(meta["start"]))
    return Finding(rule, message, at["line"], max(at["col"] - (at["end"] - at["start"]), 1))


def _repaints(question: Question) -> Iterator[Finding]:
    """No column knows the future; a forming bar is the one thing that takes back what it said."""
    asks = {a.key for q in question.queries() for a in q.indicators if a.forming}
    for key in sorted(asks):
        yield _found(
            "look-ahead",
            f"{key} changes until its bar closes: what was true within the bar may be false at its "
            "end, and a backtest on closed bars will not see it. Leave forming out.",
        )


def _idle(question: Question) -> Iterator[Finding]:
    """Tell what has no effect."""
    header, query = question.header, question.query
    if header.kind == "events" and query.order:
        yield _found("idle", "ORDER BY does nothing in a scan: signals come as they fire.")
    if header.kind == "events" and query.limit is not None:
        yield _found("idle", "LIMIT does nothing in a scan: use cooldown_s or burst_s.")
    if header.kind == "events" and query.where is None:
        yield _found("idle", "A scan without WHERE never fires: give it a condition.")
    for name in ("cooldown_s", "rearm_pct"):
        if header.kind == "board" and getattr(header, name):
            yield _found("idle", f"{name} is for scans: a board fires nothing.")


def _dear(question: Question) -> Iterator[Finding]:
    """Tell what has no bound on rows, signals or time."""
    header, query = question.header, question.query
    if header.kind == "board":
        if query.limit is None:
            yield _found("cost", "A board without LIMIT sends every row that fits: add LIMIT 50.")
        elif query.limit > LONG:
            yield _found("cost", f"LIMIT {query.limit} is more than anybody reads: try 50.")
        if query.limit is not None and not query.order:
            yield _found("idle", "LIMIT without ORDER BY keeps the first of the alphabet.")
    elif not (header.cooldown_s or header.rearm_pct or header.hysteresis or header.burst_s):
        yield _found(
            "cost",
            "Nothing bounds how often it fires for a symbol: give cooldown_s, rearm_pct, burst_s "
            "or hysteresis in the header.",
        )
    cost = sum(q.cost_us for q in question.queries())
    if cost > DEAR_US:
        yield _found(
            "cost",
            f"It is reckoned to cost {cost:,.0f} us over 11,000 rows: pctl, rank and rank_in order "
            "the whole market each second; a bound on the value itself costs a hundredth.",
        )


def _nulls(condition: Condition) -> Iterator[Finding]:
    """Tell where an unknown value makes a condition false that reads as if it were true."""
    for node in condition.node.walk():
        if isinstance(node, exp.EQ | exp.NEQ) and _is_null(node.left, node.right):
            yield _found("null", f"{written(node)} is never true: write IS NULL.", node)
        elif isinstance(node, exp.NEQ) and (column := _number(node)):
            yield _found(
                "null",
                f"{written(node)} is false where {column} is unknown: add OR {column} IS NULL if "
                "such rows are meant too.",
                node,
            )
        elif isinstance(node, exp.Not):
            inner = node.this.unnest()
            if (
                isinstance(inner, exp.Expr)
                and isinstance(inner, (*_BOUNDS, exp.Between))
                and (column := _number(inner))
            ):
                yield _found(
                    "null",
                    f"{written(node)} is false where {column} is unknown, as NOT is no opposite of "
                    f"unknown: turn the comparison round, or add OR {column} IS NULL.",
                    node,
                )


def _is_null(*nodes: exp.Expr) -> bool:
    return any(isinstance(node, exp.Null) for node in nodes)


def _number(node: exp.Expr) -> str:
    """Return the first number column that a comparison looks at, empty when there is none."""
    for inner in node.find_all(exp.Column):
        info = columns().get(inner.name)
        if info is not None and info.kind == "number":
            return str(inner.name)
    return ""


class _Span:
    """Narrow what one column may be, bound by bound."""

    def __init__(self) -> None:
        self.low = self.high = None  # type: tuple[float, bool, exp.Expr] | None

    def bound(self, kind: type, value: float, node: exp.Expr) -> None:
        """Take one more bound; of two the narrower one stays."""
        strict = kind in (exp.GT, exp.LT)
        if kind in (exp.GT, exp.GTE, exp.EQ) and (
            self.low is None or (value, strict) > self.low[:2]
        ):
            self.low = (value, strict, node)
        if kind in (exp.LT, exp.LTE, exp.EQ) and (
            self.high is None or (-value, strict) > (-self.high[0], self.high[1])
        ):
            self.high = (value, strict, node)

    def contradiction(self) -> tuple[exp.Expr, exp.Expr] | None:
        """Return the two bounds that nothing meets."""
        if self.low is None or self.high is None:
            return None
        (low, above, first), (high, below, second) = self.low, self.high
        empty = low > high or (low == high and (above or below))
        return (first, second) if empty else None


def _bounds(question: Question) -> Iterator[Finding]:
    """Tell of bounds that no value meets: of the question itself, and against its gate."""
    spans: dict[str, _Span] = {}
    words: dict[str, tuple[set[str], exp.Expr]] = {}
    for condition in question.query.conditions:
        for leaf in together(condition.node):
            for name, kind, value in _literal_bounds(leaf):
                spans.setdefault(name, _Span()).bound(kind, value, leaf)
            if (said := _said(leaf)) is not None:
                name, allowed = said
                before = words.get(name, (allowed, leaf))
                words[name] = (before[0] & allowed, leaf)
    for span in spans.values():
        if (pair := span.contradiction()) is not None:
            both = " and ".join(dict.fromkeys(written(node) for node in pair))
            yield _found("bounds", f"Nothing meets {both}: it is never true.", pair[1])
    for name, (allowed, leaf) in words.items():
        if not allowed:
            yield _found("bounds", f"No {name} meets {written(leaf)} and the rest.", leaf)


def _literal_bounds(leaf: exp.Expr) -> Iterator[tuple[str, type, float]]:
    """Yield (column, comparison, number) of a leaf that bounds one column."""
    if isinstance(leaf, exp.Between) and isinstance(leaf.this, exp.Column):
        for kind, part in ((exp.GTE, "low"), (exp.LTE, "high")):
            if (number := _literal(leaf.args[part])) is not None:
                yield leaf.this.name, kind, number
    if not isinstance(leaf, _BOUNDS):
        return
    left, right = leaf.args["this"].unnest(), leaf.args["expression"].unnest()
    if isinstance(left, exp.Column) and (number := _literal(right)) is not None:
        yield left.name, type(leaf), number
    elif isinstance(right, exp.Column) and (number := _literal(left)) is not None:
        yield right.name, _FLIPPED.get(type(leaf), type(leaf)), number


def _literal(node: exp.Expr) -> float | None:
    node = node.unnest()
    if isinstance(node, exp.Neg):
        inner = _literal(node.this)
        return None if inner is None else -inner
    return float(node.name) if isinstance(node, exp.Literal) and not node.is_string else None


def _said(leaf: exp.Expr) -> tuple[str, set[str]] | None:
    """Return the words that a leaf allows a text column."""
    if isinstance(leaf, exp.EQ) and isinstance(leaf.left, exp.Column) and _is_word(leaf.right):
        return leaf.left.name, {leaf.right.name}
    items: list[Any] = leaf.expressions if isinstance(leaf, exp.In) else []
    if items and isinstance(leaf.this, exp.Column) and all(_is_word(i) for i in items):
        return leaf.this.name, {item.name for item in items}
    return None


def _is_word(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _never_known(question: Question) -> Iterator[Finding]:
    """Tell of columns that are unknown in every phase in which the question is asked."""
    phases = question.header.phases or ("pre", "regular", "post")
    unknown = frozenset.intersection(*(NULL_IN[phase] for phase in phases))
    for condition in question.query.conditions:
        if condition.gate:
            continue
        for leaf in together(condition.node):
            names = {c.name for c in leaf.find_all(exp.Column)} & unknown
            if names and not isinstance(leaf, exp.Or | exp.Is):
                yield _found(
                    "null",
                    f"{' and '.join(sorted(names))} is unknown in {', '.join(phases)}: "
                    f"{written(leaf)} is never true there.",
                    leaf,
                )
