"""The live track record: what the follower found is kept, amended and told."""

import sqlite3
import threading
from concurrent.futures import wait
from pathlib import Path

import pytest
import sqlalchemy as sa

from backtest.made import SCAN, at, engine_with, tape
from tapelight.app.backtest.statistics import wilson
from tapelight.app.record import TrackRecord
from tapelight.engine import Engine
from tapelight.errors import ConfigError, Missing
from tapelight.model.outcomes import Outcome
from tapelight.model.records import Mark
from tapelight.stores import outcomes as stored
from tapelight.stores.outcomes import OutcomeStore

PRINTS = [
    ("10:00:09", "AAA", 10.50),
    ("10:00:15", "AAA", 10.60),
    ("10:00:50", "AAA", 10.40),
    ("10:03:00", "BBB", 10.70),
    ("10:03:05", "BBB", 10.80),
    ("10:04:00", "BBB", 10.90),
    ("10:04:30", "AAA", 10.45),
]


def play(data: Path, end: str) -> tuple[TrackRecord, Engine]:
    engine = engine_with({"above": SCAN})
    record = TrackRecord(lambda: engine)
    record.open(data)
    for one in tape(PRINTS, begin="10:00:00", end=end):
        cycle = engine.apply(one)
        if cycle is not None:
            record.on_cycle(cycle)
    return record, engine


async def test_a_record_grows_as_horizons_pass(tmp_path: Path) -> None:
    early, _ = play(tmp_path / "a", "10:00:30")
    told = await early.record("above")
    assert (told.fires, told.horizons[0].n) == (1, 0)
    later, _ = play(tmp_path / "b", "10:06:00")
    told = await later.record("above")
    minute, five = told.horizons[0], told.horizons[1]
    assert (told.fires, minute.n, five.n) == (2, 2, 1)
    assert minute.hit_rate == wilson(1, 2)
    lost = 100 * ((10.45 - 0.005225) / (10.60 + 0.0053) - 1)
    assert five.median.value == pytest.approx(lost)
    assert [r.scan for r in await later.records()] == ["above"]
    for record in (early, later):
        record.close()


async def test_a_restart_knows_what_was_written(tmp_path: Path) -> None:
    first, _ = play(tmp_path, "10:06:00")
    told = await first.record("above")
    first.close()
    again = TrackRecord(Engine)
    again.open(tmp_path)
    assert await again.record("above") == told
    again.close()


def test_what_settles_between_whole_seconds_is_written_at_the_end(tmp_path: Path) -> None:
    record, engine = play(tmp_path, "10:01:08")
    last = at("10:01:09.500")
    cycle = engine.apply(Mark(last, last))
    assert cycle is not None
    record.on_cycle(cycle)
    record.close()
    again = OutcomeStore(tmp_path)
    assert again.newest(1)[0].gross[0] == pytest.approx(100 * (10.40 / 10.60 - 1))
    again.close()


async def test_an_unknown_scan_is_answered_with_the_nearest(tmp_path: Path) -> None:
    record, engine = play(tmp_path, "10:00:05")
    assert (await record.record("above")).fires == 0, "a scan that has not fired yet"
    with pytest.raises(Missing, match="Did you mean above"):
        await record.record("abov")
    record.close()
    assert engine.digest


def test_the_record_changes_no_digest(tmp_path: Path) -> None:
    record, engine = play(tmp_path, "10:05:00")
    record.close()
    alone = engine_with({"above": SCAN})
    for one in tape(PRINTS, begin="10:00:00", end="10:05:00"):
        alone.apply(one)
    assert engine.digest == alone.digest


def outcome(i: int, gain: float | None = None) -> Outcome:
    return Outcome(
        id=f"id{i}", scan="s", symbol="A", ts_ns=at("10:00:00") + i, session="2026-11-20",
        net=(gain, None, None, None, None),
    )  # fmt: skip


def test_the_store_keeps_the_latest_of_each_signal(tmp_path: Path) -> None:
    store = OutcomeStore(tmp_path)
    store.put([outcome(1), outcome(2)])
    store.put([outcome(1, 0.5)])
    store.close()
    again = OutcomeStore(tmp_path)
    assert again.newest(10) == [outcome(1, 0.5), outcome(2)]
    assert again.newest(1) == [outcome(2)]
    again.close()


def test_what_waits_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    store = OutcomeStore(tmp_path, waiting=3)
    store.put([outcome(i) for i in range(5)])
    store.close()
    assert store.lost == 2
    again = OutcomeStore(tmp_path)
    assert [o.id for o in again.newest(9)] == ["id2", "id3", "id4"]
    again.close()


def test_what_a_disk_refused_goes_with_the_next(tmp_path: Path) -> None:
    store = OutcomeStore(tmp_path)
    full = sqlite3.OperationalError("database or disk is full")

    def refuse(*_: object) -> None:
        raise sa.exc.OperationalError("INSERT", None, full)

    sa.event.listen(store._engine, "before_cursor_execute", refuse)
    store.put([outcome(1), outcome(2)])
    assert store._writing is not None
    wait([store._writing])
    assert store.state == "failed: database or disk is full"
    assert store._due == {}, "only the loop may touch what is due"
    sa.event.remove(store._engine, "before_cursor_execute", refuse)
    store.put([outcome(1, 0.5), outcome(3)])
    store.close()
    assert (store.state, store.written) == ("ok", 3)
    again = OutcomeStore(tmp_path)
    assert again.newest(9) == [outcome(1, 0.5), outcome(2), outcome(3)]
    again.close()


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hangs = OutcomeStore(tmp_path), threading.Event()
    monkeypatch.setattr(stored, "CLOSE_S", 0.01)
    sa.event.listen(store._engine, "before_cursor_execute", lambda *_: hangs.wait(20))
    store.put([outcome(1)])
    store.put([outcome(2)])
    store.close()
    hangs.set()
    assert (store.state, store.lost) == ("failed: the disk is too slow for the outcomes", 1)


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "outcomes.db").write_bytes(b"this is no database, not at all, by no means" * 50)
    with pytest.raises(ConfigError, match="move the file away"):
        OutcomeStore(tmp_path)
