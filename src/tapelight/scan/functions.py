"""The functions of the scan language: arithmetic here, memory in `past`, indicators by name.

A function is one entry of `functions()`: its name, how it is written, what it gives, its group.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlglot import exp

from tapelight.errors import ConfigError
from tapelight.market.indicators import TIMEFRAMES, Ask, ask, indicator_functions
from tapelight.market.text import Text, joined
from tapelight.market.view import View
from tapelight.scan import slips
from tapelight.scan.expr import Expr, expr, text_of, words_us
from tapelight.scan.past import compile_cross, compile_delta, compile_rank_in, compile_versus
from tapelight.scan.refuse import Compiles, nearest, refuse

MAX_ARGUMENTS = 32
LONGEST_PERIOD = 500
MAX_DIGITS = 12
FORMING = "forming"
INDICATOR_US = 30.0
Make = Callable[[Compiles, exp.Anonymous, Sequence[exp.Expr]], Expr]


@dataclass(frozen=True, slots=True)
class Function:
    """Describe one function of the language."""

    name: str
    usage: str
    """How it is written: delta(x, '60s')."""
    doc: str
    group: str
    fewest: int
    most: int
    make: Make


def call(c: Compiles, node: exp.Anonymous) -> Expr:
    """Compile a call of a function or of an indicator by its name."""
    name, arguments = str(node.name).lower(), list(node.expressions)
    function = functions().get(name)
    if function is None or (name in indicator_functions() and _of_bars(arguments)):
        if name in indicator_functions():
            return _indicator(node, name, arguments)
        known = [*functions(), *indicator_functions()]
        hint = slips.of_function(name) or nearest(name, known, "see `tapelight list functions`")
        raise refuse(node, f"{node.name} is not part of the scan language, {hint}")
    if not function.fewest <= len(arguments) <= function.most:
        raise refuse(node, f"Write {function.usage}: {name} has {len(arguments)} arguments here")
    return function.make(c, node, arguments)


def _of_bars(arguments: Sequence[exp.Expr]) -> bool:
    """Tell an indicator's arguments from numbers: ln('1m') is TA-Lib's, ln(last) is ours."""
    return not arguments or (isinstance(arguments[0], exp.Literal) and arguments[0].is_string)


# Indicators


def _indicator(node: exp.Anonymous, name: str, arguments: list[exp.Expr]) -> Expr:
    """Compile rsi(14, '1m'), or with the bar that is forming: rsi(14, '1m', forming)."""
    found = _ask(node, name, arguments)
    return expr(
        "number", lambda view: view.indicator(found), found.key, cost=INDICATOR_US, need=found
    )


def _ask(node: exp.Anonymous, name: str, arguments: list[exp.Expr]) -> Ask:
    rest = list(arguments)
    forming = bool(rest) and isinstance(rest[-1], exp.Column) and rest[-1].name.lower() == FORMING
    rest = rest[:-1] if forming else rest
    timeframe = "1m"
    if rest and isinstance(rest[-1], exp.Literal) and rest[-1].is_string:
        timeframe = rest.pop().name
        if timeframe not in TIMEFRAMES:
            raise refuse(node, f"The timeframe {timeframe!r} is none of {', '.join(TIMEFRAMES)}")
    params = [_parameter(node, argument) for argument in rest]
    wide = next((p for p in params if abs(p) > LONGEST_PERIOD), None)
    if wide is not None:
        raise refuse(
            node, f"A parameter of {name} is {wide:g}; at most {LONGEST_PERIOD} is allowed"
        )
    try:
        return ask(name, tuple(params), timeframe, forming)
    except ConfigError as error:
        raise refuse(node, str(error).rstrip(".")) from error


def _parameter(node: exp.Expr, argument: exp.Expr) -> float:
    inner = argument.this if isinstance(argument, exp.Neg) else argument
    if not isinstance(inner, exp.Literal) or inner.is_string:
        raise refuse(
            node, "An indicator takes plain numbers, then a timeframe in quotes, then forming"
        )
    return -float(inner.name) if inner is not argument else float(inner.name)


# Arithmetic


def divide(a: Any, b: Any) -> Any:
    """Return a / b; null where b is 0."""
    divisor = np.asarray(b, np.float64)
    return a / np.where(divisor == 0.0, np.nan, divisor)


def modulo(a: Any, b: Any) -> Any:
    """Return what is left of a / b, with the sign of a; null where b is 0."""
    divisor = np.asarray(b, np.float64)
    return np.fmod(a, np.where(divisor == 0.0, np.nan, divisor))


def _coalesced(*values: Any) -> Any:
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


def _finite(values: Any) -> Any:
    """Return null for what no number can hold."""
    return np.where(np.isfinite(values), values, np.nan)


def _power(base: Any, exponent: Any) -> Any:
    return _finite(np.power(np.asarray(base, np.float64), exponent))


def _logarithm(values: Any) -> Any:
    return _finite(np.log(np.asarray(values, np.float64)))


def _whole(values: Any) -> Any:
    """Round halves away from 0, as SQL does."""
    down = np.trunc(values)
    return down + np.where(np.abs(values - down) >= 0.5, np.sign(values), 0.0)


def _rounded(digits: int) -> Callable[[Any], Any]:
    scale = 10.0 ** abs(digits)

    def rounded(values: Any) -> Any:
        scaled = values * scale if digits >= 0 else values / scale
        whole = _whole(scaled)
        found = whole / scale if digits >= 0 else whole * scale
        return np.where(np.isfinite(found) & np.isfinite(scaled), found, values)

    return rounded


def _plain(function: Callable[..., Any], cost: float) -> Make:
    """Make a function of numbers alone."""

    def make(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
        parts = [c.number(a) for a in arguments]
        return _applied(str(node.name).lower(), function, parts, cost * max(len(parts) - 1, 1))

    return make


def _applied(name: str, function: Callable[..., Any], parts: list[Expr], cost: float) -> Expr:
    inner = [part.evaluate for part in parts]

    def evaluate(view: View) -> Any:
        with np.errstate(all="ignore"):
            return function(*(reckon(view) for reckon in inner))

    return expr("number", evaluate, name, *parts, cost=cost)


def _round(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    digits = 0
    if len(arguments) > 1:
        given = c.value(arguments[1]).literal
        if given is None or given != int(given) or abs(given) > MAX_DIGITS:
            raise refuse(node, f"round takes a whole number of digits from 0 to {MAX_DIGITS}")
        digits = int(given)
    return _applied(f"round {digits}", _rounded(digits), [c.number(arguments[0])], 60.0)


def _coalesce(c: Compiles, node: exp.Anonymous, arguments: Sequence[exp.Expr]) -> Expr:
    values = [c.value(a) for a in arguments]
    kinds = {v.kind for v in values if not v.null} or {"number"}
    if len(kinds) > 1 or "flag" in kinds:
        raise refuse(node, f"coalesce takes numbers, or words, not {' and '.join(sorted(kinds))}")
    if kinds == {"number"}:
        return _applied("coalesce", _coalesced, values, 20.0 * len(values))

    def evaluate(view: View) -> Text:
        codes, words = joined([text_of(value, view) for value in values])
        result = codes[-1]
        for found in reversed(codes[:-1]):
            result = np.where(found >= 0, found, result)
        return Text(result, words)

    return expr("text", evaluate, "coalesce", *values, cost=words_us(values) * len(values))


@cache
def functions() -> Mapping[str, Function]:
    """Return the functions of the language by name; indicators come on top of them."""
    many = MAX_ARGUMENTS
    found = [
        Function("abs", "abs(x)", "x without its sign", "arithmetic", 1, 1, _plain(np.abs, 8)),
        Function("sign", "sign(x)", "-1, 0 or 1", "arithmetic", 1, 1, _plain(np.sign, 15)),
        Function("round", "round(x, digits)", "x to so many digits (0), halves away from 0",
                 "arithmetic", 1, 2, _round),
        Function("floor", "floor(x)", "the whole number below", "arithmetic", 1, 1,
                 _plain(np.floor, 8)),
        Function("ceil", "ceil(x)", "the whole number above", "arithmetic", 1, 1,
                 _plain(np.ceil, 8)),
        Function("sqrt", "sqrt(x)", "the square root; null below 0", "arithmetic", 1, 1,
                 _plain(np.sqrt, 25)),
        Function("ln", "ln(x)", "the natural logarithm; null at 0 and below", "arithmetic", 1, 1,
                 _plain(_logarithm, 120)),
        Function("power", "power(x, y)", "x to the y; null where no number can hold it",
                 "arithmetic", 2, 2, _plain(_power, 400)),
        Function("least", "least(x, y, ...)", "the smallest of those that are known",
                 "arithmetic", 1, many, _plain(_fold(np.fmin), 15)),
        Function("greatest", "greatest(x, y, ...)", "the largest of those that are known",
                 "arithmetic", 1, many, _plain(_fold(np.fmax), 15)),
        Function("coalesce", "coalesce(x, y, ...)", "the first that is known: numbers, or words",
                 "arithmetic", 1, many, _coalesce),
        Function("delta", "delta(x, '60s')",
                 "x now less x that long ago (1s to 3600s, or 1m to 60m), null until known",
                 "time", 2, 2, compile_delta),
        Function("pctl", "pctl(x)", "the percentile of x in the market, 0 lowest to 100 highest",
                 "market", 1, 1, compile_cross),
        Function("rank", "rank(x)", "the place of x in the market, 1 the highest",
                 "market", 1, 1, compile_cross),
        Function("rank_in", "rank_in(sector, x)", "the place of x among the rows of its group",
                 "market", 2, 2, compile_rank_in),
        Function("vs", "vs('SPY', x)", "x less the same of another symbol at this moment",
                 "market", 2, 2, compile_versus),
    ]  # fmt: skip
    return MappingProxyType({f.name: f for f in found})
