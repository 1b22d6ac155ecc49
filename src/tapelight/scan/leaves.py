"""Leaves: the comparisons of a condition one by one, with the joins that hold them together.

A condition is one mask for the engine. Here it is the tree that was written, NOT pushed down to
the comparisons as in `scan.compile`: what a signal stores and what explains a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from tapelight.market.some import Some
from tapelight.market.view import View
from tapelight.model.signals import Leaf, Value
from tapelight.scan.compile import Compiler, Evaluate, Test
from tapelight.scan.refuse import written
from tapelight.scan.sql import Query, as_cells

Positions = npt.NDArray[np.intp]
_OPS: dict[type, str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_OPPOSITE = {"=": "<>", "<>": "=", ">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_FLIPPED = {"=": "=", "<>": "<>", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
NULL_TESTS = ("is null", "is not null")


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask one comparison of the rows of a view."""

    name: str
    op: str
    value: Evaluate
    test: Test
    literal: Value = None
    """The bound, where it is written down."""
    bound: Evaluate | None = None
    """The bound, where it is reckoned, as `against` says."""
    against: str = ""
    within: tuple[str, ...] = ()

    def leaves(self, view: View, at: Positions) -> list[Leaf]:
        """Return a leaf for each of the positions `at` of the view."""
        values = as_cells(self.value(view), len(view), at)
        bounds = [self.literal] * len(at)
        if self.bound is not None:
            bounds = as_cells(self.bound(view), len(view), at)
        truth = self.test(view)[at].tolist()
        return [
            Leaf(self.name, value, self.op, bound, self._told(true, value, bound), self.within,
                 self.against)
            for value, bound, true in zip(values, bounds, truth, strict=True)
        ]  # fmt: skip

    def _told(self, true: bool, value: Value, bound: Value) -> bool | None:
        if true or self.op in NULL_TESTS:
            return true
        return None if value is None or bound is None else False


@dataclass(frozen=True, slots=True)
class Group:
    """Join parts by `and` or `or`."""

    join: str
    parts: "tuple[Probe | Group, ...]"

    def probes(self) -> Iterator[Probe]:
        """Yield the comparisons in text order."""
        for part in self.parts:
            if isinstance(part, Probe):
                yield part
            else:
                yield from part.probes()


def tree_of(query: Query) -> Group:
    """Return WHERE and the gate of a query as a tree; its top joins by `and`."""
    parts: list[Probe | Group] = []
    for condition in query.conditions:
        outer = ("gate",) if condition.gate else ()
        maker = _Maker(condition.compiler)
        parts += maker.joined([(condition.node, True)], "and", outer)
    return Group("and", tuple(parts))


def leaves(tree: Group, view: View, at: Positions) -> list[tuple[Leaf, ...]]:
    """Return for each of the positions `at` of the view its leaves, in text order."""
    few, each = Some(view, at), np.arange(len(at))
    columns = [probe.leaves(few, each) for probe in tree.probes()]
    return list(zip(*columns, strict=True)) if columns else [()] * len(at)


class _Maker:
    """Make probes of one condition's nodes, with the names that its compiler knows."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler

    def joined(
        self, nodes: list[tuple[exp.Expr, bool]], join: str, within: tuple[str, ...]
    ) -> list[Probe | Group]:
        """Return the parts of one join; a join inside another kind of join is a group."""
        parts: list[Probe | Group] = []
        flat = [piece for node in nodes for piece in _flat(*node, join)]
        for node, positive in flat:
            inner = _join(node, positive)
            if inner is None:
                parts.append(self.probe(node, positive, within))
                continue
            groups = sum(isinstance(part, Group) for part in parts)
            name = f"{inner}{groups + 1}"
            grouped = self.joined([(node, positive)], inner, (*within, name))
            parts.append(Group(inner, tuple(grouped)))
        return parts

    def probe(self, node: exp.Expr, positive: bool, within: tuple[str, ...]) -> Probe:
        """Return one comparison."""
        test = self.compiler.condition(node, positive)
        match node:
            case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
                return self._comparison(node, positive, within, test)
            case exp.In():
                words = ", ".join(_word(item) for item in node.expressions)
                return self._against(node.this, "in" if positive else "not in", words, within, test)
            case exp.Like():
                op = "like" if positive != bool(node.args.get("negate")) else "not like"
                return self._against(node.this, op, node.expression.name, within, test)
            case exp.Is() if isinstance(node.expression, exp.Null):
                op = "is null" if positive else "is not null"
                return self._against(node.this, op, None, within, test)
            case exp.Is():
                wanted = bool(node.expression.this) == positive
                return self._against(node.this, "is", wanted, within, test)
            case exp.Boolean():
                said = bool(node.this)
                return Probe(written(node), "is", lambda _view: said, test, positive, within=within)
        return self._against(node, "is", positive, within, test)

    def _against(
        self, node: exp.Expr, op: str, bound: Value, within: tuple[str, ...], test: Test
    ) -> Probe:
        value = self.compiler.value(node)
        return Probe(written(node), op, value.evaluate, test, bound, within=within)

    def _comparison(
        self, node: exp.Binary, positive: bool, within: tuple[str, ...], test: Test
    ) -> Probe:
        op = _OPS[type(node)]
        op = op if positive else _OPPOSITE[op]
        left, right = node.left, node.right
        if _literal(left) is not None and _literal(right) is None:
            left, right, op = right, left, _FLIPPED[op]
        value, bound = self.compiler.value(left), self.compiler.value(right)
        literal = bound.literal if bound.literal is not None else _literal(right)
        if literal is not None:
            return Probe(written(left), op, value.evaluate, test, literal, within=within)
        reckoned = bound.evaluate
        return Probe(
            written(left), op, value.evaluate, test,
            bound=reckoned, against=written(right), within=within,
        )  # fmt: skip


def _flat(node: exp.Expr, positive: bool, join: str) -> list[tuple[exp.Expr, bool]]:
    """Return the parts of nested joins of one kind, brackets and NOT resolved."""
    match node:
        case exp.Paren():
            return _flat(node.this, positive, join)
        case exp.Not():
            return _flat(node.this, not positive, join)
        case _ if _join(node, positive) == join:
            left, right = _sides(node)
            return [*_flat(left, positive, join), *_flat(right, positive, join)]
    return [(node, positive)]


def _join(node: exp.Expr, positive: bool) -> str | None:
    """Return how a node joins its parts: NOT (a OR b) is an `and`."""
    if isinstance(node, exp.And | exp.Between):
        return "and" if positive else "or"
    if isinstance(node, exp.Or):
        return "or" if positive else "and"
    return None


def _sides(node: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    if isinstance(node, exp.Between):
        low = exp.GTE(this=node.this, expression=node.args["low"])
        return low, exp.LTE(this=node.this, expression=node.args["high"])
    assert isinstance(node, exp.Binary)
    return node.left, node.right


def _word(item: exp.Expr) -> str:
    """Return a member of an IN list: a word without its quotes, a number with its sign."""
    return item.name if isinstance(item, exp.Literal) else written(item)


def _literal(node: exp.Expr) -> Value:
    """Return the number or word that is written down, None for what is reckoned."""
    if isinstance(node, exp.Neg):
        inner = _literal(node.this)
        return -inner if isinstance(inner, float) else None
    if not isinstance(node, exp.Literal):
        return None
    return node.name if node.is_string else float(node.name)
