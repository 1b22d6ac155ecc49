"""Common slips, told in words: names that other scanners use, quotation marks, 20M, averages."""

import re
from collections.abc import Container

from sqlglot import exp

COLUMNS = {
    "price": "last", "close": "last", "volume": "vol", "change": "chg_pct",
    "change_pct": "chg_pct", "percent": "chg_pct", "gap": "gap_pct",
    "float": "float_shares", "rvol": "rvol_tod", "relative_volume": "rvol_tod",
    "market_cap": "mcap", "atr": "atr14", "avg_volume": "adv20",
    "rank_chg": "rank(chg_pct)", "sector_rank": "rank_in(sector, chg_pct)",
}  # fmt: skip
"""What other scanners call it, and what it is here."""
AGGREGATES = frozenset({"avg", "sum", "count", "min", "max", "median", "stddev", "first", "last"})
TICKER = 5
"""A name of so many capitals is a ticker that lacks its quotation marks."""
_AMOUNT = re.compile(r"(?<![\w.'])(\d+(?:\.\d+)?)([kKmMbB])\b")
_ZEROS = {"k": "e3", "m": "e6", "b": "e9"}


def of_column(node: exp.Column, columns: Container[str]) -> str:
    """Return the hint for a column that there is not; empty where it looks like no common slip."""
    name = node.name
    ticker = name.isupper() and len(name) <= TICKER and name.lower() not in columns
    if node.this.quoted or ticker:
        return f"a text stands in single quotes: '{name}'"
    known = COLUMNS.get(name.lower())
    return f"here it is {known}" if known else ""


def of_function(name: str) -> str:
    """Return the hint for a function that there is not."""
    if name in AGGREGATES:
        return "each row is asked alone: rank, pctl and delta compare it with others or its past"
    return ""


def of_text(text: str) -> str:
    """Return the hint for a text that does not parse."""
    if text.count("'") % 2:
        return "a single quote is open: texts stand between two, 'like this'"
    amount = _AMOUNT.search(text)
    if amount:
        number, unit = amount.groups()
        return f"write {amount[0]} as {number}{_ZEROS[unit.lower()]}"
    if "=>" in text:
        return "write >= for at least"
    return ""
