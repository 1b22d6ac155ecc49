"""A reader of the stream: it takes what follows, asks for what is missing, refuses what is fenced off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from tapelight.app.roles.replica import Replica, cut_back, folder_of, identify, identity, newest
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
REFUSED_S = 5.0
"""Nothing but what is refused for so long is told."""
TOKEN = "token"  # noqa: S105 - a fencing token's file


async def _at_once() -> None:
    """Wait for nothing."""


class Follower:
    """Follow the feed's stream into a replica.

    `hear` is called with each cycle, `again` with signals that a start gives again, `opened` with the
    engine of each run that begins or goes on.
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
    ) -> None:
        self.replica: Replica | None = None
        self.token, self._applied = _kept_tokens(data)
        """The highest fencing token seen: what comes under a lower one is refused. What this reader
        has was brought under `_applied`: before it takes anything of a newer one it asks up to where
        what it has holds."""
        self.counts = {"taken": 0, "repeated": 0, "refused": 0, "gaps": 0, "asked": 0}
        self._data, self._reader = data, reader
        self._stream, self._words = stream, words
        self._share, self._hear, self._again, self._opened = share, hear, again, opened
        self._run_token = 0
        """That under which the run was first heard of by this process."""
        self._asks = True
        self._fenced: set[int] = set()
        """Tokens that were refused, told once each."""
        self._refused_s = self._heard_s = float("-inf")
        self._fed_s = float("-inf")

    @property
    def run(self) -> Run:
        """Return the run that is followed; an empty one before the first."""
        return self.replica.run if self.replica is not None else Run()

    def open(self) -> None:
        """Go on with the newest run of this disk, if there is one."""
        found = newest(self._data)
        if found.name:
            self._follow(found)

    async def run_words(self) -> None:
        """Tell the feed how far it is, and ask where it is stuck; until cancelled."""
        loop = asyncio.get_running_loop()
        told: tuple[Run, int] | None = None
        while True:
            stuck = loop.time() - self._fed_s > STUCK_S
            place = (self.run, self.replica.seq if self.replica is not None else 0)
            if self._asks or stuck or place != told:
                asks, self._asks = self._asks or stuck, False
                try:
                    await self._words.put(encode(Word(self._reader, *place, asks, self._applied)))
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
            self.take(message.body)
            await self._done(message)

    async def _done(self, message: Message) -> None:
        try:
            await self._stream.done(message)
        except Unavailable:
            return  # it comes again, and is left out then

    def take(self, body: bytes) -> None:
        """Take one message of the stream; raises Corrupt for a piece of a journal that is damaged."""
        try:
            came = parcel(body)
        except msgspec.MsgspecError:
            self.counts["refused"] += 1
            return
        if came.token < self.token:
            self.counts["refused"] += 1
            self._refused_s = asyncio.get_running_loop().time()
            if came.token not in self._fenced:
                self._fenced.add(came.token)
                log.warning("fenced off: a feed without the lease still sends", token=came.token)
            return
        self._heard_s = asyncio.get_running_loop().time()
        if came.token > self.token:
            self._keep(came.token, self._applied)
        if came.run != self.run and not self._turn_to(came):
            return
        if came.kind == BASE or self.replica is None:
            return
        if came.kind == CUT:
            self._cut(came)
            return
        if came.token != self._applied:
            self._asks = True
            return
        before = self.replica.seq
        if self.replica.take(came.body):
            self.counts["gaps"] += 1
            self._asks = True
        fed = self.replica.seq > before
        self.counts["taken" if fed else "repeated"] += 1
        if fed:
            self._fed_s = asyncio.get_running_loop().time()

    def _cut(self, came: Parcel) -> None:
        """Let go of what the feed of this token does not have, and go on under it."""
        assert self.replica is not None
        if came.token == self._applied:
            return  # an answer to a word of before: what this reader has, it has under this token
        if self.replica.seq > came.at:
            log.warning("taken back to where the lease was handed over", record=came.at)
            self.replica.close()
            cut_back(self.replica.folder, came.at)
            self._follow(came.run)
        self._keep(self.token, came.token)

    def _turn_to(self, came: Parcel) -> bool:
        """Turn to another run at its beginning, or where this disk has it up to there."""
        if came.run.name < self.run.name and came.token == self._run_token:
            self.counts["repeated"] += 1
            return False
        folder = folder_of(self._data, came.run)
        if came.kind == CUT:
            return False
        if came.kind == BASE:
            return self._lay_base(folder, came)
        if identity(folder) != came.run and first_of(came) != 1:
            self._asks = True
            return False
        self._follow(came.run)
        return True

    def _lay_base(self, folder: Path, came: Parcel) -> bool:
        """Write a piece of the snapshot that a run begins with; the last one makes it a run."""
        if identity(folder) == came.run:
            return False
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
        self._follow(came.run)
        return True

    def _follow(self, run: Run) -> None:
        left = self.replica
        if left is not None:
            left.close()
        self._run_token = self.token
        if identity(folder_of(self._data, run)) != run or not segments(folder_of(self._data, run)):
            self._keep(self.token, self.token)
        self.replica = Replica(self._data, run, self._share, self._hear)
        self._fed_s = asyncio.get_running_loop().time()
        self._opened(self.replica.engine)
        self._again(self.replica.again)
        log.info("following", run=run.label, after=self.replica.seq)

    def _keep(self, token: int, applied: int) -> None:
        self.token, self._applied = token, applied
        self._data.mkdir(parents=True, exist_ok=True)
        beside = self._data / f"{TOKEN}.new"
        beside.write_text(f"{token} {applied}\n", "utf-8")
        beside.replace(self._data / TOKEN)

    def fault(self) -> str | None:
        """Return why nothing is followed, where what comes is refused."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._refused_s < REFUSED_S < now_s - self._heard_s:
            return (
                f"The stream is refused: it comes under an older token than {self.token}. End the feed "
                f"that has lost its lease; if there is none, delete {self._data / TOKEN}."
            )
        return None

    def close(self) -> None:
        """Leave the run."""
        if self.replica is not None:
            self.replica.close()

    def measures(self) -> "list[Measure]":
        """Return what came, for /metrics."""
        doc = "Pieces of the stream: taken, repeated, refused for an old token, gaps; times asked."
        seq = self.replica.seq if self.replica is not None else 0
        mark = self.replica.engine.last_mark_ns if self.replica is not None else 0
        return [
            *counted("stream_parcels_total", doc, self.counts, "fate"),
            Measure("stream_token", "The highest fencing token seen.", self.token),
            Measure("stream_record", "Number of the last record applied.", seq),
            Measure("stream_mark_seconds", "Market time of the last mark.", mark / 1e9),
        ]


def first_of(came: Parcel) -> int:
    """Return the number of the first record of a parcel of blocks."""
    return int.from_bytes(came.body[12:20], "little")


def _kept_tokens(data: Path) -> tuple[int, int]:
    try:
        seen, applied = (data / TOKEN).read_text("utf-8").split()
        return int(seen), int(applied)
    except (OSError, ValueError):
        return 0, 0
