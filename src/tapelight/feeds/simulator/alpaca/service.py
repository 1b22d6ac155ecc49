"""Put the parts of the simulated Alpaca together: one market, one account, their addresses."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from tapelight.feeds.simulator.alpaca.book import Book
from tapelight.feeds.simulator.alpaca.data import Data
from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.guard import Guard, Keys
from tapelight.feeds.simulator.alpaca.listed import Listed
from tapelight.feeds.simulator.alpaca.playground import Playground
from tapelight.feeds.simulator.alpaca.side import Side
from tapelight.feeds.simulator.alpaca.stream import DataStream
from tapelight.feeds.simulator.alpaca.trading import Trading
from tapelight.feeds.simulator.alpaca.updates import Updates
from tapelight.feeds.simulator.alpaca.venue import Venue
from tapelight.feeds.simulator.rest import answer
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
        self._sides = {name: Side(simulation, name) for name in ("sip", "iex")}
        self._data = Data(self._sides, guard, faults)
        self._streams = {
            name: DataStream(side, keys, faults, begin.set) for name, side in self._sides.items()
        }
        self._test = DataStream(
            self._sides["sip"], keys, faults, begin.set, Playground(options.seed)
        )

    def routes(self) -> list[BaseRoute]:
        """Return every address of both APIs and both streams."""
        return [
            WebSocketRoute("/stream", self._updates.stream),
            WebSocketRoute("/v2/test", self._test.stream),
            Route("/simulator/streams", self.drop, methods=["DELETE"]),
            *(WebSocketRoute(f"/v2/{name}", s.stream) for name, s in self._streams.items()),
            *self._data.routes(),
            *self._trading.routes(),
            *self._listed.routes(),
        ]

    async def drop(self, _request: Request) -> Response:
        """Break the connections of the data streams."""
        for stream in (*self._streams.values(), self._test):
            stream.close()
        return answer({})

    def broadcast(self, step: Step) -> None:
        """Let a step of the market reach orders and streams."""
        self._venue.step(step.window)
        for name, side in self._sides.items():
            seen = side.take(step.window)
            self._streams[name].broadcast(seen)
            if name == "sip":
                self._test.broadcast(seen)

    async def close(self, limit_s: float) -> None:
        """Send everybody home within `limit_s`."""
        self._updates.drop()
        for stream in (*self._streams.values(), self._test):
            stream.close()
        await asyncio.sleep(min(limit_s, 0.05))
