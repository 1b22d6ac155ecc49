"""From checked SQL expressions to closures over a view; three-valued logic as in SQL.

Null is NaN, and null satisfies no condition. A condition is compiled in negation normal form:
NOT is pushed down to the comparisons, which are false on NaN either way round.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.scan.like import like

Bools = npt.NDArray[np.bool_]
Evaluate = Callable[[View], Any]
Test = Callable[[View], Bools]
RELAX = 0.2
"""How far a bound is let out for a row that is on the board already, as a fraction of it."""


@dataclass(frozen=True, slots=True)
class Expr:
    """Hold one compiled value: its kind (number, flag, text) and how to reckon it."""

    kind: str
    evaluate: Evaluate
    literal: float | None = None


def refuse(node: exp.Expr, why: str) -> ConfigError:
    """Return the error that says why `node` is not accepted."""
    at = next((i.meta for i in node.find_all(exp.Identifier) if i.meta.get("line")), None)
    where = f" (line {at['line']}, column {at['col']})" if at else ""
    return ConfigError(f"{why}{where}: {node.sql()[:80]}")


class Compiler:
    """Compile the expressions of one query; `aliases` are its own named columns."""

    def __init__(self, relax: float = 0.0) -> None:
        self.relax = relax
        self.aliases: dict[str, Expr] = {}
        self.used: dict[str, None] = {}

    # Values

    def value(self, node: exp.Expr) -> Expr:
        """Compile a value of any kind; raises ConfigError for what the language has not."""
        compile_node = _VALUES.get(type(node))
        if compile_node is not None:
            return compile_node(self, node)
        if isinstance(node, _CONDITIONS):
            return Expr("flag", self.condition(node))
        name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
        raise refuse(node, f"{name} is not part of the scan language")

    def number(self, node: exp.Expr) -> Evaluate:
        """Compile a number."""
        compiled = self.value(node)
        if compiled.kind != "number":
            raise refuse(node, f"A number is needed here, this is a {compiled.kind}")
        return compiled.evaluate

    def column(self, node: exp.Column) -> Expr:
        """Compile a column or one of the query's own names."""
        name = node.name
        if node.table not in ("", "market"):
            raise refuse(node, f"There is no table {node.table!r}, write {name} alone")
        if name in self.aliases:
            return self.aliases[name]
        info = columns().get(name)
        if info is None:
            near = get_close_matches(name, [*columns(), *self.aliases], 1)
            hint = f"did you mean {near[0]}?" if near else "see `tapelight list columns`."
            raise refuse(node, f"Unknown column {name!r}, {hint}")
        self.used[name] = None
        return Expr(info.kind, operator.itemgetter(name))

    def literal(self, node: exp.Literal) -> Expr:
        """Compile a number or a word."""
        if node.is_string:
            word = node.name
            return Expr("text", lambda view: view.constant(word))
        number = float(node.name)
        return Expr("number", lambda _view: number, number)

    def negative(self, node: exp.Neg) -> Expr:
        """Compile -x."""
        inner = self.value(node.this)
        if inner.literal is not None:
            number = -inner.literal
            return Expr("number", lambda _view: number, number)
        evaluate = self.number(node.this)
        return Expr("number", lambda view: -evaluate(view))

    def arithmetic(self, node: exp.Binary) -> Expr:
        """Compile + - * / %; division by 0 gives null."""
        left, right = self.number(node.left), self.number(node.right)
        function = _ARITHMETIC[type(node)]

        def evaluate(view: View) -> Any:
            with np.errstate(all="ignore"):
                return function(left(view), right(view))

        return Expr("number", evaluate)

    def function(self, node: exp.Func) -> Expr:
        """Compile abs, least, greatest, coalesce."""
        arguments = [self.number(a) for a in (node.this, *node.expressions)]
        function = _FUNCTIONS[type(node)]
        return Expr("number", lambda view: function(*(a(view) for a in arguments)))

    def case(self, node: exp.Case) -> Expr:
        """Compile CASE WHEN ... THEN ... ELSE ... END over numbers."""
        if node.this is not None:
            raise refuse(node, "Write CASE WHEN condition THEN value, without a value after CASE")
        arms = [(self.condition(i.this), self.number(i.args["true"])) for i in node.args["ifs"]]
        default = node.args.get("default")
        last = self.number(default) if default is not None else lambda _view: np.nan

        def evaluate(view: View) -> Any:
            result: Any = np.broadcast_to(last(view), len(view))
            for test, value in reversed(arms):
                result = np.where(test(view), value(view), result)
            return result

        return Expr("number", evaluate)

    # Conditions

    def condition(self, node: exp.Expr, positive: bool = True) -> Test:
        """Compile a condition (or, not `positive`, its negation) to a mask of the rows."""
        match node:
            case exp.Paren():
                return self.condition(node.this, positive)
            case exp.Not():
                return self.condition(node.this, not positive)
            case exp.And() | exp.Or():
                left = self.condition(node.left, positive)
                right = self.condition(node.right, positive)
                if isinstance(node, exp.And) == positive:
                    return lambda view: left(view) & right(view)
                return lambda view: left(view) | right(view)
            case exp.Between():
                return self.condition(_unfold_between(node), positive)
            case exp.In():
                return self.membership(node, positive)
            case exp.Like():
                return self.like(node, positive)
            case exp.Is():
                return self.null_test(node, positive)
            case exp.Boolean():
                truth = bool(node.this) == positive
                return lambda view: np.full(len(view), truth)
            case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
                return self.comparison(node, positive)
        return self.flag(node, positive)

    def flag(self, node: exp.Expr, positive: bool) -> Test:
        """Compile a flag column that stands as a condition."""
        compiled = self.value(node)
        if compiled.kind != "flag":
            raise refuse(node, f"A condition is needed here, this is a {compiled.kind}")
        evaluate = compiled.evaluate
        if positive:
            return evaluate
        return lambda view: ~evaluate(view)

    def comparison(self, node: exp.Binary, positive: bool) -> Test:
        """Compile a comparison of two numbers, or of text with = and <>."""
        left, right = self.value(node.left), self.value(node.right)
        kind = type(node) if positive else _OPPOSITE[type(node)]
        if left.kind == "text" or right.kind == "text":
            return self.text_comparison(node, kind is exp.EQ)
        if "flag" in (left.kind, right.kind):
            raise refuse(node, "A flag is a condition by itself: write it, or NOT it")
        left, right = self._let_out(kind, left, right)
        compare = _COMPARE[kind]
        a, b = left.evaluate, right.evaluate

        def test(view: View) -> Bools:
            mask = compare(a(view), b(view))
            return mask if isinstance(mask, np.ndarray) else np.full(len(view), bool(mask))

        return test

    def _let_out(self, kind: type, left: Expr, right: Expr) -> tuple[Expr, Expr]:
        """Relax a literal bound: >= T becomes >= T - 0.2|T|, <= T becomes <= T + 0.2|T|."""
        if not self.relax or kind in (exp.EQ, exp.NEQ):
            return left, right
        lower = kind in (exp.GT, exp.GTE)
        if right.literal is not None and left.literal is None:
            return left, _shifted(right.literal, -self.relax if lower else self.relax)
        if left.literal is not None and right.literal is None:
            return _shifted(left.literal, self.relax if lower else -self.relax), right
        return left, right

    def text_comparison(self, node: exp.Binary, equal: bool) -> Test:
        """Compile text = 'word' or text <> 'word'."""
        if not isinstance(node, exp.EQ | exp.NEQ):
            raise refuse(node, "Text knows only =, <>, IN and LIKE")
        column, word = node.left, node.right
        if isinstance(column, exp.Literal):
            column, word = word, column
        if not (isinstance(word, exp.Literal) and word.is_string):
            raise refuse(node, "Compare a text column with a word in quotes")
        wanted = word.name
        return self._words(column, lambda w: (w == wanted) is equal)

    def membership(self, node: exp.In, positive: bool) -> Test:
        """Compile x IN (...), over words or numbers."""
        items = node.expressions
        if not items or node.args.get("query"):
            raise refuse(node, "IN needs a list of literals")
        if all(isinstance(i, exp.Literal) and i.is_string for i in items):
            wanted = {i.name for i in items}
            return self._words(node.this, lambda w: (w in wanted) is positive)
        numbers = [self.value(i).literal for i in items]
        if None in numbers:
            raise refuse(node, "IN needs a list of literals")
        evaluate = self.number(node.this)
        bounds = np.array(numbers, np.float64)

        def test(view: View) -> Bools:
            values = np.broadcast_to(np.asarray(evaluate(view), np.float64), len(view))
            return (np.isin(values, bounds) == positive) & ~np.isnan(values)

        return test

    def like(self, node: exp.Like, positive: bool) -> Test:
        """Compile text LIKE 'pattern' with % and _."""
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise refuse(node, "LIKE needs a pattern in quotes")
        matches = like(pattern.name)
        wanted = positive != bool(node.args.get("negate"))
        return self._words(node.this, lambda w: matches(w) is wanted)

    def _words(self, node: exp.Expr, test: Callable[[str], bool]) -> Test:
        compiled = self.value(node)
        if compiled.kind != "text":
            raise refuse(node, f"A text column is needed here, this is a {compiled.kind}")
        evaluate = compiled.evaluate
        return lambda view: evaluate(view).where(test)

    def null_test(self, node: exp.Is, positive: bool) -> Test:
        """Compile x IS NULL, and flag IS TRUE or FALSE."""
        if isinstance(node.expression, exp.Boolean):
            return self.flag(node.this, positive == bool(node.expression.this))
        if not isinstance(node.expression, exp.Null):
            raise refuse(node, "IS knows only NULL, TRUE and FALSE")
        compiled = self.value(node.this)
        evaluate = compiled.evaluate

        def test(view: View) -> Bools:
            known = _known(evaluate(view), len(view))
            return ~known if positive else known

        return test


def _known(values: Any, n: int) -> Bools:
    if isinstance(values, Text):
        return values.known()
    array = np.broadcast_to(np.asarray(values), n)
    return np.ones(n, np.bool_) if array.dtype == np.bool_ else ~np.isnan(array)


def _shifted(bound: float, fraction: float) -> Expr:
    moved = bound + fraction * abs(bound)
    return Expr("number", lambda _view: moved, moved)


def _unfold_between(node: exp.Between) -> exp.Expr:
    """Return x >= low AND x <= high."""
    return exp.And(
        this=exp.GTE(this=node.this, expression=node.args["low"]),
        expression=exp.LTE(this=node.this, expression=node.args["high"]),
    )


def _divide(a: Any, b: Any) -> Any:
    divisor = np.asarray(b, np.float64)
    return a / np.where(divisor == 0.0, np.nan, divisor)


def _modulo(a: Any, b: Any) -> Any:
    divisor = np.asarray(b, np.float64)
    return np.fmod(a, np.where(divisor == 0.0, np.nan, divisor))


def _not_equal(a: Any, b: Any) -> Any:
    return (np.asarray(a) < b) | (np.asarray(a) > b)


def _coalesce(*values: Any) -> Any:
    result = values[-1]
    for value in reversed(values[:-1]):
        result = np.where(np.isnan(value), result, value)
    return result


def _fold(pick: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def folded(first: Any, *rest: Any) -> Any:
        for value in rest:
            first = pick(first, value)
        return first

    return folded


_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: _divide,
    exp.Mod: _modulo,
}
_FUNCTIONS: dict[type, Callable[..., Any]] = {
    exp.Abs: np.abs,
    exp.Least: _fold(np.fmin),
    exp.Greatest: _fold(np.fmax),
    exp.Coalesce: _coalesce,
}
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
_CONDITIONS = (
    *(exp.And, exp.Or, exp.Not, exp.Between, exp.In, exp.Like, exp.Is, exp.Boolean),
    *_COMPARE,
)
_VALUES: dict[type, Callable[[Compiler, Any], Expr]] = {
    exp.Column: Compiler.column,
    exp.Literal: Compiler.literal,
    exp.Null: lambda _compiler, _node: Expr("number", lambda _view: np.nan),
    exp.Neg: Compiler.negative,
    exp.Paren: lambda compiler, node: compiler.value(node.this),
    exp.Case: Compiler.case,
    **dict.fromkeys(_ARITHMETIC, Compiler.arithmetic),
    **dict.fromkeys(_FUNCTIONS, Compiler.function),
}
ACCEPTED = (*_VALUES, *_CONDITIONS, exp.Ordered)
"""What a query may be made of."""
