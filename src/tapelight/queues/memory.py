"""The queue inside one process."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import dataclass

from tapelight.ports import Lost, Message, QueueLimits

LOST_KEPT = 10_000


@dataclass(slots=True)
class _Item:
    body: bytes
    since_s: float
    tries: int = 0


class MemoryQueue:
    """Carry messages within one asyncio loop."""

    def __init__(
        self, limits: QueueLimits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits or QueueLimits()
        self._clock = clock
        self._ready: deque[_Item] = deque()
        self._taken: dict[int, _Item] = {}
        self._lost: asyncio.Queue[Lost] = asyncio.Queue(LOST_KEPT)
        self._news = asyncio.Event()
        self._consumer = asyncio.Lock()
        self._tag = 0

    async def put(self, body: bytes) -> None:
        """Put a message; beyond the length the oldest is shed."""
        self._ready.append(_Item(body, self._clock()))
        while 0 < self._limits.length < len(self._ready):
            self._lose(self._ready.popleft(), "shed")
        while 0 < self._limits.size_bytes < sum(len(item.body) for item in self._ready):
            self._lose(self._ready.popleft(), "shed")
        self._news.set()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield messages; what the consumer had not dealt with when it went comes again."""
        async with nullcontext() if self._limits.shared else self._consumer:
            mine: set[int] = set()
            try:
                while True:
                    item = await self._next()
                    self._tag += 1
                    mine.add(self._tag)
                    self._taken[self._tag] = item
                    yield Message(item.body, self._tag, item.tries > 0)
            finally:
                left = [self._taken.pop(tag) for tag in sorted(mine) if tag in self._taken]
                for item in reversed(left):
                    item.tries += 1
                    self._ready.appendleft(item)

    async def done(self, message: Message, *, ok: bool = True) -> None:
        """Say that a message is dealt with, or hand it back."""
        item = self._taken.pop(message.tag)
        if ok:
            return
        item.tries += 1
        if 0 < self._limits.tries < item.tries:
            self._lose(item, "quarantined")
        else:
            self._ready.appendleft(item)
            self._news.set()

    async def lost(self) -> AsyncIterator[Lost]:
        """Yield what was lost."""
        while True:
            self._expire()
            try:
                async with asyncio.timeout(0.02):
                    lost = await self._lost.get()
            except TimeoutError:
                continue
            yield lost

    async def _next(self) -> _Item:
        while True:
            self._expire()
            if self._ready:
                return self._ready.popleft()
            self._news.clear()
            await self._news.wait()

    def _expire(self) -> None:
        oldest_s = self._clock() - self._limits.age_s
        while self._limits.age_s and self._ready and self._ready[0].since_s <= oldest_s:
            self._lose(self._ready.popleft(), "expired")

    def _lose(self, item: _Item, why: str) -> None:
        if self._limits.quiet:
            return
        if self._lost.full():
            self._lost.get_nowait()
        self._lost.put_nowait(Lost(why, item.body))
