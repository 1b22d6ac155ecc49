"""RabbitMQ: the kit, confirmed messages over a kill, and what is not to be mended by waiting."""

import asyncio
import secrets

import pytest

from backends.services import Service, tidy
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import QueueLimits
from tapelight.queues.rabbitmq import RabbitQueue
from tapelight.testing.backends import check_queue, until

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(240)]
SETTLED_S = 6.0
"""RabbitMQ 3.10 writes down within some 5 s that a quorum queue was made: one whose server is killed
before that has no leader afterwards, and nothing but deleting it helps."""


async def test_the_queue(rabbit: Service) -> None:
    made: list[RabbitQueue] = []
    lead = secrets.token_hex(4)

    def make(name: str, limits: QueueLimits) -> RabbitQueue:
        made.append(RabbitQueue(rabbit.url, f"{lead}.{name}", limits, prefetch=1))
        return made[-1]

    await check_queue(make)
    for queue in made:
        await queue.close()
    await tidy()


async def test_what_is_confirmed_survives_a_kill_of_the_server(rabbit: Service) -> None:
    queue = RabbitQueue(rabbit.url, secrets.token_hex(4), QueueLimits(tries=10))
    confirmed: list[bytes] = []
    seen: set[bytes] = set()

    async def put() -> None:
        for n in range(300):
            body = b"%d" % n
            while True:
                try:
                    await queue.put(body)
                    break
                except Unavailable:
                    await asyncio.sleep(0.2)
            confirmed.append(body)

    async def take() -> None:
        async for message in queue.messages():
            try:
                await queue.done(message)
            except Unavailable:
                continue
            seen.add(message.body)

    await queue.put(b"first")
    await asyncio.sleep(SETTLED_S)
    putting, taking = asyncio.create_task(put()), asyncio.create_task(take())
    await until(lambda: len(confirmed) > 50, "some messages")
    await asyncio.to_thread(rabbit.kill)
    await asyncio.to_thread(rabbit.start)
    async with asyncio.timeout(90):
        await putting
    await until(lambda: len(seen) == 301, "the rest")
    taking.cancel()
    await asyncio.wait((taking,))
    assert len(confirmed) == 300
    assert seen == {b"first", *confirmed}
    await queue.close()
    await tidy()


async def test_other_bounds_and_a_wrong_password_are_told(rabbit: Service) -> None:
    name = secrets.token_hex(4)
    queue = RabbitQueue(rabbit.url, name, QueueLimits(length=5))
    await queue.put(b"1")
    with pytest.raises(ConfigError, match="other bounds"):
        await RabbitQueue(rabbit.url, name, QueueLimits(length=6)).put(b"2")
    with pytest.raises(ConfigError, match="user or password"):
        await RabbitQueue(rabbit.url.replace("light", "dark"), name).put(b"3")
    await queue.close()
    await tidy()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    queue = RabbitQueue("amqp://guest@127.0.0.1:1/", "none")
    with pytest.raises(Unavailable, match="does not answer"):
        await queue.put(b"1")
    assert queue.state.startswith("away")
