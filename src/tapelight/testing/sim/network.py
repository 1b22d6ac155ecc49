"""The simulated network between a trader and its venue: late, lost, repeated, out of order, cut."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Protocol, TypeVar

from tapelight.errors import Unavailable
from tapelight.model.orders import Order, OrderRequest, Report, Statement
from tapelight.testing.sim.life import Life
from tapelight.testing.venue import Venue

T = TypeVar("T")
FLIGHT_MOST_S = 3.0
"""No request is longer on its way: what the desk's `lost_s` has to exceed."""


class Witness(Protocol):
    """Who sees what goes out and comes in."""

    def sending(self, request: OrderRequest, life: Life) -> None:
        """See an order on its way out."""

    def cancelling(self, order: str) -> None:
        """See a cancel on its way out."""

    def stated(self, statement: Statement, life: Life, begun_s: float) -> None:
        """See a statement come in that was asked for at `begun_s`."""


class Network:
    """Carry calls and reports; `trouble` is the share of messages that something happens to."""

    def __init__(self, rng: Random, venue: Venue, trouble: float) -> None:
        self.venue, self.trouble = venue, trouble
        self.cut = False
        """Whether nothing passes."""
        self.unanswered = 0
        """Submits without an answer."""
        self.mute = False
        """Whether no submit is ever answered, and half of what the venue pushes is lost."""
        self._rng = rng
        self._streams: list[asyncio.Queue[Report | None]] = []
        venue.on_report = self._push

    def lost(self) -> bool:
        """Tell whether a message is lost."""
        return self.cut or self._rng.random() < self.trouble

    def delay_s(self) -> float:
        """Return how long a message is on its way."""
        slow = self._rng.random() < self.trouble
        return self._rng.uniform(0.5, FLIGHT_MOST_S) if slow else self._rng.uniform(0.002, 0.04)

    async def call(self, life: Life, act: Callable[[], T], mute: bool = False) -> T:
        """Have the venue do something and return its answer, if both pass.

        What is lost is not answered, or answered by a connection that breaks.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def reply(value: T) -> None:
            if not answer.done():
                answer.set_result(value)

        def breaks() -> None:
            if not answer.done():
                answer.set_exception(Unavailable("The connection broke."))

        def lose() -> None:
            if self._rng.random() < 0.5:
                loop.call_later(self.delay_s(), breaks)

        def arrive() -> None:
            value = act()
            if mute or self.lost():
                lose()
            else:
                loop.call_later(self.delay_s(), reply, value)

        if self.lost():
            lose()
        else:
            loop.call_later(self.delay_s(), arrive)
        value = await answer
        life.at("answer")
        return value

    def _push(self, report: Report) -> None:
        loop = asyncio.get_running_loop()
        for stream in self._streams:
            if self.cut or (self.mute and self._rng.random() < 0.5):
                continue
            for _ in range(2 if self._rng.random() < self.trouble else 1):
                loop.call_later(self.delay_s(), stream.put_nowait, report)

    def hang_up(self) -> None:
        """Break every stream; what is on its way is lost."""
        for stream in self._streams:
            stream.put_nowait(None)
        self._streams = []

    async def stream(self, life: Life) -> AsyncIterator[Report]:
        """Yield what the venue pushes from now on; raises Unavailable when it breaks."""
        queue: asyncio.Queue[Report | None] = asyncio.Queue()
        self._streams.append(queue)
        while True:
            report = await queue.get()
            life.at("report")
            if report is None:
                raise Unavailable("The stream broke.")
            yield report


class SimBroker:
    """Be the broker of one process."""

    name = "simulated"
    host = ""
    live = False

    def __init__(self, network: Network, life: Life, witness: Witness) -> None:
        self.network, self.life, self.witness = network, life, witness
        self.idempotent = network.venue.idempotent

    async def submit(self, request: OrderRequest) -> Report:
        """Send an order."""
        self.life.at("submit: before")
        self.witness.sending(request, self.life)
        network = self.network
        network.unanswered += 1
        report = await network.call(self.life, lambda: network.venue.submit(request), network.mute)
        network.unanswered -= 1
        return report

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel."""
        self.life.at("cancel")
        self.witness.cancelling(order.id)
        await self.network.call(self.life, lambda: self.network.venue.cancel(order.venue_id))

    async def look(self, ids: Sequence[str]) -> Statement:
        """Read orders first, holdings later: fills may come between."""
        self.life.at("look")
        begun_s = asyncio.get_running_loop().time()
        venue = self.network.venue
        orders = await self.network.call(self.life, lambda: venue.known(ids))
        statement = await self.network.call(self.life, lambda: venue.statement(orders))
        self.witness.stated(statement, self.life, begun_s)
        return statement

    def reports(self) -> AsyncIterator[Report]:
        """Yield what the venue pushes."""
        return self.network.stream(self.life)
