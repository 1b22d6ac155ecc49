"""A strategy backtested: the live entries and exits, and the plan's own outcome in R."""

from pathlib import Path

import pytest

from backtest.made import DAY, at, head, tape
from replay.tape import Live, live
from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.backtest.export import summary_of
from tapelight.app.backtest.follow import Costs
from tapelight.app.backtest.html import page
from tapelight.app.backtest.result import Backtest
from tapelight.app.backtest.scoreboard import run_scoreboard
from tapelight.app.backtest.tapes import Span
from tapelight.app.backtest.tell import told
from tapelight.errors import ConfigError
from tapelight.model.records import Reference, References, Strategies
from tapelight.scan.source import choose
from tapelight.stores.journal.writer import Writer

SOURCE = '''
"""Buy above 10.50."""
from tapelight.scan.strategy import Entries, Look, Strategy, above, longs


class Level(Strategy):
    title = "Level"
    doc = "Buy above 10.50."
    gated = frozenset()

    def signals(self, look: Look) -> Entries:
        entry = look.full(10.5)
        return Entries(
            when=(above("last", look["last"], entry),), side=longs(look), entry=entry,
            stop=look.full(10.3), targets=(look.full(10.7), look.full(10.9)),
        )
'''
PRINTS = [
    ("10:00:01", "AAA", 10.40),
    ("10:00:09", "AAA", 10.51),  # fires
    ("10:00:12", "AAA", 10.51),  # traded within the limit
    ("10:00:30", "AAA", 10.71),  # target 1
    ("10:00:50", "AAA", 10.29),  # the stop
    ("10:01:30", "BBB", 10.60),  # fires too, and is never traded
]
QUOTES = [
    (f"10:00:{s:02d}", "AAA", p - 0.01, p + 0.01) for s, p in ((8, 10.51), (11, 10.51), (29, 10.7))
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Live]:
    data = tmp_path_factory.mktemp("data")
    folder = data / "journal" / DAY / "0001"
    folder.mkdir(parents=True)
    writer = Writer(folder)
    facts = [
        Reference(symbol=s, type="CS", prev_close=10.0, adv20=1e6) for s in ("AAA", "BBB", "CCC")
    ]
    records = [
        *head({}), References(DAY, facts), Strategies({"level": choose("level", "", SOURCE)}),
        *tape(PRINTS, QUOTES, begin="10:00:00", end="10:06:00"),
    ]  # fmt: skip
    done = live(records, writer)
    writer.close()
    (data / "own").mkdir()
    (data / "own" / "level.py").write_text(SOURCE)
    return data, done


def backtest(data: Path, own: Path) -> Backtest:
    files = Files(data / "none", own)
    return run_backtest(
        BacktestOptions(
            name="level", data=data, files=files, workers=1, quiet=True, by=("risk_pct",)
        )
    )


@pytest.fixture(scope="module")
def found(recorded: tuple[Path, Live]) -> Backtest:
    return backtest(recorded[0], recorded[0] / "own")


def test_the_entries_are_the_live_ones(found: Backtest, recorded: tuple[Path, Live]) -> None:
    fired = [s for c in recorded[1].cycles for s in c.signals if s.state == "fired" and not s.of]
    assert [s.symbol for s in fired] == ["AAA", "BBB"]
    assert found.fires["id"].to_list() == [s.id for s in fired]
    assert found.notes == ()


def test_the_outcome_in_r_is_that_of_targets_and_stop(found: Backtest) -> None:
    one = found.fires.row(0, named=True)
    gained = (0.5 * (10.71 - 10.51) + 0.5 * (10.29 - 10.51)) / 0.2
    spread = 0.02 / 0.2
    assert (one["filled"], one["became"], one["exit_reason"]) == (True, "confirmed", "stop")
    assert one["r"] == pytest.approx(gained - spread, abs=1e-9)
    assert one["risk_pct"] == pytest.approx(100 * 0.2 / 10.5)
    assert one["gross_1m"] == pytest.approx(100 * (10.29 / 10.51 - 1))
    assert one["entry"] == 10.51


def test_an_entry_that_was_not_traded_has_no_r(found: Backtest) -> None:
    other = found.fires.row(1, named=True)
    assert (other["filled"], other["r"], other["entry"]) == (False, None, None)


def test_what_ran_away_from_its_limit_is_no_return(tmp_path: Path) -> None:
    prints = [
        ("10:00:01", "AAA", 10.40), ("10:00:09", "AAA", 10.90),  # fires far beyond its limit
        ("10:00:12", "AAA", 11.00), ("10:02:00", "AAA", 11.20),
        ("10:00:01", "BBB", 10.40), ("10:00:10", "BBB", 10.90),  # comes back to it
        ("10:03:00", "BBB", 10.51), ("10:04:05", "BBB", 10.60), ("10:05:30", "BBB", 10.40),
    ]  # fmt: skip
    folder = tmp_path / "journal" / DAY / "0001"
    folder.mkdir(parents=True)
    writer = Writer(folder)
    facts = [Reference(symbol=s, type="CS", prev_close=10.0, adv20=1e6) for s in ("AAA", "BBB")]
    quotes = [("10:02:59", "BBB", 10.50, 10.52)]
    records = [
        *head({}), References(DAY, facts), Strategies({"level": choose("level", "", SOURCE)}),
        *tape(sorted(prints), quotes, begin="10:00:00", end="10:06:00"),
    ]  # fmt: skip
    live(records, writer)
    writer.close()
    found = backtest(tmp_path, tmp_path)
    away, back = found.fires.row(0, named=True), found.fires.row(1, named=True)
    assert (away["symbol"], away["filled"], away["entry"], away["gross_1m"]) == (
        "AAA", False, None, None,
    )  # fmt: skip
    assert (back["symbol"], back["filled"], back["entry"]) == ("BBB", True, 10.51)
    assert back["entry_ns"] == at("10:03:00")
    assert back["gross_1m"] == pytest.approx(100 * (10.51 / 10.51 - 1))
    assert back["minute"] - away["minute"] == 2, "its minute is that of the fill"
    assert "filled 1 of 2, the others have no returns" in told(found)
    assert summary_of(found)["filled"] == 1
    board = run_scoreboard(tmp_path, Span(), Costs(), workers=1, quiet=True)
    assert [(r.symbol, r.filled, r.entry) for r in board.rows] == [
        ("AAA", False, None), ("BBB", True, 10.51),
    ]  # fmt: skip
    assert [(r.scan, r.fires, r.filled, r.horizons[0].n) for r in board.records] == [
        ("level", 2, 1, 1)
    ]


def test_the_report_tells_the_plan(found: Backtest) -> None:
    assert "own plan, in R" in page(found)


def test_without_its_file_it_is_asked_as_the_journal_did(
    found: Backtest, recorded: tuple[Path, Live], tmp_path: Path
) -> None:
    again = backtest(recorded[0], tmp_path)
    assert again.fires.equals(found.fires)
    assert again.notes == ("level is no file here: it is asked as the journal asked it.",)


def test_a_file_that_has_changed_is_told(recorded: tuple[Path, Live], tmp_path: Path) -> None:
    (tmp_path / "level.py").write_text(SOURCE.replace("10.3)", "10.2)"))
    assert backtest(recorded[0], tmp_path).notes == (f"level is not as it was live on {DAY}.",)


def test_a_file_that_fails_is_one_sentence(recorded: tuple[Path, Live], tmp_path: Path) -> None:
    (tmp_path / "level.py").write_text("import os\n")
    with pytest.raises(ConfigError, match="level"):
        backtest(recorded[0], tmp_path)
