"""The archive: it takes signals from their queue and writes them into PostgreSQL, each once.

A message is dealt with when the database has it; one that comes twice changes nothing. Bars and trades it
takes from the stream, which it follows like a scan worker that answers nothing.
"""

import asyncio
from pathlib import Path

import structlog

from tapelight.app.observing import Observing
from tapelight.app.roles.consumer import consume, read
from tapelight.app.roles.forgetting import Forgetting
from tapelight.app.roles.kept import Kept
from tapelight.app.roles.services import Services, lock
from tapelight.config import Config
from tapelight.errors import Unavailable
from tapelight.ports import History, Lost, Queue
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
AGAIN_S = 0.3


class Archive:
    """Write what the queue brings."""

    def __init__(self, queue: Queue, history: History) -> None:
        self.counts = {"written": 0, "repeated": 0, "refused": 0, "lost": 0}
        self.fault = ""
        self._queue, self._history = queue, history

    async def run(self) -> None:
        """Take and write; until cancelled."""
        await consume(self._queue, self._write, self._lose)

    async def _lose(self, lost: Lost) -> None:
        """Write what the queue gave up, where it can be read: handed back too often, as in long outages."""
        self.counts["lost"] += 1
        written = await self._write(lost.body)
        log.warning("the queue gave a message up", why=lost.why, written=written)

    async def _write(self, body: bytes) -> bool:
        """Write a message; False where this version can't read it: it goes to the quarantine."""
        came = read(body, self.counts)
        if came is None:
            return False
        while came.signals:
            try:
                new = await asyncio.to_thread(self._history.write_signals, came.run, came.signals)
            except Unavailable as error:
                self._tell(str(error))
                await asyncio.sleep(AGAIN_S)
            else:
                self.counts["written"] += new
                self.counts["repeated"] += len(came.signals) - new
                self.fault = ""
                return True
        return True

    def _tell(self, reason: str) -> None:
        if not self.fault:
            log.warning("the archive can't write, trying again", reason=reason)
        self.fault = reason

    def measures(self) -> list[Measure]:
        """Return what was written, for /metrics."""
        up = "Whether PostgreSQL took what was written last."
        return [
            *counted("archived_signals_total", "Records of signals.", self.counts, "fate"),
            Measure("archive_up", up, int(not self.fault)),
        ]


async def serve(config: Config, data: Path) -> None:
    """Be the archive until cancelled."""
    held = lock(data)
    services = Services(config.scale_out)
    await services.check("rabbitmq")
    history = await asyncio.to_thread(services.history)
    archive = Archive(services.signals("archive"), history)
    forgetting = Forgetting(config.scale_out, history)
    kept = Kept(config, data, services, history) if _keeps(config) else None
    telemetry = config.telemetry
    observing = Observing(
        telemetry, "archive", telemetry.port, (archive.measures, forgetting.measures, services.measures),
        lambda: archive.fault or (kept.fault() if kept else None) or services.fault(),
    )  # fmt: skip
    if kept is not None:
        observing.more = kept.measures
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observing.run(), name="observing")
            group.create_task(archive.run(), name="archive")
            group.create_task(forgetting.run(), name="forgetting")
            if kept is not None:
                group.create_task(kept.run(), name="bars and trades")
    finally:
        history.close()
        held.close()


def _keeps(config: Config) -> bool:
    return config.scale_out.archive_bars or config.scale_out.archive_trades
