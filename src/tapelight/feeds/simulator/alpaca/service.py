"""Put the parts of the simulated Alpaca together: one market, one account, their addresses."""

import asyncio

from starlette.routing import BaseRoute, WebSocketRoute

from tapelight.feeds.simulator.alpaca.book import Book
from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.guard import Guard, Keys
from tapelight.feeds.simulator.alpaca.listed import Listed
from tapelight.feeds.simulator.alpaca.trading import Trading
from tapelight.feeds.simulator.alpaca.updates import Updates
from tapelight.feeds.simulator.alpaca.venue import Venue
from tapelight.feeds.simulator.simulation import Simulation, Step
from tapelight.model.clock import MarketClock


class Service:
    """Hold the simulated Alpaca: it hears each step of the market and answers under its routes."""

    def __init__(self, simulation: Simulation, clock: MarketClock, begin: asyncio.Event) -> None:
        options = simulation.options
        keys, faults = Keys(options.api_key, options.api_secret), Switches()
        self._venue = Venue(Book(simulation), faults, options.seed)
        self._updates = Updates(keys, faults, begin.set)
        self._venue.listeners.append(self._updates.tell)
        guard = Guard(keys, faults)
        self._trading = Trading(self._venue, self._updates, guard)
        self._listed = Listed(simulation, clock, guard)

    def routes(self) -> list[BaseRoute]:
        """Return every address of both APIs and both streams."""
        return [
            WebSocketRoute("/stream", self._updates.stream),
            *self._trading.routes(),
            *self._listed.routes(),
        ]

    def broadcast(self, step: Step) -> None:
        """Let a step of the market reach orders and streams."""
        self._venue.step(step.window)

    async def close(self, limit_s: float) -> None:
        """Send everybody home within `limit_s`."""
        self._updates.drop()
        await asyncio.sleep(min(limit_s, 0.05))
