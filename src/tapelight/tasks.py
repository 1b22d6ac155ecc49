"""How tasks end: those beside a block with it, work that must be done whole, and libraries that forget.

What fails beside a block comes out alone, not as a group.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any, TypeVar

from tapelight.errors import ConfigError, TapelightError

T = TypeVar("T")


class _Group(asyncio.TaskGroup):
    """A group that can be waited for within its block.

    Python 3.11 forgets to take back the cancellation by which a group ends its own block, where that
    is over already; then nobody could tell it from the caller's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._begun: set[asyncio.Task[Any]] = set()

    def create_task(
        self, coro: Generator[Any, None, T] | Coroutine[Any, Any, T], *, name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:  # fmt: skip
        """Begin a task of the group."""
        task: asyncio.Task[T] = super().create_task(coro, name=name, context=context)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return task

    async def ended(self) -> None:
        """Wait until every task has ended."""
        while self._begun:
            await asyncio.wait(self._begun)


@contextlib.asynccontextmanager
async def beside() -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a task group that ends with the block; the first failure of either is raised.

    Where something fails just as the caller is cancelled, the caller is cancelled: before Python
    3.13 a group forgets that for the failure, and who tries again after it would never end.
    """
    caller = asyncio.current_task()
    assert caller is not None
    asked = caller.cancelling()
    try:
        async with _Group() as tasks:
            yield tasks
            await tasks.ended()
    except ExceptionGroup as group:
        if caller.cancelling() > asked:
            raise asyncio.CancelledError from group
        raise min(_leaves(group), key=_rank) from None


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Do a piece of work whole, though the caller is cancelled meanwhile; that is raised after it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


class Heed:
    """Ends a task that was told to end, where a library swallowed that.

    `asyncio.wait_for` may, before Python 3.12, and the clients of Redis and RabbitMQ call it: a loop
    around them heeds each turn, or it goes on for good.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._asked = 0 if self._task is None else self._task.cancelling()

    def __call__(self) -> None:
        """Raise CancelledError where the task has been cancelled since."""
        if self._task is not None and self._task.cancelling() > self._asked:
            raise asyncio.CancelledError


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return found


def _rank(error: Exception) -> int:
    """Order the user's fault before a fault of ours before what may be tried again."""
    if isinstance(error, ConfigError):
        return 0
    return 2 if isinstance(error, TapelightError) else 1
