"""Queues on RabbitMQ: it assigns each to one consumer, and says what it did not deliver.

What may age is a classic queue with transient messages, a time to live and a length; what must
arrive (signals, orders) a quorum queue with persistent messages and a delivery limit. Both confirm
each message, have a single active consumer, and dead-letter what they lose into NAME.dead, where
`lost` counts it; what was quarantined stays in NAME.quarantine.
"""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
)

from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Lost, Message, QueueLimits
from tapelight.tasks import Heed
from tapelight.telemetry import Stated

log = structlog.get_logger()
logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)  # each refusal: told here, once
WAIT_S = 5.0
"""For a connection and for a confirm: a publisher that waits without a limit may hang for good."""
AGAIN_S = 0.5
CLOSE_S = 1.0
OLDEST = (3, 10)
HEARTBEAT_S = 10
"""A consumer that is gone without a word is seen to be within some three of them."""
PREFETCH = 200
DEAD_LENGTH = 100_000
REASONS = {"expired": "expired", "maxlen": "shed"}
"""RabbitMQ's words; every other one is a message that was handed back too often."""
FAULTS = (AMQPError, ChannelInvalidStateError, DeliveryError, OSError, TimeoutError)


class Mute(Exception):
    """Say that a queue confirms nothing though its server answers."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"it confirms nothing on queue {name} though it answers: the queue may have no leader; "
            "delete it, it is made anew and what waits is put again"
        )


class RabbitQueue(Stated):
    """Carry messages of one queue; a connection each for putting, taking and hearing of losses."""

    def __init__(
        self, url: str, name: str, limits: QueueLimits | None = None, prefetch: int = PREFETCH
    ) -> None:
        self.name = name
        self._url = url
        self._limits = limits or QueueLimits()
        self._prefetch = prefetch
        self._putting: AbstractConnection | None = None
        self._exchange: Any = None
        self._taken: dict[int, AbstractIncomingMessage] = {}
        self._tag = 0
        self._answered = False
        self._handed: Counter[bytes] = Counter()
        """How often this process has handed a message back."""

    async def open(self) -> None:
        """Make the queue; raises ConfigError for what no retry mends, else Unavailable."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._open_exchange()
        except FAULTS as error:
            await self._drop()
            raise self._away(error) from error

    async def put(self, body: bytes) -> None:
        """Put a message; raises Unavailable where it is not confirmed: put it again."""
        exchange = None
        try:
            async with asyncio.timeout(WAIT_S):
                exchange = await self._open_exchange()
                await exchange.publish(self._message(body), self.name, mandatory=True)
        except FAULTS as error:
            await self._drop()
            mute = exchange is not None and isinstance(error, TimeoutError)
            raise self._away(Mute(self.name) if mute else error) from error
        except ConfigError:
            await self._drop()
            raise
        self.state = "ok"

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield messages, over every outage; what was not dealt with comes again."""
        heed = Heed()
        while True:
            heed()
            try:
                async with self._open_channel() as channel:
                    queue = await self._declare(channel)
                    async with queue.iterator() as found:
                        heed()
                        async for incoming in found:
                            self._tag += 1
                            self._taken[self._tag] = incoming
                            yield Message(incoming.body, self._tag, bool(incoming.redelivered))
            except FAULTS as error:
                self._away(error)
            self._taken.clear()
            await asyncio.sleep(AGAIN_S)

    async def done(self, message: Message, *, ok: bool = True) -> None:
        """Say that a message is dealt with; raises Unavailable where it will come again."""
        incoming = self._taken.pop(message.tag, None)
        if incoming is None:
            raise Unavailable(f"Queue {self.name}: the connection broke, the message comes again.")
        try:
            if ok:
                await incoming.ack()
            else:
                await incoming.reject(requeue=self._may_come_again(incoming))
        except FAULTS as error:
            raise self._away(error) from error

    def _may_come_again(self, incoming: AbstractIncomingMessage) -> bool:
        """Tell whether a message that is handed back has tries left; RabbitMQ 4.3 does not count them."""
        if not self._limits.tries:
            return True
        digest = hashlib.blake2b(incoming.body, digest_size=16).digest()
        self._handed[digest] += 1
        if self._handed[digest] <= self._limits.tries:
            return True
        del self._handed[digest]
        return False

    async def lost(self) -> AsyncIterator[Lost]:
        """Yield what was lost, over every outage."""
        heed = Heed()
        while True:
            heed()
            try:
                async with self._open_channel() as channel:
                    await self._declare(channel)
                    dead = await channel.get_queue(f"{self.name}.dead")
                    async with dead.iterator() as found:
                        heed()
                        async for incoming in found:
                            lost = Lost(_reason(incoming), incoming.body)
                            if lost.why == "quarantined":
                                await self._keep(channel, incoming.body)
                            yield lost
                            await incoming.ack()
            except FAULTS as error:
                self._away(error)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Close the connection for putting; the others end with their readers."""
        await self._drop()

    # --- connections ---------------------------------------------------------------------------

    async def _open_exchange(self) -> Any:
        if self._putting is None or self._putting.is_closed:
            self._putting, channel = await self._channel()
            await self._declare(channel)
            self._exchange = channel.default_exchange
        return self._exchange

    @asynccontextmanager
    async def _open_channel(self) -> AsyncIterator[AbstractChannel]:
        """Open a connection of one's own; closing a broken one is not waited for."""
        connection, channel = await self._channel()
        try:
            yield channel
        finally:
            await _close(connection)

    async def _channel(self) -> tuple[AbstractConnection, AbstractChannel]:
        """Return a new connection and channel; raises ConfigError for what no retry mends."""
        try:
            beat = f"{'&' if '?' in self._url else '?'}heartbeat={HEARTBEAT_S}"
            url = self._url if "heartbeat=" in self._url else self._url + beat
            connection = await aio_pika.connect(url, timeout=WAIT_S)
        except (AuthenticationError, ProbableAuthenticationError) as error:
            if self._answered:  # they may be set anew while a process runs
                raise ConnectionError("it refuses user or password") from error
            raise ConfigError(
                f"RabbitMQ refuses user or password of queue {self.name}: check the url."
            ) from error
        self._answered = True
        try:
            self._check(connection)
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=self._prefetch)
        except BaseException as error:
            await _close(connection)
            if isinstance(error, RuntimeError):  # the client's word for one that closed meanwhile
                raise ConnectionError(str(error)) from error
            raise
        return connection, channel

    def _check(self, connection: AbstractConnection) -> None:
        """Raise ConfigError where the server is too old."""
        told: Any = getattr(
            getattr(connection.transport, "connection", None), "server_properties", {}
        )
        version = told.get("version", b"")
        text = version.decode() if isinstance(version, bytes) else str(version)
        numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
        if numbers and numbers < OLDEST:
            raise ConfigError(f"RabbitMQ {text} is too old: {'.'.join(map(str, OLDEST))} or newer.")

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        """Make the queue and what belongs to it; raises ConfigError where one has other bounds."""
        try:
            if not self._limits.quiet:
                await channel.declare_queue(
                    f"{self.name}.dead", durable=True, arguments={"x-max-length": DEAD_LENGTH}
                )
                await channel.declare_queue(f"{self.name}.quarantine", durable=True)
            made = await channel.declare_queue(self.name, durable=True, arguments=self._bounds())
        except ChannelPreconditionFailed as error:
            raise ConfigError(
                f"RabbitMQ has a queue {self.name} with other bounds ({error}): delete it, or set "
                "the bounds back."
            ) from error
        self.state = "ok"
        return made

    def _bounds(self) -> dict[str, Any]:
        limits = self._limits
        bounds: dict[str, Any] = {"x-single-active-consumer": not limits.shared}
        if not limits.quiet:
            bounds["x-dead-letter-exchange"] = ""
            bounds["x-dead-letter-routing-key"] = f"{self.name}.dead"
        if limits.size_bytes:
            bounds |= {"x-max-length-bytes": limits.size_bytes, "x-overflow": "drop-head"}
        if limits.idle_s:
            bounds["x-expires"] = int(limits.idle_s * 1e3)
        if limits.tries:
            bounds |= {"x-queue-type": "quorum", "x-delivery-limit": limits.tries}
        if limits.age_s:
            bounds["x-message-ttl"] = int(limits.age_s * 1e3)
        if limits.length:
            bounds |= {"x-max-length": limits.length, "x-overflow": "drop-head"}
        return bounds

    def _message(self, body: bytes) -> aio_pika.Message:
        mode = aio_pika.DeliveryMode
        return aio_pika.Message(
            body, delivery_mode=mode.PERSISTENT if self._limits.tries else mode.NOT_PERSISTENT
        )

    async def _keep(self, channel: AbstractChannel, body: bytes) -> None:
        kept = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        async with asyncio.timeout(WAIT_S):
            await channel.default_exchange.publish(kept, f"{self.name}.quarantine")

    async def _drop(self) -> None:
        putting, self._putting = self._putting, None
        if putting is not None:
            await _close(putting)

    def _away(self, error: BaseException) -> Unavailable:
        reason = str(error) or type(error).__name__
        if not self.is_away:
            log.warning("RabbitMQ is away, trying again", queue=self.name, reason=reason)
        self.state = f"away: {reason}"
        return Unavailable(f"Queue {self.name}: RabbitMQ does not answer: {reason}.")


async def _close(connection: AbstractConnection) -> None:
    with suppress(*FAULTS):
        async with asyncio.timeout(CLOSE_S):
            await connection.close()


def _reason(incoming: AbstractIncomingMessage) -> str:
    """Return why a message was dead-lettered."""
    deaths: Any = incoming.headers.get("x-death") or [{}]
    return REASONS.get(str(deaths[0].get("reason", "")), "quarantined")
