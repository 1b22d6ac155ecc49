"""What a user may get wrong: one sentence, and an exit code that is not 0."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from replay.command import Answer, replay, replay_here

pytestmark = pytest.mark.slow

BARS = {
    "symbol": ["AAPL"],
    "ts": [dt.datetime(2026, 11, 20, 14, 30, tzinfo=dt.UTC)],
    **{c: [10.0] for c in "ohlc"},
    "v": [100],
}


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    pl.DataFrame(BARS).write_parquet(path)
    return path


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a call that runs a command and returns the one sentence with which it ends."""

    def run(*arguments: str | Path) -> str:
        return sentence(replay_here(capsys, *arguments))

    return run


def sentence(told: Answer) -> str:
    assert told.code in (1, 2)
    assert told.out == ""
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    return lines[0]


def test_a_process_of_its_own_ends_with_the_sentence_and_the_code(tmp_path: Path) -> None:
    told = replay(tmp_path)
    assert told.code == 2
    assert sentence(told).startswith(f"tapelight: {tmp_path} holds no journal: give a run's folder")


def test_a_missing_column(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "bars.parquet"
    pl.DataFrame(BARS).drop("v").write_parquet(path)
    assert "bars.parquet lacks the column 'v': it needs symbol, ts, o, h, l, c, v." in refused(path)
    pl.DataFrame({"symbol": ["A"], "ts_ns": [1], "size": [1.0]}).write_parquet(path)
    assert "lacks the column 'price'" in refused(path)


def test_a_column_of_the_wrong_type(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "bars.parquet"
    pl.DataFrame(BARS).with_columns(o=pl.lit("ten")).write_parquet(path)
    assert "holds a column of the wrong type" in refused(path)


@pytest.mark.parametrize("name", ["notes.parquet", "notes.txt"])
def test_a_file_that_is_no_parquet(tmp_path: Path, name: str, refused: Refused) -> None:
    path = tmp_path / name
    path.write_text("symbol,ts,o,h,l,c,v\n")
    assert f"{path} can't be read as Parquet" in refused(path)


def test_a_file_that_is_not_there(tmp_path: Path, refused: Refused) -> None:
    assert "does not exist" in refused(tmp_path / "none.parquet")


def test_a_file_without_rows(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "bars.parquet"
    pl.DataFrame(BARS).clear().write_parquet(path)
    assert "there is nothing to replay" in refused(path)


def test_an_unknown_day(tmp_path: Path, refused: Refused) -> None:
    assert f"No journal of 2026-11-20 under {tmp_path}: none is recorded there." in refused(
        "2026-11-20", "--data", tmp_path
    )
    (tmp_path / "journal" / "2026-11-19").mkdir(parents=True)
    assert "there are 2026-11-19." in refused("2026-11-20", "--data", tmp_path)


def test_a_folder_without_a_journal(tmp_path: Path, refused: Refused) -> None:
    assert "holds no journal" in refused(tmp_path)


@pytest.mark.parametrize("text", ["25:00", "noon", "2026-11-20T10:00:00"])
def test_a_bad_time(bars: Path, text: str, refused: Refused) -> None:
    assert f"{text!r} is not a time" in refused(bars, "--at", text)


def test_a_time_before_everything(bars: Path, refused: Refused) -> None:
    assert "lies before the first mark" in refused(bars, "--at", "2020-01-01T00:00:00+00:00")
    assert "lies before the first mark" in refused(bars, "--at", "09:30:59")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "fast"])
def test_a_bad_speed(bars: Path, text: str, refused: Refused) -> None:
    assert "--speed is" in refused(bars, f"--speed={text}", "--port", "0")


@pytest.mark.parametrize("option", ["--sql=SELECT last FROM market", "--at=10:00", "--verify"])
def test_what_a_paced_replay_does_not_answer(bars: Path, option: str, refused: Refused) -> None:
    name = option.partition("=")[0]
    told = refused(bars, "--speed", "10", option)
    assert told == (f"tapelight: {name} is answered at full speed alone: give --speed max with it.")


@pytest.mark.parametrize(("option", "value"), [("--daily", "d.parquet"), ("--calendar", "XNYS")])
def test_what_a_journal_has_in_itself(
    tmp_path: Path, option: str, value: str, refused: Refused
) -> None:
    assert f"{option} is for Parquet files" in refused(tmp_path, option, value)


def test_a_bad_query(bars: Path, refused: Refused) -> None:
    assert "vool" in refused(bars, "--sql", "SELECT vool FROM market")


def test_a_file_has_nothing_to_verify(bars: Path, refused: Refused) -> None:
    assert "holds no digests to verify" in refused(bars, "--verify")


def test_rows_without_a_sound_price_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bars.parquet"
    bad = pl.DataFrame({**BARS, "h": [float("nan")]})
    worse = pl.DataFrame({**BARS, "c": [0.0]})
    pl.concat([pl.DataFrame(BARS), bad, worse]).write_parquet(path)
    told = replay_here(capsys, path, "--json", "--sql", "SELECT symbol, vol FROM market")
    assert told.rows == [{"symbol": "AAPL", "vol": 100.0}]
    assert told.err == f"{path}: 2 rows without a sound price are left out.\n"


def test_a_table_for_people(bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = replay_here(capsys, bars, "--sql", "SELECT symbol, last, bid FROM market")
    assert told.code == 0
    assert [word for word in told.out.split() if word.isalnum()] == [
        "symbol",
        "last",
        "bid",
        "AAPL",
        "10",
    ]
