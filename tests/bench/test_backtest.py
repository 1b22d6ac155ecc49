from pathlib import Path

import polars as pl

from tapelight.bench import backtest

KEYS = ["name", "value", "unit", "baseline", "ratio"]


def test_the_file_is_in_time_order_and_sparse(tmp_path: Path) -> None:
    path, bars = backtest.make_file(tmp_path, backtest.Size(symbols=50, sessions=2))
    frame = pl.read_parquet(path)
    assert len(frame) == bars
    assert frame["ts"].is_sorted()
    assert frame["ts"].dt.date().n_unique() == 2
    assert 0.3 < bars / (2 * 390 * 50) < 1.0
    assert (frame["h"] >= frame["l"]).all()
    assert (frame["c"] > 0).all()


def test_the_bench_tells_time_rate_and_fires() -> None:
    rows = list(backtest.run(backtest.Size(symbols=20, sessions=1, workers=1)))
    assert [list(row) for row in rows] == [KEYS] * 5
    assert rows[0]["name"] == "P7_backtest_1_sessions_20_symbols"
    assert all(row["value"] >= 0 for row in rows)
