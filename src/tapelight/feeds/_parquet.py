"""Parquet files of reference data: trades, minute bars, daily bars, splits, facts of symbols."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl

from tapelight.errors import ConfigError
from tapelight.feeds._sessions import (
    SessionDay,
    bars_of,
    day_of_parts,
    inside,
    minute_part,
    trade_part,
)
from tapelight.feeds.replay import read_source
from tapelight.model.past import Fact, Split, Told
from tapelight.model.records import Reference
from tapelight.model.session import Session, calendar

KINDS = {
    "trades": ("symbol", "ts_ns", "price", "size"),
    "minutes": ("symbol", "ts", *"ohlcv"),
    "days": ("symbol", "date", *"ohlcv"),
    "splits": ("symbol", "date", "split_from", "split_to"),
    "facts": ("symbol", "valid_from"),
}
"""What is told by its columns."""
FACT_KINDS = {
    "listing": ("name", "exchange", "type"),
    "float": ("float_shares", "float_asof", "float_src"),
    "short": ("short_interest",),
    "page": ("sector", "industry", "shares_out", "ipo_date"),
}
"""The fields of Reference that facts bring, by the kind that is replaced whole."""


def kind_of_parquet(path: Path) -> str:
    """Tell what a file holds by its columns; raises ConfigError."""
    names = set(_scan(path).collect_schema().names())
    for kind, columns in KINDS.items():
        if set(columns) <= names:
            return kind
    wanted = "; ".join(f"{kind}: {', '.join(columns)}" for kind, columns in KINDS.items())
    raise ConfigError(f"{path} has the columns {', '.join(sorted(names))[:160]}: give {wanted}.")


def read_sessions(path: Path, kind: str) -> Iterator[SessionDay]:
    """Yield the sessions of trades, minute bars or daily bars, oldest first; raises ConfigError."""
    if kind == "days":
        yield from _days(path)
        return
    frame = pl.read_parquet(path)
    source = read_source(frame, "trades" if kind == "trades" else "bars", path, None)
    rows = source.frame
    if kind == "trades":
        rows = rows.with_columns(conditions=_texts(rows), seq=pl.int_range(pl.len()))
        rows = rows.select("symbol", "at", "seq", "price", "size", "conditions")
    date = pl.from_epoch("at", time_unit="ns").dt.replace_time_zone("UTC")
    local = date.dt.convert_time_zone("America/New_York").dt.date()
    for part in rows.with_columns(date=local).sort("date", maintain_order=True).partition_by(
        "date", maintain_order=True
    ):  # fmt: skip
        session = calendar("XNYS").session_on(part["date"][0])
        if session is None:
            continue
        found = part.drop("date").filter(inside(session))
        fold = trade_part if kind == "trades" else minute_part
        if len(found):
            yield day_of_parts(kind, session, [fold(found, session)], len(part), len(found))


def read_told(path: Path, kind: str, now_ns: int) -> Told:
    """Return splits, or facts: what has no `known_at` (UTC) is known from now on."""
    try:
        frame = pl.read_parquet(path)
        return _splits(frame, path) if kind == "splits" else _told(frame, path, now_ns)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} holds a column of the wrong type: {reason}.") from error


def _splits(frame: pl.DataFrame, path: Path) -> Told:
    numbers = (pl.col(c).cast(pl.Float64) for c in ("split_from", "split_to"))
    rows = frame.select("symbol", _iso(frame, "date"), *numbers).drop_nulls().iter_rows()
    return Told(splits=[Split(s, d, old, new, path.name) for s, d, old, new in rows])


def _told(frame: pl.DataFrame, path: Path, now_ns: int) -> Told:
    known = pl.lit(now_ns)
    if "known_at" in frame.columns:
        known = pl.col("known_at").cast(pl.Datetime("ns", "UTC")).dt.epoch("ns").fill_null(now_ns)
    frame = frame.with_columns(_iso(frame, "valid_from"), known_at=known)
    return Told(list(_facts(frame, path)))


def _iso(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Return dates, or what is their text, as ISO text."""
    column = pl.col(name)
    date = column.str.to_date() if frame.schema[name] == pl.String else column.cast(pl.Date)
    return date.cast(pl.String)


def _facts(frame: pl.DataFrame, path: Path) -> Iterator[Fact]:
    for row in frame.drop_nulls(["symbol", "valid_from"]).iter_rows(named=True):
        for kind, names in FACT_KINDS.items():
            values = {name: row[name] for name in names if row.get(name) is not None}
            if not values:
                continue
            try:
                msgspec.convert({"symbol": row["symbol"], **values}, Reference)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{path}, {row['symbol']}: {error}.") from error
            yield Fact(
                symbol=row["symbol"], kind=kind, values=values, valid_from=row["valid_from"],
                known_ns=row["known_at"], source=path.name,
            )  # fmt: skip


def _texts(frame: pl.DataFrame) -> pl.Expr:
    """Return conditions as text: a list of ids is joined."""
    if "conditions" not in frame.columns:
        return pl.lit(None, dtype=pl.String)
    if isinstance(frame.schema["conditions"], pl.List):
        return pl.col("conditions").cast(pl.List(pl.String)).list.join(",")
    return pl.col("conditions").cast(pl.String)


def _days(path: Path) -> Iterator[SessionDay]:
    columns = [pl.col("date").cast(pl.Date), *(pl.col(c).cast(pl.Float64) for c in "ohlcv")]
    frame = pl.read_parquet(path).select("symbol", *columns)
    sound = pl.all_horizontal(pl.col(c) > 0 for c in "hlc") & (pl.col("v") >= 0)
    frame = frame.with_columns(good=(sound & (pl.col("h") >= pl.col("l"))).fill_null(False))
    for part in frame.sort("date", "symbol").partition_by("date", maintain_order=True):
        session = _session_of(part["date"][0])
        good = part.filter("good").unique("symbol", keep="last", maintain_order=True)
        if session is not None and len(good):
            bars, rows = bars_of(good), len(part)
            yield SessionDay("days", session, bars, [], None, rows, rows - len(good))


def _session_of(date: dt.date | None) -> Session | None:
    return None if date is None else calendar("XNYS").session_on(date)


def _scan(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise ConfigError(
            f"{path} is not there: name a Parquet file, a flat file or a run's folder."
        )
    try:
        frame = pl.scan_parquet(path)
        frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} can't be read as Parquet: {reason}.") from error
    return frame
