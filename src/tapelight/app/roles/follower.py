"""A reader of the stream: it takes what follows, asks for what is missing, refuses what is fenced off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from tapelight.app.roles.fence import Fence
from tapelight.app.roles.replica import (
    Replica,
    Watches,
    cut_back,
    folder_of,
    identify,
    identity,
    newest,
)
from tapelight.engine import Cycle, Engine, Share
from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.model.stream import BASE, CUT, Parcel, Run, Word, encode, parcel
from tapelight.ports import Message, Queue
from tapelight.stores.journal.segments import segments
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
WORD_S = 0.25
"""Between two words to the feed."""
STUCK_S = 1.5
"""Without anything new for so long, all that follows is asked for again."""
NEAR_NS = 1_000_000_000
"""What a board was further back than that is shown to nobody: what it is now follows at once."""
SILENT_S = 15.0
"""Nothing from the feed for so long is told."""


async def _at_once() -> None:
    """Wait for nothing."""


class Follower:
    """Follow the feed's stream into a replica.

    `hear` is called with each cycle, `again` with signals that a start gives again, `opened` with the
    engine of each run that begins or goes on; `tidy`, on a thread, with that run's folder.
    """

    def __init__(
        self,
        data: Path,
        reader: str,
        stream: Queue,
        words: Queue,
        share: Share,
        hear: Callable[[Cycle], object],
        again: Callable[[Sequence[Signal]], object] = lambda _signals: None,
        opened: Callable[[Engine], object] = lambda _engine: None,
        tidy: Callable[[Path], object] = lambda _folder: None,
        watches: Watches | None = None,
    ) -> None:
        self.replica: Replica | None = None
        self.near = False
        """Whether the newest that came was the newest there was."""
        self.fence = Fence(data)
        self.counts = {"taken": 0, "repeated": 0, "refused": 0, "gaps": 0, "asked": 0}
        self._data, self._reader = data, reader
        self._stream, self._words = stream, words
        self._share, self._hear, self._again, self._opened = share, hear, again, opened
        self._tidy, self._watches = tidy, watches
        self._tidying: asyncio.Future[None] | None = None
        self._run_token = 0
        """That under which the run was first heard of by this process."""
        self._asks = True
        self._turning = False
        """Whether a run is being opened: there is no telling how far this reader is."""
        self._fed_s = float("-inf")

    @property
    def run(self) -> Run:
        """Return the run that is followed; an empty one before the first."""
        return self.replica.run if self.replica is not None else Run()

    @property
    def live(self) -> bool:
        """Tell whether what is applied now is of the last second that there is."""
        return self.near and (self.replica is None or self.replica.behind_ns <= NEAR_NS)

    async def open(self) -> None:
        """Go on with the newest run of this disk, if there is one."""
        found = newest(self._data)
        if found.name:
            await self._follow(found)

    async def run_words(self) -> None:
        """Tell the feed how far it is, and ask where it is stuck; until cancelled."""
        loop = asyncio.get_running_loop()
        told: tuple[Run, int] | None = None
        while True:
            stuck = loop.time() - self._fed_s > STUCK_S
            place = (self.run, self.replica.seq if self.replica is not None else 0)
            if not self._turning and (self._asks or stuck or place != told):
                asks, self._asks = self._asks or stuck, False
                word = Word(self._reader, *place, asks, self.fence.applied)
                try:
                    await self._words.put(encode(word))
                except Unavailable:
                    self._asks = asks
                else:
                    told = place
                    self.counts["asked"] += asks
                    self._fed_s = loop.time() if asks else self._fed_s
            await asyncio.sleep(WORD_S)

    async def run_stream(self, before: Callable[[], Awaitable[None]] = _at_once) -> None:
        """Take what the stream brings, each time when `before` has returned; until cancelled."""
        async for message in self._stream.messages():
            await before()
            await self.take(message.body)
            await self._done(message)

    async def _done(self, message: Message) -> None:
        try:
            await self._stream.done(message)
        except Unavailable:
            return  # it comes again, and is left out then

    async def take(self, body: bytes) -> None:
        """Take one message of the stream; raises Corrupt for a piece of a journal that is damaged."""
        try:
            came = parcel(body)
        except msgspec.MsgspecError:
            self.counts["refused"] += 1
            return
        if not self.fence.lets_in(came.token, asyncio.get_running_loop().time()):
            self.counts["refused"] += 1
            return
        if came.run != self.run and not await self._turn_to(came):
            return
        if came.kind == BASE or self.replica is None:
            return
        if came.kind == CUT:
            await self._cut(came)
        elif came.token != self.fence.applied:
            self._asks = True
        else:
            await self._take_blocks(came, self.replica)

    async def _take_blocks(self, came: Parcel, replica: Replica) -> None:
        before, self.near = replica.seq, came.last
        if await replica.take(came.body):
            self.counts["gaps"] += 1
            self._asks = True
            self.near = False
        fed = replica.seq > before
        self.counts["taken" if fed else "repeated"] += 1
        if fed:
            self._fed_s = asyncio.get_running_loop().time()

    async def _cut(self, came: Parcel) -> None:
        """Let go of what the feed of this token does not have, and go on under it."""
        assert self.replica is not None
        if came.token == self.fence.applied:
            return  # an answer to a word of before: what this reader has, it has under this token
        if self.replica.seq > came.at:
            log.warning("taken back to where the lease was handed over", record=came.at)
            self._turning = True
            await self.replica.close()
            await asyncio.to_thread(cut_back, self.replica.folder, came.at)
            await self._follow(came.run)
        self.fence.keep(self.fence.token, came.token)

    async def _turn_to(self, came: Parcel) -> bool:
        """Turn to another run at its beginning, or where this disk has it up to there."""
        if came.run.name < self.run.name and came.token == self._run_token:
            self.counts["repeated"] += 1
            return False
        folder = folder_of(self._data, came.run)
        if came.kind == CUT:
            return False
        if came.kind == BASE:
            if identity(folder) == came.run or not self._lay_base(folder, came):
                return False
            await self._follow(came.run)
            return True
        if identity(folder) != came.run and first_of(came) != 1:
            self._asks = True
            return False
        await self._follow(came.run)
        return True

    def _lay_base(self, folder: Path, came: Parcel) -> bool:
        """Write a piece of the snapshot that a run begins with; tell whether it is a run now."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{Path(came.name).name}.coming"
        if came.at and (not draft.exists() or draft.stat().st_size != came.at):
            self._asks = True
            return False
        with draft.open("ab" if came.at else "wb") as handle:
            handle.write(came.body)
        self._fed_s = asyncio.get_running_loop().time()
        if not came.last:
            return False
        draft.replace(folder / Path(came.name).name)
        identify(folder, came.run)
        return True

    async def _follow(self, run: Run) -> None:
        """Open a run, on a thread: a state is read, and what was written after it taken again."""
        self._turning = True
        if self.replica is not None:
            await self.replica.close()
        self._run_token = self.fence.token
        folder = folder_of(self._data, run)
        if identity(folder) != run or not segments(folder):
            self.fence.keep(self.fence.token, self.fence.token)
        made = await asyncio.to_thread(
            Replica, self._data, run, self._share, self._hear, self._watches
        )
        self.replica, self._turning, self.near = made, False, False
        self._fed_s = asyncio.get_running_loop().time()
        self._opened(made.engine)
        self._again(made.again)
        self._tidying = asyncio.get_running_loop().run_in_executor(None, self._tidied, made.folder)
        log.info("following", run=run.label, after=made.seq)

    def _tidied(self, folder: Path) -> None:
        try:
            self._tidy(folder)
        except OSError as error:
            log.warning("old runs can't be deleted", reason=str(error))

    def fault(self) -> str | None:
        """Return why nothing is followed, if so."""
        now_s = asyncio.get_running_loop().time()
        refused = self.fence.fault(now_s)
        if refused is not None:
            return refused
        silent_s = now_s - self.fence.heard_s
        if self.replica is None or silent_s == float("inf"):
            return "Nothing has come over the stream yet: is a feed running?"
        if silent_s > SILENT_S:
            return f"Nothing has come over the stream for {silent_s:.0f} s: is a feed running?"
        return None

    async def close(self) -> None:
        """Leave the run."""
        if self.replica is not None:
            await self.replica.close()

    def measures(self) -> "list[Measure]":
        """Return what came, for /metrics."""
        doc = "Pieces of the stream: taken, repeated, refused for an old token, gaps; times asked."
        seq = self.replica.seq if self.replica is not None else 0
        mark = self.replica.engine.last_mark_ns if self.replica is not None else 0
        return [
            *counted("stream_parcels_total", doc, self.counts, "fate"),
            Measure("stream_token", "The highest fencing token seen.", self.fence.token),
            Measure("stream_record", "Number of the last record applied.", seq),
            Measure("stream_mark_seconds", "Market time of the last mark.", mark / 1e9),
            Measure("stream_near", "Whether the newest there is has come.", int(self.near)),
        ]


def first_of(came: Parcel) -> int:
    """Return the number of the first record of a parcel of blocks."""
    return int.from_bytes(came.body[12:20], "little")
