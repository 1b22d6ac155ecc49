"""The live scanner: when its journal begins, what waits for it, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from tapelight.app.runs import open_journal, runs_of
from tapelight.app.scanner import Scanner
from tapelight.errors import ConfigError
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import Digest, FeedState, Healed, Questions

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


async def test_a_hole_that_opens_while_another_is_healed_stays_open_until_it_is_healed(
    tmp_path: Path,
) -> None:
    mine = scanner(tmp_path)
    mine.clock.set(OPEN_NS, 0.0)
    row = mine.universe.add("AAA")

    def put(second: float, state: str, since: float = 0.0) -> None:
        mine.clock.set(at(second), 0.0)
        mine.put(FeedState(at(second), "test", state, "", since > 0, at(since), True))

    def heal(second: float, since: float, until: float, seq: int) -> None:
        mine.clock.set(at(second), 0.0)
        lost = trade(row, at(until) - 1, 10.0, seq).trades
        assert lost is not None
        mine.put(Healed(at(second), at(since), at(until), np.zeros(0, np.int32), lost))

    put(0.5, "live")
    mine.put(trade(row, at(0.6), 10.0, 1))
    put(2, "gap", since=1)
    put(3, "healing", since=1)
    heal(3.4, 1, 3, seq=2)
    put(3.5, "live")  # is kept back until the hole is healed
    put(4, "gap", since=3.8)
    assert mine.healer is not None
    await mine.healer.settled()
    table = mine.engine.table
    assert (table.gap_since_ns, mine.status()["provisional"]) == (at(3.8), 1)
    put(5, "healing", since=3.8)
    heal(5.4, 3.8, 5, seq=3)
    put(5.5, "live")
    await mine.healer.settled()
    mine.clock.set(at(7), 0.0)
    mine.make_marks()
    status, table = mine.status(), mine.engine.table
    assert (status["gap_open"], status["provisional"], status["feed"]["state"]) == (
        False,
        0,
        "live",
    )
    assert table.rows["vol"][row] == 300.0
    mine.close()
    (folder,) = runs_of(tmp_path, "2026-11-20")
    engine, records = open_journal(folder)
    for record in records:
        assert not isinstance(record, Digest) or record.digest == engine.digest
        engine.apply(record)


def at(second: float) -> int:
    return OPEN_NS + int(second * 1_000_000_000)
