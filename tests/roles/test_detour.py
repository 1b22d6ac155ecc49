"""The stream's way round RabbitMQ: over Redis, and by those alone whose key was told over RabbitMQ."""

import asyncio
import hashlib
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from redis import asyncio as aioredis

from backends.services import Service, tidy
from tapelight.app.roles.detour import AGAIN_S, KEY, Detour
from tapelight.app.roles.services import Services, nothing
from tapelight.app.roles.standby import Standby
from tapelight.app.roles.tenure import Tenure
from tapelight.config import Config, ScaleOut
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import QueueLimits
from tapelight.queues.rabbitmq import RabbitQueue
from tapelight.queues.redis import MOST, RedisLane
from tapelight.stores.leases import SqlLeases
from tapelight.testing.backends import until
from tapelight.testing.services import RABBIT

pytestmark = [
    pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(240),
    # What RabbitMQ's client leaves of a connection that was refused.
    pytest.mark.filterwarnings("ignore:coroutine 'Connection.close' was never awaited"),
    pytest.mark.filterwarnings("ignore:.*coroutine object Connection.close:pytest.PytestUnraisableExceptionWarning"),
]  # fmt: skip
LIMITS = QueueLimits(age_s=60.0, length=100, quiet=True)


class Copied(RedisLane):
    """Keep a copy of what is put, as one who reads along in Redis does."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name)
        self.copies: list[bytes] = []

    async def put(self, body: bytes) -> None:
        self.copies.append(body)
        await super().put(body)


class End:
    """One end of a queue: what it took, and what became of what went round."""

    def __init__(self, rabbit: Service, redis: Service, name: str) -> None:
        self.counts: Counter[str] = Counter()
        self.main = RabbitQueue(rabbit.url, name, LIMITS)
        self.lane = Copied(redis.url, name)
        self.queue = Detour(self.main, self.lane, self.counts)
        self.seen: list[bytes] = []

    async def take(self) -> None:
        async for message in self.queue.messages():
            self.seen.append(message.body)
            await self.queue.done(message)

    async def put(self, body: bytes) -> None:
        async with asyncio.timeout(30):
            await self.queue.put(body)

    async def put_its_own_way(self, body: bytes) -> None:
        """Put until one does not go round any more."""

        async def own() -> bool:
            sent = self.counts["sent"]
            await self.put(body)
            return self.counts["sent"] == sent

        await until(own, "its own way again")


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
        if not rabbit.answers():  # a test failed: the next ones need it
            await asyncio.to_thread(rabbit.start)
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
        await writer.put_its_own_way(b"own 2")
        await until(lambda: not reader.main.is_away, "RabbitMQ again for the reader")
        await writer.put(b"own 3")
        await until(lambda: reader.seen[-1] == b"own 3", "the last message")
        assert reader.counts == {"taken": writer.counts["sent"]}


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


async def test_what_is_played_again_is_left_out(rabbit: Service, redis: Service) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        await writer.put(b"own")
        await until(lambda: reader.seen == [b"own"], "the key")
        await asyncio.to_thread(rabbit.kill)
        for body in (b"1", b"2"):
            await writer.put(body)
        await until(lambda: reader.seen == [b"own", b"1", b"2"], "what went round")
        first, second = writer.lane.copies
        for played in (first, second):
            await writer.lane.put(played)
        await writer.put(b"3")
        await until(lambda: reader.seen[-1] == b"3", "what came after")
        assert reader.seen == [b"own", b"1", b"2", b"3"]
        assert reader.counts == {"taken": 3, "refused": 2}
        await asyncio.to_thread(rabbit.start)
        await writer.put_its_own_way(b"own again")  # and the key was told again
        await until(lambda: reader.seen[-1] == b"own again", "its own way again")
        refused = reader.counts["refused"]
        await writer.lane.put(second)
        await until(lambda: reader.counts["refused"] == refused + 1, "what was played again later")


async def test_a_server_that_answers_and_confirms_nothing_is_gone_round(
    rabbit: Service, redis: Service
) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        await writer.put(b"own")
        await until(lambda: reader.seen == [b"own"], "the key")
        usual = await asyncio.to_thread(_memory, rabbit, "0")
        try:
            await writer.put(b"round 0")
            for n in range(1, 8):
                await asyncio.sleep(2 * AGAIN_S)
                begun_s = time.monotonic()
                await writer.put(b"round %d" % n)
                assert time.monotonic() - begun_s < 1.0, "it was waited for a confirm again"
            await until(lambda: reader.seen[-1] == b"round 7", "what went round")
        finally:
            await asyncio.to_thread(_memory, rabbit, usual)
        await writer.put_its_own_way(b"own again")
        await until(lambda: reader.seen[-1] == b"own again", "its own way again")


def _memory(rabbit: Service, limit: str) -> str:
    """Set of how much memory RabbitMQ takes what is published, as a part of it all; return what it was."""
    asked = (
        "Old = vm_memory_monitor:get_vm_memory_high_watermark(), "
        f"vm_memory_monitor:set_vm_memory_high_watermark({limit}), Old."
    )
    done = subprocess.run(
        [str(RABBIT[0] / "rabbitmqctl"), "-q", "-n", rabbit.environment()["RABBITMQ_NODENAME"], "eval", asked],
        env=rabbit.environment(), capture_output=True, check=True, text=True, timeout=60,
        start_new_session=True,
    )  # fmt: skip
    return done.stdout.strip()


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


async def test_whatever_ends_a_way_ends_the_reader(redis: Service) -> None:
    lane = RedisLane(redis.url, secrets.token_hex(4))
    queue = Detour(RabbitQueue("amqp://host:port/", "no port", LIMITS), lane, Counter())
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="port"):
            await anext(queue.messages())
    await queue.close()


async def test_a_key_of_another_length_is_left_out(rabbit: Service, redis: Service) -> None:
    async with ends(rabbit, redis) as (writer, reader):
        for told in (b"", b"short", bytes(100)):
            await writer.main.put(KEY + told)
        await writer.put(b"own")
        await until(lambda: reader.seen == [b"own"], "the message after the keys")
        await asyncio.to_thread(rabbit.kill)
        await writer.lane.put(hashlib.blake2b(bytes(100), digest_size=8).digest() + bytes(24))
        await writer.put(b"round")
        await until(lambda: reader.seen == [b"own", b"round"], "what went round")
        assert reader.counts == {"refused": 1, "taken": 1}
        await asyncio.to_thread(rabbit.start)


async def test_one_without_redis_takes_out_the_keys_of_those_who_have_one(
    rabbit: Service, redis: Service
) -> None:
    prefix = secrets.token_hex(4)
    feed = Services(ScaleOut(rabbitmq=rabbit.url, redis=redis.url, prefix=prefix)).stream("archive")
    archive = Services(ScaleOut(rabbitmq=rabbit.url, prefix=prefix)).stream("archive")
    await feed.put(b"own")
    async with asyncio.timeout(30), aclosing(archive.messages()) as found:
        assert (await anext(found)).body == b"own"
    await asyncio.to_thread(rabbit.kill)
    with pytest.raises(Unavailable, match="nothing goes round"):
        await archive.put(b"never")
    for queue in (feed, archive):
        await queue.close()
    await asyncio.to_thread(rabbit.start)
    await tidy()


async def test_a_standby_that_wins_leaves_no_connection_behind(
    rabbit: Service, redis: Service, tmp_path: Path
) -> None:
    settings = ScaleOut(rabbitmq=rabbit.url, redis=redis.url, prefix=secrets.token_hex(4))
    client = aioredis.Redis.from_url(redis.url)
    leases = SqlLeases(f"sqlite:///{tmp_path}/leases.db")
    first, second = Tenure(leases, "first"), Tenure(leases, "second")
    await first.win(["key"])
    before = len(await client.client_list())
    await asyncio.to_thread(rabbit.kill)  # so that it reads and writes in Redis
    standby = Standby(Config(), tmp_path, "standby", Services(settings), nothing)
    winning = asyncio.create_task(standby.win(second, ["key"]))

    async def connected() -> bool:
        return len(await client.client_list()) == before + 2

    await until(connected, "the standby's connections")
    await first.give_up()
    await winning

    async def left() -> bool:
        return len(await client.client_list()) == before

    await until(left, "the end of its connections")
    await asyncio.to_thread(rabbit.start)
    await second.give_up()
    leases.close()
    await client.aclose()
    await tidy()
