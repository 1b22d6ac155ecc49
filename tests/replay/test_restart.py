"""A run that was killed goes on as if it had not been, from whatever the disk still holds."""

import shutil
from pathlib import Path

import pytest

from replay.tape import NS, SYMBOLS, Live, Tape, live
from tapelight.app.frozen import freeze, thaw
from tapelight.app.runs import open_run, restore
from tapelight.engine import Engine
from tapelight.errors import Rejected, Unavailable
from tapelight.model.records import Mark, Record
from tapelight.model.session import calendar
from tapelight.stores.journal.segments import read_records
from tapelight.stores.journal.snapshots import read_snapshot, write_snapshot
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.integration

EDGES = ["2026-11-20T09:29:55", "2026-11-20T15:59:55", "2026-11-20T03:59:55"]
XNYS = calendar("XNYS")


def cut_at(records: list[Record], second: int, tape: Tape) -> int:
    """Return the index after the mark `second` seconds into the tape."""
    wanted = tape.start_ns + second * NS
    marks = [i for i, r in enumerate(records) if isinstance(r, Mark) and r.ts_ns == wanted]
    return marks[0] + 1


@pytest.mark.parametrize("start", EDGES)
@pytest.mark.parametrize("second", [1, 4, 6, 9])
def test_a_thawed_engine_goes_on_like_one_that_never_stopped(
    tmp_path: Path, start: str, second: int
) -> None:
    tape = Tape(start=start)
    records = list(tape.records())
    at = cut_at(records, second, tape)
    whole = live(records, None)
    first = live(records[:at], None)
    write_snapshot(tmp_path, 1, freeze(first.engine))
    found = read_snapshot(tmp_path)
    assert found is not None
    second_half = live(records[at:], None, thaw(found[1]))
    assert second_half.digests == whole.digests[second:]
    assert second_half.engine.digest == whole.engine.digest


def test_a_state_between_two_marks_is_whole(tmp_path: Path) -> None:
    records = list(Tape().records())
    at = cut_at(records, 6, Tape()) - 1
    whole = live(records, None)
    first = live(records[:at], None)
    assert not isinstance(records[at - 1], Mark)
    rest = live(records[at:], None, thaw(freeze(first.engine)))
    assert rest.digests == whole.digests[5:]
    assert rest.signals == whole.signals[len(first.signals) :]


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(Rejected, match="another version"):
        thaw({"scalars": b"\x80"})


def recorded(folder: Path, tape: Tape, snapshot_at: int) -> Live:
    """Record the tape with a snapshot after second `snapshot_at`."""
    records = list(tape.records())
    at = cut_at(records, snapshot_at, tape)
    writer = Writer(folder)
    first = live(records[:at], writer)
    writer.tick(force=True)
    write_snapshot(folder, writer.seq, freeze(first.engine))
    rest = live(records[at:], writer, first.engine)
    writer.close()
    rest.digests = first.digests + rest.digests
    return rest


def killed(folder: Path, source: Path, share: float) -> Path:
    """Copy a run as a kill leaves it: its last segment ends anywhere."""
    shutil.copytree(source, folder)
    segment = folder / "00000001.tlj"
    data = segment.read_bytes()
    segment.write_bytes(data[: int(len(data) * share)])
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "run"
    recorded(folder, Tape(), 6)
    return folder


@pytest.mark.parametrize("share", [0.2, 0.3, 0.45, 0.61, 0.8, 0.97, 1.0])
def test_from_snapshot_and_segments_comes_the_state_of_the_segments_alone(
    run: Path, tmp_path: Path, share: float
) -> None:
    folder = killed(tmp_path / "run", run, share)
    engine, tail = restore(folder)
    alone = Engine()
    read = [alone.apply(r) for r in read_records(folder)]
    assert engine.digest == alone.digest
    assert engine.last_mark_ns == alone.last_mark_ns
    assert tail.records == len(read)


def test_a_snapshot_ahead_of_the_segments_is_not_taken(run: Path, tmp_path: Path) -> None:
    """A kill between the snapshot and its segment must not leave a hole in the numbering."""
    folder = killed(tmp_path / "run", run, 0.4)
    snapshot = read_snapshot(folder)
    engine, tail = restore(folder)
    assert snapshot is not None
    assert tail.records < snapshot[0]
    assert engine.last_mark_ns < Tape().start_ns + 6 * NS


def open_day(data: Path, run: Path, share: float) -> Path:
    (data / "journal" / "2026-11-20").mkdir(parents=True)
    return killed(data / "journal" / "2026-11-20" / "0001", run, share)


def test_a_later_clock_goes_on_with_the_run(run: Path, tmp_path: Path) -> None:
    folder = open_day(tmp_path, run, 0.9)
    records = list(Tape().records())
    before = len(list(read_records(folder)))
    now = Tape().start_ns + 12 * NS
    opened = open_run(tmp_path, XNYS, now)
    assert opened.folder == folder
    assert opened.writer.seq == before
    assert opened.engine is not None
    engine = opened.engine
    rest = [r for r in records if isinstance(r, Mark) and r.ts_ns > engine.last_mark_ns]
    done = live(rest, opened.writer, engine)
    opened.writer.close()
    again = Engine()
    for record in read_records(folder):
        again.apply(record)
    assert again.digest == done.engine.digest
    assert again.last_mark_ns == now


def test_an_earlier_clock_begins_a_new_run(run: Path, tmp_path: Path) -> None:
    folder = open_day(tmp_path, run, 1.0)
    opened = open_run(tmp_path, XNYS, Tape().start_ns + 5 * NS)
    opened.writer.close()
    assert (opened.folder.name, opened.engine, opened.notice) == ("0002", None, "")
    assert opened.folder.parent == folder.parent


def test_a_corrupt_run_is_left_as_it_is_and_a_new_one_begins(run: Path, tmp_path: Path) -> None:
    folder = open_day(tmp_path, run, 1.0)
    data = bytearray((folder / "00000001.tlj").read_bytes())
    data[-5] ^= 1
    (folder / "00000001.tlj").write_bytes(data)
    opened = open_run(tmp_path, XNYS, Tape().start_ns + 60 * NS)
    opened.writer.close()
    assert (opened.folder.name, opened.engine) == ("0002", None)
    assert "can't go on, a new run begins: 00000001.tlj: the block at byte" in opened.notice
    assert (folder / "00000001.tlj").read_bytes() == data


def test_a_run_that_another_process_records_is_left_to_it(run: Path, tmp_path: Path) -> None:
    folder = open_day(tmp_path, run, 1.0)
    writer = Writer(folder, 10**6)
    with pytest.raises(Unavailable, match="Another process records into"):
        open_run(tmp_path, XNYS, Tape().start_ns + 60 * NS)
    writer.close()


def test_no_false_new_high_after_a_restart(run: Path, tmp_path: Path) -> None:
    folder = killed(tmp_path / "run", run, 0.8)
    engine, _ = restore(folder)
    alone = Engine()
    for record in read_records(folder):
        alone.apply(record)
    for symbol in SYMBOLS:
        row = engine.table.universe.rows[symbol]
        for name in ("hod", "lod", "hod_events", "vol", "trades"):
            mine, theirs = (e.table.rows[row][name] for e in (engine, alone))
            assert mine == theirs or (mine != mine and theirs != theirs), (symbol, name)
