"""Conditions compiled to masks of the rows; three-valued logic as in SQL.

Null satisfies no condition. A condition is compiled in negation normal form: NOT is pushed down to
the comparisons, which are false on NaN either way round.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from sqlglot import exp

from tapelight.market.text import Text, joined
from tapelight.market.view import View
from tapelight.scan.expr import Bools, Evaluate, Expr, constant, expr, known, words_us
from tapelight.scan.like import like
from tapelight.scan.refuse import Compiles, refuse

COMPARE_US, TEXT_US = 5.0, 6.0
LIKE = 10.0
"""How much more a pattern costs than a look-up of a word."""


def condition(c: Compiles, node: exp.Expr, positive: bool) -> Expr:
    """Compile a condition (or, not `positive`, its negation) to a flag."""
    match node:
        case exp.Paren():
            return condition(c, node.this, positive)
        case exp.Not():
            return condition(c, node.this, not positive)
        case exp.And() | exp.Or():
            tests = [condition(c, n, positive) for n in _operands(node, type(node))]
            return every(tests) if isinstance(node, exp.And) == positive else either(tests)
        case exp.Between():
            return condition(c, _unfold_between(node), positive)
        case exp.In():
            return _membership(c, node, positive)
        case exp.Like():
            return _like(c, node, positive)
        case exp.Is():
            return _null_test(c, node, positive)
        case exp.Boolean():
            truth = bool(node.this) == positive
            return expr("flag", lambda view: np.full(len(view), truth), str(truth))
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            return _comparison(c, node, positive)
    return _flag(c, node, positive)


def _operands(node: exp.Expr, join: type) -> list[exp.Expr]:
    """Return the parts of a chain of ANDs or of ORs, brackets between them resolved."""
    parts: list[exp.Expr] = []
    waiting = [node]
    while waiting:
        found = waiting.pop().unnest()
        if type(found) is join:
            waiting += [found.args["expression"], found.this]
        else:
            parts.append(found)
    return parts


def every(tests: Sequence[Expr]) -> Expr:
    """Return the condition that all of `tests` hold."""
    flat = tuple(part for test in tests for part in (test.every or (test,)))
    if len(flat) == 1:
        return flat[0]

    def evaluate(view: View) -> Bools:
        mask = flat[0](view)
        for test in flat[1:]:
            mask = mask & test(view)
        return np.asarray(mask)

    return expr("flag", evaluate, "and", *flat, cost=float(len(flat)), every=flat)


def either(tests: Sequence[Expr]) -> Expr:
    """Return the condition that one of `tests` holds."""

    def evaluate(view: View) -> Bools:
        mask = tests[0](view)
        for test in tests[1:]:
            mask = mask | test(view)
        return np.asarray(mask)

    return expr("flag", evaluate, "or", *tests, cost=float(len(tests)))


def _flag(c: Compiles, node: exp.Expr, positive: bool) -> Expr:
    """Compile a flag that stands as a condition."""
    compiled = c.value(node)
    if compiled.kind != "flag":
        raise refuse(node, f"A condition is needed here, this is a {compiled.kind}")
    return compiled if positive else negated(compiled)


def negated(flag: Expr) -> Expr:
    """Return where a flag is false."""
    evaluate = flag.opposite or (lambda view: ~flag(view))
    return expr("flag", evaluate, "not", flag, cost=1.0, opposite=flag.evaluate)


# Numbers


def _comparison(c: Compiles, node: exp.Binary, positive: bool) -> Expr:
    """Compile a comparison of two numbers or of two texts."""
    left, right = c.value(node.left), c.value(node.right)
    kind = type(node) if positive else _OPPOSITE[type(node)]
    if "text" in (left.kind, right.kind):
        return _text_comparison(node, left, right, kind is exp.EQ)
    if "flag" in (left.kind, right.kind):
        raise refuse(node, "A flag is a condition by itself: write it, or NOT it")
    left, right = _let_out(c.relax, kind, left, right)
    return expr(
        "flag", _compared(_COMPARE[kind], left, right), kind.__name__, left, right, cost=COMPARE_US
    )


def _compared(compare: Callable[[Any, Any], Any], left: Expr, right: Expr) -> Evaluate:
    a, b = left.evaluate, right.evaluate
    if right.literal is not None and left.need is not None:
        bound = right.literal
        return lambda view: compare(a(view), bound)

    def test(view: View) -> Bools:
        mask = compare(a(view), b(view))
        return mask if np.ndim(mask) else np.full(len(view), bool(mask))

    return test


def _let_out(relax: float, kind: type, left: Expr, right: Expr) -> tuple[Expr, Expr]:
    """Relax a literal bound: >= T becomes >= T - 0.2|T|, <= T becomes <= T + 0.2|T|."""
    if not relax or kind in (exp.EQ, exp.NEQ):
        return left, right
    lower = kind in (exp.GT, exp.GTE)
    if right.literal is not None and left.literal is None:
        return left, _shifted(right.literal, -relax if lower else relax)
    if left.literal is not None and right.literal is None:
        return _shifted(left.literal, relax if lower else -relax), right
    return left, right


def _shifted(bound: float, fraction: float) -> Expr:
    return constant(bound + fraction * abs(bound))


def _unfold_between(node: exp.Between) -> exp.Expr:
    """Return x >= low AND x <= high."""
    return exp.And(
        this=exp.GTE(this=node.this, expression=node.args["low"]),
        expression=exp.LTE(this=node.this, expression=node.args["high"]),
    )


def _not_equal(a: Any, b: Any) -> Any:
    return (np.asarray(a) < b) | (np.asarray(a) > b)


# Text


def _text_comparison(node: exp.Binary, left: Expr, right: Expr, equal: bool) -> Expr:
    """Compile text = text or text <> text; one of them is mostly a word in quotes."""
    if not isinstance(node, exp.EQ | exp.NEQ):
        raise refuse(node, "Text knows only =, <>, IN and LIKE")
    if left.null or right.null:
        return expr("flag", lambda view: np.zeros(len(view), np.bool_), "False")
    for side in (left, right):
        if side.kind != "text":
            raise refuse(node, f"A text column is needed here, this is a {side.kind}")
    for column, word in ((node.left, node.right), (node.right, node.left)):
        if isinstance(word, exp.Literal):
            text = left if column is node.left else right
            return _words(text, frozenset((word.name,)), equal)

    def test(view: View) -> Bools:
        (a, b), _ = joined((left(view), right(view)))
        return np.asarray((a >= 0) & (b >= 0) & ((a == b) == equal))

    return expr("flag", test, "=" if equal else "<>", left, right, cost=words_us((left, right)))


def _words(text: Expr, wanted: frozenset[str], positive: bool) -> Expr:
    """Return the condition that a text is (or is not) one of some words."""
    evaluate = text.evaluate

    def test(view: View) -> Bools:
        found: Text = evaluate(view)
        among = found.among(wanted)
        return among if positive else found.known() & ~among

    return expr("flag", test, f"{positive} {sorted(wanted)!r}", text, cost=_tested_us(text, 1.0))


def _tested_us(text: Expr, times: float) -> float:
    """Return the cost of a test of words: a column's are known, those of an expression are new."""
    return TEXT_US if text.need is not None else TEXT_US + times * words_us((text,))


def _membership(c: Compiles, node: exp.In, positive: bool) -> Expr:
    """Compile x IN (...), over words or numbers."""
    items = node.expressions
    if not items or node.args.get("query"):
        raise refuse(node, "IN needs a list of literals")
    compiled = c.value(node.this)
    if all(isinstance(i, exp.Literal) and i.is_string for i in items):
        return _words(_text(node, compiled), frozenset(i.name for i in items), positive)
    numbers = [c.value(i).literal for i in items]
    if None in numbers:
        raise refuse(node, "IN needs a list of literals, all numbers or all words")
    evaluate = c.number(node.this).evaluate
    bounds = np.array(numbers, np.float64)

    def test(view: View) -> Bools:
        values = np.broadcast_to(np.asarray(evaluate(view), np.float64), len(view))
        return np.asarray((np.isin(values, bounds) == positive) & ~np.isnan(values))

    name = f"{positive} in {bounds.tolist()}"
    return expr("flag", test, name, compiled, cost=40.0 + 5.0 * len(numbers))


def _text(node: exp.Expr, compiled: Expr) -> Expr:
    if compiled.kind != "text":
        raise refuse(node, f"A text column is needed here, this is a {compiled.kind}")
    return compiled


def _like(c: Compiles, node: exp.Like, positive: bool) -> Expr:
    """Compile text LIKE 'pattern' with % and _."""
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string):
        raise refuse(node, "LIKE needs a pattern in quotes")
    wanted = positive != bool(node.args.get("negate"))
    compiled = _text(node, c.value(node.this))
    matches, evaluate = _pattern(pattern.name, compiled.key), compiled.evaluate

    def test(view: View) -> Bools:
        text: Text = evaluate(view)
        return matches(text) if wanted else text.known() & ~matches(text)

    return expr(
        "flag", test, f"{wanted} like {pattern.name!r}", compiled, cost=_tested_us(compiled, LIKE)
    )


class _Pattern:
    """Test a text's words; a list of words that only grows is tested word by word once."""

    def __init__(self, matches: Callable[[str], bool]) -> None:
        self._matches = matches
        self._of: Mapping[str, int] | None = None
        self._passes: Bools = np.zeros(1, np.bool_)

    def __call__(self, text: Text) -> Bools:
        passes = self._passes
        if text.code_of is None or text.code_of is not self._of:
            passes = np.zeros(1, np.bool_)
        done = len(passes) - 1
        if done != len(text.words):
            fresh = [self._matches(word) for word in text.words[done:]]
            passes = np.array([*passes[:-1][: len(text.words)], *fresh, False], np.bool_)
            self._of, self._passes = text.code_of, passes
        return np.asarray(passes[text.codes])


@lru_cache(maxsize=512)
def _pattern(pattern: str, _column: str) -> _Pattern:
    """Return the test of a pattern on a column: what has been tested serves all who ask."""
    return _Pattern(like(pattern))


def _null_test(c: Compiles, node: exp.Is, positive: bool) -> Expr:
    """Compile x IS NULL, and flag IS TRUE or FALSE, which are never unknown themselves."""
    if isinstance(node.expression, exp.Boolean):
        flag = _flag(c, node.this, bool(node.expression.this))
        if positive:
            return flag
        return expr("flag", lambda view: ~flag(view), "is not", flag, cost=1.0)
    if not isinstance(node.expression, exp.Null):
        raise refuse(node, "IS knows only NULL, TRUE and FALSE")
    compiled = c.value(node.this)
    tell = _known_flag(compiled) if compiled.kind == "flag" else _known(compiled)
    name = "is null" if positive else "is known"
    return expr("flag", lambda view: tell(view) != positive, name, compiled, cost=COMPARE_US)


def _known(compiled: Expr) -> Evaluate:
    return lambda view: known(compiled(view), len(view))


def _known_flag(flag: Expr) -> Evaluate:
    opposite = negated(flag)
    return lambda view: flag(view) | opposite(view)


_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: _not_equal,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_OPPOSITE: dict[type, type] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
}
CONDITIONS = (
    *(exp.And, exp.Or, exp.Not, exp.Between, exp.In, exp.Like, exp.Is, exp.Boolean),
    *_COMPARE,
)
"""The nodes that are conditions."""
