"""The journal's writer: records in, blocks out, on a thread of its own."""

import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import zstandard

from tapelight.errors import Unavailable
from tapelight.model.batch import Batch, Quotes, Trades
from tapelight.model.codec import encode
from tapelight.model.records import Record
from tapelight.stores.journal.ring import Frames, Ring, Waiting
from tapelight.stores.journal.segments import MAGIC, SEGMENT_BYTES, SUFFIX, pack_block, segments
from tapelight.stores.journal.snapshots import write_snapshot
from tapelight.stores.lockfile import locked

FLUSH_S = 0.1
QUEUE_BLOCKS = 256
FULL_S = 2.0
"""How long a full queue may hold the engine up before the disk is called too slow."""
SYNC_S = 5.0
CLOSE_S = 30.0
LOCK = "recording.lock"
_Part = TypeVar("_Part", Trades, Quotes)


_Item = tuple[int, list[Record], list[tuple[int, Frames]]]
"""First sequence, records, raw frames."""


class Writer:
    """Append records to the segments of one run.

    Batches between two other records are merged into one record. `append` returns at once; a
    block reaches the file within 0.1 s of `tick`, so that a kill loses at most that, and is
    forced to the disk each 5 s. After a failed write nothing more is taken: `state` says why.
    `begin`, where given, is the state (and its mark's time) before the first record: its snapshot
    is on the disk before any block. Raises Unavailable when another process records into the
    same folder.
    """

    def __init__(
        self,
        folder: Path,
        seq: int = 0,
        segment_bytes: int = SEGMENT_BYTES,
        begin: tuple[dict[str, Any], int] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        self.folder = folder
        self.seq = seq
        self.state = "ok"
        self.ring_state = "ok"
        """The raw frames' own: the journal goes on without them."""
        self.bytes = 0
        """Written since the start."""
        self._written = seq
        self._wrote = threading.Condition()
        self.cpu_s = 0.0
        """CPU time of the writing thread."""
        self._begin = begin
        self.raw = Waiting()
        """Frames as they came, for the ring beside the segments."""
        self._batches: list[Batch] = []
        self._block: list[Record] = []
        self._first_seq = seq + 1
        self._flushed_at = time.monotonic()
        self._segment_bytes = segment_bytes
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_BLOCKS)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """Take the next record."""
        if isinstance(record, Batch) and record.bars is None and record.bands is None:
            self._batches.append(record)
            return
        self._merge()
        self._put(record)

    @property
    def waiting(self) -> int:
        """Return how many blocks wait for the disk."""
        return self._queue.qsize()

    def _merge(self) -> None:
        if self._batches:
            merged = merge_batches(self._batches)
            self._batches = []
            self._put(merged)

    def _put(self, record: Record) -> None:
        self.seq += 1
        self._block.append(record)

    def tick(self, force: bool = False) -> None:
        """Hand a block to the thread when one is due; call it at each mark."""
        if not force and time.monotonic() - self._flushed_at < FLUSH_S:
            return
        self._merge()
        self._flushed_at = time.monotonic()
        if self._block and self.state == "ok":
            self._hand_over()
        self._block = []
        self._first_seq = self.seq + 1

    def _hand_over(self) -> None:
        if not self._thread.is_alive():
            self.state = "failed: the journal's thread has ended; restart"
            return
        try:
            self._queue.put((self._first_seq, self._block, self.raw.take()), timeout=FULL_S)
        except queue.Full:
            self.state = "failed: the disk is too slow for the journal; give another --data"

    def wait_for(self, seq: int, timeout_s: float) -> bool:
        """Wait until record `seq` is in a file; tell whether it is. Call it on a thread."""
        with self._wrote:
            return self._wrote.wait_for(lambda: self._written >= seq, timeout_s)

    def close(self) -> None:
        """Write what is left and stop the thread."""
        self.tick(force=True)
        if self._thread.is_alive():
            try:
                self._queue.put(None, timeout=CLOSE_S)
            except queue.Full:
                self.state = "failed: the disk is too slow for the journal; give another --data"
            self._thread.join(timeout=CLOSE_S)
        self._lock.close()

    def _run(self) -> None:
        compressor = zstandard.ZstdCompressor(level=1)
        file, ring = Segment(self.folder, self._segment_bytes), Ring(self.folder)
        if self._begin is not None:
            state, ts_ns = self._begin
            self._begin = None
            self._guarded(lambda: write_snapshot(self.folder, 0, state, ts_ns))
            del state
        while (item := self._queue.get()) is not None:
            if self.state == "ok":
                first_seq, records, frames = item
                block = pack_block(first_seq, [encode(r) for r in records], compressor)
                self._write(file, block, first_seq + len(records) - 1)
                if self.ring_state == "ok":
                    self._keep_raw(partial(ring.write, frames))
            self.cpu_s = time.thread_time()
        self._guarded(file.close)
        self._keep_raw(ring.close)

    def _write(self, file: "Segment", block: bytes, last_seq: int) -> None:
        try:
            file.append(block)
            self.bytes += len(block)
            with self._wrote:
                self._written = last_seq
                self._wrote.notify_all()
        except OSError as error:
            self.state = _failure(error)
            self._guarded(file.cut_back)

    def _keep_raw(self, step: Callable[[], object]) -> None:
        """Do a step on the ring; after a failure no more frames are kept."""
        try:
            step()
        except OSError as error:
            if self.ring_state == "ok":
                self.ring_state = _failure(error)

    def _guarded(self, step: Callable[[], object]) -> None:
        """Do a last step on the file; the first failure is the one that is told."""
        try:
            step()
        except OSError as error:
            if self.state == "ok":
                self.state = _failure(error)


class Segment:
    """Be the segment that is written at the moment; a new one is begun after `limit` bytes.

    It is forced to the disk every `sync_s`, and when it is closed.
    """

    def __init__(self, folder: Path, limit: int, sync_s: float = SYNC_S) -> None:
        self._folder, self._limit, self._sync_s = folder, limit, sync_s
        self._handle: BinaryIO | None = None
        self._size = 0
        """Sound bytes: whole blocks."""
        self._synced = time.monotonic()

    def append(self, block: bytes) -> None:
        """Write one block as a whole, or raise OSError."""
        if self._handle is None or self._size > self._limit:
            self._begin()
        self._write(block)
        self._size += len(block)
        if time.monotonic() - self._synced > self._sync_s:
            self.sync()

    def _begin(self) -> None:
        self.close()
        paths = segments(self._folder)
        number = int(paths[-1].stem) + 1 if paths else 1
        path = self._folder / f"{number:08d}{SUFFIX}"
        self._handle, self._size = path.open("xb", buffering=0), 0
        self._write(MAGIC)
        self._size = len(MAGIC)

    def _write(self, data: bytes) -> None:
        """Write all of `data`: an unbuffered file may take a part of it."""
        assert self._handle is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self._handle.write(rest) :]

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._handle is not None:
            os.fdatasync(self._handle.fileno())
            self._synced = time.monotonic()

    def cut_back(self) -> None:
        """Cut off what a failed write left of a block."""
        if self._handle is not None:
            self._handle.truncate(self._size)

    def close(self) -> None:
        """Force the segment to the disk and close it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            try:
                os.fdatasync(handle.fileno())
            finally:
                handle.close()


def is_recording(folder: Path) -> bool:
    """Tell whether a process, this one included, records into the run's folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        _locked(folder).close()
    except Unavailable:
        return True
    return False


def _locked(folder: Path) -> BinaryIO:
    """Return the folder's lock, held until it is closed or the process ends."""
    handle = locked(folder / LOCK)
    if handle is None:
        raise Unavailable(
            f"Another process records into {folder}: stop it, or give another --data."
        )
    return handle


def _failure(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = "free space on the disk and restart" if full else "mend the disk and restart"
    return f"failed: {error.strerror}; {remedy}"


def merge_batches(batches: list[Batch]) -> Batch:
    """Return consecutive batches (trades and quotes only) as one, in the same arrival order."""
    if len(batches) == 1:
        return batches[0]
    trades = [b.trades for b in batches if b.trades is not None]
    quotes: list[Quotes] = []
    before = 0
    for batch in batches:
        if batch.quotes is not None:
            quotes.append(replace(batch.quotes, before=batch.quotes.before + np.int32(before)))
        before += len(batch.trades.row) if batch.trades is not None else 0
    return Batch(batches[-1].ts_recv_ns, _joined(Trades, trades), _joined(Quotes, quotes))


def _joined(part: type[_Part], pieces: list[_Part]) -> _Part | None:
    if not pieces:
        return None
    return part(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(part)))
