"""A venue in memory: orders, matching against quotes, holdings, cash. Seeded, and knows no clock.

`idempotent` makes it answer a repeated client id with the order that has it (as Alpaca refuses one);
without, the id is only a label and the same one twice is two orders (as at Interactive Brokers).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from tapelight.model.orders import (
    BUY,
    ZERO,
    Account,
    Holding,
    OrderRequest,
    Report,
    Side,
    State,
    Statement,
)

FEE = Decimal("0.005")
"""$ a share."""
Quote = tuple[Decimal, Decimal]
"""Bid and ask."""


@dataclass(slots=True)
class Resting:
    """Hold an order as the venue has it."""

    request: OrderRequest
    venue_id: str
    arrived_ns: int
    state: State = "working"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    triggered: bool = False
    fills: list[tuple[int, Decimal, Decimal]] = field(default_factory=list)
    """Time, quantity and price of each."""

    def report(self, ts_ns: int, reason: str = "") -> Report:
        """Return what the venue says of it now."""
        request = self.request
        return Report(
            order=request.id,
            state=self.state,
            filled=self.filled,
            average=self.cost / self.filled if self.filled else None,
            fee=self.fee,
            ts_ns=ts_ns,
            venue_id=self.venue_id,
            execution=f"{self.venue_id}-{len(self.fills)}" if self.fills else "",
            reason=reason,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
        )


class Venue:
    """Match orders against quotes; tell `on_report` of every change."""

    def __init__(
        self, rng: Random, now_ns: Callable[[], int], quote: Callable[[str], Quote | None],
        idempotent: bool = True, equity: Decimal = Decimal(100_000),
    ) -> None:  # fmt: skip
        self.idempotent = idempotent
        self.orders: list[Resting] = []
        self.clients: dict[str, list[Resting]] = {}
        """Orders by client id: more than one is a duplicate."""
        self.turned: list[tuple[Resting, Decimal, Decimal]] = []
        """Orders that were to reduce and turned a position around: what was held before and after."""
        self.holdings: dict[str, Decimal] = {}
        self.averages: dict[str, Decimal] = {}
        self.cash = ZERO
        """What fills brought and cost, fees included, $."""
        self.equity = self.last_equity = equity
        self.number = "fake-1"
        """Of the account."""
        self.part_share = 0.5
        """Share of fills that are a part of what is left."""
        self.reject_share = 0.0
        """Share of orders that it rejects."""
        self.on_report: Callable[[Report], None] = lambda _: None
        self._rng, self._now_ns, self._quote = rng, now_ns, quote
        self._open: list[Resting] = []

    # --- what a broker asks ----------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> Report:
        """Take an order in, or reject it, and return the venue's word."""
        known = self.clients.get(request.id)
        if known and self.idempotent:
            return known[0].report(self._now_ns())
        order = Resting(request, f"v{len(self.orders) + 1}", self._now_ns())
        self.orders.append(order)
        self.clients.setdefault(request.id, []).append(order)
        if self._rng.random() < self.reject_share:
            order.state = "rejected"
            return self._tell(order, "the venue does not want it")
        self._open.append(order)
        return self._tell(order)

    def cancel(self, venue_id: str) -> None:
        """Cancel an order if it still works."""
        for order in self._open:
            if order.venue_id == venue_id:
                self._end(order, "cancelled")
                return

    def known(self, ids: Iterable[str]) -> tuple[Report, ...]:
        """Return all open orders and those of `ids`."""
        wanted = set(ids)
        return tuple(
            order.report(self._now_ns())
            for order in self.orders
            if order.state == "working" or order.request.id in wanted
        )

    def statement(self, orders: tuple[Report, ...] = ()) -> Statement:
        """Return account and holdings now, beside `orders`."""
        held = tuple(
            Holding(symbol, quantity, self.averages[symbol])
            for symbol, quantity in self.holdings.items()
            if quantity
        )
        account = Account(
            equity=self.equity,
            buying_power=self.equity * 2,
            last_equity=self.last_equity,
            ts_ns=self._now_ns(),
            may_short=True,
            number=self.number,
        )
        return Statement(account=account, orders=orders, holdings=held, ts_ns=self._now_ns())

    # --- the market goes on ------------------------------------------------------------------------

    def trade(self, symbol: str, side: Side, quantity: Decimal) -> None:
        """Trade as a person does in the broker's own app, at the market; the venue tells of that."""
        quote = self._quote(symbol)
        if quote is not None and quantity:
            price = quote[1] if side == BUY else quote[0]
            self._hold(symbol, quantity if side == BUY else -quantity, price)
            self.on_report(
                Report(order="", state="filled", filled=quantity, average=price,
                       ts_ns=self._now_ns(), symbol=symbol, side=side, quantity=quantity)
            )  # fmt: skip

    def free(self, symbol: str) -> None:
        """Cancel what rests on a position, as the broker's own app does before it closes one."""
        for order in list(self._open):
            if order.request.symbol == symbol and order.request.reduces:
                self._end(order, "cancelled")

    def close(self, symbol: str) -> None:
        """Close a position as a person does in the broker's own app."""
        self.free(symbol)
        held = self.holdings.get(symbol, ZERO)
        self.trade(symbol, "sell" if held > 0 else "buy", abs(held))

    def advance(self) -> None:
        """Match what works against the quotes as they stand; part of it at a time."""
        for order in list(self._open):
            quote = self._quote(order.request.symbol)
            price = _price(order, quote) if quote is not None else None
            if price is not None:
                self._fill(order, price)

    def fill_again(self, order: Resting, price: Decimal) -> None:
        """Fill an order that is filled already: both halves of an OCO, as a slow venue may."""
        self._book(order, order.request.quantity, price)
        self._tell(order)

    def expire(self, order: Resting) -> None:
        """End a working order as at the end of its day."""
        if order in self._open:
            self._end(order, "expired")

    def _fill(self, order: Resting, price: Decimal) -> None:
        left = order.request.quantity - order.filled
        part = (
            left
            if self._rng.random() >= self.part_share
            else Decimal(self._rng.randint(1, int(left)))
        )
        self._book(order, part, price)
        if order.filled == order.request.quantity:
            self._end(order, "filled")
        else:
            self._tell(order)

    def _book(self, order: Resting, part: Decimal, price: Decimal) -> None:
        order.filled += part
        order.cost += part * price
        order.fee += part * FEE
        order.fills.append((self._now_ns(), part, price))
        self.cash -= part * FEE
        signed = part if order.request.side == BUY else -part
        before = self.holdings.get(order.request.symbol, ZERO)
        self._hold(order.request.symbol, signed, price)
        if order.request.reduces and before * (before + signed) <= 0 and before + signed:
            self.turned.append((order, before, before + signed))

    def _hold(self, symbol: str, signed: Decimal, price: Decimal) -> None:
        before = self.holdings.get(symbol, ZERO)
        after = self.holdings[symbol] = before + signed
        self.cash -= signed * price
        if before * signed >= 0:
            cost = before * self.averages.get(symbol, ZERO) + signed * price
            self.averages[symbol] = cost / after if after else ZERO
        elif before * after < 0:
            self.averages[symbol] = price

    def _end(self, order: Resting, state: State) -> None:
        order.state = state
        self._open.remove(order)
        self._tell(order)

    def _tell(self, order: Resting, reason: str = "") -> Report:
        report = order.report(self._now_ns(), reason)
        self.on_report(report)
        return report


def _price(order: Resting, quote: Quote) -> Decimal | None:
    """Return at what price an order fills at a quote; None = it does not."""
    request, (bid, ask) = order.request, quote
    buys = request.side == BUY
    market = ask if buys else bid
    if request.stop is not None and not order.triggered:
        order.triggered = market >= request.stop if buys else market <= request.stop
    if order.triggered and request.kind != "stop_limit":
        return market
    if request.limit is None:
        return market if request.kind == "market" else None
    if request.kind == "stop_limit" and not order.triggered:
        return None
    return market if (market <= request.limit if buys else market >= request.limit) else None
