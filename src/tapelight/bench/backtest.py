"""Measure a backtest (P7): one scan over recorded sessions of the whole market in minute bars, in s.

The file is made first, and not measured: symbols trade in as many minutes as their usual volume
lets expect (log-normal, median 183,000 shares a day), a sixth of them more than once in three
minutes. The baseline is Polars reading and filtering the same file for the scan's plainest
condition, all sessions in one process: it knows no windows, sessions or outcomes.
"""

import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.backtest.work import default_workers
from tapelight.model.session import MINUTE_NS, Session, calendar, session_after

SCAN = """-- title = "Five-minute burst"
-- kind = "events"
-- gate = "last >= 5"
-- cooldown_s = 300
SELECT symbol, last, chg_5m, vol_5m FROM market WHERE chg_5m >= 1.2 AND vol_5m >= 5000
"""
FIRST_DAY = dt.date(2026, 10, 26)
MEDIAN_SHARES, SPREAD = 183_000.0, 2.15
PRINT_SHARES = 150.0
MINUTES = 390


@dataclass(frozen=True, slots=True)
class Size:
    """Say how much there is to test."""

    symbols: int = 11_000
    sessions: int = 20
    workers: int = 0


def run(size: Size | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; ratio = value / baseline."""
    size = size or Size()
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as name:
        folder = Path(name)
        path, bars = make_file(folder, size)
        sql = folder / "burst.sql"
        sql.write_text(SCAN, "utf-8")
        baseline = polars_s(path)
        options = BacktestOptions(
            sql=sql, data=folder, files=Files(folder / "none"), parquet=path, workers=size.workers,
            quiet=True,
        )  # fmt: skip
        begin, cpu = time.perf_counter(), cpu_s()
        found = run_backtest(options)
        took, cpu = time.perf_counter() - begin, cpu_s() - cpu
    told = f"P7_backtest_{size.sessions}_sessions_{size.symbols}_symbols"
    yield _row(told, took, "s", baseline)
    yield _row("backtest_bars_s", bars / took, "bars/s", bars / baseline)
    yield _row("backtest_cpu", cpu, "s", None)
    yield _row("backtest_fires", float(len(found.fires)), "fires", None)
    yield _row("backtest_workers", float(size.workers or default_workers()), "processes", None)


def cpu_s() -> float:
    """Return the processor time of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _row(name: str, value: float, unit: str, baseline: float | None) -> dict[str, Any]:
    ratio = round(value / baseline, 4) if baseline else None
    told = round(baseline, 4) if baseline else None
    return {"name": name, "value": round(value, 4), "unit": unit, "baseline": told, "ratio": ratio}


def polars_s(path: Path) -> float:
    """Return how long Polars takes to read the file and filter it."""
    begin = time.perf_counter()
    rise = pl.col("c") / pl.col("o") >= 1.012
    pl.scan_parquet(path).filter(rise & (pl.col("v") >= 20_000)).collect(engine="streaming")
    return time.perf_counter() - begin


def make_file(folder: Path, size: Size) -> tuple[Path, int]:
    """Write the bars of all sessions, in time order; return the file and their number."""
    draw = np.random.default_rng(1)
    names = pl.Series("symbol", [f"S{i:05d}" for i in range(size.symbols)])
    prints = np.exp(draw.normal(np.log(MEDIAN_SHARES / PRINT_SHARES), SPREAD, size.symbols))
    chance = 1.0 - np.exp(-prints / MINUTES)
    price = np.exp(draw.normal(3.0, 1.0, size.symbols)).round(2)
    bars, parts = 0, []
    for session in _sessions(size.sessions):
        frame = _session(draw, session, names, chance, price)
        bars += len(frame)
        parts.append(folder / f"{session.date}.part")
        frame.write_parquet(parts[-1])
    path = folder / "bars.parquet"
    pl.scan_parquet(parts).sink_parquet(path, row_group_size=500_000)
    return path, bars


def _sessions(count: int) -> list[Session]:
    cal = calendar("XNYS")
    found: list[Session] = []
    at = int(dt.datetime.combine(FIRST_DAY, dt.time(), dt.UTC).timestamp()) * 1_000_000_000
    while len(found) < count:
        session = session_after(cal, at)
        found, at = [*found, session], session.end_ns
    return found


def _session(
    draw: np.random.Generator, session: Session, names: pl.Series, chance: Any, price: Any
) -> pl.DataFrame:
    """Return one session's bars; `price` goes on in place."""
    parts = []
    for minute in range((session.close_ns - session.open_ns) // MINUTE_NS):
        row = np.flatnonzero(draw.random(len(chance)) < chance)
        open_ = price[row]
        moved = open_ * np.exp(draw.normal(0.0, 0.0015, len(row)))
        close = np.maximum(moved.round(2), 0.5)
        price[row] = close
        start = np.full(len(row), session.open_ns + minute * MINUTE_NS)
        high, low = np.maximum(open_, close), np.minimum(open_, close)
        shares = (draw.lognormal(7.0, 1.5, len(row)) * (1.0 + chance[row])).round()
        parts.append((row, start, open_, high, low, close, shares))
    row, start, *values = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = dict(zip(("o", "h", "l", "c", "v"), values, strict=True))
    frame = pl.DataFrame({"symbol": names.gather(row), "ts": start, **columns})
    return frame.with_columns(pl.from_epoch("ts", "ns").dt.replace_time_zone("UTC"))
