"""The US minute bars against an oracle in Polars that shares no code with the scanner."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from replay.command import Answer, replay, replay_here

pytestmark = pytest.mark.slow

DAY = dt.date(2019, 2, 15)
QUERIES = {
    "chg_pct": "SELECT symbol, chg_pct FROM market ORDER BY chg_pct DESC LIMIT 10",
    "gap_pct": "SELECT symbol, gap_pct FROM market ORDER BY gap_pct DESC LIMIT 10",
    "vol": "SELECT symbol, vol FROM market ORDER BY vol DESC LIMIT 10",
}


@pytest.fixture(scope="module")
def day(shared: Path) -> pl.DataFrame:
    """Return symbol, last, first, vol and prev_close of 2019-02-15, by Polars alone."""
    bars = pl.read_parquet(shared / "data" / "bars_1m_us.parquet")
    local = pl.col("ts").dt.convert_time_zone("America/New_York")
    today = bars.filter(local.dt.date() == DAY).sort("ts")
    regular = pl.col("ts").dt.convert_time_zone("America/New_York").dt.time() >= dt.time(9, 30)
    figures = today.group_by("symbol").agg(
        last=pl.col("c").last(), open=pl.col("o").filter(regular).first(), vol=pl.col("v").sum()
    )
    daily = pl.read_parquet(shared / "data" / "daily_us.parquet").filter(pl.col("date") < DAY)
    before = daily.sort("date").group_by("symbol").agg(prev_close=pl.col("c").last())
    return figures.join(before, on="symbol", how="left").with_columns(
        chg_pct=(pl.col("last") / pl.col("prev_close") - 1) * 100,
        gap_pct=(pl.col("open") / pl.col("prev_close") - 1) * 100,
    )


@pytest.fixture(scope="module")
def answers(shared: Path) -> Answer:
    data = shared / "data"
    queries = [part for sql in QUERIES.values() for part in ("--sql", sql)]
    return replay(
        data / "bars_1m_us.parquet", "--daily", data / "daily_us.parquet",
        "--speed", "max", "--json", *queries,
    )  # fmt: skip


def test_the_file_is_out_of_order_and_has_an_older_day(shared: Path) -> None:
    ts = pl.read_parquet(shared / "data" / "bars_1m_us.parquet")["ts"]
    assert not ts.is_sorted()
    assert ts.dt.date().min() < dt.date(2019, 1, 1)  # type: ignore[operator]


@pytest.mark.parametrize(("at", "column"), list(enumerate(QUERIES)))
def test_the_top_ten_equal_the_oracle(
    day: pl.DataFrame, answers: Answer, at: int, column: str
) -> None:
    assert answers.code == 0, answers.err
    mine = answers.rows[10 * at : 10 * at + 10]
    best = day.drop_nulls(column).sort([column, "symbol"], descending=[True, False]).head(10)
    assert [row["symbol"] for row in mine] == best["symbol"].to_list()
    assert [row[column] for row in mine] == pytest.approx(best[column].to_list(), rel=1e-12)


def test_a_moment_inside_the_day(
    shared: Path, day: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared / "data"
    local = pl.col("ts").dt.convert_time_zone("America/New_York")
    bars = pl.read_parquet(data / "bars_1m_us.parquet").sort("ts")
    seen = bars.filter((local.dt.date() == DAY) & (local.dt.time() < dt.time(10, 30)))
    figures = seen.group_by("symbol").agg(pl.col("v").sum(), pl.col("c").last()).sort("symbol")
    sql = "SELECT symbol, vol, last FROM market WHERE last IS NOT NULL ORDER BY symbol"
    for moment in ("10:30", "10:30:00", "10:30:59", "2019-02-15T15:30:00+00:00"):
        told = replay_here(
            capsys, data / "bars_1m_us.parquet", "--json", "--at", moment, "--sql", sql
        )
        assert told.code == 0, told.err
        assert [r["symbol"] for r in told.rows] == figures["symbol"].to_list()
        assert [r["vol"] for r in told.rows] == figures["v"].to_list()
        assert [r["last"] for r in told.rows] == figures["c"].to_list()


def test_a_moment_after_the_end_is_the_end(shared: Path, answers: Answer) -> None:
    data = shared / "data"
    told = replay(
        data / "bars_1m_us.parquet", "--daily", data / "daily_us.parquet",
        "--at", "2030-01-02T12:00:00-05:00", "--json", "--sql", QUERIES["chg_pct"],
    )  # fmt: skip
    assert told.rows == answers.rows[:10]


def test_without_daily_bars_the_previous_close_is_the_last_session_replayed(shared: Path) -> None:
    path = shared / "data" / "bars_1m_us.parquet"
    local = pl.col("ts").dt.convert_time_zone("America/New_York")
    bars = pl.read_parquet(path).sort("ts").filter(local.dt.date() == dt.date(2019, 2, 14))
    closes = dict(bars.group_by("symbol").agg(pl.col("c").last()).iter_rows())
    told = replay(
        path, "--json", "--sql", "SELECT symbol, prev_close FROM market WHERE last IS NOT NULL"
    )
    assert {r["symbol"]: r["prev_close"] for r in told.rows} == {
        r["symbol"]: closes[r["symbol"]] for r in told.rows
    }
    assert len(told.rows) == 24
