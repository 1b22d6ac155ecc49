"""Run tasks beside a block; what fails comes out alone, not as a group."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tapelight.errors import ConfigError, TapelightError


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
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        if caller.cancelling() > asked:
            raise asyncio.CancelledError from group
        raise min(_leaves(group), key=_rank) from None


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
