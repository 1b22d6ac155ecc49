"""Functions that look beyond one row and one moment: delta, pctl, rank, rank_in, vs.

What a saved question remembers, the table keeps (`market.memory`), from its text being read on. A
query asked once remembers nothing: ranks are then reckoned at once over the present values, and a
delta is known only where a saved question keeps the same one.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlglot import exp

from tapelight.errors import ConfigError
from tapelight.market.memory import (
    CROSS,
    DELTA,
    Kept,
    percentile,
    ranking,
    ranking_within,
)
from tapelight.market.view import View
from tapelight.scan.expr import Evaluate, Expr, expr
from tapelight.scan.refuse import Compiles, refuse, written

LONGEST_S = 3_600
DELTA_US, KEPT_US, VERSUS_US, CROSS_US, WITHIN_US = 25.0, 10.0, 40.0, 1_500.0, 4_000.0
_SPAN = re.compile(r"([0-9]{1,5})(s|m)")
_RANKS = {"pctl": percentile, "rank": ranking}
Floats = npt.NDArray[np.float64]


def compile_delta(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    """Compile x now less x a span ago, sampled at whole seconds: delta(x, '60s').

    Up to 120 s every second is kept, beyond it every span / 120 s: the sample at or before it.
    """
    inner, span_s = _as_kept(c, arguments[0]), _span_s(node, arguments[1])
    key = f"delta {span_s} {inner.key}"
    said = written(node)[:60]

    def evaluate(view: View) -> Any:
        table = view.table
        if not table.memory.keeps(key):
            raise ConfigError(
                f"{said} is not known here: the past is kept from the time on that a saved board or "
                "scan asks for it. Save one with this delta, then ask."
            )
        return inner(view) - view.pick(table.memory.past(key, table.now_s, table.n))

    kept = Kept(DELTA, key, inner.evaluate, span_s)
    return expr("number", evaluate, f"delta {span_s}", inner, cost=DELTA_US, need=kept)


def _as_kept(c: Compiles, node: exp.Expr) -> Expr:
    """Compile what a delta is of: a rank in it is the second's before, whoever asks."""
    kept, c.kept = c.kept, True
    try:
        return c.number(node)
    finally:
        c.kept = kept


def _span_s(node: exp.Expr, argument: exp.Expr) -> int:
    match = _SPAN.fullmatch(argument.name) if isinstance(argument, exp.Literal) else None
    span_s = int(match[1]) * (60 if match[2] == "m" else 1) if match else 0
    if not 1 <= span_s <= LONGEST_S:
        raise refuse(node, "delta takes a span in quotes from '1s' to '3600s' (or '60m')")
    return span_s


def compile_cross(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    """Compile pctl(x) and rank(x): where x stands among all rows of the market."""
    name = str(node.name).lower()
    inner, function = c.number(arguments[0]), _RANKS[name]

    def reckon(view: View) -> Floats:
        return function(_floats(inner, view))

    return _kept(c, name, reckon, (inner,), CROSS_US)


def compile_rank_in(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    """Compile the place of x among the rows of the same word: rank_in(sector, x)."""
    group, inner = c.value(arguments[0]), c.number(arguments[1])
    if group.kind != "text":
        raise refuse(node, f"rank_in takes a text column first, this is a {group.kind}")

    def reckon(view: View) -> Floats:
        return ranking_within(group(view).codes, _floats(inner, view))

    return _kept(c, "rank_in", reckon, (group, inner), WITHIN_US)


def _floats(inner: Expr, view: View) -> Floats:
    return np.array(np.broadcast_to(np.asarray(inner(view), np.float64), len(view)))


def _kept(
    c: Compiles, name: str, reckon: Callable[[View], Floats], parts: tuple[Expr, ...], cost: float
) -> Expr:
    """Return a value over all rows: the last whole second's, or reckoned at once."""
    key = expr("number", reckon, name, *parts).key
    if not c.kept:
        return expr("number", _at_once(key, reckon), f"{name} at once", *parts, cost=cost)

    def evaluate(view: View) -> Any:
        table = view.table
        return view.pick(table.memory.last(key, table.n))

    need = Kept(CROSS, key, reckon)
    return expr("number", evaluate, name, *parts, cost=KEPT_US + cost, need=need)


def _at_once(key: str, reckon: Callable[[View], Floats]) -> Evaluate:
    def whole(view: View) -> Floats:
        return reckon(view if view.index is None else View(view.table))

    def evaluate(view: View) -> Any:
        return view.pick(view.root.once(f"at once {key}", whole))

    return evaluate


def compile_versus(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    """Compile vs('SPY', x): x less the same of that symbol; null where it is not watched."""
    other = arguments[0]
    if not (isinstance(other, exp.Literal) and other.is_string):
        raise refuse(node, "vs takes a symbol in quotes first, as in vs('SPY', chg_5m)")
    symbol, inner = other.name, c.number(arguments[1])
    key = f"vs {symbol!r} {inner.key}"

    def theirs(view: View) -> float:
        row = view.table.universe.rows.get(symbol)
        if row is None:
            return float("nan")
        alone = View(view.table, np.array([row], np.intp))
        return float(np.asarray(inner(alone), np.float64).reshape(-1)[0])

    def evaluate(view: View) -> Any:
        return inner(view) - view.root.once(key, theirs)

    return expr("number", evaluate, f"vs {symbol!r}", inner, cost=VERSUS_US, moves=True)
