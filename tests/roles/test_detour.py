"""The stream's way round RabbitMQ: over Redis, and by those alone whose key was told over RabbitMQ."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from backends.services import Service, tidy
from tapelight.app.roles.detour import Detour
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import QueueLimits
from tapelight.queues.rabbitmq import RabbitQueue
from tapelight.queues.redis import MOST, RedisLane
from tapelight.testing.backends import until

pytestmark = [
    pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(240),
    # What RabbitMQ's client leaves of a connection that was refused.
    pytest.mark.filterwarnings("ignore:coroutine 'Connection.close' was never awaited"),
    pytest.mark.filterwarnings("ignore:.*coroutine object Connection.close:pytest.PytestUnraisableExceptionWarning"),
]  # fmt: skip
LIMITS = QueueLimits(age_s=60.0, length=100, quiet=True)


class End:
    """One end of a queue: what it took, and what became of what went round."""

    def __init__(self, rabbit: Service, redis: Service, name: str) -> None:
        self.counts: Counter[str] = Counter()
        self.main = RabbitQueue(rabbit.url, name, LIMITS)
        self.lane = RedisLane(redis.url, name)
        self.queue = Detour(self.main, self.lane, self.counts)
        self.seen: list[bytes] = []

    async def take(self) -> None:
        async for message in self.queue.messages():
            self.seen.append(message.body)
            await self.queue.done(message)

    async def put(self, body: bytes) -> None:
        async with asyncio.timeout(30):
            await self.queue.put(body)


@asynccontextmanager
async def ends(rabbit: Service, redis: Service) -> AsyncIterator[tuple[End, End]]:
    """Yield a writer, and a reader that takes."""
    name = f"detour.{secrets.token_hex(4)}"
    writer, reader = End(rabbit, redis, name), End(rabbit, redis, name)
    taking = asyncio.create_task(reader.take())
    try:
        yield writer, reader
        await until(lambda: not reader.main.is_away, "RabbitMQ again")
    finally:
        taking.cancel()
        await asyncio.wait([taking])
        await writer.queue.close()
        await reader.queue.close()
        await tidy()


async def test_messages_go_round_a_server_that_is_away_and_back(
    rabbit: Service, redis: Service
) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        await writer.put(b"own 1")
        await until(lambda: reader.seen == [b"own 1"], "the first message")
        await asyncio.to_thread(rabbit.kill)
        for n in range(5):
            await writer.put(b"round %d" % n)
        await until(lambda: len(reader.seen) == 6, "what went round")
        assert reader.seen[1:] == [b"round %d" % n for n in range(5)]
        assert writer.main.is_away
        await asyncio.to_thread(rabbit.start)
        await until(lambda: not writer.main.is_away, "RabbitMQ again")
        sent = writer.counts["sent"]
        await writer.put(b"own 2")
        await until(lambda: reader.seen[-1] == b"own 2", "its own way again")
        assert writer.counts == {"sent": sent}
        assert reader.counts == {"taken": sent}


async def test_what_bears_no_mark_of_a_key_that_was_told_is_left_out(
    rabbit: Service, redis: Service
) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        stranger = End(rabbit, redis, writer.main.name)
        other = End(rabbit, redis, f"{writer.main.name}.other")
        for end in (writer, other):
            await end.put(b"own")
        await until(lambda: reader.seen == [b"own"], "the key")
        await asyncio.to_thread(rabbit.kill)
        await writer.lane.put(b"anything")
        await stranger.put(b"nobody knows this key")
        await other.put(b"of another queue")
        async with aclosing(other.lane.messages()) as found:
            await writer.lane.put((await anext(found)).body)
        await writer.put(b"good")
        await until(lambda: len(reader.seen) == 2, "the good message")
        assert reader.seen == [b"own", b"good"]
        assert reader.counts == {"refused": 3, "taken": 1}
        for end in (stranger, other):
            await end.queue.close()
        await asyncio.to_thread(rabbit.start)


async def test_with_both_away_the_writer_is_told_and_the_list_is_short(
    rabbit: Service, redis: Service
) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        await writer.put(b"own")
        await until(lambda: reader.seen == [b"own"], "the key")
        await asyncio.to_thread(rabbit.kill)
        await asyncio.to_thread(redis.kill)
        with pytest.raises(Unavailable, match="Redis does not answer"):
            await writer.put(b"lost")
        await asyncio.to_thread(redis.start)
        await asyncio.to_thread(rabbit.start)
    lane = RedisLane(redis.url, secrets.token_hex(4))
    for n in range(MOST + 2):
        await lane.put(b"%d" % n)
    async with aclosing(lane.messages()) as found:
        assert (await anext(found)).body == b"2"
    await lane.close()


async def test_a_wrong_password_is_told_to_writer_and_reader(
    rabbit: Service, redis: Service
) -> None:
    async with ends(rabbit, redis) as (writer, _):
        wrong = RabbitQueue(rabbit.url.replace("light", "dark"), "wrong", LIMITS)
        queue = Detour(wrong, writer.lane, Counter())
        with pytest.raises(ConfigError, match="refuses user or password"):
            await queue.put(b"never")
        with pytest.raises(ConfigError, match="refuses user or password"):
            await anext(queue.messages())
