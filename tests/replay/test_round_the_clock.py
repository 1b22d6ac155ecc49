"""Files of a market that never closes: the end of the day, the calendar, the daily bars."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from replay.command import replay_here
from tapelight.feeds.replay import daily_before, open_source, records
from tapelight.model.records import CalendarChoice, Mark, References

NS = 1_000_000_000
DAY = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
MIDNIGHT_NS = int((DAY + dt.timedelta(days=1)).timestamp()) * NS
SQL = "SELECT symbol, last, vol, prev_close FROM market"


def bars(path: Path, *times: str, symbols: tuple[str, ...] = ("BTCUSDT.SPOT",)) -> Path:
    starts = [DAY + dt.timedelta(hours=int(t[:2]), minutes=int(t[3:])) for t in times]
    rows = [(s, start, *[10.0 + i] * 4, 100) for i, start in enumerate(starts) for s in symbols]
    schema = ["symbol", "ts", *"ohlcv"]
    pl.DataFrame(rows, schema, orient="row").write_parquet(path)
    return path


def trades(path: Path, *before_midnight_s: float) -> Path:
    stamps = [MIDNIGHT_NS - int(s * NS) for s in before_midnight_s]
    n = len(stamps)
    columns = {"symbol": ["BTCUSDT.SPOT"] * n, "ts_ns": stamps, "price": [10.0 + i for i in range(n)],
               "size": [0.5] * n, "conditions": [""] * n}  # fmt: skip
    pl.DataFrame(columns).write_parquet(path)
    return path


def marks(path: Path) -> list[int]:
    found = [r for r in records(open_source(path)) if isinstance(r, Mark)]
    assert all(m.ts_ns == m.complete_ns for m in found)
    return [m.ts_ns - MIDNIGHT_NS for m in found]


def answered(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    told = replay_here(capsys, path, "--json", "--sql", SQL)
    assert told.code == 0, told.err
    [row] = told.rows
    return row


def test_bars_up_to_midnight_are_answered_before_the_roll(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bars(tmp_path / "bars.parquet", "23:57", "23:58", "23:59")
    assert marks(path) == [-120 * NS, -60 * NS, -1]
    truth = {"symbol": "BTCUSDT.SPOT", "last": 12.0, "vol": 300.0, "prev_close": None}
    assert answered(path, capsys) == truth


def test_trades_up_to_midnight_are_answered_before_the_roll(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trades(tmp_path / "trades.parquet", 1.5, 0.5, 1e-9)
    assert marks(path) == [-NS, -1]
    truth = {"symbol": "BTCUSDT.SPOT", "last": 12.0, "vol": 1.5, "prev_close": None}
    assert answered(path, capsys) == truth


def test_a_mark_at_a_midnight_inside_the_file_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trades(tmp_path / "trades.parquet", 0.5, -0.5)
    assert marks(path) == [0, NS]
    truth = {"symbol": "BTCUSDT.SPOT", "last": 11.0, "vol": 0.5, "prev_close": 10.0}
    assert answered(path, capsys) == truth


@pytest.mark.parametrize(
    ("symbols", "name"),
    [
        (("BTCUSDT.SPOT", "ETHUSDT.SPOT"), "24x7"),
        (("AAPL", "ABC.WSA"), "XNYS"),
        (("ABC.WSA", "BRK.B"), "XNYS"),
        (("AAPL",), "XNYS"),
    ],
)
def test_the_calendar_is_what_all_symbols_say(
    tmp_path: Path, symbols: tuple[str, ...], name: str
) -> None:
    path = bars(tmp_path / "bars.parquet", "15:00", symbols=symbols)
    [choice] = [r for r in records(open_source(path)) if isinstance(r, CalendarChoice)]
    assert choice.name == name


def test_weekends_and_new_yorks_half_days_are_full_days(tmp_path: Path) -> None:
    path = bars(tmp_path / "bars.parquet", "15:00")
    dates = [DAY.date() - dt.timedelta(days=n) for n in range(20, 0, -1)]
    volumes = [float(n) for n in range(20)]
    daily = {"symbol": ["BTCUSDT.SPOT"] * 20, "date": dates, **{c: [9.0] * 20 for c in "ohlc"},
             "v": volumes}  # fmt: skip
    pl.DataFrame(daily).write_parquet(tmp_path / "daily.parquet")
    source = open_source(path)
    before = daily_before(tmp_path / "daily.parquet", source.symbols, source.calendar)
    [found] = [r for r in records(source, before) if isinstance(r, References)]
    [reference] = found.references
    assert (reference.adv_sessions, reference.adv20) == (20, sum(volumes) / 20)


def test_a_time_of_day_is_new_yorks_round_the_clock_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bars(tmp_path / "bars.parquet", "09:00", "13:58", "13:59", "14:00")
    told = replay_here(capsys, path, "--json", "--at", "09:00:59", "--sql", SQL)
    assert [row["last"] for row in told.rows] == [12.0]
