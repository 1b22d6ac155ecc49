"""Alpaca's Trading API over the simulated broker: orders, positions, account; and the switches."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator.alpaca import account as accounts
from tapelight.feeds.simulator.alpaca.faults import Faults
from tapelight.feeds.simulator.alpaca.guard import Guard
from tapelight.feeds.simulator.alpaca.order import Order, form, stamp, text
from tapelight.feeds.simulator.alpaca.refusal import Refusal, bad, missing
from tapelight.feeds.simulator.alpaca.ticket import Change, Ticket, read, shares
from tapelight.feeds.simulator.alpaca.updates import Updates
from tapelight.feeds.simulator.alpaca.venue import Venue
from tapelight.feeds.simulator.rest import answer

Handler = Callable[[Request], Awaitable[Response]]
MAX_LISTED = 500


class Trading:
    """Answer for one account; every answer goes through the guard, which knows the faults."""

    def __init__(self, venue: Venue, updates: Updates, guard: Guard) -> None:
        self._venue, self._updates, self._guard = venue, updates, guard
        self._standing = venue.standing

    def routes(self) -> list[BaseRoute]:
        """Return the routes, each behind the keys, and those of the switches, which need none."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/v2/orders", self.submit), ("GET", "/v2/orders", self.orders),
            ("DELETE", "/v2/orders", self.cancel_all),
            ("GET", "/v2/orders:by_client_order_id", self.by_client),
            ("GET", "/v2/orders/{id}", self.order), ("PATCH", "/v2/orders/{id}", self.change),
            ("DELETE", "/v2/orders/{id}", self.cancel),
            ("GET", "/v2/positions", self.positions), ("DELETE", "/v2/positions", self.close_all),
            ("GET", "/v2/positions/{symbol}", self.position),
            ("DELETE", "/v2/positions/{symbol}", self.close),
            ("GET", "/v2/account", self.account),
            ("GET", "/v2/account/configurations", self.configurations),
            ("GET", "/v2/account/activities/{kind}", self.activities),
        ]  # fmt: skip
        routes: list[BaseRoute] = [
            Route(path, self._guard.trading(handler), methods=[verb])
            for verb, path, handler in table
        ]
        return [
            *routes,
            Route("/simulator/faults", self.faults, methods=["GET", "PUT"]),
            Route("/simulator/account", self.shape, methods=["PUT"]),
            Route("/simulator/updates", self.drop, methods=["DELETE"]),
        ]

    # Orders

    async def submit(self, request: Request) -> Response:
        """Take an order."""
        return answer(form(self._venue.submit(read(await request.body(), Ticket))))

    async def orders(self, request: Request) -> Response:
        """Answer orders, the newest first unless asked; nested ones inside their parents."""
        query = request.query_params
        found = list(self._standing.orders.values())
        status, symbols = query.get("status", "open"), query.get("symbols")
        if status != "all":
            found = [o for o in found if o.is_open == (status == "open")]
        if symbols:
            found = [o for o in found if o.symbol in symbols.split(",")]
        for name, keep in (("after", stamp_after), ("until", stamp_before)):
            if name in query:
                found = [o for o in found if keep(o, query[name])]
        nested = query.get("nested", "false").lower() == "true"
        if nested:
            shown = {id(o) for o in found}
            found = [o for o in found if o.parent is None or id(o.parent) not in shown]
        if query.get("direction", "desc") == "desc":
            found.reverse()
        limit = min(int(query.get("limit", 50)), MAX_LISTED)
        return answer([form(o, nested) for o in found[:limit]])

    async def order(self, request: Request) -> Response:
        """Answer one order."""
        return answer(form(self._standing.find(request.path_params["id"])))

    async def by_client(self, request: Request) -> Response:
        """Answer one order by the client's id."""
        client = request.query_params.get("client_order_id", "")
        found = self._standing.by_client.get(client)
        if found is None:
            raise missing(f"order not found for {client}")
        return answer(form(found))

    async def change(self, request: Request) -> Response:
        """Take a replacement: the answer is the new order, which waits."""
        order = self._standing.find(request.path_params["id"])
        return answer(form(self._venue.change(order, read(await request.body(), Change))))

    async def cancel(self, request: Request) -> Response:
        """Take a cancel."""
        self._venue.cancel(self._standing.find(request.path_params["id"]))
        return Response(status_code=204)

    async def cancel_all(self, _request: Request) -> Response:
        """Take cancels of all open orders, each with its own status."""
        return answer([self._cancelled(order) for order in self._standing.live()], 207)

    def _cancelled(self, order: Order) -> dict[str, object]:
        try:
            self._venue.cancel(order)
        except Refusal as refusal:
            return {"id": order.id, "status": refusal.status, "body": refusal.body}
        return {"id": order.id, "status": 200, "body": None}

    # Positions and account

    async def positions(self, _request: Request) -> Response:
        """Answer all positions."""
        held = sorted(self._venue.account.positions)
        return answer([self._position(symbol) for symbol in held])

    async def position(self, request: Request) -> Response:
        """Answer one position; 404 when flat."""
        return answer(self._position(request.path_params["symbol"]))

    def _position(self, symbol: str) -> dict[str, object]:
        held = self._venue.account.positions.get(symbol)
        if held is None:
            raise missing("position does not exist")
        book = self._venue.book
        available = self._standing.available(symbol) * (1 if held.qty > 0 else -1)
        return accounts.form(held, book.last(held.row), book.before(held.row), available)

    async def close(self, request: Request) -> Response:
        """Close a position, or `qty` or `percentage` of it."""
        symbol, query = request.path_params["symbol"], request.query_params
        qty = shares(query["qty"]) if "qty" in query else None
        if "percentage" in query:
            held = abs(self._venue.account.position(symbol))
            qty = held * shares(query["percentage"]) / 100
        return answer(form(self._venue.close(symbol, qty)))

    async def close_all(self, request: Request) -> Response:
        """Close all positions, after cancelling all orders where asked."""
        if request.query_params.get("cancel_orders", "false").lower() == "true":
            for order in self._standing.live():
                self._cancelled(order)
        found = [self._closed(symbol) for symbol in list(self._venue.account.positions)]
        return answer(found, 207)

    def _closed(self, symbol: str) -> dict[str, object]:
        try:
            order = self._venue.close(symbol)
        except Refusal as refusal:
            return {"symbol": symbol, "status": refusal.status, "body": refusal.body}
        return {"symbol": symbol, "status": 200, "order_id": order.id, "body": form(order)}

    async def account(self, _request: Request) -> Response:
        """Answer the account."""
        standing = self._standing
        return answer(self._venue.account.forms(standing.marks(), standing.reserved()))

    async def configurations(self, _request: Request) -> Response:
        """Answer the account's settings."""
        return answer({
            "dtbp_check": "entry", "pdt_check": "entry", "fractional_trading": True,
            "max_margin_multiplier": "4", "suspend_trade": False, "trade_confirm_email": "none",
            "no_shorting": not self._venue.account.shorting_enabled,
            "ptp_no_exception_entry": False,
        })  # fmt: skip

    async def activities(self, request: Request) -> Response:
        """Answer fills, the newest first."""
        if request.path_params["kind"] != "FILL":
            return answer([])
        found = self._venue.fills[-100:][::-1]
        return answer([
            {
                "id": f"{fill.at_ns}::{fill.id}", "activity_type": "FILL", "type": "fill",
                "order_id": fill.order, "symbol": fill.symbol, "side": fill.side,
                "qty": text(fill.qty), "price": text(fill.price),
                "transaction_time": stamp(fill.at_ns),
            }
            for fill in found
        ])  # fmt: skip

    # The switches

    async def faults(self, request: Request) -> Response:
        """Answer the switches; PUT sets them all."""
        if request.method == "PUT":
            try:
                self._venue.faults.set(msgspec.json.decode(await request.body(), type=Faults))
            except msgspec.MsgspecError as error:
                return answer(bad(f"switches: {error}").body, 422)
        return answer(self._venue.faults.now)

    async def shape(self, request: Request) -> Response:
        """Set the account: cash, day trades, blocks; and split a position."""
        try:
            given = msgspec.json.decode(await request.body(), type=Shape)
        except msgspec.MsgspecError as error:
            return answer(bad(f"account: {error}").body, 422)
        given.apply(self._venue.account)
        return await self.account(request)

    async def drop(self, _request: Request) -> Response:
        """Break all connections of trade updates."""
        return answer({"dropped": self._updates.drop()})


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say what is to change of the account; None leaves it."""

    cash: str | None = None
    daytrades: int | None = None
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    shorting_enabled: bool | None = None
    split: tuple[str, int, int] | None = None
    """(symbol, old shares, new shares)"""

    def apply(self, account: accounts.Account) -> None:
        """Change the account."""
        for name in ("daytrades", "trading_blocked", "account_blocked", "shorting_enabled"):
            if getattr(self, name) is not None:
                setattr(account, name, getattr(self, name))
        if self.cash is not None:
            account.cash = Decimal(self.cash)
        if self.split is not None:
            symbol, old, new = self.split
            account.split(symbol, Decimal(old), Decimal(new))


def stamp_after(order: Order, text: str) -> bool:
    """Tell whether an order was made after a time in RFC 3339."""
    return stamp(order.created_ns) > text


def stamp_before(order: Order, text: str) -> bool:
    """Tell whether an order was made before a time in RFC 3339."""
    return stamp(order.created_ns) < text
