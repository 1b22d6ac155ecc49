"""Signals on their way to the queues of archive, trader and alert role: each is put until its queue has it.

Each queue has a lane of its own, so that one that takes nothing holds up no other. A quorum queue whose
server is killed within seconds of its making may come back without a leader, and without what it had
confirmed: what was put while it was that young is put again after a fault.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

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
SETTLED_S = 10.0
"""After so long a queue that confirmed is there to stay, and what it has confirmed."""
STUCK_S = 30.0
"""A queue that takes nothing for so long is told."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """Hold the signals of one mark of a run, and the phase and session of the market at it."""

    run: str
    signals: tuple[Signal, ...]
    phase: str = ""
    session: str = ""
    """The session's date; empty outside of sessions."""


_decoder = msgspec.msgpack.Decoder(Told)
HELLO = msgspec.msgpack.encode(Told("", ()))
"""What a lane begins with: its queue is made then, and tells whether it takes anything."""


def told(body: bytes) -> Told:
    """Return a message's signals; raises msgspec.MsgspecError where it is none."""
    return _decoder.decode(body)


class Lane:
    """Carry messages to one queue, in order."""

    def __init__(self, name: str, queue: Queue, clock: Callable[[], float]) -> None:
        self.name = name
        self.waiting: deque[bytes] = deque((HELLO,))
        self.sent = 0
        self.reason = ""
        """Why the queue takes nothing; empty where it does."""
        self._queue, self._clock = queue, clock
        self._young: list[bytes] = []
        """What a queue that is not settled has confirmed."""
        self._since_s: float | None = None
        self._stuck_s = 0.0
        self.settled = False
        self._came = asyncio.Event()
        self._came.set()
        self._room = asyncio.Event()
        self._room.set()

    def add(self, body: bytes) -> None:
        """Let a message be sent."""
        self.waiting.append(body)
        self._came.set()
        if len(self.waiting) >= MOST:
            self._room.clear()

    @property
    def empty(self) -> bool:
        """Tell whether everything has arrived, for good."""
        return self.settled and not self.waiting

    @property
    def stuck_s(self) -> float:
        """Return for how long the queue has been taking nothing, though something waits; s."""
        return self._clock() - self._stuck_s if self.reason else 0.0

    async def room(self) -> None:
        """Wait until more may be added."""
        await self._room.wait()

    async def run(self) -> None:
        """Send; until cancelled."""
        while True:
            try:
                async with asyncio.timeout(None if self.settled else AGAIN_S):
                    await self._came.wait()
            except TimeoutError:
                if self._is_old and not self.settled:
                    self.add(HELLO)
                continue
            self._came.clear()
            while self.waiting:
                await self._send(self.waiting[0])

    async def _send(self, body: bytes) -> None:
        try:
            await self._queue.put(body)
        except Unavailable as error:
            self._fail(str(error))
            await asyncio.sleep(AGAIN_S)
            return
        self.waiting.popleft()
        self.sent += body is not HELLO
        self.reason = ""
        self._room.set()
        if self._is_old and not self.settled:
            self.settled = True
            self._young.clear()
        elif not self.settled:
            self._young.append(body)
            self._since_s = self._clock() if self._since_s is None else self._since_s

    @property
    def _is_old(self) -> bool:
        return self._since_s is not None and self._clock() - self._since_s >= SETTLED_S

    def _fail(self, reason: str) -> None:
        if not self.reason:
            self._stuck_s = self._clock()
        self.reason = reason
        if not self.settled:
            self.waiting.extendleft(reversed(self._young))
            self._young.clear()
            self._since_s = None

    def measures(self) -> list[Measure]:
        """Return what was sent, for /metrics."""
        to = {"queue": self.name}
        settled = "Whether a queue has been confirming for long enough to be there to stay."
        return [
            Measure("outbox_sent_total", "Marks whose signals reached a queue.", self.sent, to),
            Measure("outbox_waiting", "Marks whose signals wait.", len(self.waiting), to),
            Measure("outbox_stuck_seconds", "How long a queue takes nothing.", self.stuck_s, to),
            Measure("outbox_settled", settled, int(self.settled), to),
        ]


class Outbox:
    """Put signals in order; they may come twice, and have ids by which a consumer sees that."""

    def __init__(
        self, queues: Mapping[str, Queue], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.lanes = [Lane(name, queue, clock) for name, queue in queues.items()]

    @property
    def empty(self) -> bool:
        """Tell whether every signal has reached its queues, and these are there to stay."""
        return all(lane.empty for lane in self.lanes)

    def add(self, run: str, signals: Sequence[Signal], phase: str = "", session: str = "") -> None:
        """Let signals be sent."""
        if signals:
            body = msgspec.msgpack.encode(Told(run, tuple(signals), phase, session))
            for lane in self.lanes:
                lane.add(body)

    async def room(self) -> None:
        """Wait until more may be added."""
        for lane in self.lanes:
            await lane.room()

    async def run(self) -> None:
        """Send; until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self.lanes:
                group.create_task(lane.run(), name=f"outbox {lane.name}")

    def fault(self) -> str | None:
        """Return which queue has been taking nothing for long, if any."""
        stuck = [f"{lane.name}: {lane.reason}" for lane in self.lanes if lane.stuck_s > STUCK_S]
        return f"Signals wait for {'; '.join(stuck)}" if stuck else None

    def measures(self) -> list[Measure]:
        """Return what was sent, for /metrics."""
        return [measure for lane in self.lanes for measure in lane.measures()]
