"""The recording of the running scanner: its journal, its snapshots, a new run each session."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from tapelight.app.frozen import State, blank, freeze, keep_state
from tapelight.app.runs import Run, next_run, open_run, roll_of
from tapelight.engine import Engine, Share, everything
from tapelight.errors import TapelightError
from tapelight.model.records import Record
from tapelight.model.session import Calendar
from tapelight.stores.journal.writer import Writer

log = structlog.get_logger()
NS = 1_000_000_000
SNAPSHOT_NS = 60 * NS
FIRST_SNAPSHOT_NS = 20 * NS


class Recording:
    """Keep the journal of a scanner.

    Where a session begins while it runs, a new run begins in that session's folder, with a
    snapshot of the state as its first thing: each day's folder is replayed by itself.
    """

    def __init__(
        self, data: Path, calendar: Calendar, now_ns: int, share: Share = everything
    ) -> None:
        self._data = data
        self._calendar = calendar
        self.opened: Run = open_run(data, calendar, now_ns, share)
        """The run as it was found: an engine where an earlier one goes on."""
        self.writer: Writer = self.opened.writer
        self._taken_up = (self.folder, self.writer.seq)
        self.on_roll: Callable[[Path], object] = lambda _running: None
        """Called on a thread after a run was left, with the folder of the new one."""
        self.on_fault: Callable[[str, str], None] = lambda _kind, _reason: None
        self._roll_ns = roll_of(self.folder, calendar)
        self._due_ns = now_ns + FIRST_SNAPSHOT_NS
        self._shadow: State | None = None
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    @property
    def folder(self) -> Path:
        """Return the folder of the running run."""
        return self.writer.folder

    @property
    def taken_up(self) -> int:
        """Return the last record that the running run had when this process took it up."""
        folder, seq = self._taken_up
        return seq if folder == self.folder else 0

    def name(self) -> str:
        """Return the running run's name: DATE/NUMBER."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def append(self, record: Record) -> None:
        """Take the next record."""
        self.writer.append(record)

    def roll(self, engine: Engine, ts_ns: int) -> bool:
        """Begin a new run if the mark of `ts_ns`, which comes next, is the first of a session.

        The session begins before its state is copied: there is less of it then, and the windows,
        which are most of a state, are empty. Where the folder can't be made the old run goes on,
        and the fault is told.
        """
        if ts_ns < self._roll_ns:
            return False
        if engine.enter_session(ts_ns):
            state = freeze(engine, windows=False)
        else:
            state = freeze(engine, None if self._busy("snapshot") else self._shadow)
            self._shadow = None
        try:
            folder = next_run(self._data, self._calendar, ts_ns)
            writer = Writer(folder, begin=(state, engine.last_mark_ns))
        except (TapelightError, OSError) as error:
            self._roll_ns = roll_of(self.folder, self._calendar, ts_ns)
            self._fault("journal", str(error))
            return False
        left, self.writer = self.writer, writer
        self._roll_ns = roll_of(folder, self._calendar)
        self._due_ns = ts_ns + FIRST_SNAPSHOT_NS
        log.info("a new session, a new run", folder=str(folder))
        left.tick(force=True)
        self._in_thread("roll", asyncio.to_thread(self._leave, left, folder))
        return True

    def _leave(self, left: Writer, running: Path) -> None:
        left.close()
        self.on_roll(running)

    def snapshot(self, engine: Engine, ts_ns: int, more: Callable[[], State] = dict) -> None:
        """Copy the state if that is due, write it on a thread; the next one is due a minute after.

        `more` gives what else is kept with it.
        """
        if ts_ns < self._due_ns or self._busy("snapshot"):
            return
        if self._shadow is None:
            self._in_thread("snapshot", self._make_room(engine))
            return
        self._due_ns = ts_ns + SNAPSHOT_NS
        self.writer.tick(force=True)
        state = freeze(engine, self._shadow)
        # The rings' memory is used again; what else was copied goes when it is written.
        self._shadow = {name: ring for name, ring in state.items() if name.startswith("ring.")}
        folder, seq, at_ns = self.folder, self.writer.seq, engine.last_mark_ns
        written = asyncio.to_thread(keep_state, folder, seq, state | more(), at_ns)
        self._in_thread("snapshot", written)

    async def _make_room(self, engine: Engine) -> None:
        self._shadow = await asyncio.to_thread(blank, engine)

    def _busy(self, name: str) -> bool:
        task = self._tasks.get(name)
        return task is not None and not task.done()

    def _in_thread(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fault(task.get_name(), str(error) or repr(error))

    def _fault(self, name: str, reason: str) -> None:
        self.on_fault(name, reason)
        log.error("the recording", step=name, reason=reason)

    def status(self) -> dict[str, Any]:
        """Return what /health shows of the journal."""
        writer = self.writer
        return {
            "state": writer.state.partition(":")[0],
            "detail": writer.state.partition(": ")[2],
            "bytes": writer.bytes,
            "seq": writer.seq,
            "run": self.name(),
            "ring": {
                "state": writer.ring_state.partition(":")[0],
                "detail": writer.ring_state.partition(": ")[2],
            },
        }

    def close(self) -> None:
        """Flush the journal."""
        self.writer.close()
