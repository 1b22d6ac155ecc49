"""Kite's pictures: quotes of up to 500 instruments, for while the stream is gone."""

import asyncio

from tapelight.feeds.kite.config import KiteConfig
from tapelight.feeds.kite.rest import QUOTE_PAUSE_S, QUOTES_AT_ONCE, Rest
from tapelight.feeds.kite.samples import snapshot_of
from tapelight.model.records import Snapshot
from tapelight.ports import Sink


class KitePictures:
    """Bring the day so far of the settings' symbols, or of the first that are watched.

    One request a picture, and one a second at the most: Kite allows no more. Symbols beyond it
    stay as they are, PROVISIONAL.
    """

    name = "kite quotes"

    def __init__(self, config: KiteConfig) -> None:
        self._config = config
        self._rest: Rest | None = None
        self._free_s = 0.0
        """When the next request may go, in the loop's seconds."""
        self.newest_ns = 0
        """Time of the newest print or quote that the last picture knew, by the second."""

    async def poll(self, sink: Sink) -> Snapshot:
        """Return the day so far of what the universe has of the symbols."""
        rows = {symbol: row for row, symbol in enumerate(sink.universe.symbols)}
        wanted = [s for s in self._config.symbols or rows if s in rows][:QUOTES_AT_ONCE]
        await self._turn()
        found = await self._asked().named([f"{self._config.exchange}:{s}" for s in wanted])
        now_ns = sink.clock.now_ns()
        ticks = {name.partition(":")[2]: tick for name, tick in found.items()}
        self.newest_ns = max((max(t.traded_ns, t.stamped_ns) for t in ticks.values()), default=0)
        return snapshot_of([(rows[s], now_ns, t) for s, t in ticks.items() if s in rows], now_ns)

    async def close(self) -> None:
        """Close the HTTP connections."""
        if self._rest is not None:
            await self._rest.close()
            self._rest = None

    def _asked(self) -> Rest:
        if self._rest is None:
            config = self._config
            self._rest = Rest(config.rest, config.api_key, config.token())
        return self._rest

    async def _turn(self) -> None:
        now_s = asyncio.get_running_loop().time
        await asyncio.sleep(self._free_s - now_s())
        self._free_s = now_s() + QUOTE_PAUSE_S
