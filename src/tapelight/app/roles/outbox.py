"""Signals on their way to the queues of archive and trader: each is put until the queue has it."""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog

from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.ports import Queue
from tapelight.telemetry import Measure

log = structlog.get_logger()
AGAIN_S = 0.2
MOST = 20_000
"""Messages that may wait while RabbitMQ is away; then nothing more is followed until it is back."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """Hold the signals of one mark of a run."""

    run: str
    signals: tuple[Signal, ...]


_decoder = msgspec.msgpack.Decoder(Told)


def told(body: bytes) -> Told:
    """Return a message's signals; raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(body)


class Outbox:
    """Put signals in order; they may come twice, and have ids by which a consumer sees that."""

    def __init__(self, queues: Sequence[Queue]) -> None:
        self.sent = 0
        self._queues = tuple(queues)
        self._waiting: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def empty(self) -> bool:
        """Tell whether every signal has reached its queues."""
        return not self._waiting

    def add(self, run: str, signals: Sequence[Signal]) -> None:
        """Let signals be sent."""
        if signals:
            self._waiting.append(msgspec.msgpack.encode(Told(run, tuple(signals))))
            self._came.set()
            if len(self._waiting) >= MOST:
                self._room.clear()

    async def room(self) -> None:
        """Wait until more may be added."""
        await self._room.wait()

    async def run(self) -> None:
        """Send; until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                for queue in self._queues:
                    await self._put(queue, self._waiting[0])
                self._waiting.popleft()
                self.sent += 1
                self._room.set()

    async def _put(self, queue: Queue, body: bytes) -> None:
        while True:
            try:
                await queue.put(body)
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def measures(self) -> list[Measure]:
        """Return what was sent, for /metrics."""
        return [
            Measure("outbox_sent_total", "Marks whose signals reached their queues.", self.sent),
            Measure("outbox_waiting", "Marks whose signals wait.", len(self._waiting)),
        ]
