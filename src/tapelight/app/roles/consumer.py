"""What takes signals from a queue: each message is written before it is dealt with."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from tapelight.app.roles.outbox import Told, told
from tapelight.errors import Unavailable
from tapelight.ports import Lost, Queue

log = structlog.get_logger()


async def consume(
    queue: Queue, write: Callable[[bytes], Awaitable[bool]], lose: Callable[[Lost], Awaitable[None]]
) -> None:
    """Let `write` have each message, and `lose` what the queue gave up; until cancelled.

    What `write` says False to goes back, in the end to the quarantine.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_take(queue, write), name="consumer")
        group.create_task(_lost(queue, lose), name="consumer lost")


async def _take(queue: Queue, write: Callable[[bytes], Awaitable[bool]]) -> None:
    async for message in queue.messages():
        written = await write(message.body)
        try:
            await queue.done(message, ok=written)
        except Unavailable:
            continue  # it comes again, and is there already


async def _lost(queue: Queue, lose: Callable[[Lost], Awaitable[None]]) -> None:
    async for lost in queue.lost():
        await lose(lost)


def read(body: bytes, counts: dict[str, int]) -> Told | None:
    """Return a message's signals; None, counted as refused, where this version can't read it."""
    try:
        return told(body)
    except msgspec.MsgspecError as error:
        counts["refused"] += 1
        log.warning("a message of the signals' queue can't be read", reason=str(error))
        return None
