"""Forward returns over real minute bars against Polars, which shares no code with the follower."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from tapelight.app.backtest.asking import Asking, Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.backtest.files import survey, tape_records
from tapelight.app.backtest.result import Backtest
from tapelight.app.backtest.tapes import FileSessions, Span, file_tapes
from tapelight.engine import Engine
from tapelight.model.outcomes import HORIZONS, HORIZONS_S
from tapelight.model.signals import Signal

pytestmark = pytest.mark.integration

SCAN = (
    '-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 300\n'
    "SELECT symbol, last, chg_pct FROM market WHERE chg_5m >= 0.4"
)
DAY = "2019-02-14"
CLOSE = dt.datetime(2019, 2, 14, 21, tzinfo=dt.UTC)
NS = 1_000_000_000


@pytest.fixture(scope="module")
def found(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    sql = tmp_path_factory.mktemp("scan") / "move.sql"
    sql.write_text(SCAN)
    return run_backtest(BacktestOptions(
        sql=sql, data=Path(), files=Files(Path("none")), parquet=shared / "data" / "bars_1m_us.parquet",
        span=Span(DAY, DAY), workers=1, quiet=True,
    ))  # fmt: skip


@pytest.fixture(scope="module")
def expected(shared: Path, found: Backtest) -> pl.DataFrame:
    """Return entry, gross returns and extremes of the same signals, by joins alone."""
    bars = pl.read_parquet(shared / "data" / "bars_1m_us.parquet").sort("ts")
    bars = bars.filter(pl.col("ts").dt.date() == dt.date(2019, 2, 14))
    bars = bars.with_columns(end=pl.col("ts") + pl.duration(minutes=1))
    tape_ends = bars["end"].max()
    fires = found.fires.select(
        "id", "symbol",
        mark=pl.from_epoch("ts_ns", "ns").dt.cast_time_unit("ms").dt.replace_time_zone("UTC"),
    ).sort("mark")  # fmt: skip
    first = bars.select("symbol", "ts", entry="o", entered="ts")
    told = fires.join_asof(first, left_on="mark", right_on="ts", by="symbol", strategy="forward")
    closes = bars.select("symbol", "end", "c")
    due = {h: pl.col("mark") + pl.duration(seconds=s) for h, s in HORIZONS_S.items()}
    due["close"] = pl.lit(CLOSE).cast(pl.Datetime("ms", "UTC"))
    for horizon, at in due.items():
        told = told.with_columns(due=at).sort("due").join_asof(
            closes, left_on="due", right_on="end", by="symbol", strategy="backward"
        )  # fmt: skip
        open_ = (pl.col("due") > pl.col("mark")) & (pl.col("due") <= tape_ends)
        known = open_ & (pl.col("end") > pl.col("entered"))
        gain = 100 * (pl.col("c") / pl.col("entry") - 1)
        told = told.with_columns(pl.when(known).then(gain).alias(f"gross_{horizon}")).drop(
            "c", "end"
        )
    path = fires.join(bars, on="symbol").filter(
        (pl.col("ts") >= pl.col("mark"))
        & (pl.col("end") <= pl.col("mark") + pl.duration(minutes=30))
        & (pl.col("mark") + pl.duration(minutes=30) <= tape_ends)
    )
    extremes = path.group_by("id").agg(pl.col("h").max(), pl.col("l").min())
    return told.join(extremes, on="id", how="left").with_columns(
        mfe_30m=100 * (pl.col("h") / pl.col("entry") - 1),
        mae_30m=100 * (pl.col("l") / pl.col("entry") - 1),
    )


@pytest.mark.parametrize(
    "column", ["entry", *(f"gross_{h}" for h in HORIZONS), "mae_30m", "mfe_30m"]
)
def test_the_forward_returns_equal_the_oracle(
    found: Backtest, expected: pl.DataFrame, column: str
) -> None:
    both = found.fires.select("id", column).join(expected.select("id", column), on="id")
    mine, other = both[column].to_list(), both[f"{column}_right"].to_list()
    assert len(mine) == len(found.fires) > 40
    assert [v is None for v in mine] == [v is None for v in other]
    assert [v for v in mine if v is not None] == pytest.approx(
        [v for v in other if v is not None], rel=1e-12, abs=1e-12
    )


def test_the_nulls_are_few_and_there_are_some(found: Backtest) -> None:
    nulls = found.fires.select(f"gross_{h}" for h in HORIZONS).null_count().row(0)
    assert 0 < max(nulls) < len(found.fires) / 2


def signals_of(tape: FileSessions) -> list[tuple[str, dict[str, object]]]:
    engine, records = tape.play(Asking({"move": SCAN}, {}))
    found: list[Signal] = []
    for record in records:
        cycle = engine.apply(record)
        found += cycle.signals if cycle is not None else []
    return [(s.id, dict(s.values)) for s in found]


@pytest.mark.slow
def test_sessions_apart_give_what_all_in_a_row_give(shared: Path) -> None:
    """Each part begins with what the sessions before it left: previous closes and all."""
    path = shared / "data" / "bars_1m_us.parquet"
    tape = survey(path)
    whole = signals_of(FileSessions(tape, tape.sessions))
    parts = file_tapes(path, None, Span(), 3)
    assert [len(part.sessions) for part in parts] == [2, 2, 2]
    assert [s for part in parts for s in signals_of(part)] == whole
    assert sum(values["chg_pct"] is not None for _, values in whole) > 100


def test_only_the_chosen_session_is_asked(shared: Path) -> None:
    tape = survey(shared / "data" / "bars_1m_us.parquet")
    last = tape.sessions[-1]
    engine, asked_from = Engine(), 0
    for record in tape_records(tape, [last], Asking({"move": SCAN}, {}).records()):
        cycle = engine.apply(record)
        if cycle is not None and engine.scans and not asked_from:
            asked_from = cycle.mark.ts_ns
    assert asked_from == last.open_ns + 60 * NS
