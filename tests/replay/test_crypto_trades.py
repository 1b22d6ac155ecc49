"""Trades of a market that never closes against an oracle in Polars."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from replay.command import Answer, replay

pytestmark = pytest.mark.slow

SQL = "SELECT symbol, vol, trades, high, low, vwap, last, open FROM market"


@pytest.fixture(scope="module")
def trades(shared: Path) -> pl.DataFrame:
    frame = pl.read_parquet(shared / "data" / "trades_crypto.parquet").sort("ts_ns")
    return frame.with_columns(day=pl.from_epoch("ts_ns", "ns").dt.date())


@pytest.fixture(scope="module")
def answer(shared: Path) -> Answer:
    return replay(
        shared / "data" / "trades_crypto.parquet", "--speed", "max", "--json", "--sql", SQL
    )


def test_the_last_session_equals_the_oracle(trades: pl.DataFrame, answer: Answer) -> None:
    assert answer.code == 0, answer.err
    assert trades["day"].n_unique() >= 3, "an older session, and a midnight inside"
    last = trades.filter(pl.col("day") == trades["day"].max())
    value = pl.col("price") * pl.col("size")
    oracle = {
        row["symbol"]: row
        for row in last.group_by("symbol")
        .agg(
            trades=pl.len(), high=pl.col("price").max(), low=pl.col("price").min(),
            vol=pl.col("size").sum(), vwap=value.sum() / pl.col("size").sum(),
            last=pl.col("price").last(), open=pl.col("price").first(),
        )
        .iter_rows(named=True)
    }  # fmt: skip
    rows = {row["symbol"]: row for row in answer.rows}
    assert set(rows) == set(trades["symbol"])
    for symbol, truth in oracle.items():
        mine = rows[symbol]
        for exact in ("trades", "high", "low", "last", "open"):
            assert mine[exact] == truth[exact], (symbol, exact)
        for near in ("vol", "vwap"):
            assert mine[near] == pytest.approx(truth[near], rel=1e-12), (symbol, near)
    for symbol in set(rows) - set(oracle):
        absent = rows[symbol]
        assert (absent["vol"], absent["trades"]) == (0, 0), symbol
        assert [absent[c] for c in ("high", "low", "vwap", "last", "open")] == [None] * 5, symbol
    assert 0 < len(oracle) < len(rows)


def test_a_moment_of_an_earlier_session(shared: Path, trades: pl.DataFrame) -> None:
    moment = dt.datetime(2024, 8, 8, 23, 59, 59, tzinfo=dt.UTC)
    days = sorted(trades["day"].unique())
    moment = dt.datetime.combine(days[-2], moment.timetz())
    seen = trades.filter(
        (pl.col("day") == days[-2]) & (pl.col("ts_ns") < int(moment.timestamp()) * 10**9)
    )
    counts = dict(seen.group_by("symbol").agg(pl.len()).iter_rows())
    told = replay(
        shared / "data" / "trades_crypto.parquet", "--json", "--at", moment.isoformat(),
        "--sql", "SELECT symbol, trades FROM market WHERE trades > 0",
    )  # fmt: skip
    assert {r["symbol"]: r["trades"] for r in told.rows} == counts
    assert counts
