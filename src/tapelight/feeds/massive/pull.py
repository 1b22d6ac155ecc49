"""Bring Massive's reference data into the cold store, without a scanner: `tapelight data pull`."""

import asyncio
import contextlib
import datetime as dt
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import numpy as np

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds.massive.library import Library, past_year
from tapelight.feeds.massive.reference import told_of
from tapelight.model.batch import Floats
from tapelight.model.session import (
    MINUTE_NS,
    Session,
    calendar,
    latest_session,
    session_after,
)
from tapelight.ports import Cold

AT_ONCE = 8
MINUTES = 960


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


async def volumes(
    library: Library, symbols: Sequence[str], sessions: Sequence[Session]
) -> AsyncGenerator[tuple[str, Mapping[dt.date, Floats]]]:
    """Yield for each symbol its shares by minute of each session, as traded; one request each.

    A symbol that can't be had is yielded with nothing. Raises ConfigError for a refused key.
    """
    left = iter(symbols)
    tasks = [_volumes_task(library, s, sessions) for s in itertools.islice(left, AT_ONCE)]
    try:
        while tasks:
            yield await tasks.pop(0)
            tasks += [_volumes_task(library, s, sessions) for s in itertools.islice(left, 1)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _volumes_task(
    library: Library, symbol: str, sessions: Sequence[Session]
) -> "asyncio.Task[tuple[str, Mapping[dt.date, Floats]]]":
    return asyncio.create_task(_volumes_of(library, symbol, sessions), name=f"minutes {symbol}")


async def _volumes_of(
    library: Library, symbol: str, sessions: Sequence[Session]
) -> tuple[str, Mapping[dt.date, Floats]]:
    begin, end = sessions[0].start_ns, sessions[-1].end_ns
    try:
        bars = await library.minutes_between(symbol, begin, end, adjusted=False)
    except (Rejected, Unavailable) as error:
        library.missing.append(f"minutes of {symbol}: {error}")
        return symbol, {}
    at = np.array([bar.t for bar in bars], np.int64) * 1_000_000
    shares = np.array([bar.v for bar in bars], np.float64)
    found: dict[dt.date, Floats] = {}
    for session in sessions:
        inside = (at >= session.start_ns) & (at < session.end_ns) & (shares >= 0)
        minute = (at[inside] - session.start_ns) // MINUTE_NS
        if len(minute):
            found[session.date] = np.bincount(minute, shares[inside], MINUTES).astype(np.float64)
    return symbol, found
