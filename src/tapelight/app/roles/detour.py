"""A queue with a way round: while RabbitMQ is away, the stream and the readers' words go over Redis.

Only for what is asked for again: at both ends of an outage messages are lost, come twice or out of
order. Who may write into Redis is trusted less than who may write into RabbitMQ: what goes round bears
the mark of a key that was told over RabbitMQ.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol

import structlog

from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Lost, Message, Queue

log = structlog.get_logger()
AGAIN_S = 0.5
TELL_S = 5.0
"""Between two times that a key is told: the queue may have lost it."""
KEY = b"\0key"
"""What a message begins with that tells a key: none of the stream's, or of the words, does."""
KEY_BYTES, MARK_BYTES, NAME_BYTES = 32, 16, 8
MOST_KEYS = 1_000
"""Of writers into one queue that are known; the one told longest ago goes."""


class Main(Queue, Protocol):
    """The queue that is used while its server answers."""

    name: str

    def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages; a second consumer waits until the first one has gone."""

    async def open(self) -> None:
        """Ask its server; raises Unavailable, or ConfigError for what no retry mends."""

    async def close(self) -> None:
        """Close its connections."""


class Lane(Protocol):
    """What carries messages meanwhile, at most once each; they have no tag."""

    async def put(self, body: bytes) -> None:
        """Put a message; raises Unavailable."""

    def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages, over every outage."""

    async def close(self) -> None:
        """Close its connections."""


class Detour:
    """Put into `main`, or into `lane` while that is away; take from both."""

    def __init__(self, main: Main, lane: Lane, counts: Counter[str]) -> None:
        """`counts` are the messages that went round: sent, taken, refused for an unknown key."""
        self._main, self._lane, self._counts = main, lane, counts
        self._key = secrets.token_bytes(KEY_BYTES)
        self._told_s = float("-inf")
        self._keys: dict[bytes, bytes] = {}
        """Keys of those who write, by their names."""
        self._probe: asyncio.Task[None] | None = None
        """Asks until the main queue's server answers; none while it does."""

    async def put(self, body: bytes) -> None:
        """Put a message; raises Unavailable where neither takes it, and ConfigError as the main queue."""
        if not self._goes_round():
            try:
                await self._tell()
                await self._main.put(body)
            except Unavailable:
                if self._probe is None:
                    self._probe = asyncio.create_task(self._until_back(), name="detour")
            else:
                return
        await self._lane.put(_marked(body, self._key))
        self._counts["sent"] += 1

    def _goes_round(self) -> bool:
        """Tell whether the main queue is away; raises what its server says of the configuration."""
        probe = self._probe
        if probe is None or not probe.done():
            return probe is not None
        self._probe = None
        probe.result()
        return False

    async def _tell(self) -> None:
        """Tell the key, now and then: the server may have lost it."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._told_s >= TELL_S:
            await self._main.put(KEY + self._key)
            self._told_s = now_s

    async def _until_back(self) -> None:
        log.info("messages take the way round", queue=self._main.name)
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                await self._main.open()
            except Unavailable:
                continue
            log.info("messages take their own way again", queue=self._main.name)
            return

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what comes either way; raises ConfigError as the main queue."""
        came: asyncio.Queue[Message | Exception] = asyncio.Queue(1)
        pumps = [
            asyncio.create_task(_pump(found, came), name=f"detour {self._main.name}")
            for found in (self._own(), self._round())
        ]
        try:
            while True:
                got = await came.get()
                if isinstance(got, Exception):
                    raise got
                yield got
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)

    async def _own(self) -> AsyncGenerator[Message, None]:
        """Yield what the main queue brings, keys left out."""
        async with aclosing(self._main.messages()) as found:
            async for message in found:
                if not message.body.startswith(KEY):
                    yield message
                    continue
                self._learn(message.body[len(KEY) :])
                try:
                    await self._main.done(message)
                except Unavailable:
                    continue  # it comes again

    def _learn(self, key: bytes) -> None:
        name = _name_of(key)
        self._keys.pop(name, None)
        self._keys[name] = key
        if len(self._keys) > MOST_KEYS:
            del self._keys[next(iter(self._keys))]

    async def _round(self) -> AsyncGenerator[Message, None]:
        """Yield what comes the way round under a key that is known."""
        async with aclosing(self._lane.messages()) as found:
            async for message in found:
                body = _body_of(message.body, self._keys)
                if body is not None:
                    self._counts["taken"] += 1
                    yield Message(body)
                    continue
                if not self._counts["refused"]:
                    log.warning("left out: a message whose key nobody told", queue=self._main.name)
                self._counts["refused"] += 1

    async def done(self, message: Message, *, ok: bool = True) -> None:
        """Say that a message is dealt with; of the way round nothing need be said."""
        if message.tag is not None:
            await self._main.done(message, ok=ok)

    def lost(self) -> AsyncIterator[Lost]:
        """Yield what the main queue lost."""
        return self._main.lost()

    async def close(self) -> None:
        """Close the connections."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
        await self._main.close()
        await self._lane.close()


def _marked(body: bytes, key: bytes) -> bytes:
    """Return a message with its key's name and mark before it."""
    return _name_of(key) + _mark(body, key) + body


def _body_of(marked: bytes, keys: dict[bytes, bytes]) -> bytes | None:
    """Return what was marked, None where it is not by one of `keys`."""
    key = keys.get(marked[:NAME_BYTES])
    mark, body = marked[NAME_BYTES:][:MARK_BYTES], marked[NAME_BYTES + MARK_BYTES :]
    if key is None or not hmac.compare_digest(mark, _mark(body, key)):
        return None
    return body


def _name_of(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=NAME_BYTES).digest()


def _mark(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=MARK_BYTES).digest()


async def _pump(
    messages: AsyncGenerator[Message, None], came: "asyncio.Queue[Message | Exception]"
) -> None:
    """Let messages come, and what ends them."""
    try:
        async with aclosing(messages) as found:
            async for message in found:
                await came.put(message)
    except (ConfigError, Unavailable) as error:
        await came.put(error)
