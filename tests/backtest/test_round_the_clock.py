"""Trades of a market that never closes: sessions are UTC days, and so are the times told."""

from pathlib import Path

import polars as pl
import pytest

from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest

pytestmark = pytest.mark.integration

START = 1_722_470_400 * 10**9
"""2024-08-01 00:00 UTC."""
MINUTE = 60 * 10**9


def test_trades_by_the_minute_over_two_utc_days(tmp_path: Path) -> None:
    minutes = range(1500)
    prices = [100.0 + (2.0 if m % 700 >= 600 else 0.0) for m in minutes]
    pl.DataFrame({
        "symbol": ["BTCUSDT.SPOT"] * len(prices), "ts_ns": [START + m * MINUTE for m in minutes],
        "price": prices, "size": [1.0] * len(prices), "conditions": [""] * len(prices),
    }).write_parquet(tmp_path / "trades.parquet")  # fmt: skip
    sql = tmp_path / "up.sql"
    sql.write_text(
        '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE last > 101'
    )
    found = run_backtest(BacktestOptions(
        sql=sql, data=tmp_path, files=Files(tmp_path / "none"), parquet=tmp_path / "trades.parquet",
        workers=1, quiet=True,
    ))  # fmt: skip
    told = found.fires.select("session", "time", "entry", "phase", "slot").rows()
    assert told == [
        ("2024-08-01", "10:00:01", 102.0, "regular", "10:00"),
        ("2024-08-01", "21:40:01", 102.0, "regular", "21:30"),
    ]
    assert found.fires["gross_5m"].to_list() == [pytest.approx(0.0), pytest.approx(0.0)]
    assert found.fires["gross_close"][0] is None, "the last print of the day is before its end"
