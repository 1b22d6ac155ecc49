"""Queries: one SELECT over `market`, parsed, checked against a closed list, compiled."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.scan.compile import ACCEPTED, RELAX, Compiler, Expr, Test, refuse

MAX_TEXT = 4_000
MAX_NODES = 2_000
MAX_DEPTH = 64
MAX_LIMIT = 20_000
_CLAUSES = {"kind", "expressions", "from_", "where", "order", "limit"}
_READ = frozenset(
    "this expression expressions low high ifs default true negate table alias desc quoted "
    "is_string ignore_nulls safe typed query".split()
)
"""The parts of a parsed node that the compiler looks at: any other one would be passed over."""
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
    where: Test | None
    leave: Test | None
    order: tuple[tuple[Expr, bool], ...]
    limit: int | None
    used: tuple[str, ...]
    pulsing: bool
    """Whether it uses a column that is true only until the next mark."""
    conditions: tuple[Condition, ...] = ()
    """WHERE and the gate, for `scan.leaves`."""
    aliases: str = "1"
    """The columns that it names itself, as after SELECT."""


@lru_cache(maxsize=512)
def compile_query(text: str, gate: str = "") -> Query:
    """Compile one SELECT; `gate` is a further condition. Raises ConfigError that says what is wrong."""
    tree = _parse(text)
    _check_shape(tree)
    compiler = Compiler()
    select = tuple(_select(compiler, tree))
    compiler.aliases.update({n.name: n.expr for n in select if n.name not in columns()})
    relaxed = Compiler(RELAX)
    relaxed.aliases = compiler.aliases
    where, leave = _test(compiler, tree, gate), _test(relaxed, tree, gate)
    order = tuple((compiler.value(o.this), bool(o.args.get("desc"))) for o in _ordered(tree))
    used = tuple(compiler.used)
    pulsing = any(columns()[name].pulse for name in used)
    written = tuple(_conditions(compiler, tree, gate))
    named = [e.sql("duckdb") for e in tree.expressions if isinstance(e, exp.Alias)]
    return Query(
        text, select, where, leave, order, _limit(tree), used, pulsing, written,
        ", ".join(named) or "1",
    )  # fmt: skip


def _conditions(compiler: Compiler, tree: exp.Select, gate: str) -> Iterator[Condition]:
    where = tree.args.get("where")
    if where:
        yield Condition(where.this, compiler)
    if gate:
        yield Condition(_gate(gate), Compiler(), gate=True)


def _parse(text: str) -> exp.Select:
    if len(text) > MAX_TEXT:
        raise ConfigError(f"The query has {len(text):,} characters; {MAX_TEXT:,} are allowed.")
    try:
        trees = [t for t in sqlglot.parse(text, read="duckdb") if t is not None]
    except SqlglotError as error:
        raise ConfigError(f"The query does not parse: {_first_line(error)}") from error
    except RecursionError as error:
        raise ConfigError("The query is nested too deeply: use fewer brackets.") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise ConfigError("Give exactly one SELECT ... FROM market ... statement.")
    return trees[0]


def _first_line(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if details:
        first = details[0]
        return (
            f"{first['description'].split(': <')[0]} (line {first['line']}, column {first['col']})."
        )
    return str(error).splitlines()[0]


def _check_shape(tree: exp.Select) -> None:
    for clause, value in tree.args.items():
        if value and clause not in _CLAUSES:
            raise ConfigError(f"{clause.strip('_').upper()} is not part of the scan language.")
    source = tree.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table) or source.this.sql() != "market":
        raise ConfigError("A query asks one table: write FROM market.")
    nodes = 0
    for node in tree.walk():
        nodes += 1
        if isinstance(node, exp.Select) and node is not tree:
            raise ConfigError("A query has no query inside it.")
        unread = next((k for k, v in node.args.items() if v and k not in _READ), None)
        if unread is not None and isinstance(node, ACCEPTED):
            raise refuse(node, f"{unread.strip('_').upper()} is not part of the scan language")
    if nodes > MAX_NODES:
        raise ConfigError(f"The query has {nodes:,} parts; {MAX_NODES:,} are allowed.")
    if _depth(tree) > MAX_DEPTH * 2:
        raise ConfigError(f"The query is nested more than {MAX_DEPTH * 2} deep.")


def _depth(tree: exp.Expr) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in node.iter_expressions()]
    return deepest


def _select(compiler: Compiler, tree: exp.Select) -> list[Named]:
    found: list[Named] = []
    for node in tree.expressions:
        if isinstance(node, exp.Star):
            found += [_named(compiler, exp.column(n)) for n in DEFAULT_COLUMNS]
            continue
        named = _named(compiler, node)
        found.append(named)
        if isinstance(node, exp.Alias):
            compiler.aliases[named.name] = named.expr
    names = [n.name for n in found]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise ConfigError(f"The column {twice} is named twice in SELECT: rename one with AS.")
    return found


def _named(compiler: Compiler, node: exp.Expr) -> Named:
    inner = node.this if isinstance(node, exp.Alias) else node
    compiled = compiler.value(inner)
    if isinstance(inner, exp.Column) and not isinstance(node, exp.Alias):
        info = columns().get(inner.name)
        return Named(inner.name, info.unit if info else "", info.doc if info else "", compiled)
    return Named(node.alias_or_name or inner.sql(), "", inner.sql(), compiled)


def _test(compiler: Compiler, tree: exp.Select, gate: str) -> Test | None:
    """Return WHERE and the gate as one test; the gate is reckoned once a view for all questions."""
    where = tree.args.get("where")
    own = compiler.condition(where.this) if where else None
    if not gate:
        return own
    alone = Compiler(compiler.relax)
    passes = alone.condition(_gate(gate))
    compiler.used.update(alone.used)
    key = f"gate {compiler.relax} {gate}"
    if own is None:
        return lambda view: view.once(key, passes)
    return lambda view: view.once(key, passes) & own(view)


def _gate(text: str) -> exp.Expr:
    tree = _parse(f"SELECT 1 FROM market WHERE {text}")
    _check_shape(tree)
    where = tree.args.get("where")
    if where is None or tree.args.get("order") or tree.args.get("limit"):
        raise ConfigError("A gate is one condition, as after WHERE: write no more than that.")
    condition: exp.Expr = where.this
    return condition


def _ordered(tree: exp.Select) -> list[exp.Ordered]:
    order = tree.args.get("order")
    return list(order.expressions) if order else []


def _limit(tree: exp.Select) -> int | None:
    limit = tree.args.get("limit")
    if limit is None:
        return None
    number = limit.expression
    if not isinstance(number, exp.Literal) or number.is_string or not number.name.isdigit():
        raise refuse(limit, "LIMIT needs a whole number")
    if int(number.name) > MAX_LIMIT:
        raise refuse(limit, f"LIMIT is at most {MAX_LIMIT:,}")
    return int(number.name)


def ranked(query: Query, view: View, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return `chosen` (positions in the view) in the query's order, ties by symbol, nulls last."""
    if len(chosen) < 2:
        return chosen
    if query.order and query.limit and len(chosen) > 4 * query.limit:
        chosen = _contenders(query, view, chosen, query.limit)
    keys: list[Any] = [view.pick(view.table.symbol_rank())[chosen]]
    for expr, descending in reversed(query.order):
        values = expr.evaluate(view)
        keys += _sort_keys(values, len(view), chosen, descending)
    return chosen[np.lexsort(keys)]


def _contenders(
    query: Query, view: View, chosen: npt.NDArray[np.intp], limit: int
) -> npt.NDArray[np.intp]:
    """Return those of `chosen` that may be among the first `limit`: a sort of few, not of all."""
    expr, descending = query.order[0]
    clean, unknown = _sort_keys(expr.evaluate(view), len(view), chosen, descending)
    key = np.where(unknown, np.inf, clean)
    return chosen[key <= np.partition(key, limit - 1)[limit - 1]]


def _sort_keys(values: Any, n: int, chosen: npt.NDArray[np.intp], descending: bool) -> list[Any]:
    if isinstance(values, Text):
        rank = np.argsort(np.argsort(np.array([*values.words, ""])))
        values = np.where(values.codes < 0, np.nan, rank[values.codes])
    numbers = picked(np.asarray(values, np.float64), n, chosen)
    unknown = np.isnan(numbers)
    clean = np.where(unknown, 0.0, numbers)
    return [-clean if descending else clean, unknown]


def cells(query: Query, view: View, chosen: npt.NDArray[np.intp]) -> list[list[Any]]:
    """Return the answer's columns for `chosen` rows, one list a column; null is None."""
    return [as_cells(named.expr.evaluate(view), len(view), chosen) for named in query.select]


def as_cells(values: Any, n: int, chosen: npt.NDArray[np.intp]) -> list[Any]:
    """Return values as JSON cells: float, word, True or False, None for null."""
    if isinstance(values, Text):
        return values.take(chosen).values()
    chosen_values = picked(np.asarray(values), n, chosen)
    if chosen_values.dtype == np.bool_:
        flags: list[Any] = chosen_values.tolist()
        return flags
    return [None if v != v else v for v in chosen_values.tolist()]


def picked(values: npt.NDArray[Any], n: int, chosen: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return the `chosen` of `n` elements; a single value stands in every row."""
    return (values if values.ndim else np.full(n, values))[chosen]


def answer(query: Query, view: View) -> list[dict[str, Any]]:
    """Answer a query over `view`, as rows."""
    everything = np.arange(len(view))
    chosen = everything if query.where is None else np.flatnonzero(query.where(view))
    chosen = ranked(query, view, chosen)[: query.limit]
    names = [named.name for named in query.select]
    return [
        dict(zip(names, row, strict=True)) for row in zip(*cells(query, view, chosen), strict=True)
    ]
