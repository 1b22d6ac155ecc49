"""The broker's own quotes beside the gateway's: by them positions are managed while the scanner is away."""

import asyncio

import structlog

from tapelight.app.gatewayprices import GatewayPrices
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import Picture
from tapelight.ports import QuoteSource

log = structlog.get_logger()
AGAIN_S = 2.0


class BrokerQuotes:
    """Keep the newest pictures of a source, through its breaks."""

    def __init__(self, source: QuoteSource) -> None:
        self._source = source
        self._pictures: dict[str, Picture] = {}

    def picture(self, symbol: str) -> Picture | None:
        """Return the newest picture; None = nothing is known."""
        return self._pictures.get(symbol)

    def watch(self, symbols: frozenset[str]) -> None:
        """Follow these, and forget the others."""
        self._source.follow(symbols)
        self._pictures = {s: p for s, p in self._pictures.items() if s in symbols}

    async def run(self) -> None:
        """Follow the source until cancelled."""
        told = ""
        while True:
            try:
                async for picture in self._source.pictures():
                    self._pictures[picture.symbol] = picture
            except (Unavailable, ConfigError) as error:  # refused keys end no desk
                if str(error) != told:
                    log.warning("no quotes of the broker", reason=str(error))
                told = str(error)
            await asyncio.sleep(AGAIN_S)


class SharedPrices:
    """Show one client's prices to several desks: what any of them watches is followed.

    Where the gateway is not heard, the broker's own quotes serve if they are newer.
    """

    def __init__(
        self, prices: GatewayPrices, watched: dict[int, frozenset[str]], own: BrokerQuotes | None
    ) -> None:
        self._prices, self._watched, self._own = prices, watched, own

    def picture(self, symbol: str) -> Picture | None:
        """Return the newest picture."""
        found = self._prices.picture(symbol)
        if self._own is None or self._prices.sure():
            return found
        mine = self._own.picture(symbol)
        newer = mine is not None and (found is None or mine.ts_ns > found.ts_ns)
        return mine if newer else found

    def watch(self, symbols: frozenset[str]) -> None:
        """Follow these and what the other desks watch."""
        self._watched[id(self)] = symbols
        self._prices.watch(frozenset().union(*self._watched.values()))
        if self._own is not None:
            self._own.watch(symbols)
