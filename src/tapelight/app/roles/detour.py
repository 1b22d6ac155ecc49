"""A queue with a way round: while RabbitMQ is away, the stream and the readers' words go over Redis.

Only for what is asked for again: at both ends of an outage messages are lost, come twice or out of
order. Who may write into Redis is trusted less than who may write into RabbitMQ: what goes round bears
the mark of a key that was told over RabbitMQ, and a number that rises: nothing is played again.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from tapelight.errors import Bug, Unavailable
from tapelight.ports import Lost, Message, Queue

log = structlog.get_logger()
AGAIN_S = 0.5
TELL_S = 5.0
"""Between two times that a key is told: the queue may have lost it."""
KEY = b"\0key"
"""What a message begins with that tells a key: none of the stream's, or of the words, does."""
KEY_BYTES, MARK_BYTES, NAME_BYTES, NUMBER_BYTES = 32, 16, 8, 8
MOST_KEYS = 1_000
"""Of writers into one queue that are known; the one told longest ago goes."""


class Main(Queue, Protocol):
    """The queue that is used while its server answers."""

    name: str

    def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages; a second consumer waits until the first one has gone."""

    async def close(self) -> None:
        """Close its connections."""


class Way(Protocol):
    """What carries messages meanwhile, at most once each; they have no tag."""

    async def put(self, body: bytes, /) -> None:
        """Put a message; raises Unavailable."""

    def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages, over every outage."""

    async def close(self) -> None:
        """Close its connections."""


class NoWay:
    """Be the way of one that has no Redis: what others tell of theirs is taken out of its queue all the same."""

    async def put(self, _body: bytes, /) -> None:
        """Raise Unavailable."""
        raise Unavailable("RabbitMQ is away, and without [scale_out] redis nothing goes round it.")

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield nothing, and never end."""
        await asyncio.Event().wait()
        yield Message(b"")  # never: it makes a generator of this

    async def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass
class _Writer:
    """One whose key was told, and the highest number that came under it."""

    key: bytes
    number: int = 0


class Detour:
    """Put into `main`, or send by `way` while that is away; take from both."""

    def __init__(self, main: Main, way: Way, counts: Counter[str]) -> None:
        """`counts` are the messages that went round: sent, taken, refused.

        What is refused bears no mark of a key that was told, or came before.
        """
        self._main, self._way, self._counts = main, way, counts
        self._key = secrets.token_bytes(KEY_BYTES)
        self._number = 0
        """Of the last message that was sent round."""
        self._told_s = float("-inf")
        self._writers: dict[bytes, _Writer] = {}
        """Those who write, by the names of their keys."""
        self._probe: asyncio.Task[None] | None = None
        """Tells the key until the main queue takes it; none while that takes messages."""

    async def put(self, body: bytes) -> None:
        """Put a message; raises Unavailable where neither takes it, and ConfigError as the main queue."""
        if not self._goes_round():
            try:
                if asyncio.get_running_loop().time() - self._told_s >= TELL_S:
                    await self._tell()
                await self._main.put(body)
            except Unavailable:
                if self._probe is None:
                    self._probe = asyncio.create_task(self._until_back(), name="detour")
            else:
                return
        self._number += 1
        await self._way.put(_marked(body, self._key, self._number))
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
        """Tell the key: now and then, for the server may have lost it."""
        await self._main.put(KEY + self._key)
        self._told_s = asyncio.get_running_loop().time()

    async def _until_back(self) -> None:
        """Wait until a message is confirmed: a server that answers may still take none, as without memory."""
        log.info("RabbitMQ takes no messages, they go round", queue=self._main.name)
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                await self._tell()
            except Unavailable:
                continue
            log.info("RabbitMQ takes messages again", queue=self._main.name)
            return

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what comes either way; raises what ended one of them, as ConfigError of the main queue."""
        came: asyncio.Queue[Message] = asyncio.Queue(1)
        pumps = [
            asyncio.create_task(_pump(found, came), name=f"detour {self._main.name}")
            for found in (self._own(), self._round())
        ]
        try:
            while True:
                yield await _next(came, pumps)
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
        """Know a key from now on; one that is told again keeps its number."""
        if len(key) != KEY_BYTES:
            return
        name = _name_of(key)
        self._writers[name] = self._writers.pop(name, _Writer(key))
        if len(self._writers) > MOST_KEYS:
            del self._writers[next(iter(self._writers))]

    async def _round(self) -> AsyncGenerator[Message, None]:
        """Yield what comes the way round under a key that is known, each once."""
        async with aclosing(self._way.messages()) as found:
            async for message in found:
                body = _body_of(message.body, self._writers)
                if body is not None:
                    self._counts["taken"] += 1
                    yield Message(body)
                    continue
                if not self._counts["refused"]:
                    log.warning(
                        "left out: a message whose key nobody told, or that came before",
                        queue=self._main.name,
                    )
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
        await self._way.close()


def _marked(body: bytes, key: bytes, number: int) -> bytes:
    """Return a message with its key's name, its mark and its number before it; the mark is of both."""
    numbered = number.to_bytes(NUMBER_BYTES, "big") + body
    return _name_of(key) + _mark(numbered, key) + numbered


def _body_of(marked: bytes, writers: dict[bytes, _Writer]) -> bytes | None:
    """Return what was marked; None where it is not by one of `writers`, or no newer than the last."""
    writer = writers.get(marked[:NAME_BYTES])
    mark, numbered = marked[NAME_BYTES:][:MARK_BYTES], marked[NAME_BYTES + MARK_BYTES :]
    if writer is None or not hmac.compare_digest(mark, _mark(numbered, writer.key)):
        return None
    number = int.from_bytes(numbered[:NUMBER_BYTES], "big")
    if number <= writer.number:
        return None
    writer.number = number
    return numbered[NUMBER_BYTES:]


def _name_of(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=NAME_BYTES).digest()


def _mark(numbered: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(numbered, key=key, digest_size=MARK_BYTES).digest()


async def _pump(messages: AsyncGenerator[Message, None], came: "asyncio.Queue[Message]") -> None:
    """Let messages come."""
    async with aclosing(messages) as found:
        async for message in found:
            await came.put(message)


async def _next(came: "asyncio.Queue[Message]", pumps: "list[asyncio.Task[None]]") -> Message:
    """Return what came; raises what ended a pump, whatever that is: else the reader would be deaf."""
    getting = asyncio.create_task(came.get())
    try:
        ended, _ = await asyncio.wait([getting, *pumps], return_when=asyncio.FIRST_COMPLETED)
    finally:
        getting.cancel()
    if getting in ended:
        return getting.result()
    for pump in pumps:
        if pump in ended:
            pump.result()
    raise Bug("a way of a queue ended, which goes on over every outage")
