"""Compiled expressions: how to reckon one, what it asks for, what it costs.

An expression is a graph of `Expr`; a name that is used twice is one node, so neither the cost nor
the work doubles with each use.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError
from tapelight.market.indicators import Ask
from tapelight.market.memory import Kept
from tapelight.market.text import Text, nothing
from tapelight.market.view import View

Bools = npt.NDArray[np.bool_]
Evaluate = Callable[[View], Any]
Test = Callable[[View], Bools]
Need = str | Ask | Kept
"""A column's name, an indicator, or a value that the table keeps for it."""
MAX_DEPTH = 100
"""Operations inside each other: bounds the interpreter's stack."""
SHARE_US = 15.0
"""A value dearer than this is reckoned once a view for all who ask for it."""
LONG_TEXTS = ("symbol", "name", "headline")
LONG_US, SHORT_US = 1_500.0, 60.0
_SHORT = 80


@dataclass(frozen=True, slots=True, eq=False)
class Expr:
    """Hold one compiled value.

    `evaluate` gives float64 or bool (rows,), one number for all rows, or a Text; a flag is where
    the condition is true, and `opposite` where it is false: neither where it is unknown.
    """

    kind: str
    """number, flag or text."""
    evaluate: Evaluate
    literal: float | None = None
    key: str = ""
    """What it means, as text: two of the same key are the same value."""
    parts: "tuple[Expr, ...]" = ()
    cost_us: float = 0.0
    """Its own work over 11,000 rows, without its parts'."""
    need: Need | None = None
    opposite: Evaluate | None = None
    depth: int = 1
    every: "tuple[Expr, ...]" = ()
    """The conditions that must all hold, of an AND."""
    moves: bool = False
    """Whether it changes by itself, without its parts, though the row has no event."""

    def __call__(self, view: View) -> Any:
        """Reckon it over the rows of `view`."""
        return self.evaluate(view)

    @property
    def null(self) -> bool:
        """Tell whether it is the word NULL, which is of any kind."""
        return self.key == "null"


def expr(
    kind: str,
    evaluate: Evaluate,
    name: str,
    *parts: Expr,
    cost: float = 0.0,
    need: Need | None = None,
    opposite: Evaluate | None = None,
    every: tuple[Expr, ...] = (),
    moves: bool = False,
) -> Expr:
    """Return an expression over `parts`; raises ConfigError where it is nested too deeply."""
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise ConfigError(
            f"The query has more than {MAX_DEPTH} operations inside each other: "
            "use fewer brackets, or fewer names built on names."
        )
    return Expr(
        kind, evaluate, None, _key(name, parts), parts, cost, need, opposite, depth, every, moves,
    )  # fmt: skip


def constant(number: float) -> Expr:
    """Return a number that is written down."""
    return Expr("number", lambda _view: number, number, repr(number))


def null() -> Expr:
    """Return NULL."""
    return Expr("number", lambda _view: np.nan, None, "null")


def _key(name: str, parts: tuple[Expr, ...]) -> str:
    if not parts:
        return name
    key = f"{name}({','.join(part.key for part in parts)})"
    if len(key) <= _SHORT:
        return key
    return f"{name}:{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"


def walk(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Yield each expression of a graph once."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += found.parts


def shared(found: Expr) -> Expr:
    """Return the same value, reckoned once a view where that is cheaper than again."""
    if found.kind == "text" or sum(e.cost_us for e in walk((found,))) < SHARE_US:
        return found
    key, evaluate, opposite = found.key, found.evaluate, found.opposite

    def once(view: View) -> Any:
        return view.once(key, evaluate)

    def once_opposite(view: View) -> Any:
        return view.once(f"not {key}", opposite) if opposite else ~once(view)

    return Expr(
        found.kind, once, found.literal, key, found.parts, found.cost_us, found.need,
        once_opposite if found.kind == "flag" else None, found.depth, found.every,
        found.moves,
    )  # fmt: skip


def known(values: Any, n: int) -> Bools:
    """Return in which of `n` rows a value is known."""
    if isinstance(values, Text):
        return values.known()
    array = np.broadcast_to(np.asarray(values), n)
    return np.ones(n, np.bool_) if array.dtype == np.bool_ else ~np.isnan(array)


def words_us(texts: Iterable[Expr]) -> float:
    """Return what it costs to bring the words of several texts together: some have one a row."""
    long = any(e.need in LONG_TEXTS for e in walk(texts))
    return LONG_US if long else SHORT_US


def text_of(value: Expr, view: View) -> Text:
    """Return a text's words, or NULL as one."""
    found: Text = nothing(len(view)) if value.null else value(view)
    return found
