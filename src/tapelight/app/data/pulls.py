"""`tapelight data pull`: a feed's reference data into the cold store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tapelight.app.run import open_feed
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.ports import ReferenceFeed
from tapelight.stores.cold.store import ColdStore


async def pull(
    config: Config,
    name: str | None,
    data: Path,
    sessions: int,
    tell: Callable[[str, int, int], object],
) -> dict[str, Any]:
    """Pull, and return what is kept now and what could not be had; raises ConfigError."""
    if not 1 <= sessions <= 2_000:
        raise ConfigError(f"--sessions is {sessions}: give 1 to 2000; 260 are a year.")
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
        far = 1 << 62
        files, facts = store.catalog.files("days"), store.catalog.facts("9999-12-31", far)
        origins = sorted({file.origin for file in files})
        return {
            "origin": ", ".join(origins), "days": len({f.date for f in files}),
            "facts": len(facts), "missing": missing,
        }  # fmt: skip
    finally:
        store.close()
