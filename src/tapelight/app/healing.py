"""Healing in a running scanner: beside the loop, so that reading and folding go on."""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from tapelight.app.recording import Recording
from tapelight.app.rewind import from_journal
from tapelight.engine import Engine
from tapelight.errors import TapelightError
from tapelight.healing import Healing
from tapelight.model.records import FeedState, Healed, Record

log = structlog.get_logger()
WRITE_S = 5.0
"""How long the journal may take to bring what was appended to its file."""
FEW = 200
"""Records that came meanwhile which the loop itself may take."""


class Healer:
    """Heal the holes of a running scanner; it reads and folds on meanwhile."""

    def __init__(
        self, recording: Recording, engine: Callable[[], Engine], take: Callable[[Record], object]
    ) -> None:
        self._recording = recording
        self._engine = engine
        self._take = take
        self._since: list[Record] | None = None
        """What came since the journal was read, while a hole is being healed."""
        self._after: list[FeedState] = []
        self._waiting: deque[Healed] = deque()
        self._task: asyncio.Task[None] | None = None
        self.healed = 0
        """Holes healed."""

    @property
    def busy(self) -> bool:
        """Tell whether a hole is being healed."""
        return self._since is not None or bool(self._waiting)

    def note(self, record: Record) -> None:
        """Note a record that the engine takes."""
        if self._since is not None:
            self._since.append(record)

    def later(self, state: FeedState) -> bool:
        """Keep back a state that would end the hole before it is healed; tell whether it was.

        Where another hole opens meanwhile it would end that one: it is not kept any longer.
        """
        if state.provisional:
            self._after.clear()
        if not self.busy or state.provisional:
            return False
        self._after.append(state)
        return True

    def heal(self, healed: Healed) -> None:
        """Heal a hole: beside the loop where one runs, at once otherwise; one after another."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._recording.writer.tick(force=True)
            self._finish(healed, self._read(healed, self._recording.writer.seq))
            return
        self._waiting.append(healed)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._beside(), name="healing")
            self._task.add_done_callback(self._ended)

    async def settled(self) -> None:
        """Wait until no hole is being healed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _beside(self) -> None:
        while self._waiting:
            healed, writer = self._waiting.popleft(), self._recording.writer
            writer.tick(force=True)
            self._since = []
            healing = await asyncio.to_thread(self._read, healed, writer.seq)
            while healing is not None and len(self._since) > FEW:
                came, self._since = self._since, []
                await asyncio.to_thread(_take_all, healing, came)
            came, self._since = self._since, None
            if healing is not None:
                _take_all(healing, came)
            self._finish(healed, healing)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Let go of what was kept; a fault of ours is told, and leaves the rows provisional."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a hole is not healed, its rows stay provisional", reason=repr(error))
        self._since = None
        self._after.clear()
        self._waiting.clear()

    def _read(self, healed: Healed, seq: int) -> Healing[Engine] | None:
        """Read the journal up to record `seq`; on a thread."""
        writer = self._recording.writer
        if not writer.wait_for(seq, WRITE_S):
            return None
        try:
            return from_journal(writer.folder, healed, seq, self._engine().share)
        except TapelightError as error:
            log.exception("the journal does not give the time before a hole", reason=str(error))
            return None

    def _finish(self, healed: Healed, healing: Healing[Engine] | None) -> None:
        """Journal the healing and take over what it gave."""
        engine = self._engine()
        engine.rewind = lambda _healed: healing
        self._take(healed)
        self.healed += healing is not None
        if not self._waiting:
            states, self._after = self._after, []
            for state in states:
                self._take(state)
        tell = log.info if healing is not None else log.warning
        tell(
            "a hole is healed" if healing is not None else "a hole is filled with late trades",
            trades=len(healed.trades.row), rows_without=len(healed.missing),
            seconds=round((healed.until_ns - healed.since_ns) / 1e9, 1),
            corrections=len(engine.course.late),
        )  # fmt: skip


def _take_all(healing: Healing[Engine], records: list[Record]) -> None:
    for record in records:
        healing.take(record)
