"""The feed's side of the stream: its journal is sent to each reader from where that stands.

Nothing is sent that is not in the journal's file, so that a feed that dies and goes on never sends two
records of one number. A reader that has not said for a while how far it is gets no more than a window.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import structlog

from tapelight.app.roles.replica import identify, identity
from tapelight.app.roles.tenure import Lost
from tapelight.errors import Unavailable
from tapelight.model.stream import BASE, BLOCKS, CUT, Parcel, Run, Word, encode, word
from tapelight.ports import Closes, Queue
from tapelight.stores.journal.segments import Corrupt, segments
from tapelight.stores.journal.snapshots import places
from tapelight.stores.journal.tail import JournalTail
from tapelight.stores.journal.writer import is_recording
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
LOOK_S = 0.02
AGAIN_S = 0.2
FAULT_S = 5.0
PARCEL_BYTES = 512 << 10
WINDOW_PARCELS = 64
"""Sent and not yet told of: beyond, a reader gets no more."""
GONE_S = 30.0
"""A reader that has said nothing for so long is forgotten, until it asks."""


class Cursor:
    """Stand at a place of the runs of a data folder, and read on from there."""

    def __init__(
        self, data: Path, at: Word, running: Path, token: int, since: int | None = None
    ) -> None:
        """Begin where a reader's word says, or where the run was taken over if that is before it."""
        self._data = data
        folder = _folder(data, at.run) if at.run.name else None
        after = at.after if folder is not None else 0
        if folder == running and since is not None:
            after = min(after, since)
        self._begin(folder or running, after)
        answers = folder is not None and at.token != token
        self._cut = Parcel(token, self.run, CUT, b"", at=after) if answers else None

    def _begin(self, folder: Path, after: int) -> None:
        self.folder, self.run = folder, known(folder)
        self._tail = JournalTail(folder, after)
        base = [place for place in places(folder) if place.seq == 0]
        self._base = _pieces(base[0].path) if base and not after else iter(())

    @property
    def after(self) -> int:
        """Return the number of the last record read."""
        return self._tail.after

    def read(self, token: int, running: Path) -> Parcel | None:
        """Return what comes next, None where nothing is there yet; raises Corrupt or OSError."""
        cut, self._cut = self._cut, None
        if cut is not None:
            return cut
        for name, at, body, last in self._base:
            return Parcel(token, self.run, BASE, body, last, name, at)
        body = self._tail.read(PARCEL_BYTES)
        if body:
            return Parcel(token, self.run, BLOCKS, body, len(body) < PARCEL_BYTES)
        if self.folder == running or is_recording(self.folder):
            return None
        body = self._tail.read(PARCEL_BYTES)  # its last block came before the lock was given back
        if body:
            return Parcel(token, self.run, BLOCKS, body, len(body) < PARCEL_BYTES)
        later = _next(self._data, self.folder)
        if later is None:
            return None
        self._tail.close()
        self._begin(later, 0)
        return self.read(token, running)

    def close(self) -> None:
        """Close its file."""
        self._tail.close()


class Place:
    """Hold where a reader's sender stands, and what is on its way."""

    def __init__(self) -> None:
        self.cursor: Cursor | None = None
        self.sent: deque[tuple[Run, int]] = deque()
        self.window = WINDOW_PARCELS
        self._asked: tuple[Run, int] | None = None

    def note(self) -> None:
        """Note that what was read last has been sent."""
        if self.cursor is not None:
            self.sent.append((self.cursor.run, self.cursor.after))

    def forget(self, told: Word) -> None:
        """Let go of what the reader has."""
        has = [i for i, (run, seq) in enumerate(self.sent) if run == told.run and seq <= told.after]
        for _ in range(has[-1] + 1 if has else 0):
            self.sent.popleft()
        if has:
            self.window = WINDOW_PARCELS

    def asked(self, at: Word) -> None:
        """Note an ask; a reader that asks from the same place again takes nothing: it gets a piece a time."""
        place = (at.run, at.after)
        self.window = 1 if place == self._asked else WINDOW_PARCELS
        self._asked = place

    def leave(self) -> None:
        """Close the cursor; nothing is on its way any more."""
        if self.cursor is not None:
            self.cursor.close()
        self.cursor = None
        self.sent.clear()


class Senders:
    """Hear the readers' words, and send each what follows; `running` is the folder recorded into."""

    def __init__(
        self,
        data: Path,
        running: Callable[[], Path | None],
        token: Callable[[], int],
        stream: Callable[[str], Queue],
        words: Queue,
        since: Callable[[], int] = lambda: 0,
    ) -> None:
        """`since` is the last record that the running run had when this process took it up.

        What a reader has of an earlier token, and behind that record, is not of this run.
        """
        self._began = token()
        self.counts = {"sent": 0, "repeated": 0, "bytes": 0, "faults": 0}
        self._data, self._running, self._token = data, running, token
        self._stream, self._words, self._since = stream, words, since
        self._last: dict[str, Word] = {}
        """Each reader's newest word."""
        self._heard_s: dict[str, float] = {}
        self._asked: dict[str, Word] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._faults: dict[str, str] = {}

    async def run(self) -> None:
        """Hear and send; until cancelled. Raises Lost, in a group, where readers follow a newer feed."""
        async with asyncio.TaskGroup() as group:
            async for message in self._words.messages():
                try:
                    told = word(message.body)
                except msgspec.MsgspecError:
                    told = None
                if told is not None:
                    self._hear(told, group)
                try:
                    await self._words.done(message)
                except Unavailable:
                    continue

    def _hear(self, told: Word, group: asyncio.TaskGroup) -> None:
        if told.token > self._token():
            raise Lost("A reader follows a newer feed: this process has lost its lease, and ends.")
        reader = told.reader
        self._last[reader] = told
        self._heard_s[reader] = asyncio.get_running_loop().time()
        if told.asks:
            self._asked[reader] = told
        task = self._tasks.get(reader)
        if told.asks and (task is None or task.done()):
            self._tasks[reader] = group.create_task(self._serve(reader), name=f"sender {reader}")

    async def _serve(self, reader: str) -> None:
        """Send to one reader until it has been silent for long."""
        queue = self._stream(reader)
        place = Place()
        try:
            while asyncio.get_running_loop().time() - self._heard_s[reader] < GONE_S:
                try:
                    made = self._next(reader, place)
                except (Corrupt, OSError) as error:
                    await self._stand(reader, place, error)
                    continue
                if made is None:
                    await asyncio.sleep(LOOK_S)
                    continue
                await self._put(queue, made)
                place.note()
        finally:
            place.leave()
            if isinstance(queue, Closes):
                await queue.close()

    async def _stand(self, reader: str, place: Place, error: Exception) -> None:
        """Let one reader wait whose piece of the journal can't be read; the others and the feed go on."""
        if self._faults.get(reader) != str(error):
            log.error("what a reader lacks can't be read", reader=reader, reason=str(error))
        self._faults[reader] = str(error)
        self.counts["faults"] += 1
        place.leave()
        await asyncio.sleep(FAULT_S)

    def _next(self, reader: str, place: "Place") -> Parcel | None:
        """Return what a reader gets next; None where nothing is there, or too much is on its way."""
        running = self._running()
        if running is None or not segments(running):
            return None
        asked = self._asked.pop(reader, None)
        if asked is not None or place.cursor is None:
            place.leave()
            at = asked or self._last[reader]
            if asked is not None:
                place.asked(asked)
            since = self._since() if at.token < self._began else None
            place.cursor = Cursor(self._data, at, running, self._token(), since)
        place.forget(self._last[reader])
        if len(place.sent) >= place.window:
            return None
        return place.cursor.read(self._token(), running)

    async def _put(self, queue: Queue, made: Parcel) -> None:
        """Put a parcel, again until the queue has it."""
        body = encode(made)
        while True:
            try:
                await queue.put(body)
            except Unavailable:
                self.counts["repeated"] += 1
                await asyncio.sleep(AGAIN_S)
            else:
                self.counts["sent"] += 1
                self.counts["bytes"] += len(body)
                return

    def measures(self) -> list[Measure]:
        """Return what was sent, for /metrics."""
        doc = "Parcels of the stream: sent, put again, not readable; bytes."
        readers = sum(not task.done() for task in self._tasks.values())
        return [
            *counted("stream_sent_total", doc, self.counts, "what"),
            Measure("stream_readers", "Readers that are sent to.", readers),
        ]


def known(folder: Path) -> Run:
    """Return which run a folder of the feed's holds; it gets an id the first time."""
    run = identity(folder)
    if not run.name:
        run = Run(f"{folder.parent.name}/{folder.name}", secrets.token_hex(4))
        identify(folder, run)
    return run


def _runs(data: Path) -> list[Path]:
    found = (p for p in (data / "journal").glob("*/[0-9]*") if p.is_dir())
    return sorted(found, key=lambda p: (p.parent.name, p.name))


def _folder(data: Path, run: Run) -> Path | None:
    return next((folder for folder in _runs(data) if identity(folder) == run), None)


def _next(data: Path, folder: Path) -> Path | None:
    later = [
        one
        for one in _runs(data)
        if (one.parent.name, one.name) > (folder.parent.name, folder.name)
    ]
    return later[0] if later else None


def _pieces(path: Path) -> Iterator[tuple[str, int, bytes, bool]]:
    """Yield name, place, bytes and whether it is the last of each piece of a snapshot's file."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        at = 0
        while at < size:
            body = handle.read(PARCEL_BYTES)
            yield path.name, at, body, at + len(body) >= size
            at += len(body)
