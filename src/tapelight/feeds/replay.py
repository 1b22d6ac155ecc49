"""Replay of Parquet files: trades or minute bars as the records of a market, in time order."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tapelight.errors import ConfigError
from tapelight.model.batch import Bars, Batch, Trades
from tapelight.model.conditions import mask_of
from tapelight.model.daily import DailyFold, Day, DayBar, levels
from tapelight.model.records import (
    CalendarChoice,
    FeedState,
    Mark,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import Calendar, Session, calendar, latest_session

NS = 1_000_000_000
MINUTE_NS = 60 * NS
TRADE_COLUMNS = ("symbol", "ts_ns", "price", "size", "conditions")
BAR_COLUMNS = ("symbol", "ts", "o", "h", "l", "c", "v")
DAILY_COLUMNS = ("symbol", "date", "o", "h", "l", "c", "v")


@dataclass(frozen=True, slots=True)
class Source:
    """Hold a file's rows in time order, and the calendar they are read by."""

    name: str
    kind: str
    """trades or bars."""
    frame: pl.DataFrame
    """With the times in ns UTC as `at`."""
    calendar: Calendar
    symbols: list[str]
    rejected: int = 0
    """Rows left out: no price above 0, or no size."""

    def last_session(self) -> Session:
        """Return the session that the last row belongs to."""
        return latest_session(self.calendar, int(self.frame["at"][-1]))


def open_source(path: Path, calendar_name: str = "auto") -> Source:
    """Read a Parquet file; raises ConfigError that names a missing column."""
    frame = _read(path)
    kind = kind_of(frame.columns, path)
    source = read_source(frame, kind, path, None)
    name = calendar_of(source.symbols) if calendar_name == "auto" else calendar_name
    return replace(source, calendar=calendar(name))


def kind_of(columns: list[str], path: Path) -> str:
    """Return trades or bars by a file's columns; raises ConfigError that names a missing one."""
    kind = "trades" if {"ts_ns", "price", "size"} & set(columns) else "bars"
    _require(columns, TRADE_COLUMNS if kind == "trades" else BAR_COLUMNS, path)
    return kind


def read_source(frame: pl.DataFrame, kind: str, path: Path, cal: Calendar | None) -> Source:
    """Return the sound rows of `frame` in time order; raises ConfigError when there are none."""
    rows = len(frame)
    try:
        frame = _sound_trades(frame) if kind == "trades" else _sound_bars(frame)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} holds a column of the wrong type: {reason}.") from error
    if not len(frame):
        raise ConfigError(f"{path} holds no rows with a price: there is nothing to replay.")
    symbols = frame["symbol"].unique().sort().to_list()
    if not frame["at"].is_sorted():
        frame = frame.sort("at", maintain_order=True)
    return Source(path.name, kind, frame, cal or calendar("XNYS"), symbols, rows - len(frame))


def _sound_trades(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the trades with a time, a price above 0 and a size."""
    numbers = [pl.col(c).cast(pl.Float64) for c in ("price", "size")]
    frame = frame.with_columns(*numbers, at=pl.col("ts_ns").cast(pl.Int64))
    sound = (pl.col("price") > 0) & pl.col("price").is_finite() & (pl.col("size") >= 0)
    return frame.filter(sound & pl.col("at").is_not_null() & pl.col("symbol").is_not_null())


def _sound_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the bars with a start, prices above 0 and a volume."""
    start = pl.col("ts").cast(pl.Datetime("ns", "UTC")).dt.epoch("ns")
    numbers = [pl.col(c).cast(pl.Float64) for c in BAR_COLUMNS[2:]]
    frame = frame.with_columns(*numbers, at=start)
    sound = pl.all_horizontal((pl.col(c) > 0) & pl.col(c).is_finite() for c in "ohlc")
    known = pl.col("at").is_not_null() & pl.col("symbol").is_not_null()
    return frame.filter(sound & known & (pl.col("v") >= 0))


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: name a Parquet file of trades or minute bars.")
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} can't be read as Parquet: {reason}.") from error


def _require(have: list[str], columns: tuple[str, ...], path: Path) -> None:
    lacking = [c for c in columns if c not in have]
    if lacking:
        raise ConfigError(f"{path} lacks the column {lacking[0]!r}: it needs {', '.join(columns)}.")


def calendar_of(symbols: list[str]) -> str:
    """Return 24x7 where all symbols bear a venue of three letters or more (BTCUSDT.SPOT)."""
    venues = [s.rpartition(".")[2] if "." in s else "" for s in symbols]
    return "24x7" if all(v.isalpha() and len(v) >= 3 for v in venues) else "XNYS"


Before = Callable[[Session, Mapping[str, int]], Iterable[Record]]
"""What is known before a session of the symbols that have these rows."""


def records(source: Source, before: Before | None = None) -> Iterator[Record]:
    """Yield the records of the whole file: one batch a second (or bar end), then its mark."""
    yield CalendarChoice(source.calendar.name)
    yield Symbols(0, source.symbols)
    first = int(source.frame["at"][0])
    yield FeedState(first, f"replay {source.name}", "live")
    rows = {symbol: i for i, symbol in enumerate(source.symbols)}
    known: dt.date | None = None
    for batch, end_ns in _batches(source):
        session = latest_session(source.calendar, batch.ts_recv_ns - 1)
        if before is not None and session.date != known:
            known = session.date
            yield from before(session, rows)
        yield batch
        yield Mark(end_ns, end_ns)


def session_records(source: Source, rows: dict[str, int]) -> Iterator[Record]:
    """Yield batches and marks of one session's rows; `rows` places every symbol in the table."""
    place = np.array([rows[s] for s in source.symbols], np.int32)
    for batch, end_ns in _batches(source, place):
        yield batch
        yield Mark(end_ns, end_ns)


def _batches(
    source: Source, place: npt.NDArray[np.int32] | None = None
) -> Iterator[tuple[Batch, int]]:
    """Yield batches with the whole second at which all of it is known.

    `place` gives the table's row of each of the source's symbols; their own order when None.
    """
    frame = source.frame
    row = frame["symbol"].cast(pl.Enum(source.symbols)).to_physical().to_numpy().astype(np.int32)
    row = row if place is None else place[row]
    at = frame["at"].to_numpy()
    if source.kind == "trades":
        end, columns = (at // NS + 1) * NS, _trade_columns(frame, row, at)
    else:
        end, columns = at + MINUTE_NS, _bar_columns(frame, row, at)
    cuts = np.flatnonzero(np.diff(end)) + 1
    for begin, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(at)], strict=True):
        part = [c[begin:stop] for c in columns]
        ts = int(end[begin])
        if stop == len(at):
            ts = _last_mark(source.calendar, ts)
        if source.kind == "trades":
            yield Batch(ts, trades=Trades(*part)), ts
        else:
            yield Batch(ts, bars=Bars(*part)), ts


def _last_mark(cal: Calendar, end_ns: int) -> int:
    """Return when all of the file is known: before the next session, whose day would be empty."""
    ended, begun = latest_session(cal, end_ns - 1), latest_session(cal, end_ns)
    return end_ns - 1 if ended.end_ns == end_ns == begun.start_ns else end_ns


def _trade_columns(frame: pl.DataFrame, row: Any, at: Any) -> list[Any]:
    n = len(at)
    masks = np.array([_mask(c) for c in frame["conditions"].to_list()], np.uint64)
    price, size = (frame[c].to_numpy() for c in ("price", "size"))
    return [row, at, price, size, masks, np.zeros(n, np.uint8), np.zeros(n, np.int64)]


def _mask(conditions: Any) -> int:
    """Return the mask of a list of ids or of text such as 12,37; letters carry no id."""
    if not conditions:
        return 0
    ids = conditions.split(",") if isinstance(conditions, str) else conditions
    return mask_of(int(i) for i in ids if str(i).strip().isdigit())


def _bar_columns(frame: pl.DataFrame, row: Any, at: Any) -> list[Any]:
    n = len(at)

    def column(name: str) -> Any:
        if name not in frame.columns:
            return np.full(n, np.nan)
        return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()

    prices = [column(c) for c in ("o", "h", "l", "c", "v", "vw", "trades")]
    unknown = np.full(n, np.nan)
    return [row, at, np.full(n, 60, np.int32), *prices, unknown, unknown]


def daily_before(path: Path, symbols: list[str], cal: Calendar) -> Before:
    """Return what a Parquet file of daily bars tells before each session."""
    days = daily_bars(path, symbols)

    def before(session: Session, rows: Mapping[str, int]) -> Iterable[Record]:
        found = references_before(days, session.date, cal)
        return [References(session.date.isoformat(), [r for r in found if r.symbol in rows])]

    return before


def daily_bars(path: Path, symbols: list[str]) -> list[tuple[dt.date, list[DayBar]]]:
    """Return the daily bars of `symbols` by date, oldest first."""
    frame = _read(path)
    _require(frame.columns, DAILY_COLUMNS, path)
    try:
        columns = [pl.col("date").cast(pl.Date), *(pl.col(c).cast(pl.Float64) for c in "hlcv")]
        frame = frame.filter(pl.col("symbol").is_in(symbols)).select("symbol", *columns)
        frame = frame.drop_nulls().sort("date", "symbol")
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} holds a column of the wrong type: {reason}.") from error
    days: dict[dt.date, list[DayBar]] = {}
    for date, *bar in frame.select("date", "symbol", *"hlcv").iter_rows():
        days.setdefault(date, []).append(Day(*bar))
    return list(days.items())


def references_before(
    days: list[tuple[dt.date, list[DayBar]]], session: dt.date, cal: Calendar
) -> list[Reference]:
    """Return what the daily bars dated before `session` say of each symbol: no later one."""
    fold = DailyFold(session - dt.timedelta(days=365), deep=True)
    for date, bars in days:
        if date < session:
            known = cal.session_on(date)
            fold.add(date, bars, full=known is not None and not known.half_day)
    found = levels(fold)
    return [Reference(symbol=s, **found[s]) for s in found]  # type: ignore[arg-type]
