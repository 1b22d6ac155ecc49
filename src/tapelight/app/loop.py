"""Running and stopping: SIGTERM and Ctrl-C end a process cleanly, children die with their parent."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
AGAIN_S = 5.0
"""After so long a task that was told to end, and goes on, is told again."""
PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Numbers of glibc's malloc.h."""
MAPPED_BYTES, SPARE_BYTES = 1 << 20, 64 << 20


def steady_memory() -> None:
    """Keep the C allocator (glibc) from creeping up all day.

    With an arena for each thread, memory is held in many; and left to itself glibc takes ever larger
    blocks from the heap, where what a burst needed once leaves holes that stay resident.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(M_TRIM_THRESHOLD, SPARE_BYTES)


def give_back_memory() -> None:
    """Give the system the pages that a burst left free between blocks (glibc); some ms, on any thread."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def collect_seldom() -> None:
    """Leave what is there by now to its end, and look for garbage seldom: a cycle must not wait."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


async def run_until_stopped(main_task: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine; SIGINT or SIGTERM cancels it, then None is returned."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(main_task, name="main")
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    insisting = loop.create_task(_insist(task), name="insisting")
    try:
        with contextlib.suppress(asyncio.CancelledError):
            return await task
    finally:
        insisting.cancel()
    return None


async def _insist(main: asyncio.Task[Any]) -> None:
    """Tell the tasks again that were told to end, once all are to end.

    Libraries lose a cancellation that comes together with what they wait for: they call
    asyncio.wait_for, which does so before Python 3.12. The task would go on, and the process with it.
    """
    while True:
        await asyncio.sleep(AGAIN_S)
        if not main.cancelling():
            continue
        await asyncio.sleep(AGAIN_S)
        for task in asyncio.all_tasks() if main.cancelling() else ():
            if task is not main and task.cancelling():
                task.cancel()


def begin_worker(nice: int) -> None:
    """Make a pool's process end with its parent, leave Ctrl-C to it, and step back by `nice`."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(nice)


def die_with_parent(parent: int = 0, number: int = signal.SIGTERM) -> None:
    """Let the kernel end this process by a signal when its parent ends (Linux)."""
    if sys.platform == "linux":
        parent = parent or os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the fastest loop at hand."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
