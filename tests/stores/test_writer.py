import ctypes
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.journals import START, plain, quotes, records, trades, write
from tapelight.errors import Unavailable
from tapelight.model.batch import Batch, Quotes
from tapelight.model.records import Mark, Record
from tapelight.stores.journal.segments import read_records, segments
from tapelight.stores.journal.writer import Writer, is_recording, merge_batches

TMPFS_BYTES = 256 * 1024


def arrivals(batch: Batch) -> list[str]:
    """Return the batch's events in arrival order: T with its sequence, Q with its row."""
    told: list[str] = []
    held = batch.quotes
    waiting = list(zip(held.before.tolist(), held.row.tolist(), strict=True)) if held else []
    seqs = batch.trades.seq.tolist() if batch.trades is not None else []
    for i, seq in enumerate(seqs):
        told += [f"Q{row}" for before, row in waiting if before <= i]
        waiting = [(before, row) for before, row in waiting if before > i]
        told.append(f"T{seq}")
    return told + [f"Q{row}" for _, row in waiting]


def one(first: int, n: int, before: list[int]) -> Batch:
    part = trades(n, first) if n else None
    return Batch(START + first, part, quotes(len(before), before) if before else None)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.randoms()), min_size=1, max_size=8)
)
def test_merged_batches_keep_the_order_of_arrival(shapes) -> None:  # type: ignore[no-untyped-def]
    batches: list[Batch] = []
    first = 0
    for n, asked, draw in shapes:
        batches.append(one(first, n, sorted(draw.randint(0, n) for _ in range(asked))))
        first += n
    merged = merge_batches(batches)
    assert arrivals(merged) == [event for batch in batches for event in arrivals(batch)]
    assert merged.ts_recv_ns == batches[-1].ts_recv_ns


def test_merging_keeps_every_column() -> None:
    merged = merge_batches([one(0, 2, [1]), one(2, 3, [0, 3])])
    assert merged.trades is not None
    assert merged.trades.price.tolist() == [10.0, 10.01, 10.02, 10.03, 10.04]
    assert merged.quotes is not None
    assert merged.quotes.before.tolist() == [1, 2, 5]
    dtypes = [getattr(merged.quotes, f.name).dtype for f in fields(Quotes)]
    assert dtypes[0] == dtypes[-1] == np.int32


def test_batches_between_two_other_records_become_one_record(tmp_path: Path) -> None:
    mark = Mark(START, START)
    write(tmp_path, [one(0, 2, []), one(2, 1, [0]), mark, one(3, 1, []), mark], per_block=99)
    kinds = [type(r).__name__ for r in read_records(tmp_path)]
    assert kinds == ["Batch", "Mark", "Batch", "Mark"]


def test_the_thread_tells_its_bytes_and_its_time(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    for record in records(300):
        writer.append(record)
    writer.close()
    assert writer.bytes == segments(tmp_path)[0].stat().st_size - 20
    assert writer.cpu_s > 0


def test_two_writers_of_one_run_are_refused(tmp_path: Path) -> None:
    first = Writer(tmp_path)
    assert is_recording(tmp_path)
    with pytest.raises(Unavailable, match="Another process records into"):
        Writer(tmp_path)
    first.close()
    assert not is_recording(tmp_path)
    Writer(tmp_path).close()


def test_a_full_disk_stops_the_journal_and_not_the_engine(full_disk: Path) -> None:
    writer = Writer(full_disk / "run")
    made = [noisy(record, seed) for seed, record in enumerate(records(4000))]
    for record in made:
        writer.append(record)
        writer.tick(force=True)
    writer.close()
    assert writer.state == "failed: No space left on device; free space on the disk and restart"
    whole = list(read_records(full_disk / "run"))
    assert plain(whole[0]) == plain(made[0])
    assert 100 < len(whole) < len(made)


def noisy(record: Record, seed: int) -> Record:
    """Return a batch of prices that do not compress; other records as they are."""
    if not isinstance(record, Batch):
        return record
    part = trades(50)
    part.price[:] = np.random.default_rng(seed).random(50)
    return Batch(record.ts_recv_ns, trades=part)


@pytest.fixture
def full_disk(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Mount a file system of 256 KiB, where root may."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={TMPFS_BYTES}".encode()
    if libc.mount(b"tapelight", os.fsencode(tmp_path), b"tmpfs", 0, options):
        pytest.skip("a small file system can't be mounted here: the limit on file size is tested")
    try:
        yield tmp_path
    finally:
        assert libc.umount2(os.fsencode(tmp_path), 2) == 0


LIMITED = """
import resource, sys
sys.path[:0] = {path!r}
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from pathlib import Path
from stores.journals import records
from tapelight.stores.journal.writer import Writer
from tapelight.stores.journal.segments import read_records
writer = Writer(Path({folder!r}))
for record in records(500):
    writer.append(record)
    writer.tick(force=True)
writer.close()
print(writer.state)
print(len(list(read_records(Path({folder!r})))) > 5)
"""


@pytest.mark.integration
def test_a_limit_on_file_size_stops_the_journal_and_not_the_engine(tmp_path: Path) -> None:
    program = LIMITED.format(path=sys.path[:8], folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    state, read = done.stdout.splitlines()
    assert state == "failed: File too large; free space on the disk and restart"
    assert read == "True"
