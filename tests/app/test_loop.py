"""A process ends, though a library in it forgets that it is to."""

import asyncio

import pytest

from tapelight.app import loop
from tapelight.errors import Unavailable


async def deaf(came: asyncio.Event) -> None:
    """Wait as libraries do: what came and a cancellation together are taken for what came."""
    while True:
        came.clear()
        await asyncio.wait_for(came.wait(), 60.0)  # noqa: TID251 - it is the fault


async def test_a_task_that_missed_its_cancellation_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "AGAIN_S", 0.05)
    came = asyncio.Event()

    async def lose() -> None:
        await asyncio.sleep(0.01)
        came.set()
        raise Unavailable("The lease is lost.")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(deaf(came))
            group.create_task(lose())

    ending = asyncio.create_task(loop.run_until_stopped(main()))
    done, _ = await asyncio.wait([ending], timeout=10)
    assert done, "the process goes on"
    with pytest.raises(ExceptionGroup) as caught:
        await ending
    assert caught.group_contains(Unavailable, match="is lost")
