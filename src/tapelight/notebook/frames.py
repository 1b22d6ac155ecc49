"""Answers as Polars frames."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import polars as pl

from tapelight.errors import ConfigError

FORBIDDEN = (";", "--", "/*")


def frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame; a column that is null in all of them is a column all the same."""
    return pl.DataFrame(list(rows), infer_schema_length=None)


def signals_frame(signals: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return records of signals; what has an inside (values, leaves, plan, hops) is JSON text."""
    return frame({name: _cell(value) for name, value in s.items()} for s in signals)


def _cell(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return msgspec.json.encode(value).decode()


def bars_frame(bars: Sequence[Sequence[float | None]]) -> pl.DataFrame:
    """Return bars, each [start in s, open, high, low, close, volume]; `start` is a time in UTC."""
    names = ("start", "open", "high", "low", "close", "volume")
    made = pl.DataFrame(list(bars), schema=dict.fromkeys(names, pl.Float64), orient="row")
    return made.with_columns(
        pl.from_epoch(pl.col("start").cast(pl.Int64)).dt.replace_time_zone("UTC")
    )


def select(columns: str, where: str, order: str, limit: int) -> str:
    """Return the SELECT that these make; the scan compiler checks it."""
    if columns != "*" and "symbol" not in [name.strip() for name in columns.split(",")]:
        columns = f"symbol, {columns}"
    parts = [f"SELECT {columns} FROM market"]
    parts += [f"WHERE ({where})"] if where else []
    parts += [f"ORDER BY {order}"] if order else []
    sql = " ".join([*parts, f"LIMIT {limit}"])
    for mark in FORBIDDEN:
        if mark in sql:
            raise ConfigError(f"The query holds {mark!r}: leave comments and semicolons out.")
    return sql
