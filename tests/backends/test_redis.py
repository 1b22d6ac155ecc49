"""Redis: the kits, and what happens when it goes away."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backends.services import Service
from tapelight.buses.redis import RedisBus
from tapelight.errors import ConfigError, Unavailable
from tapelight.ports import Ranked
from tapelight.queues.redis import RedisLane
from tapelight.stores.hot_redis import RedisHot
from tapelight.testing.backends import check_bus, check_hot, reading_ends, until

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(180)]


@asynccontextmanager
async def buses(redis: Service, prefix: str) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    ends = RedisBus(redis.url, prefix, 0.01), RedisBus(redis.url, prefix, 0.01)
    tasks = [asyncio.create_task(end.run()) for end in ends]
    try:
        yield ends
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_the_bus(redis: Service) -> None:
    async with buses(redis, "kit") as (engine, gateway):
        await check_bus(engine, gateway)
        assert engine.conflated > 0


async def test_the_hot_state(redis: Service) -> None:
    hot = RedisHot(redis.url, "kit")
    await hot.open()
    await check_hot(hot)
    await hot.close()


async def test_messages_are_by_topic_and_not_by_publication(redis: Service) -> None:
    async with buses(redis, "count") as (engine, _):
        await until(lambda: engine.state == "ok", "a connection")
        before = engine.sent
        for n in range(100_000):
            engine.publish(f"board:{n % 20}", {"n": n})
        await until(lambda: engine.sent > before, "a flush")
        assert engine.sent - before == 20
        assert engine.conflated == 100_000 - 20


async def test_after_an_outage_the_newest_state_arrives(redis: Service) -> None:
    hot = RedisHot(redis.url, "away")
    async with buses(redis, "away") as (engine, gateway):
        heard: list[int] = []
        gateway.subscribe(lambda _topic, state: heard.append(state["n"]))
        gateway.want("board:a", True)
        await until(lambda: "board:a" in engine.wanted(), "the wants")
        await asyncio.to_thread(redis.kill)
        engine.publish("board:a", {"n": 1})
        await until(lambda: engine.state.startswith("away"), "the word that it is away")
        with pytest.raises(Unavailable, match="does not answer"):
            await hot.put_top("b", "p", [Ranked("A", 1.0)], 5.0)
        engine.publish("board:a", {"n": 2})
        await asyncio.to_thread(redis.start)
        await until(lambda: engine.state == gateway.state == "ok", "the way back")

        def again() -> bool:
            engine.publish("board:a", {"n": 3})
            return bool(heard) and heard[-1] == 3

        await until(again, "a state after the outage")
        await hot.put_top("b", "p", [Ranked("A", 1.0)], 5.0)
        assert [r.symbol for r in await hot.top("b", 5)] == ["A"]
    await hot.close()


async def test_a_wrong_password_is_told(redis: Service) -> None:
    hot = RedisHot(redis.url.replace("light", "dark"))
    with pytest.raises(ConfigError, match="password"):
        await hot.open()
    await hot.close()


async def test_a_lanes_reader_ends_whenever_it_is_cancelled(redis: Service) -> None:
    lane = RedisLane(redis.url, "ends")
    await reading_ends(lane.messages)
    await lane.close()


async def test_a_lane_says_at_once_that_redis_is_silent() -> None:
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as silent:  # it lets clients in, and answers nothing
        lane = RedisLane(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", "silent", 0.3)
        for _ in range(2):
            begun_s = time.monotonic()
            with pytest.raises(Unavailable, match="Redis does not answer"):
                await lane.put(b"message")
            assert 0.2 < time.monotonic() - begun_s < 1.0
        assert lane.is_away
        await lane.close()
