"""The text of a query parsed and checked against a closed list of parts."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import isfinite
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from tapelight.errors import ConfigError
from tapelight.scan import slips
from tapelight.scan.compile import ACCEPTED
from tapelight.scan.refuse import refuse

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
_SIGNS = {
    "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<=", "EQ": "=", "NEQ": "<>", "Neg": "-",
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%",
}  # fmt: skip


class ScanSql(DuckDB):
    """Read the scan language: SQL in which a function is a name with arguments, and no more."""

    class Tokenizer(DuckDB.Tokenizer):
        """Take DIV for a name, as TA-Lib does; know no statement but SELECT."""

        KEYWORDS: ClassVar[dict[str, Any]] = {
            word: token for word, token in DuckDB.Tokenizer.KEYWORDS.items() if word != "DIV"
        }
        COMMANDS: ClassVar[set[Any]] = set()

    class Parser(DuckDBParser):
        """Parse every function call alike: the compiler knows which there are."""

        FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        STATEMENT_PARSERS: ClassVar[dict[Any, Any]] = {}


def parse(text: str) -> exp.Select:
    """Return the tree of one SELECT over `market`, of accepted parts alone."""
    tree = _read(text)
    _check_shape(tree)
    return tree


def _read(text: str) -> exp.Select:
    if len(text) > MAX_TEXT:
        raise ConfigError(f"The query has {len(text):,} characters; {MAX_TEXT:,} are allowed.")
    try:
        trees = [t for t in sqlglot.parse(text, dialect=ScanSql) if t is not None]
    except SqlglotError as error:
        said = slips.of_text(text) or _first_line(error)
        raise ConfigError(f"The query does not parse: {said.removesuffix('.')}.") from error
    except RecursionError as error:
        raise ConfigError("The query is nested too deeply: use fewer brackets.") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise ConfigError("Give exactly one SELECT ... FROM market ... statement.")
    return trees[0]


def _first_line(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if details:
        first = details[0]
        said = _missing(first["description"]) or first["description"].split(": <")[0]
        return f"{said} (line {first['line']}, column {first['col']})."
    return str(error).splitlines()[0]


def _missing(description: str) -> str:
    """Return in our own words that an operator stands without one of its sides."""
    found = re.match(r"Required keyword: '(\w+)' missing for <class '.*\.(\w+)'>", description)
    if found is None:
        return ""
    part, name = found.groups()
    where = "before" if part == "this" and name != "Not" else "after"
    return f"something is missing {where} {_SIGNS.get(name, name.upper())}"


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
        if unread is not None and isinstance(node, (*ACCEPTED, exp.Star, exp.Limit)):
            raise refuse(node, f"{unread.strip('_').upper()} is not part of the scan language")
        if isinstance(node, exp.Literal) and not node.is_string and not _is_number(node.name):
            raise refuse(node, "Write numbers like 100, 0.5 or 1e6, of at most 308 digits")
    if nodes > MAX_NODES:
        raise ConfigError(f"The query has {nodes:,} parts; {MAX_NODES:,} are allowed.")
    if _depth(tree) > MAX_DEPTH * 2:
        raise ConfigError(f"The query is nested more than {MAX_DEPTH * 2} deep.")


def _is_number(text: str) -> bool:
    """Tell whether a number as the tokenizer reads it is one: it lets 100e pass, and 1e999."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _depth(tree: exp.Expr) -> int:
    """Return how deep it is nested; a chain of ANDs, or of ORs, is one level."""
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in _inside(node)]
    return deepest


def _inside(node: exp.Expr) -> Iterator[exp.Expr]:
    chained = [node]
    while chained:
        for child in chained.pop().iter_expressions():
            if isinstance(child, exp.And | exp.Or) and type(child) is type(node):
                chained.append(child)
            else:
                yield child


@lru_cache(maxsize=256)
def parse_gate(text: str) -> exp.Expr:
    """Return one condition; raises ConfigError for more than that."""
    tree = parse(f"SELECT 1 FROM market WHERE {text}")
    where = tree.args.get("where")
    if where is None or tree.args.get("order") or tree.args.get("limit"):
        raise ConfigError("A gate is one condition, as after WHERE: write no more than that.")
    condition: exp.Expr = where.this
    return condition


def ordered(tree: exp.Select) -> list[exp.Ordered]:
    """Return what ORDER BY names."""
    order = tree.args.get("order")
    found: list[exp.Ordered] = list(order.expressions) if order else []
    for each in found:
        if not any(each.this.find_all(exp.Column, exp.Anonymous)):
            raise refuse(each, "ORDER BY needs a column: name it")
    return found


def limit_of(tree: exp.Select) -> int | None:
    """Return LIMIT."""
    limit = tree.args.get("limit")
    if limit is None:
        return None
    number = limit.expression
    if not isinstance(number, exp.Literal) or number.is_string or not number.name.isdigit():
        raise refuse(limit, "LIMIT needs a whole number")
    if int(number.name) > MAX_LIMIT:
        raise refuse(limit, f"LIMIT is at most {MAX_LIMIT:,}")
    return int(number.name)


def together(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the conditions that must all be true."""
    node = node.unnest()
    if isinstance(node, exp.And):
        yield from together(node.left)
        yield from together(node.right)
    else:
        yield node
