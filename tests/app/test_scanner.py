"""The live scanner: when its journal begins, what waits for it, and what it refuses."""

from pathlib import Path

import pytest

from tapelight.app.runs import runs_of
from tapelight.app.scanner import Scanner
from tapelight.errors import ConfigError
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import FeedState, Questions

OPEN_NS = 1_795_185_000_000_000_000
"""09:30:00 New York on 2026-11-20."""
BOARD = Questions({"all": '-- title = "All"\n-- gate = "none"\nSELECT symbol, last FROM market'})


def scanner(data: Path) -> Scanner:
    return Scanner(data, BOARD, "XNYS")


def trade(row: int, ts_ns: int, price: float, seq: int) -> Batch:
    return Batch(ts_ns, trades_of([row], [ts_ns], [price], [100.0], [0], [0], [seq]))


def test_the_journal_begins_when_the_feed_sets_the_clock(tmp_path: Path) -> None:
    mine = scanner(tmp_path)
    mine.put(FeedState(0, "test", "connecting"))
    assert list(tmp_path.glob("journal/*")) == []
    assert mine.status()["journal"]["ring"]["state"] == "closed"
    mine.clock.set(OPEN_NS)
    assert [r.name for r in runs_of(tmp_path, "2026-11-20")] == ["0001"]
    assert mine.status()["feed"]["state"] == "connecting"
    assert mine.status()["journal"]["ring"] == {"state": "ok", "detail": ""}
    mine.close()


def test_a_clock_that_was_right_before_opens_the_journal_too(tmp_path: Path) -> None:
    mine = scanner(tmp_path)
    mine.clock.set(mine.clock.now_ns(), mine.clock.rate)
    assert len(list(tmp_path.glob("journal/*/0001"))) == 1
    mine.close()


def test_marks_fall_due_before_what_comes_after_them(tmp_path: Path) -> None:
    mine = scanner(tmp_path)
    mine.clock.set(OPEN_NS, 0.0)
    cycles: list[int] = []
    mine.listeners.append(lambda cycle: cycles.append(cycle.mark.ts_ns - OPEN_NS))
    row = mine.universe.add("AAA")
    mine.put(trade(row, OPEN_NS, 10.0, 1))
    mine.clock.set(OPEN_NS + 60_000_000, 0.0)
    mine.put(trade(row, OPEN_NS + 60_000_000, 10.1, 2))
    assert mine.engine.table.rows["last"][row] == 10.1
    mine.clock.set(OPEN_NS + 1_000_000_000, 0.0)
    mine.put(trade(row, OPEN_NS + 1_000_000_000, 10.2, 3))
    assert cycles[-1] == 1_000_000_000
    mine.close()


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    first, second = scanner(tmp_path), scanner(tmp_path)
    first.clock.set(OPEN_NS)
    with pytest.raises(ConfigError, match="Another process records"):
        second.clock.set(OPEN_NS)
    first.close()


def test_a_run_gets_a_number_of_its_own_after_older_ones_were_pruned(tmp_path: Path) -> None:
    folder = tmp_path / "journal" / "2026-11-20" / "0007"
    folder.mkdir(parents=True)
    mine = scanner(tmp_path)
    mine.clock.set(OPEN_NS)
    assert [r.name for r in runs_of(tmp_path, "2026-11-20")] == ["0007", "0008"]
    mine.close()


def test_the_data_age_is_told_while_a_hole_is_open(tmp_path: Path) -> None:
    mine = scanner(tmp_path)
    mine.clock.set(OPEN_NS, 0.0)
    row = mine.universe.add("AAA")
    mine.put(trade(row, OPEN_NS, 10.0, 1))
    mine.put(FeedState(OPEN_NS, "test", "gap", "cut", True, OPEN_NS))
    mine.alive(OPEN_NS + 9_000_000_000)
    mine.clock.set(OPEN_NS + 9_000_000_000, 0.0)
    mine.put(FeedState(OPEN_NS + 9_000_000_000, "test", "gap", "still", True, OPEN_NS))
    status = mine.status()
    assert (status["stale"], status["gaps"], status["gap_open"]) == (1, 2, True)
    mine.close()


def test_a_scanner_that_is_behind_says_so_until_the_last_second(tmp_path: Path) -> None:
    mine = scanner(tmp_path)
    mine.clock.set(OPEN_NS, 0.0)
    told: list[tuple[int, bool]] = []
    mine.listeners.append(lambda cycle: told.append((cycle.mark.ts_ns - OPEN_NS, mine.behind)))
    row = mine.universe.add("AAA")
    mine.put(trade(row, OPEN_NS, 10.0, 1))
    mine.clock.set(OPEN_NS + 3_000_000_000, 0.0)
    mine.make_marks()
    whole = [
        (ts_ns // 1_000_000_000, behind) for ts_ns, behind in told if not ts_ns % 1_000_000_000
    ]
    assert whole[-3:] == [(1, True), (2, True), (3, False)]
    mine.close()
