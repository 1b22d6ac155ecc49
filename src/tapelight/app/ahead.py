"""The session change, prepared beside the running one: volumes kept, the next baseline read ahead."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tapelight.app.baselines import (
    keep_session,
    placed,
    session_volumes,
    usual_volumes,
    whole_session,
)
from tapelight.app.frozen import wire
from tapelight.engine import Engine
from tapelight.errors import TapelightError
from tapelight.model.records import Profile
from tapelight.model.session import MINUTE_NS, Calendar, Session, session_after
from tapelight.model.universe import Universe
from tapelight.stores.cold.store import UsualVolumes

log = structlog.get_logger()
AHEAD_NS = 10 * MINUTE_NS
"""How long before a session its baseline is read."""


class Ahead:
    """Do on threads what a session change asks for, so that the loop never waits for the disk.

    The baseline of the next session is told before it begins, and holds from its beginning on.
    Where there was no time for that the earlier one stands until the new one has been read.
    """

    def __init__(self, data: Path, calendar: Calendar) -> None:
        self._data = data
        self._calendar = calendar
        self.origin = ""
        """Of the volumes: the feed and its coverage."""
        self._session: Session | None = None
        """The session whose baseline was told, or is being read."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._kept: dt.date | None = None
        self.on_fault: Callable[[str, str], None] = lambda _kind, _reason: None

    async def settled(self) -> None:
        """Wait until nothing is being kept or read."""
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # what they brought is taken after them

    def step(
        self, engine: Engine, universe: Universe, ts_ns: int, put: Callable[[Profile], object]
    ) -> None:
        """Look at market time, once a second: keep what ended, read what is due."""
        running = engine.table.session
        if running is None:
            return
        self._session = self._session or running
        coming = session_after(self._calendar, running.start_ns)
        if self._session.start_ns < running.start_ns:
            self._read(running, universe, put)
        elif self._session.start_ns < coming.start_ns <= ts_ns + AHEAD_NS:
            self._read(coming, universe, put)

    def keep(self, engine: Engine, since_ns: int, holed: dt.date | None) -> None:
        """Keep an ended session's volumes, once, if it was seen whole and without a hole."""
        session = engine.table.session
        if session is None or session.date == self._kept:
            return
        self._kept = session.date
        if session.date == holed or not whole_session(session, since_ns):
            return
        volumes = session_volumes(engine, session)
        if volumes is not None:
            origin, now_ns = self.origin, engine.table.now_ns
            args = (self._data, origin, volumes, session, now_ns)
            self._beside("volumes", lambda: keep_session(*args), lambda _words: None)

    def _read(self, session: Session, universe: Universe, put: Callable[[Profile], object]) -> None:
        self._session, origin = session, self.origin

        def told(found: UsualVolumes | None) -> None:
            profile = placed(found, session, universe, session.date.isoformat())
            put(profile)
            self._beside("baseline's wire form", lambda: wire(profile), lambda _wire: None)

        self._beside("baseline", lambda: usual_volumes(self._data, origin, session), told)

    def _beside(self, name: str, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Do `work` on a thread and `then` in the loop; both at once where no loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            then(work())
            return
        task = loop.create_task(asyncio.to_thread(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, then))

    def _done(self, task: "asyncio.Task[Any]", then: Callable[[Any], object]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            then(task.result())
        elif isinstance(error, TapelightError | OSError):
            self.on_fault(task.get_name(), str(error))
            log.error("the session change", step=task.get_name(), reason=str(error))
