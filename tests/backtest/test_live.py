"""The same day backtested gives the live signals, though the feed had a bad day."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from replay.tape import SYMBOLS, Live, Tape, live
from tapelight.app.backtest.asking import Asking, Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.backtest.day import Job, Watch
from tapelight.app.backtest.follow import Costs
from tapelight.app.backtest.result import Backtest
from tapelight.app.backtest.scoreboard import (
    chained,
    run_scoreboard,
    scoreboard,
    write_scoreboard,
)
from tapelight.app.backtest.tapes import Span, journals, read_span
from tapelight.app.backtest.tell import told_scoreboard
from tapelight.errors import ConfigError
from tapelight.model.batch import Batch, bars_of, trades_of
from tapelight.model.conditions import mask_of
from tapelight.model.records import FeedState, Mark, Questions, Record, Snapshot
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.integration

NS = 1_000_000_000
DAYS = {"2026-11-19": Tape("2026-11-19T09:29:55", seed=3), "2026-11-20": Tape(seed=7)}
CROSS = (
    '-- title = "Crosses VWAP"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 1\n'
    "SELECT symbol, last, vwap, vol FROM market WHERE last > vwap AND vol > 2000"
)
NAN = float("nan")


def bad_day(tape: Tape) -> Iterator[Record]:
    """Yield the tape with a hole and its snapshot, late prints and a corrected minute bar."""
    begin = tape.start_ns
    for record in tape.records():
        yield Questions({"cross": CROSS}) if isinstance(record, Questions) else record
        if not isinstance(record, Mark):
            continue
        second = (record.ts_ns - begin) / NS
        if second == 2.0:
            yield bar_of(begin, 10.0)
        if second == 4.0:
            yield FeedState(record.ts_ns, "tape", "gap", "lost", True, record.ts_ns)
        if second == 6.0:
            yield snapshot(record.ts_ns)
            yield FeedState(record.ts_ns, "tape", "live")
        if second == 7.0:
            yield late_prints(record.ts_ns)
        if second == 8.0:
            yield bar_of(begin, 11.0)


def bar_of(begin: int, close: float) -> Batch:
    """Return the minute bar of 09:28 of the last symbol; a second one corrects it."""
    start = begin - 115 * NS
    columns = [[39], [start], [60], [10.0], [12.0], [9.0], [close], [5_000.0], *[[NAN]] * 4]
    return Batch(begin + 2 * NS, bars=bars_of(columns))


def snapshot(now: int) -> Snapshot:
    rows = np.arange(3, dtype=np.int32)
    unknown, price = np.full(3, NAN), np.array([11.0, 12.0, 13.0])
    return Snapshot(
        now, rows, np.full(3, now - NS), price, np.full(3, 9_000.0), unknown, price + 1.0,
        price - 1.0, unknown, price - 0.01, price + 0.01, unknown, unknown, unknown,
    )  # fmt: skip


def late_prints(now: int) -> Batch:
    late = mask_of((30,))
    return Batch(now, trades=trades_of(
        [0, 1, 2], [now - 4 * NS] * 3, [30.0, 30.0, 30.0], [5_000.0] * 3, [late, 0, late],
        [4] * 3, [0] * 3,
    ))  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Live]]:
    """Return the data folder of two recorded sessions, and what each gave live."""
    data = tmp_path_factory.mktemp("data")
    done = {}
    for day, tape in DAYS.items():
        folder = data / "journal" / day / "0001"
        folder.mkdir(parents=True)
        writer = Writer(folder)
        done[day] = live(bad_day(tape), writer)
        writer.close()
    return data, done


def backtest(data: Path, **more: object) -> Backtest:
    options = {
        "name": "cross",
        "data": data,
        "files": Files(data / "none"),
        "workers": 1,
        "quiet": True,
    }
    return run_backtest(BacktestOptions(**(options | more)))  # type: ignore[arg-type]


def test_the_signals_are_those_of_the_live_run(recorded: tuple[Path, dict[str, Live]]) -> None:
    data, done = recorded
    ids = [s.id for d in DAYS for c in done[d].cycles for s in c.signals if s.state == "fired"]
    found = backtest(data)
    assert len(ids) > 40
    assert found.fires["id"].to_list() == ids
    assert found.notes == ("cross is no file here: it is asked as the journal asked it.",)
    assert found.sessions == list(DAYS)


def test_a_file_of_the_same_text_gives_the_same_and_another_one_is_told(
    recorded: tuple[Path, dict[str, Live]], tmp_path: Path
) -> None:
    data, done = recorded
    (tmp_path / "cross.sql").write_text(CROSS)
    same = backtest(data, files=Files(tmp_path), span=Span(newest=1))
    assert same.notes == ()
    live_ids = [s.id for c in done["2026-11-20"].cycles for s in c.signals if s.state == "fired"]
    assert same.fires["id"].to_list() == live_ids
    (tmp_path / "cross.sql").write_text(CROSS + " AND last > 5")
    other = backtest(data, files=Files(tmp_path), span=Span(newest=1))
    assert other.notes == ("cross is not as it was live on 2026-11-20.",)
    assert not set(other.fires["id"]) & set(live_ids), "another text, other ids"


def test_a_scan_that_no_journal_asked_is_asked_of_each(
    recorded: tuple[Path, dict[str, Live]], tmp_path: Path
) -> None:
    sql = tmp_path / "dear.sql"
    sql.write_text(CROSS.replace("last > vwap", "last >= 8"))
    found = backtest(recorded[0], name=None, sql=sql, by=("vol", "symbol", "vol / 2"))
    assert found.name == "dear"
    assert set(found.fires["session"]) == set(DAYS)
    assert found.fires["vol"].to_list() == found.fires["at_vol"].to_list()
    assert found.fires["vol / 2"].to_list() == (found.fires["at_vol"] / 2).to_list()
    assert set(found.fires["symbol"]) <= set(SYMBOLS)


@pytest.mark.slow
def test_processes_give_what_one_gives(recorded: tuple[Path, dict[str, Live]]) -> None:
    assert backtest(recorded[0], workers=2).fires.equals(backtest(recorded[0]).fires)


def test_the_scoreboard_holds_all_fires_and_its_digest_chains(
    recorded: tuple[Path, dict[str, Live]], tmp_path: Path
) -> None:
    data, done = recorded
    board = run_scoreboard(data, Span(), Costs(), workers=1, quiet=True)
    ids = [s.id for d in DAYS for c in done[d].cycles for s in c.signals if s.state == "fired"]
    assert sorted(row.id for row in board.rows) == sorted(ids)
    first = run_scoreboard(data, Span(last="2026-11-19"), Costs(), workers=1, quiet=True)
    assert board.digests[0] == first.digests[0], "a later session leaves the earlier digest"
    assert chained(first.digest, board.rows[len(first.rows) :]) == board.digest
    assert chained(first.digest, board.rows[len(first.rows) : -1]) != board.digest
    assert [r.fires for r in board.records] == [len(ids)]
    paths = write_scoreboard(board, tmp_path)
    assert len(paths[0].read_bytes().splitlines()) == len(ids)


@pytest.mark.parametrize(
    ("days", "last", "chosen"),
    [
        (None, None, ["a", "b", "c"]),
        (None, 2, ["b", "c"]),
    ],
)
def test_spans(days: str | None, last: int | None, chosen: list[str]) -> None:
    assert read_span(days, last).of(["a", "b", "c"]) == chosen


def test_days_are_from_to_included() -> None:
    days = ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert read_span("2026-11-19..2026-11-20", None).of(days) == days[1:]
    assert read_span("2026-11-19", None).of(days) == days[1:2]
    assert read_span("..2026-11-18", None).of(days) == days[:1]


@pytest.mark.parametrize(
    ("days", "last", "said"),
    [
        ("yesterday", None, "--days has 'yesterday': give dates as in"),
        ("2026-11-20..2026-11-19", None, "--days ends before it begins"),
        ("2026-11-20", 3, "both choose the days"),
        (None, 0, "--last is 0"),
    ],
)
def test_a_bad_span_is_one_sentence(days: str | None, last: int | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_span(days, last)


def test_a_day_that_is_not_recorded_names_those_that_are(
    recorded: tuple[Path, dict[str, Live]],
) -> None:
    with pytest.raises(ConfigError, match="there are 2026-11-19, 2026-11-20"):
        journals(recorded[0], Span("2027-01-01"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crss", "No scan or strategy is called 'crss': did you mean cross?"),
        ("gainers", "gainers is a board, which fires nothing"),
        (None, "Say what to test"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    recorded: tuple[Path, dict[str, Live]], name: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        backtest(recorded[0], name=name)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"daily": Path("x")}, "--daily goes with --parquet"),
        ({"side": "up"}, "--side is 'up'"),
        ({"half_spread_bps": -1.0}, "--half-spread-bps is -1.0"),
        ({"workers": -1}, "--workers is -1"),
        ({"by": ("gap_pc",)}, "gap_pct"),
        ({"by": ("rsi(14, '5m')",)}, "name it in the scan's SELECT"),
        ({"sql": Path("/nonexistent/x.sql")}, "can't be read"),
    ],
)
def test_options_that_contradict_are_refused(
    recorded: tuple[Path, dict[str, Live]], more: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        backtest(recorded[0], **more)


def test_a_scan_that_looks_at_indicators_has_them_and_another_leaves_tier_2_still(
    recorded: tuple[Path, dict[str, Live]],
) -> None:
    (mine,) = journals(recorded[0], Span(newest=1))

    def still(condition: str, by: tuple[str, ...] = ()) -> bool:
        job = Job(mine, Asking({"cross": CROSS + condition}, {}), "cross", by)
        engine, records = mine.play(job.asking)
        watch = Watch(job, engine)
        for record in records:
            engine.apply(record)
            if isinstance(record, Questions):
                return watch.ignores_tiers()
        raise AssertionError("asked nothing")

    assert still("")
    assert not still(" AND rsi(14, '1m') < 70")
    assert not still(" AND tier >= 2")


def test_nothing_fired_is_a_scoreboard_too(tmp_path: Path) -> None:
    empty = scoreboard([], Costs())
    assert (empty.rows, empty.records, empty.digest) == ([], [], "")
    assert len(write_scoreboard(empty, tmp_path)) == 4
    assert "0 fires" in told_scoreboard(empty)
