"""Massive's flat files: trades, minute and day aggregates of one session, csv or csv.gz.

Read in pieces by header name, so that a day of trades needs no memory of its size. Prices are as
traded. Source of the headers and of the correction codes: the provider's docs and published files;
codes 0 and 1 are taken for good prints, any other for a cancelled or replaced one.
"""

import datetime as dt
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

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
from tapelight.model.session import NEW_YORK, NS, Session, calendar, local_date

ORIGIN = "massive-sip"
PIECE = 24 << 20
"""Bytes of text read at a time."""
TRADES = ("ticker", "conditions", "correction", "price", "sequence_number", "sip_timestamp", "size")
AGGREGATES = ("ticker", "volume", "open", "close", "high", "low", "window_start")
GOOD = (0, 1)
"""Correction codes of prints that stand."""
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
Progress = Callable[[int], object]
"""Called with the bytes of the file read so far."""


def read_flat_file(path: Path, progress: Progress = lambda _read: None) -> SessionDay:
    """Read a flat file; raises ConfigError that names what is wrong with it."""
    pieces = _pieces(path, progress)
    header = next(pieces).decode("utf-8", "replace").strip().replace('"', "").split(",")
    kind = _kind(header, path)
    names = [h if header.index(h) == i else f"{h}.{i}" for i, h in enumerate(header)]
    wanted = TRADES if kind == "trades" else AGGREGATES
    frames = (_text(piece, names, wanted, path) for piece in pieces)
    first = next(frames, None)
    if first is None:
        raise ConfigError(f"{path} has a header and no rows: download it again.")
    stamp = "sip_timestamp" if kind == "trades" else "window_start"
    session = _session(first, stamp, path)
    if kind == "days" and _of_minutes(first):
        kind = "minutes"
    return _read(kind, session, chain([first], frames), path)


def is_flat_file(path: Path) -> bool:
    """Tell by its name whether a file may be one."""
    return path.name.endswith((".csv", ".csv.gz"))


def _kind(header: list[str], path: Path) -> str:
    if not any(header):
        raise ConfigError(f"{path} is empty: download it again.")
    for kind, wanted in (("trades", TRADES), ("days", AGGREGATES)):
        if set(wanted) <= set(header):
            return kind
    raise ConfigError(
        f"{path} has the columns {', '.join(header)[:120]}: a flat file of trades needs "
        f"{', '.join(TRADES)}; one of aggregates {', '.join(AGGREGATES)}."
    )


def _pieces(path: Path, progress: Progress) -> Iterator[bytes]:
    """Yield the header, then pieces of whole lines."""
    try:
        with path.open("rb") as raw, _opened(raw, path) as text:
            yield text.readline()
            while piece := text.read(PIECE):
                piece += text.readline()
                progress(raw.tell())
                yield piece
    except DAMAGED as error:
        raise ConfigError(
            f"{path} is damaged or not whole ({error}): download it again."
        ) from error


def _opened(raw: IO[bytes], path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    return io.BufferedReader(raw)  # type: ignore[type-var]


def _text(piece: bytes, names: list[str], wanted: Sequence[str], path: Path) -> pl.DataFrame:
    """Return a piece's rows as text, of the columns wanted: NA and NULL are tickers too."""
    try:
        rows = pl.scan_csv(
            piece, has_header=False, new_columns=names, infer_schema=False, encoding="utf8-lossy",
            truncate_ragged_lines=True,
        )  # fmt: skip
        return rows.select(wanted).collect()
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"{path} can't be read as CSV: {str(error).splitlines()[0]}.") from error


def _session(frame: pl.DataFrame, stamp: str, path: Path) -> Session:
    at = frame[stamp].cast(pl.Int64, strict=False).drop_nulls()
    if not len(at):
        raise ConfigError(f"{path} has no row with a time in {stamp}, in ns UTC.")
    date = local_date(int(at[0]), NEW_YORK)
    session = calendar("XNYS").session_on(date)
    if session is None:
        raise ConfigError(f"{path} begins on {date}, when New York does not trade.")
    return session


def _of_minutes(frame: pl.DataFrame) -> bool:
    """Tell minute aggregates from day ones, which begin at midnight: the headers are the same."""
    at = int(frame["window_start"].cast(pl.Int64, strict=False).drop_nulls()[0])
    return dt.datetime.fromtimestamp(at // NS, NEW_YORK).time() != dt.time()


def _read(kind: str, session: Session, frames: Iterable[pl.DataFrame], path: Path) -> SessionDay:
    fold = {"trades": _trades, "minutes": _minutes, "days": _days}[kind]
    rows, kept, parts = 0, 0, []
    for frame in frames:
        part, good = fold(frame, session)
        rows, kept = rows + len(frame), kept + good
        parts.append(part)
    if not kept:
        raise ConfigError(f"{path} holds no sound row of the session {session.date}.")
    if kind == "days":
        return SessionDay(kind, session, bars_of(pl.concat(parts)), [], None, rows, rows - kept)
    return day_of_parts(kind, session, parts, rows, kept)


def _number(name: str, dtype: pl.DataType | type[pl.DataType] = pl.Float64) -> pl.Expr:
    return pl.col(name).cast(dtype, strict=False)


def _aggregates(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the sound rows of aggregates: symbol, at, o, h, l, c, v."""
    prices = {"o": "open", "h": "high", "l": "low", "c": "close"}
    frame = frame.select(
        symbol=pl.col("ticker"), at=_number("window_start", pl.Int64), v=_number("volume"),
        **{short: _number(name) for short, name in prices.items()},
    )  # fmt: skip
    priced = pl.all_horizontal((pl.col(c) > 0) & pl.col(c).is_finite() for c in "ohlc")
    sound = priced & (pl.col("h") >= pl.col("l")) & (pl.col("v") >= 0) & pl.col("v").is_finite()
    return frame.filter(sound & (pl.col("symbol") != "") & pl.col("at").is_not_null())


def _days(frame: pl.DataFrame, session: Session) -> tuple[pl.DataFrame, int]:
    date_ns = session.start_ns - 12 * 3600 * NS
    inside = (pl.col("at") > date_ns) & (pl.col("at") < session.end_ns)
    found = _aggregates(frame).filter(inside).select("symbol", *"ohlcv")
    return found, len(found)


def _minutes(frame: pl.DataFrame, session: Session) -> tuple[pl.DataFrame, int]:
    found = _aggregates(frame).filter(inside(session))
    return minute_part(found, session), len(found)


def _trades(frame: pl.DataFrame, session: Session) -> tuple[pl.DataFrame, int]:
    frame = frame.select(
        symbol=pl.col("ticker"), at=_number("sip_timestamp", pl.Int64), price=_number("price"),
        size=_number("size"), seq=_number("sequence_number", pl.Int64),
        correction=_number("correction", pl.Int32).fill_null(0), conditions=pl.col("conditions"),
    )  # fmt: skip
    sound = (pl.col("price") > 0) & pl.col("price").is_finite() & (pl.col("size") >= 0)
    sound &= (pl.col("symbol") != "") & pl.col("correction").is_in(GOOD) & inside(session)
    found = frame.filter(sound)
    return trade_part(found, session), len(found)
