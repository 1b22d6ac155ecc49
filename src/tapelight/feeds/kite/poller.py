"""The Kite poller: quotes by REST, for where the stream is not to be had."""

import asyncio

from tapelight.feeds.kite.feed import KiteFeed


class KitePoller(KiteFeed):
    """Feed the table from /quote: 500 instruments a request, a request a second."""

    name = "kite poller"
    coverage = "polled"

    async def connection(self) -> None:
        """Ask again and again until a request fails."""
        rest = await self.prepare()
        first = True
        while True:
            self._timing.check()
            begun_ns = self._sink.clock.now_ns()
            ticks = await rest.quotes(self._listing.names)
            self._last_ns = begun_ns
            if first:
                self._totals["connections"] += 1
                self._live(ticks, [])
            else:
                self._take(ticks)
            first = False
            await asyncio.sleep(self._config.poll_s)
