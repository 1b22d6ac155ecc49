"""Parquet files a session at a time: only the rows of one session are ever in memory."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tapelight.app.data.kept import Kept
from tapelight.errors import ConfigError
from tapelight.feeds.replay import (
    Before,
    Source,
    calendar_of,
    daily_before,
    kind_of,
    read_source,
    session_records,
)
from tapelight.market.baseline import market_curve
from tapelight.model.records import (
    CalendarChoice,
    FeedState,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import Session, calendar, latest_session, session_after

NS = 1_000_000_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class TapeFile:
    """Name a Parquet file of trades or minute bars, and the sessions that it holds."""

    path: Path
    kind: str
    calendar: str
    sessions: tuple[Session, ...]
    daily: Path | None = None
    kept: Kept | None = None

    def before(self) -> Before | None:
        """Return what tells of past days before each session; None where nothing does."""
        if self.kept is not None:
            return self.kept.open(frozenset(_symbols(self))).before
        if self.daily is not None:
            return daily_before(self.daily, _symbols(self), calendar(self.calendar))
        return None


def survey(path: Path, daily: Path | None = None, kept: Kept | None = None) -> TapeFile:
    """Find a file's kind, calendar and sessions; raises ConfigError for what is no tape."""
    try:
        frame = pl.scan_parquet(path)
        kind = kind_of(frame.collect_schema().names(), path)
        stamp = _stamp(kind)
        every = frame.select(pl.col("symbol").unique()).collect(engine="streaming")["symbol"]
        hours = frame.select((stamp // (3600 * NS)).unique().alias("h")).collect(engine="streaming")
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} can't be read as Parquet: {reason}.") from error
    cal = calendar(calendar_of([s for s in every.to_list() if s is not None]))
    stamps = (int(h) * 3600 * NS for h in hours["h"].drop_nulls().sort())
    found = {s.date: s for s in (latest_session(cal, t + 3599 * NS) for t in stamps)}
    if not found:
        raise ConfigError(f"{path} holds no rows: there is nothing to backtest.")
    return TapeFile(path, kind, cal.name, tuple(found.values()), daily, kept)


def _stamp(kind: str) -> pl.Expr:
    """Return the rows' times in ns UTC."""
    if kind == "trades":
        return pl.col("ts_ns").cast(pl.Int64)
    return pl.col("ts").cast(pl.Datetime("ns", "UTC")).dt.epoch("ns")


def _bound(dtype: Any, ts_ns: int) -> pl.Expr:
    """Return a literal of the column's own type, so that whole row groups can be passed over."""
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(ts_ns)
    moment = EPOCH + dt.timedelta(microseconds=ts_ns // 1000)
    return pl.lit(moment if dtype.time_zone else moment.replace(tzinfo=None), dtype=dtype)


def rows_between(tape: TapeFile, begin_ns: int, end_ns: int) -> pl.DataFrame:
    """Return the file's rows whose time is in [begin_ns, end_ns)."""
    frame = pl.scan_parquet(tape.path)
    name = "ts_ns" if tape.kind == "trades" else "ts"
    dtype = frame.collect_schema()[name]
    inside = (pl.col(name) >= _bound(dtype, begin_ns)) & (pl.col(name) < _bound(dtype, end_ns))
    return frame.filter(inside).collect()


def session_source(tape: TapeFile, session: Session, until_ns: int | None = None) -> Source | None:
    """Return one session's rows, those known by `until_ns` alone; None where there are none."""
    cal = calendar(tape.calendar)
    end_ns = session_after(cal, session.start_ns).start_ns
    if until_ns is not None:
        # A bar is known at its end; the bound is exclusive, and in the column's own unit.
        after_ns = 1 - 60 if tape.kind == "bars" else 0
        end_ns = min(end_ns, until_ns + (after_ns * NS or 1))
    frame = rows_between(tape, session.start_ns, end_ns)
    if not len(frame):
        return None
    try:
        return read_source(frame, tape.kind, tape.path, cal)
    except ConfigError:
        return None


def tape_records(
    tape: TapeFile,
    asked: Sequence[Session],
    questions: Sequence[Record],
    until_ns: int | None = None,
) -> Iterator[Record]:
    """Yield the records of the sessions `asked` (consecutive), the one before folded unasked.

    What a session leaves to the next one - previous close, high, low, volume - is thus the
    table's own doing; of symbols that did not trade in the session before, what the file knew
    of them by then is told as reference. Nothing later than a record's time goes into it.
    `until_ns` cuts the tape: only what was known by then.
    """
    cal = calendar(tape.calendar)
    at = tape.sessions.index(asked[0])
    warm = tape.sessions[at - 1] if at else None
    yield CalendarChoice(cal.name)
    yield market_curve()
    yield FeedState((warm or asked[0]).start_ns, f"replay {tape.path.name}", "live")
    left = _left_before(tape, tape.sessions[: at - 1]) if warm is not None else []
    rows = {reference.symbol: i for i, reference in enumerate(left)}
    if warm is not None and left:
        yield Symbols(0, list(rows))
        yield References(warm.date.isoformat(), left)
    before = tape.before()
    for session in (warm, *asked):
        if session is None:
            continue
        if session is asked[0]:
            yield from questions
        source = session_source(tape, session, until_ns)
        if source is None:
            continue
        fresh = [s for s in source.symbols if s not in rows]
        yield Symbols(len(rows), fresh)
        rows |= {s: len(rows) + i for i, s in enumerate(fresh)}
        if before is not None:
            yield from before(session, rows)
        yield from session_records(source, rows)


def _symbols(tape: TapeFile) -> list[str]:
    frame = pl.scan_parquet(tape.path).select(pl.col("symbol").unique())
    names: list[str] = frame.collect(engine="streaming")["symbol"].drop_nulls().to_list()
    return names


def _left_before(tape: TapeFile, sessions: Sequence[Session]) -> list[Reference]:
    """Return what `sessions` left of each symbol, reckoned as the table's own roll does."""
    left: dict[str, Reference] = {}
    for session in sessions:
        source = session_source(tape, session)
        if source is None:
            continue
        for symbol, high, low, close, volume in _day_figures(source, session):
            known = left.get(symbol) or Reference(symbol=symbol)
            if close is not None:
                before = known.prev_close
                chg = 100.0 * (close / before - 1.0) if before is not None else None
                known = msgspec.structs.replace(
                    known, prev_close=close, prev_high=high, prev_low=low, prev_chg_pct=chg
                )
            left[symbol] = msgspec.structs.replace(known, prev_volume=volume)
    return list(left.values())


def _day_figures(source: Source, session: Session) -> Iterator[tuple[Any, ...]]:
    """Yield symbol, regular high, low and close, and the day's volume."""
    at = pl.col("at")
    regular = (at >= session.open_ns) & (at < session.close_ns)
    figures = source.frame.group_by("symbol", maintain_order=True).agg(
        pl.col("h").filter(regular).max(),
        pl.col("l").filter(regular).min(),
        pl.col("c").filter(regular).last(),
        pl.col("v").sum(),
    )
    yield from figures.filter(pl.col("v") > 0).iter_rows()
