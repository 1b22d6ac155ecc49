"""Signals for a trader apart: they go from their queue into the `signals.db` that the trader reads."""

import asyncio
from pathlib import Path

import msgspec
import structlog

from tapelight.app.roles.outbox import told
from tapelight.app.roles.services import Services
from tapelight.config import Config
from tapelight.errors import Unavailable
from tapelight.ports import Queue
from tapelight.stores.signals import SignalLog

log = structlog.get_logger()
WRITE_S = 5.0


async def receive(queue: Queue, signals: SignalLog) -> None:
    """Take and write; a message is dealt with when the log has it. Until cancelled."""
    async for message in queue.messages():
        try:
            came = told(message.body)
        except msgspec.MsgspecError as error:
            log.warning("a message of the signals' queue is none of ours", reason=str(error))
        else:
            signals.append(came.run, came.signals)
            while not await asyncio.to_thread(signals.wait, WRITE_S):
                log.warning("the signal log does not write", state=signals.state)
        try:
            await queue.done(message)
        except Unavailable:
            continue  # it comes again, and is there already


async def serve(config: Config, data: Path) -> None:
    """Receive signals into a data folder until cancelled; the trader runs beside, on that folder."""
    signals = SignalLog(data)
    try:
        await receive(Services(config.scale_out).signals("trade"), signals)
    finally:
        await asyncio.to_thread(signals.close)
