"""A simulated market with its broker, stepped by the test: no sockets, no clock."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tapelight.feeds.simulator import SimulatorOptions
from tapelight.feeds.simulator.alpaca.book import Book
from tapelight.feeds.simulator.alpaca.faults import Faults, Switches
from tapelight.feeds.simulator.alpaca.order import Order
from tapelight.feeds.simulator.alpaca.refusal import Refusal
from tapelight.feeds.simulator.alpaca.ticket import Change, StopLoss, TakeProfit, Ticket
from tapelight.feeds.simulator.alpaca.venue import Venue
from tapelight.feeds.simulator.simulation import Simulation

D = Decimal


class Broker:
    """Hold a market at 10:00 New York and its venue."""

    def __init__(self, start: str = "10:00", **faults: Any) -> None:
        options = SimulatorOptions(port=0, symbols=40, rate=400.0, seed=5, start=start)
        self.market = Simulation(options)
        self.venue = Venue(Book(self.market), Switches(), 5)
        self.updates: list[dict[str, Any]] = []
        self.venue.listeners.append(self.updates.append)
        self.set(**faults)
        self.step()

    def set(self, **faults: Any) -> None:
        self.venue.faults.set(Faults(**faults))

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.venue.step(self.market.advance().window)

    def until(self, done: Callable[[], bool], limit: int = 6000) -> None:
        for _ in range(limit):
            if done():
                return
            self.step()
        raise AssertionError(f"not within {limit} windows of the tape")

    def send(self, symbol: str = "AAPL", qty: str = "10", side: str = "buy", **more: Any) -> Order:
        given: dict[str, Any] = {"type": "market", "time_in_force": "day", **more}
        return self.venue.submit(Ticket(symbol=symbol, qty=qty, side=side, **given))

    def refused(self, *args: Any, **more: Any) -> tuple[int, int, str]:
        with pytest.raises(Refusal) as caught:
            self.send(*args, **more)
        body = caught.value.body
        return caught.value.status, int(str(body["code"])), str(body["message"])

    def quote(self, symbol: str = "AAPL") -> tuple[Decimal, Decimal]:
        row = self.venue.book.rows[symbol]
        return self.venue.book.offer(row, False)[0], self.venue.book.offer(row, True)[0]

    def held(self, symbol: str = "AAPL") -> Decimal:
        return self.venue.account.position(symbol)

    def events(self, order: Order) -> list[str]:
        return [u["event"] for u in self.updates if u["order"]["id"] == order.id]


def bracket(profit: Decimal, stop: Decimal) -> dict[str, Any]:
    return {
        "order_class": "bracket", "take_profit": TakeProfit(limit_price=str(profit)),
        "stop_loss": StopLoss(stop_price=str(stop)),
    }  # fmt: skip


__all__ = ["Broker", "Change", "D", "bracket"]
