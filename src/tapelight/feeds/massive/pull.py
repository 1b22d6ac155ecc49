"""Bring Massive's reference data into the cold store, without a scanner: `tapelight data pull`."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from tapelight.feeds.massive.library import Library, past_year
from tapelight.feeds.massive.reference import told_of
from tapelight.model.session import calendar, latest_session, session_after
from tapelight.ports import Cold

AT_ONCE = 8


async def pull(
    library: Library, cold: Cold, sessions: int, tell: Callable[[str, int, int], object]
) -> Sequence[str]:
    """Keep the lists of today and the last whole sessions; return what could not be had, in words.

    Raises ConfigError for a refused key, Unavailable where the service does not answer.
    """
    await library.check_key()
    clock = await library.simulator_clock()
    now_ns = clock.now_ns if clock is not None else time.time_ns()
    library.now_ns = lambda: now_ns
    cal = calendar("XNYS")
    session = latest_session(cal, now_ns)
    if now_ns >= session.end_ns:
        session = session_after(cal, now_ns)
    tell("lists", 0, 1)
    facts = await library.facts(session)
    told = await asyncio.to_thread(told_of, facts, session.date, now_ns)
    await asyncio.to_thread(cold.keep, told, now_ns)
    tell("lists", 1, 1)
    past, done = past_year(cal, session, sessions).sessions, 0
    async with contextlib.aclosing(library.days(past, AT_ONCE)) as days:
        async for _ in days:
            done += 1
            tell("days", done, len(past))
    return library.missing
