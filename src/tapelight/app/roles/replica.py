"""A replica: a run's journal as it comes over the stream, and the engine that follows it.

What arrives is written first and applied then, so that a replica that starts again goes on from its
own disk; what it lacks it asks the feed for. Its folder is a run's like the feed's own.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from tapelight.app.frozen import State, freeze, keep_state
from tapelight.app.rewind import from_journal
from tapelight.app.runs import restore
from tapelight.engine import Cycle, Engine, Share
from tapelight.model.codec import decode
from tapelight.model.records import Healed, Mark, Record
from tapelight.model.signals import Signal
from tapelight.model.stream import Run
from tapelight.stores.journal.segments import MAGIC, SEGMENT_BYTES, cut, items_of, segments
from tapelight.stores.journal.snapshots import drop_after
from tapelight.stores.journal.tail import blocks_in
from tapelight.stores.journal.writer import SYNC_S, Segment

log = structlog.get_logger()
NS = 1_000_000_000
SNAPSHOT_NS = 30 * NS
IDENTITY = "run.id"
"""The file in a run's folder that tells which run of the stream it is."""


class Watches(Protocol):
    """Watch a replica's engine and records, also those that a start takes again; on any thread."""

    def begin(self, engine: Engine) -> None:
        """Take the engine of a run that begins or goes on, as of the state that was kept."""

    def see(self, record: Record) -> None:
        """Take a record before it is applied."""


class Unwatched:
    """Watch nothing."""

    def begin(self, engine: Engine) -> None:
        """Leave an engine alone."""

    def see(self, record: Record) -> None:
        """Leave a record alone."""


class Replica:
    """Keep and apply one run; `hear` is called with each cycle.

    `again` are the signals that the records after the newest snapshot gave once more.
    """

    def __init__(
        self,
        data: Path,
        run: Run,
        share: Share,
        hear: Callable[[Cycle], object],
        watches: Watches | None = None,
    ) -> None:
        self.run = run
        self._watches = watches or Unwatched()
        self.again: list[Signal] = []
        self.folder = folder_of(data, run)
        self._hear = hear
        identify(self.folder, run)
        self.engine, tail = restore(
            self.folder, self.again.extend, share, self._watches.begin, self._watches.see
        )
        cut(tail)
        drop_after(self.folder, tail.records)
        self.seq = tail.records
        """The last record that is applied."""
        self._newest_ns = self.engine.last_mark_ns
        """The last mark of the piece that came last, be it applied or not."""
        self.engine.rewind = lambda healed: from_journal(self.folder, healed, share=share)
        self._segment = Segment(self.folder, SEGMENT_BYTES, math.inf)
        self._synced_s = time.monotonic()
        self._shadow: State | None = None
        self._due_ns = self.engine.last_mark_ns + SNAPSHOT_NS
        self._writing: asyncio.Task[None] | None = None

    @property
    def behind_ns(self) -> int:
        """Return how much market time of what has come is not applied yet."""
        return self._newest_ns - self.engine.last_mark_ns

    async def take(self, body: bytes) -> bool:
        """Write and apply the blocks that follow; tell whether one between is missing.

        What is there already is left out; a healing, which reckons long, is done on a thread. Raises
        Corrupt for what is no piece of a journal, OSError where the disk refuses it.
        """
        blocks = [
            (block, raw, [decode(item) for item in items_of(block)])
            for block, raw in blocks_in(body, self.folder)
            if block.last_seq > self.seq
        ]
        records = (record for *_, held in reversed(blocks) for record in reversed(held))
        mark = next((record for record in records if isinstance(record, Mark)), None)
        if mark is not None:
            self._newest_ns = mark.ts_ns
        for block, raw, held in blocks:
            if block.first_seq != self.seq + 1:
                return True
            self._segment.append(raw)
            for record in held:
                self._watches.see(record)
                if isinstance(record, Healed):
                    cycle = await asyncio.to_thread(self.engine.apply, record)
                else:
                    cycle = self.engine.apply(record)
                self.seq += 1
                if cycle is not None:
                    self.engine.tiers.work.clear()
                    self._hear(cycle)
        if time.monotonic() - self._synced_s > SYNC_S:
            self._synced_s = time.monotonic()
            await asyncio.to_thread(self._segment.sync)
        return False

    def snapshot(self) -> None:
        """Copy the state if that is due, and write it on a thread: the caller has nothing owed."""
        mark_ns = self.engine.last_mark_ns
        if mark_ns < self._due_ns or (self._writing is not None and not self._writing.done()):
            return
        self._due_ns = mark_ns + SNAPSHOT_NS
        state = freeze(self.engine, self._shadow)
        self._shadow = {name: ring for name, ring in state.items() if name.startswith("ring.")}
        writing = self._write(self.seq, state, mark_ns)
        self._writing = asyncio.get_running_loop().create_task(writing, name="snapshot")

    async def _write(self, seq: int, state: State, mark_ns: int) -> None:
        try:
            await asyncio.to_thread(keep_state, self.folder, seq, state, mark_ns)
        except OSError as error:
            log.warning("a snapshot can't be written", reason=str(error))

    async def close(self) -> None:
        """Force what was written to the disk; a snapshot that is being written is waited for."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await asyncio.to_thread(self._segment.close)


def cut_back(folder: Path, seq: int) -> None:
    """Take whole blocks and snapshots behind record `seq` off a run that nobody has open."""
    for path in reversed(segments(folder)):
        data = path.read_bytes()
        at = len(MAGIC)
        for block, raw in blocks_in(data[at:], path):
            if block.last_seq > seq:
                break
            at += len(raw)
        if at > len(MAGIC):
            os.truncate(path, at)
            break
        path.unlink()
    drop_after(folder, seq)


def folder_of(data: Path, run: Run) -> Path:
    """Return a run's folder on this disk: the one that has its id, or else the day's next number."""
    day = data / "journal" / run.name.partition("/")[0]
    numbered = sorted(p for p in day.glob("[0-9]*") if p.is_dir())
    for folder in numbered:
        if identity(folder) == run:
            return folder
    number = int(numbered[-1].name) + 1 if numbered else 1
    return day / f"{number:04d}"


def identity(folder: Path) -> Run:
    """Return which run a folder holds; an empty one where it says nothing of it."""
    try:
        name, _, origin = (folder / IDENTITY).read_text("utf-8").strip().partition(" ")
    except OSError:
        return Run()
    return Run(name, origin)


def identify(folder: Path, run: Run) -> None:
    """Let a folder say which run it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{IDENTITY}.new"
    beside.write_text(f"{run.name} {run.origin}\n", "utf-8")
    beside.replace(folder / IDENTITY)


def newest(data: Path) -> Run:
    """Return the newest run of this disk; an empty one where there is none."""
    found = [p.parent for p in (data / "journal").glob(f"*/*/{IDENTITY}")]
    return identity(max(found, key=lambda folder: (folder.parent.name, folder.name), default=data))
