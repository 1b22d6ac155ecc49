"""Tasks beside a block: what comes out of them."""

import asyncio

import pytest

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._tasks import beside


async def fail(error: Exception) -> None:
    raise error


async def test_the_gravest_failure_comes_out_alone() -> None:
    async def block() -> None:
        async with beside() as tasks:
            tasks.create_task(fail(Unavailable("away")))
            tasks.create_task(fail(ConfigError("the user")))
            await asyncio.sleep(60)

    with pytest.raises(ConfigError, match="the user"):
        await block()


async def test_who_is_cancelled_as_something_fails_is_cancelled() -> None:
    began = asyncio.Event()
    tries = 0

    async def again_and_again() -> None:
        nonlocal tries
        while True:
            tries += 1
            try:
                async with beside():
                    try:
                        began.set()
                        await asyncio.sleep(60)
                    finally:
                        await fail(Unavailable("closed"))
            except Unavailable:
                continue

    task = asyncio.create_task(again_and_again())
    await began.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert (done, tries) == ({task}, 1)
    assert task.cancelled()
