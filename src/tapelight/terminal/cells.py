"""Values as plain text for a terminal: never markup, never a control character."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from rich.text import Text

NEW_YORK = ZoneInfo("America/New_York")
NS = 1_000_000_000
WIDEST = 40
BIG = ((1e9, "B"), (1e6, "M"), (1e4, "k"))
SHARE = 1e3
LONG = 10_000


def cell(value: Any) -> Text:
    """Return a value as the text of a cell; unknown is a dash, as on every screen."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "", style="bold")
    if isinstance(value, int | float):
        return Text(number(value), justify="right")
    return Text(plain(str(value)))


def number(value: float) -> str:
    """Return a number in few digits: 12.35, 0.0123, 25.0k, 1.25M."""
    size = abs(value)
    if isinstance(value, int) and size < LONG:
        return str(value)
    for least, unit in BIG:
        if size >= least:
            return f"{value / (SHARE if unit == 'k' else least):.4g}{unit}"
    if size and size < 1:
        return f"{value:.4f}"
    return f"{value:.0f}" if value == int(value) and size >= SHARE else f"{value:.2f}"


def plain(text: str) -> str:
    """Return one line without control characters, bounded."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def clock(ts_ns: int) -> str:
    """Return a market time as HH:MM:SS New York."""
    return dt.datetime.fromtimestamp(ts_ns // NS, NEW_YORK).strftime("%H:%M:%S")


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield what a nested report holds, as (name, value); lists and texts of nothing are left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value not in ("", None) and not isinstance(value, list):
            yield f"{prefix}{name}", value
