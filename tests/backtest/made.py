"""Hand-made tapes: trades by the second, minute bars by the file."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from tapelight.engine import Engine
from tapelight.market.baseline import market_curve
from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import CalendarChoice, Mark, Questions, Record, Symbols
from tapelight.model.session import NEW_YORK

NS = 1_000_000_000
DAY = "2026-11-20"
SYMBOLS = ["AAA", "BBB", "CCC"]
SCAN = '-- title = "Above"\n-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE last >= 10.5'
Print = tuple[str, str, float]
"""(time of day, symbol, price)"""
Quoted = tuple[str, str, float, float]
"""(time of day, symbol, bid, ask)"""


def at(time: str, day: str = DAY, zone: ZoneInfo = NEW_YORK) -> int:
    """Return HH:MM:SS[.fff] New York in ns."""
    moment = dt.datetime.combine(dt.date.fromisoformat(day), dt.time.fromisoformat(time), zone)
    return round(moment.timestamp() * 1000) * 1_000_000


def head(texts: dict[str, str], symbols: Sequence[str] = SYMBOLS) -> list[Record]:
    return [CalendarChoice("XNYS"), market_curve(), Questions(texts), Symbols(0, list(symbols))]


def tape(
    prints: Iterable[Print], quotes: Iterable[Quoted] = (), *, begin: str, end: str, day: str = DAY
) -> Iterator[Record]:
    """Yield a mark at each fifth second and where anything came; quotes before prints."""
    sold = [(at(t, day), SYMBOLS.index(s), p) for t, s, p in prints]
    told = [(at(t, day), SYMBOLS.index(s), b, a) for t, s, b, a in quotes]
    for mark in range(at(begin, day), at(end, day) + 1, NS):
        q = [x for x in told if mark - NS < x[0] <= mark]
        t = [x for x in sold if mark - NS < x[0] <= mark]
        if q:
            n = len(q)
            yield Batch(mark, quotes=quotes_of(
                [x[1] for x in q], [x[0] for x in q], [x[2] for x in q], [x[3] for x in q],
                [1.0] * n, [1.0] * n, [0] * n,
            ))  # fmt: skip
        if t:
            n = len(t)
            yield Batch(mark, trades=trades_of(
                [x[1] for x in t], [x[0] for x in t], [x[2] for x in t], [100.0] * n, [0] * n,
                [4] * n, [0] * n,
            ))  # fmt: skip
        if q or t or mark % (5 * NS) == 0:
            yield Mark(mark, mark)


def engine_with(texts: dict[str, str]) -> Engine:
    engine = Engine()
    for record in head(texts):
        engine.apply(record)
    return engine


def bars_file(path: Path, rows: Iterable[tuple[str, str, str, float, float, float, float]]) -> Path:
    """Write minute bars (day, HH:MM New York, symbol, o, h, l, c), 1,000 shares each."""
    listed = [
        {
            "symbol": symbol,
            "ts": dt.datetime.combine(
                dt.date.fromisoformat(day), dt.time.fromisoformat(time), NEW_YORK
            ).astimezone(dt.UTC),
            "o": o, "h": h, "l": lo, "c": c, "v": 1000.0,
        }
        for day, time, symbol, o, h, lo, c in rows
    ]  # fmt: skip
    pl.DataFrame(listed).write_parquet(path)
    return path
