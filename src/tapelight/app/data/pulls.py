"""`tapelight data pull`: a feed's reference data into the cold store."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tapelight.app.feeds import open_feed
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.model.batch import Floats
from tapelight.model.session import Session, calendar
from tapelight.ports import ReferenceFeed
from tapelight.stores.cold.catalog import FileRow
from tapelight.stores.cold.store import DAYS, KEEP, ColdStore

FAR_NS = 1 << 62
Tell = Callable[[str, int, int], object]


async def pull(
    config: Config, name: str | None, data: Path, sessions: int, minutes: int, tell: Tell
) -> dict[str, Any]:
    """Pull, and return what is kept now and what could not be had; raises ConfigError."""
    if not 1 <= sessions <= 2_000:
        raise ConfigError(f"--sessions is {sessions}: give 1 to 2000; 260 are a year.")
    if minutes < 0:
        raise ConfigError(f"--minutes is {minutes}: give how many symbols, 0 for none.")
    feed = open_feed(config, name)
    if not isinstance(feed, ReferenceFeed):
        raise ConfigError(
            f"The feed {feed.name} has no reference data to pull: it reads its few days at the "
            "start. Import files, or name another with --feed."
        )
    store = ColdStore(data)
    try:
        feed.keep_in(store)
        missing = list(await feed.pull(sessions, tell))
        files = store.catalog.files(DAYS)
        if minutes and files:
            missing += await _pull_minutes(feed, store, files, minutes, tell)
        return {
            "origin": ", ".join(sorted({file.origin for file in files})),
            "days": len({file.date for file in files}),
            "facts": len(store.catalog.facts("9999-12-31", FAR_NS)),
            "missing": missing,
        }
    finally:
        store.close()


async def _pull_minutes(
    feed: ReferenceFeed, store: ColdStore, files: list[FileRow], count: int, tell: Tell
) -> list[str]:
    """Keep the minute volumes of the most traded symbols over the last full sessions."""
    last = max(files, key=lambda file: (file.date, file.known_ns))
    bars = await asyncio.to_thread(store.bars_in, last)
    order = np.argsort(-(bars.close * bars.volume), kind="stable")[:count]
    symbols = [bars.symbols[i] for i in order.tolist()]
    past = _full_sessions(sorted({f.date for f in files if f.origin == last.origin}))[-KEEP:]
    found: dict[dt.date, dict[str, Floats]] = {session.date: {} for session in past}
    missing, done = [], 0
    async for symbol, volumes in feed.volumes(symbols, past):
        done += 1
        tell("minute volumes", done, len(symbols))
        if not volumes:
            missing.append(f"minutes of {symbol}")
        for date, shares in volumes.items():
            found[date][symbol] = shares
    for session in past:
        await asyncio.to_thread(_keep, store, last.origin, session, found[session.date])
    return missing


def _keep(store: ColdStore, origin: str, session: Session, volumes: Mapping[str, Floats]) -> None:
    if volumes:
        matrix = np.array(list(volumes.values()), np.float32)
        symbols, now_ns = list(volumes), session.end_ns
        store.keep_minutes(origin, session, symbols, matrix, "pulled", now_ns, derived=True)


def _full_sessions(dates: list[str]) -> list[Session]:
    """Return the sessions of dates (ISO) that are no half days."""
    found = (calendar("XNYS").session_on(dt.date.fromisoformat(date)) for date in dates)
    return [session for session in found if session is not None and not session.half_day]
