"""Queries: one SELECT over `market`, parsed, checked against a closed list, compiled."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from tapelight.errors import ConfigError
from tapelight.market.asked_once import cost_us
from tapelight.market.column import columns
from tapelight.market.indicators import Ask
from tapelight.market.memory import Kept
from tapelight.market.some import Some
from tapelight.market.table import Table
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.scan.compile import RELAX, Compiler, Expr, Names
from tapelight.scan.expr import shared, walk
from tapelight.scan.filter import Filter, Positions
from tapelight.scan.parse import limit_of, ordered, parse, parse_gate
from tapelight.scan.refuse import written

MAX_COST_US = 25_000.0
"""What one evaluation of a question may cost over 11,000 rows."""
OWN_US = 15.0
"""What a question costs besides its expressions."""
DEFAULT_COLUMNS = (
    "symbol last chg_pct gap_pct vol rvol_tod rvol_5m float_shares float_rot spread_pct "
    "trade_rate hod_dist_pct vwap_dist_pct atr_used halted ssr stale provisional"
).split()
"""What SELECT * gives: the default columns of a list."""


@dataclass(frozen=True, slots=True)
class Named:
    """Hold one column of the answer."""

    name: str
    unit: str
    doc: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Condition:
    """Hold a condition as it was written, and the compiler that knows its names: it explains."""

    node: exp.Expr
    compiler: Compiler
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Hold a compiled question. `leave` is `where` with its bounds let out, for hysteresis."""

    text: str
    select: tuple[Named, ...]
    where: Filter | None
    leave: Filter | None
    order: tuple[tuple[Expr, bool], ...]
    limit: int | None
    used: tuple[str, ...]
    """Columns of the table, in alphabetical order."""
    pulsing: bool
    """Whether it uses a column that is true only until the next mark."""
    conditions: tuple[Condition, ...] = ()
    """WHERE and the gate, for `scan.leaves`."""
    aliases: str = "1"
    """The columns that it names itself, as after SELECT."""
    indicators: tuple[Ask, ...] = ()
    """What it asks of tier 2, itself and by its columns."""
    kept: tuple[Kept, ...] = ()
    """What the table remembers for it."""
    moving: bool = False
    """Whether its condition is of what changes though a row has no event: time, another row."""
    cost_us: float = 0.0
    """What it is reckoned to cost over 11,000 rows, columns and indicators not counted."""

    @property
    def everywhere(self) -> bool:
        """Tell whether it may become true of a row that has not changed: asked of all each second."""
        return bool(self.kept or self.indicators or self.moving)


@lru_cache(maxsize=2048)
def compile_query(
    text: str, gate: str = "", names: Names | None = None, kept: bool = False
) -> Query:
    """Compile one SELECT; raises ConfigError that says what is wrong.

    `gate` is a further condition, `names` are the columns of other questions. `kept` says that the
    table keeps what the query remembers, as it does for saved questions.
    """
    tree = parse(text)
    compiler = Compiler(0.0, names, kept)
    select = tuple(_select(compiler, tree))
    for each in select:
        _alias(compiler, each)
    relaxed = Compiler(RELAX, names, kept)
    relaxed.aliases = compiler.aliases
    where, leave = _filter(compiler, tree, gate), _filter(relaxed, tree, gate)
    order = tuple((_by(compiler, select, o.this), bool(o.args.get("desc"))) for o in ordered(tree))
    tests = where.tests if where else ()
    asked = [*(named.expr for named in select), *tests, *(by for by, _ in order)]
    needs = _Needs(asked)
    named = [e.sql("duckdb") for e in tree.expressions if isinstance(e, exp.Alias)]
    return Query(
        text.strip(), select, where, leave, order, limit_of(tree), needs.columns, needs.pulsing(),
        tuple(_conditions(compiler, tree, gate)), ", ".join(named) or "1", needs.indicators(),
        needs.kept, any(e.moves for e in walk(tests)), _affordable(needs.cost_us),
    )  # fmt: skip


def _alias(compiler: Compiler, named: Named) -> None:
    """Let a name of SELECT be asked for; a column of the table keeps its own, as in SQL.

    A value that is only shown otherwise (an unknown float as 0) would else change the condition.
    """
    if named.name not in columns():
        compiler.aliases.setdefault(named.name, named.expr)


def _by(compiler: Compiler, select: tuple[Named, ...], node: exp.Expr) -> Expr:
    """Return what ORDER BY names: first of all a column of the answer."""
    shown = {named.name: named.expr for named in select}
    if isinstance(node, exp.Column) and not node.table and node.name in shown:
        return shown[node.name]
    return compiler.value(node)


class _Needs:
    """Collect what expressions ask for."""

    def __init__(self, roots: list[Expr]) -> None:
        graph = list(walk(roots))
        needs = [e.need for e in graph]
        self.columns = tuple(sorted({n for n in needs if isinstance(n, str)}))
        self.kept = tuple({n.key: n for n in needs if isinstance(n, Kept)}.values())
        self.asks = [n for n in needs if isinstance(n, Ask)]
        self.cost_us = OWN_US + sum(e.cost_us for e in graph)

    def pulsing(self) -> bool:
        """Tell whether a column is true only until the next mark."""
        return any(columns()[name].pulse for name in self.columns)

    def indicators(self) -> tuple[Ask, ...]:
        """Return the indicators asked for, by name or by a column, in the order of their keys."""
        asks, seen, waiting = set(self.asks), set[str](), list(self.columns)
        while waiting:
            name = waiting.pop()
            info = columns().get(name)
            if info is not None and name not in seen:
                seen.add(name)
                asks.update(info.indicators)
                waiting += info.inputs
        return tuple(sorted(asks, key=lambda ask: ask.key))


def _affordable(cost_us: float) -> float:
    if cost_us > MAX_COST_US:
        raise ConfigError(
            f"The query would cost about {cost_us / 1000:.0f} ms each time; "
            f"{MAX_COST_US / 1000:.0f} ms are allowed: ask for less in one question."
        )
    return round(cost_us, 1)


def _conditions(compiler: Compiler, tree: exp.Select, gate: str) -> Iterator[Condition]:
    where = tree.args.get("where")
    if where:
        yield Condition(where.this, compiler)
    if gate:
        yield Condition(parse_gate(gate), Compiler(kept=compiler.kept), gate=True)


def _select(compiler: Compiler, tree: exp.Select) -> list[Named]:
    found: list[Named] = []
    for node in tree.expressions:
        if isinstance(node, exp.Star):
            found += [_named(compiler, exp.column(n)) for n in DEFAULT_COLUMNS]
            continue
        named = _named(compiler, node)
        found.append(named)
        if isinstance(node, exp.Alias):
            _alias(compiler, named)
    names = [n.name for n in found]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise ConfigError(f"The column {twice} is named twice in SELECT: rename one with AS.")
    return found


def _named(compiler: Compiler, node: exp.Expr) -> Named:
    inner = node.this if isinstance(node, exp.Alias) else node
    compiled = shared(compiler.value(inner))
    if isinstance(inner, exp.Column) and not isinstance(node, exp.Alias):
        info = columns().get(inner.name)
        return Named(inner.name, info.unit if info else "", info.doc if info else "", compiled)
    text = written(inner)
    name = node.alias if isinstance(node, exp.Alias) else text
    return Named(name, "", text, compiled)


@lru_cache(maxsize=256)
def _passes(gate: str, relax: float, kept: bool) -> Expr:
    """Return the condition of a gate, which many questions have alike."""
    try:
        return shared(Compiler(relax, kept=kept).condition(parse_gate(gate)))
    except ConfigError as error:
        raise ConfigError(f"In the gate: {error}") from error


def _filter(compiler: Compiler, tree: exp.Select, gate: str) -> Filter | None:
    """Return the gate and WHERE as one filter; the gate is reckoned once a view for all."""
    tests: list[Expr] = []
    if gate:
        tests.append(_passes(gate, compiler.relax, compiler.kept))
    where = tree.args.get("where")
    if where:
        own = compiler.condition(where.this)
        tests += [shared(test) for test in own.every or (own,)]
    return Filter(tuple(tests)) if tests else None


def order_of(query: Query, view: View, chosen: Positions) -> Positions:
    """Return `chosen` (positions in the view) in the query's order, ties by symbol, nulls last."""
    if len(chosen) < 2:
        return chosen
    some = Some(view, chosen)
    assert some.index is not None
    keys: list[Any] = [view.table.symbol_rank()[some.index]]
    for expr, descending in reversed(query.order):
        keys += _sort_keys(expr.evaluate(some), len(chosen), descending)
    return chosen[np.lexsort(keys)]


def _sort_keys(values: Any, n: int, descending: bool) -> list[Any]:
    if isinstance(values, Text):
        values = _alphabetic(values)
    numbers = np.broadcast_to(np.asarray(values, np.float64), n)
    unknown = np.isnan(numbers)
    clean = np.where(unknown, 0.0, numbers)
    return [-clean if descending else clean, unknown]


def _alphabetic(text: Text) -> npt.NDArray[np.float64]:
    """Return each row's place in the alphabet of the words there are; NaN for null."""
    used = np.unique(text.codes)
    order = sorted(used[used >= 0].tolist(), key=text.words.__getitem__)
    place = np.full(len(text.words) + 1, np.nan)
    place[order] = np.arange(len(order))
    return np.asarray(place[text.codes])


def cells(query: Query, view: View, chosen: Positions) -> list[list[Any]]:
    """Return the answer's columns for `chosen` rows, one list a column; null is None."""
    if not len(chosen):
        return [[] for _ in query.select]
    some = Some(view, chosen)
    return [_listed(named.expr.evaluate(some), len(chosen)) for named in query.select]


def as_cells(values: Any, n: int, chosen: Positions) -> list[Any]:
    """Return `chosen` of the values of `n` rows as JSON cells: None for null."""
    if isinstance(values, Text):
        return values.take(chosen).values()
    found = np.asarray(values)
    return _listed((found if found.ndim else np.full(n, found))[chosen], len(chosen))


def _listed(values: Any, n: int) -> list[Any]:
    """Return values as JSON cells: float, word, True or False, None for null."""
    if isinstance(values, Text):
        return values.values()
    found = np.asarray(values)
    listed: list[Any] = (found if found.ndim else np.full(n, found)).tolist()
    if found.dtype == np.bool_ or not np.isnan(found).any():
        return listed
    return [None if v != v else v for v in listed]


def check_now(query: Query, table: Table) -> None:
    """Refuse what would hold the loop up; raises ConfigError that says what to do instead."""
    us = cost_us(table, query.indicators)
    if us + query.cost_us > MAX_COST_US:
        raise ConfigError(
            f"The indicators that no board or scan follows would cost about {us / 1000:.0f} ms; "
            f"{MAX_COST_US / 1000:.0f} ms are allowed: ask for fewer, or save the question."
        )


def answer(query: Query, view: View) -> list[dict[str, Any]]:
    """Answer a query over `view`, as rows."""
    everything = np.arange(len(view))
    chosen = everything if query.where is None else query.where.rows(view)
    chosen = order_of(query, view, chosen)[: query.limit]
    names = [named.name for named in query.select]
    return [
        dict(zip(names, row, strict=True)) for row in zip(*cells(query, view, chosen), strict=True)
    ]
