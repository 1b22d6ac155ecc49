"""From checked SQL expressions to closures over a view. Null is NaN; division by 0 gives null."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlglot import exp

from tapelight.market.column import columns, moves
from tapelight.market.text import Text, joined
from tapelight.market.view import View
from tapelight.scan import slips
from tapelight.scan.conditions import CONDITIONS, condition
from tapelight.scan.expr import Bools, Evaluate, Expr, Test, constant, expr, null, text_of, words_us
from tapelight.scan.functions import call, divide, modulo
from tapelight.scan.refuse import nearest, refuse

__all__ = ["ACCEPTED", "RELAX", "Bools", "Compiler", "Evaluate", "Expr", "Names", "Test", "refuse"]
RELAX = 0.2
"""How far a bound is let out for a row that is on the board already, as a fraction of it."""
PLAIN_US, DIVIDE_US, MODULO_US, ARM_US = 8.0, 25.0, 90.0, 25.0


@dataclass(frozen=True, slots=True)
class Names:
    """Hold the columns that other questions name: `hod_momo.thrust`."""

    of: Mapping[str, Mapping[str, Expr]] = field(
        default_factory=lambda: MappingProxyType({}), hash=False, compare=False
    )
    """Question -> its columns."""
    versions: tuple[tuple[str, str], ...] = ()
    """(question, version): what tells two of them apart."""


class Compiler:
    """Compile the expressions of one query; `aliases` are its own named columns.

    With `relax` the bounds of comparisons are let out by that fraction. `kept`: the table keeps
    what the query remembers (a saved question), or nothing is kept (a query asked once).
    """

    def __init__(self, relax: float = 0.0, names: Names | None = None, kept: bool = False) -> None:
        self.relax, self.kept = relax, kept
        self.names = names or Names()
        self.aliases: dict[str, Expr] = {}

    def value(self, node: exp.Expr) -> Expr:
        """Compile a value of any kind; raises ConfigError for what the language has not."""
        compile_node = _VALUES.get(type(node))
        if compile_node is not None:
            return compile_node(self, node)
        if isinstance(node, CONDITIONS):
            true, false = self.condition(node), self.condition(node, False)
            return expr("flag", true.evaluate, "is", true, false, opposite=false.evaluate)
        raise refuse(node, f"{type(node).__name__} is not part of the scan language")

    def number(self, node: exp.Expr) -> Expr:
        """Compile a number."""
        compiled = self.value(node)
        if compiled.kind != "number":
            raise refuse(node, f"A number is needed here, this is a {compiled.kind}")
        return compiled

    def condition(self, node: exp.Expr, positive: bool = True) -> Expr:
        """Compile a condition (or, not `positive`, its negation) to a mask of the rows."""
        return condition(self, node, positive)

    def column(self, node: exp.Column) -> Expr:
        """Compile a column, one of the query's own names, or a name of another question."""
        name = node.name
        if node.table not in ("", "market"):
            return self._foreign(node)
        if name in self.aliases:
            return self.aliases[name]
        info = columns().get(name)
        if info is None:
            hint = slips.of_column(node, columns()) or nearest(
                name, [*columns(), *self.aliases], "see `tapelight list columns`."
            )
            raise refuse(node, f"Unknown column {name!r}, {hint}")
        return expr(info.kind, operator.itemgetter(name), name, need=name, moves=moves(name))

    def _foreign(self, node: exp.Column) -> Expr:
        question, name = node.table, node.name
        if question not in self.names.of:
            hint = nearest(question, self.names.of, f"write {name} alone for a column of market.")
            raise refuse(
                node, f"There is no table {question!r} and no question of that name, {hint}"
            )
        known_names = self.names.of[question]
        if name not in known_names:
            hint = nearest(name, known_names, f"it names {', '.join(known_names) or 'none'}.")
            raise refuse(node, f"{question} names no column {name!r}, {hint}")
        return known_names[name]

    def literal(self, node: exp.Literal) -> Expr:
        """Compile a number or a word."""
        if node.is_string:
            word = node.name
            return expr("text", lambda view: view.constant(word), repr(word))
        return constant(float(node.name))

    def negative(self, node: exp.Neg) -> Expr:
        """Compile -x."""
        inner = self.number(node.this)
        if inner.literal is not None:
            return constant(-inner.literal)
        return expr("number", lambda view: -inner(view), "-", inner, cost=PLAIN_US)

    def arithmetic(self, node: exp.Binary) -> Expr:
        """Compile + - * / %; division by 0 gives null."""
        left, right = self.number(node.left), self.number(node.right)
        name, function, cost = _ARITHMETIC[type(node)]
        a, b = left.evaluate, right.evaluate

        def evaluate(view: View) -> Any:
            with np.errstate(all="ignore"):
                return function(a(view), b(view))

        return expr("number", evaluate, name, left, right, cost=cost)

    def case(self, node: exp.Case) -> Expr:
        """Compile CASE WHEN ... THEN ... ELSE ... END over numbers, or over words."""
        if node.this is not None:
            raise refuse(node, "Write CASE WHEN condition THEN value, without a value after CASE")
        tests = [self.condition(i.this) for i in node.args["ifs"]]
        default = node.args.get("default")
        values = [self.value(i.args["true"]) for i in node.args["ifs"]]
        values.append(self.value(default) if default is not None else null())
        kinds = {v.kind for v in values if not v.null} or {"number"}
        if len(kinds) > 1 or "flag" in kinds:
            given = " and ".join(f"a {kind}" for kind in sorted(kinds))
            raise refuse(node, f"CASE gives numbers, or words, not {given}")
        kind = kinds.pop()
        reckon = _number_case if kind == "number" else _text_case
        cost = len(tests) * (ARM_US if kind == "number" else words_us(values))
        return expr(kind, reckon(tests, values), "case", *tests, *values, cost=cost)


def _number_case(tests: list[Expr], values: list[Expr]) -> Evaluate:
    def evaluate(view: View) -> Any:
        result: Any = np.broadcast_to(values[-1](view), len(view))
        for test, value in zip(reversed(tests), reversed(values[:-1]), strict=True):
            result = np.where(test(view), value(view), result)
        return result

    return evaluate


def _text_case(tests: list[Expr], values: list[Expr]) -> Evaluate:
    def evaluate(view: View) -> Text:
        codes, words = joined([text_of(value, view) for value in values])
        result = codes[-1]
        for test, chosen in zip(reversed(tests), reversed(codes[:-1]), strict=True):
            result = np.where(test(view), chosen, result)
        return Text(result, words)

    return evaluate


_ARITHMETIC: dict[type, tuple[str, Callable[[Any, Any], Any], float]] = {
    exp.Add: ("+", operator.add, PLAIN_US),
    exp.Sub: ("-", operator.sub, PLAIN_US),
    exp.Mul: ("*", operator.mul, PLAIN_US),
    exp.Div: ("/", divide, DIVIDE_US),
    exp.Mod: ("%", modulo, MODULO_US),
}
_VALUES: dict[type, Callable[[Compiler, Any], Expr]] = {
    exp.Column: Compiler.column,
    exp.Literal: Compiler.literal,
    exp.Null: lambda _compiler, _node: null(),
    exp.Neg: Compiler.negative,
    exp.Paren: lambda compiler, node: compiler.value(node.this),
    exp.Case: Compiler.case,
    exp.Anonymous: call,
    **dict.fromkeys(_ARITHMETIC, Compiler.arithmetic),
}
ACCEPTED = (*_VALUES, *CONDITIONS, exp.Ordered)
"""What a query may be made of."""
