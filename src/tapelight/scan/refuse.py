"""What the parts of the compiler share: its interface, and how a fault is told."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Protocol

from sqlglot import exp

from tapelight.errors import ConfigError
from tapelight.scan.expr import Expr


class Compiles(Protocol):
    """Compile the nodes of one query."""

    relax: float
    kept: bool
    """Whether the table keeps what the query remembers: a saved question's, not one asked once."""

    def value(self, node: exp.Expr) -> Expr:
        """Compile a value of any kind."""

    def number(self, node: exp.Expr) -> Expr:
        """Compile a number; refuses other kinds."""

    def condition(self, node: exp.Expr, positive: bool = True) -> Expr:
        """Compile a condition, or its negation."""


def refuse(node: exp.Expr, why: str) -> ConfigError:
    """Return the error that says why `node` is not accepted, and where it begins."""
    metas = [n.meta for n in node.walk() if n.meta.get("line")]
    where = ""
    if metas:
        at = min(metas, key=lambda meta: int(meta["start"]))
        column = max(at["col"] - (at["end"] - at["start"]), 1)
        where = f" (line {at['line']}, column {column})"
    return ConfigError(f"{why}{where}: {written(node)[:80]}")


def written(node: exp.Expr) -> str:
    """Return an expression as it was written, on one line."""
    said = node.sql(dialect="duckdb", normalize_functions=False, comments=False)
    return " ".join(said.split())


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint that names the nearest known word."""
    by_case = {word.lower(): word for word in known}
    near = get_close_matches(name.lower(), list(by_case), 1)
    return f"did you mean {by_case[near[0]]}?" if near else otherwise
