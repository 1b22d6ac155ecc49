"""The Alpaca poller: snapshots by REST, for where the stream is not to be had."""

import asyncio

from tapelight.feeds.alpaca.feed import AlpacaFeed
from tapelight.feeds.alpaca.library import SYMBOLS_A_REQUEST


class AlpacaPoller(AlpacaFeed):
    """Feed the table from /v2/stocks/snapshots: 200 symbols a request, within 200 a minute."""

    name = "alpaca poller"

    async def connection(self) -> None:
        """Set the clock, then ask again and again until a request fails."""
        await self._set_clock()
        assert self._timing is not None
        symbols = len(self._almanac.symbols)
        requests = -(-symbols // SYMBOLS_A_REQUEST)
        pause_s = max(self._config.poll_s, requests * LEAST_S)
        self._connections += 1
        while True:
            self._timing.check()
            begun_ns = self._sink.clock.now_ns()
            self.put_picture(await self.day())
            self.say_live("")
            self._sink.alive(begun_ns)
            await asyncio.sleep(pause_s)


LEAST_S = 0.35
"""A request each: some 170 a minute, within the free plan's budget."""
