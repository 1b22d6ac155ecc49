"""How tasks end: what comes out of those beside a block, what is done whole, what was swallowed."""

import asyncio

import pytest

from tapelight.errors import ConfigError, Unavailable
from tapelight.tasks import Heed, beside, finish


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


async def test_what_must_be_done_whole_is_though_the_caller_is_cancelled_twice() -> None:
    begun, go, done = asyncio.Event(), asyncio.Event(), []

    async def work() -> int:
        begun.set()
        await go.wait()
        done.append("whole")
        return 7

    caller = asyncio.create_task(finish(work()))
    await begun.wait()
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert done == ["whole"]
    assert await finish(work()) == 7
    with pytest.raises(Unavailable):
        await finish(fail(Unavailable("away")))


async def test_a_loop_ends_though_what_it_calls_swallowed_the_cancellation() -> None:
    came, turns = asyncio.Event(), 0

    async def loop() -> None:
        nonlocal turns
        heed = Heed()
        while True:
            heed()
            turns += 1
            try:
                await came.wait()
            except asyncio.CancelledError:  # as asyncio.wait_for does before Python 3.12
                continue

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert turns == 1


async def test_only_a_cancellation_since_is_heeded() -> None:
    """Python 3.11 leaves one behind where a group ended its own block."""

    async def again() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            assert task.cancelling() == 1
        Heed()()
        return "goes on"

    assert await asyncio.create_task(again()) == "goes on"
