"""Signals for a trader apart: they go from their queue into the `signals.db` that the trader reads."""

import asyncio
from pathlib import Path

import structlog

from tapelight.app.observing import Observing
from tapelight.app.roles.consumer import consume, read
from tapelight.app.roles.services import Services
from tapelight.config import Config
from tapelight.ports import Lost, Queue
from tapelight.stores.signals import SignalLog
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
WRITE_S = 5.0


class Receiver:
    """Write what the queue brings."""

    def __init__(self, queue: Queue, signals: SignalLog) -> None:
        self.counts = {"received": 0, "refused": 0, "lost": 0}
        self.fault = ""
        self._queue, self._signals = queue, signals

    async def run(self) -> None:
        """Take and write; a message is dealt with when the log has it. Until cancelled."""
        await consume(self._queue, self._write, self._lose)

    async def _lose(self, lost: Lost) -> None:
        """Count what the queue gave up: it is late by now, and no order is made of it."""
        self.counts["lost"] += 1
        log.error("the queue gave signals up: they reach no trader", why=lost.why)

    async def _write(self, body: bytes) -> bool:
        """Write a message; False where this version can't read it: it goes to the quarantine."""
        came = read(body, self.counts)
        if came is None:
            return False
        if came.signals:
            self._signals.append(came.run, came.signals)
            while not await asyncio.to_thread(self._signals.wait, WRITE_S):
                self.fault = f"The signal log does not write: {self._signals.state}."
                log.warning("the signal log does not write", state=self._signals.state)
        self.fault = ""
        self.counts["received"] += len(came.signals)
        return True

    def measures(self) -> list[Measure]:
        """Return what came, for /metrics."""
        return list(counted("received_signals_total", "Records of signals.", self.counts, "fate"))


async def serve(config: Config, data: Path) -> None:
    """Receive signals into a data folder until cancelled; the trader runs beside, on that folder."""
    services = Services(config.scale_out)
    await services.check("rabbitmq")
    signals = SignalLog(data)
    receiver, telemetry = Receiver(services.signals("trade"), signals), config.telemetry
    observing = Observing(
        telemetry, "trade", telemetry.receive_port, (receiver.measures, services.measures),
        lambda: receiver.fault or services.fault(),
    )  # fmt: skip
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observing.run(), name="observing")
            group.create_task(receiver.run(), name="receiver")
    finally:
        await asyncio.to_thread(signals.close)
