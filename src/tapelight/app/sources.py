"""What runs beside the feed: the sources that the configuration names."""

import asyncio
from collections.abc import Mapping

from tapelight.app.scanner import Scanner
from tapelight.config import Config, convert
from tapelight.plugins import load
from tapelight.ports import Json, Source


class Sources:
    """Run each source once the scanner's journal is open; raises ConfigError for a bad setting."""

    def __init__(self, config: Config) -> None:
        self.opened = asyncio.Event()
        """Set when the feed has set the clock."""
        self._sources = [_open(config, name) for name in dict.fromkeys(config.sources)]

    async def run(self, scanner: Scanner) -> None:
        """Wait for market time, then run them until cancelled."""
        await self.opened.wait()
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(source.run(scanner), name=f"source {source.name}")

    def status(self) -> Mapping[str, Json]:
        """Return how each stands."""
        return {source.name: source.status() for source in self._sources}


def _open(config: Config, name: str) -> Source:
    module = load("sources", name)
    source: Source = module.open(
        convert(config.source.get(name, {}), module.Config, f"[source.{name}]")
    )
    return source
