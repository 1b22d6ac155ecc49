"""Virtual time: an event loop that never waits. Hours pass as fast as their events run."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STEPS_MOST = 2_000_000
"""Rounds of a loop; a run that takes more is stuck."""


class _NoWait(selectors.SelectSelector):
    """Let time pass in place of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.rounds = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return nothing, at once, later by `timeout`."""
        self.rounds += 1
        if timeout is None or self.rounds > STEPS_MOST:
            raise RuntimeError("Nothing will ever happen: every task waits for another.")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Run callbacks in the order of their virtual times."""

    def __init__(self) -> None:
        self._waiter = _NoWait()
        super().__init__(self._waiter)

    def time(self) -> float:
        """Return virtual seconds since the loop began."""
        return self._waiter.now_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        _drop(loop)


def _drop(loop: VirtualLoop) -> None:
    """End what still waits, and the loop."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
