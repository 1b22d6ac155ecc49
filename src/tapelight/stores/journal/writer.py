"""The journal's writer: records in, blocks out, on a thread of its own."""

import os
import queue
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from tapelight.errors import Unavailable
from tapelight.model.batch import Batch, Quotes, Trades
from tapelight.model.codec import encode
from tapelight.model.records import Record
from tapelight.stores.journal.segments import MAGIC, SEGMENT_BYTES, SUFFIX, pack_block

FLUSH_S = 0.1
QUEUE_BLOCKS = 256
SYNC_S = 5.0


class Writer:
    """Append records to the segments of one run.

    Batches between two other records are merged into one record. `append` returns at once; a
    block reaches the file within 0.1 s of `tick`, so that a kill loses at most that, and is
    forced to the disk each 5 s. After a failed write nothing more is taken: `state` says why.
    """

    def __init__(self, folder: Path, seq: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.seq = seq
        self.state = "ok"
        self.bytes = 0
        self._batches: list[Batch] = []
        self._block: list[Record] = []
        self._first_seq = seq + 1
        self._flushed_at = time.monotonic()
        self._queue: queue.Queue[tuple[int, list[Record]] | None] = queue.Queue(QUEUE_BLOCKS)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """Take the next record."""
        if isinstance(record, Batch) and record.bars is None and record.bands is None:
            self._batches.append(record)
            return
        self._merge()
        self._put(record)

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
            try:
                self._queue.put((self._first_seq, self._block), timeout=5.0)
            except queue.Full:
                self.state = "failed: the disk is too slow for the journal"
        self._block = []
        self._first_seq = self.seq + 1

    def close(self) -> None:
        """Write what is left and stop the thread."""
        self.tick(force=True)
        self._queue.put(None)
        self._thread.join(timeout=30.0)

    def _run(self) -> None:
        compressor = zstandard.ZstdCompressor(level=1)
        handle: Any = None
        size, synced = 0, time.monotonic()
        while (item := self._queue.get()) is not None:
            if self.state != "ok":
                continue
            first_seq, records = item
            try:
                if handle is None or size > SEGMENT_BYTES:
                    handle, size = self._open_next(handle), len(MAGIC)
                block = pack_block(first_seq, [encode(r) for r in records], compressor)
                handle.write(block)
                size += len(block)
                self.bytes += len(block)
                if time.monotonic() - synced > SYNC_S:
                    os.fdatasync(handle.fileno())
                    synced = time.monotonic()
            except OSError as error:
                self.state = f"failed: {error.strerror}; free space on the disk and restart"
        _finish(handle)

    def _open_next(self, old: Any) -> Any:
        _finish(old)
        number = len(list(self.folder.glob(f"*{SUFFIX}"))) + 1
        try:
            handle = (self.folder / f"{number:08d}{SUFFIX}").open("xb", buffering=0)
        except FileExistsError as error:
            raise Unavailable(f"Another process writes to {self.folder}.") from error
        handle.write(MAGIC)
        return handle


def _finish(handle: Any) -> None:
    if handle is not None:
        os.fdatasync(handle.fileno())
        handle.close()


def merge_batches(batches: list[Batch]) -> Batch:
    """Return consecutive batches (trades and quotes only) as one, in the same arrival order."""
    if len(batches) == 1:
        return batches[0]
    trades = _joined(Trades, [b.trades for b in batches if b.trades is not None])
    quotes: list[Quotes] = []
    before = 0
    for batch in batches:
        if batch.quotes is not None:
            quotes.append(replace(batch.quotes, before=batch.quotes.before + np.int32(before)))
        before += len(batch.trades.row) if batch.trades is not None else 0
    return Batch(batches[-1].ts_recv_ns, trades, _joined(Quotes, quotes))


def _joined(part: Any, pieces: list[Any]) -> Any:
    if not pieces:
        return None
    return part(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(part)))
