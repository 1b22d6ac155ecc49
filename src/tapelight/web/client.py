"""A client's outbox: bounded, conflated when the client falls behind, never awaited by others."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tapelight.web.topic import Topic

OUTBOX_BYTES = 1 << 20
OUTBOX_MESSAGES = 512
SLOW_S = 10.0
"""A client whose oldest unsent message is older than this is closed."""


class _Item(NamedTuple):
    topic: Topic | None
    text: str
    since_s: float


class Client:
    """Hold what one client is still to get.

    While it keeps up, messages wait in order. When they exceed the bound, those of topics are
    dropped for a note that the topic needs a snapshot, made only when the client can take it.
    """

    def __init__(self, clock: Callable[[], float], *, is_guest: bool = False) -> None:
        self.is_guest = is_guest
        self.topics: dict[str, Topic] = {}
        self.conflated = 0
        self.sent = 0
        self.sent_bytes = 0
        self._clock = clock
        self._outbox: deque[_Item] = deque()
        self._bytes = 0
        self._snapshots: dict[Topic, tuple[float, bool]] = {}
        self._sending_since_s: float | None = None
        self._ready = asyncio.Event()

    def offer(self, topic: Topic, text: str) -> None:
        """Queue a topic's message, unless a snapshot that is due will contain it."""
        if topic not in self._snapshots:
            self._queue(topic, text)

    def tell(self, text: str) -> None:
        """Queue an answer that belongs to no topic."""
        self._queue(None, text)

    def refresh(self, topic: Topic, *, recovered: bool) -> None:
        """Note that the client needs a snapshot of `topic`."""
        since_s, whole = self._snapshots.get(topic, (self._clock(), True))
        self._snapshots[topic] = since_s, recovered and whole
        self._ready.set()

    def forget(self, topic: Topic) -> None:
        """Drop what is queued of `topic`."""
        self._snapshots.pop(topic, None)
        self._keep([item for item in self._outbox if item.topic is not topic])

    def behind_s(self) -> float:
        """Return the age of the oldest message not yet taken by the network, in seconds."""
        waiting = [since_s for since_s, _ in self._snapshots.values()]
        if self._outbox:
            waiting.append(self._outbox[0].since_s)
        if self._sending_since_s is not None:
            waiting.append(self._sending_since_s)
        return self._clock() - min(waiting) if waiting else 0.0

    def take(self) -> str | None:
        """Return the next message: the queue in order, then snapshots that are due."""
        if self._outbox:
            item = self._outbox.popleft()
            self._bytes -= len(item.text)
            return item.text
        if self._snapshots:
            topic = next(iter(self._snapshots))
            _, recovered = self._snapshots.pop(topic)
            return topic.snapshot(recovered=recovered)
        return None

    async def write(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send what is queued, as fast as the client takes it, until cancelled."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while (text := self.take()) is not None:
                self._sending_since_s = self._clock()
                await send(text)
                self._sending_since_s = None
                self.sent += 1
                self.sent_bytes += len(text)

    def _queue(self, topic: Topic | None, text: str) -> None:
        self._outbox.append(_Item(topic, text, self._clock()))
        self._bytes += len(text)
        self._ready.set()
        if self._bytes > OUTBOX_BYTES or len(self._outbox) > OUTBOX_MESSAGES:
            self._conflate()

    def _conflate(self) -> None:
        """Replace the queued messages of each topic by one snapshot, as old as the oldest."""
        for item in self._outbox:
            if item.topic is not None:
                self.conflated += 1
                self._snapshots.setdefault(item.topic, (item.since_s, False))
        self._keep([item for item in self._outbox if item.topic is None][-OUTBOX_MESSAGES:])

    def _keep(self, items: list[_Item]) -> None:
        self._outbox = deque(items)
        self._bytes = sum(len(item.text) for item in items)
