"""The archive: it takes signals from their queue and writes them into PostgreSQL, each once.

A message is dealt with when the database has it; one that comes twice changes nothing.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from tapelight.app.observing import Observing
from tapelight.app.roles.outbox import told
from tapelight.app.roles.services import Services
from tapelight.config import Config
from tapelight.errors import Unavailable
from tapelight.ports import History, Message, Queue
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
AGAIN_S = 0.3


class Archive:
    """Write what the queue brings."""

    def __init__(self, queue: Queue, history: History) -> None:
        self.counts = {"written": 0, "repeated": 0, "refused": 0}
        self.fault = ""
        self._queue, self._history = queue, history

    async def run(self) -> None:
        """Take and write; until cancelled."""
        async for message in self._queue.messages():
            await self._write(message)
            try:
                await self._queue.done(message)
            except Unavailable:
                continue  # it comes again, and is there already

    async def _write(self, message: Message) -> None:
        try:
            came = told(message.body)
        except msgspec.MsgspecError as error:
            self.counts["refused"] += 1
            log.warning("a message of the signals' queue is none of ours", reason=str(error))
            return
        while True:
            try:
                new = await asyncio.to_thread(self._history.write_signals, came.run, came.signals)
            except Unavailable as error:
                self._tell(str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                self.counts["written"] += new
                self.counts["repeated"] += len(came.signals) - new
                self.fault = ""
                return

    def _tell(self, reason: str) -> None:
        if not self.fault:
            log.warning("the archive can't write, trying again", reason=reason)
        self.fault = reason

    def measures(self) -> list[Measure]:
        """Return what was written, for /metrics."""
        return list(counted("archived_signals_total", "Records of signals.", self.counts, "fate"))


async def serve(config: Config, _data: Path) -> None:
    """Be the archive until cancelled."""
    services = Services(config.scale_out)
    history = await asyncio.to_thread(services.history)
    archive = Archive(services.signals("archive"), history)
    telemetry = config.telemetry
    observing = Observing(
        telemetry, "archive", telemetry.port, (archive.measures,), lambda: archive.fault or None
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observing.run(), name="observing")
            group.create_task(archive.run(), name="archive")
    finally:
        history.close()
