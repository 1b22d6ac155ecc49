"""What a client sends to place or replace an order, read and checked without the account."""

from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from tapelight.feeds.simulator.alpaca.refusal import bad, unfit

TYPES = ("market", "limit", "stop", "stop_limit")
CLASSES = ("simple", "bracket", "oco", "oto")
LIVES = ("day", "gtc", "ioc", "fok")
MAX_ID = 48
MAX_SHARES = Decimal(1_000_000)
Number = str | int | float | None
_T = TypeVar("_T", bound=msgspec.Struct)


class TakeProfit(msgspec.Struct, frozen=True):
    """Say at which limit a bracket takes its profit."""

    limit_price: Number = None


class StopLoss(msgspec.Struct, frozen=True):
    """Say at which price a bracket's stop is set off, and its limit if any."""

    stop_price: Number = None
    limit_price: Number = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Hold the body of POST /v2/orders."""

    symbol: str = ""
    qty: Number = None
    notional: Number = None
    side: str = ""
    type: str = ""
    time_in_force: str = ""
    limit_price: Number = None
    stop_price: Number = None
    trail_price: Number = None
    trail_percent: Number = None
    extended_hours: bool = False
    client_order_id: str = ""
    order_class: str = ""
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Hold the body of PATCH /v2/orders/{id}."""

    qty: Number = None
    time_in_force: str | None = None
    limit_price: Number = None
    stop_price: Number = None
    client_order_id: str | None = None


def read(body: bytes, kind: type[_T]) -> _T:
    """Return the body as `kind`; raises Refusal."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"request body format is invalid: {error}") from error


def check(ticket: Ticket) -> None:
    """Raise Refusal where a ticket cannot be an order whatever the account and the market are."""
    if not ticket.symbol:
        raise bad("symbol is required")
    if ticket.side not in ("buy", "sell"):
        raise bad("side must be buy or sell")
    if ticket.type not in TYPES:
        raise bad(f"order type {ticket.type!r} is not simulated: {', '.join(TYPES)} are")
    if ticket.time_in_force not in LIVES:
        raise bad(
            f"time_in_force {ticket.time_in_force!r} is not simulated: {', '.join(LIVES)} are"
        )
    if (ticket.order_class or "simple") not in CLASSES:
        raise bad(f"order_class {ticket.order_class!r} is not simulated: {', '.join(CLASSES)} are")
    if ticket.notional is not None:
        raise bad("notional orders are not simulated: give qty")
    if len(ticket.client_order_id) > MAX_ID:
        raise bad(f"client_order_id must be at most {MAX_ID} characters")
    _check_prices(ticket)
    _check_class(ticket)


def _check_prices(ticket: Ticket) -> None:
    limit, stop = price(ticket.limit_price), price(ticket.stop_price)
    if ("limit" in ticket.type) != (limit is not None) and ticket.order_class != "oco":
        raise bad(f"{ticket.type} orders {'require' if limit is None else 'have no'} limit price")
    if ("stop" in ticket.type) != (stop is not None):
        raise bad(f"{ticket.type} orders {'require' if stop is None else 'have no'} stop price")
    if ticket.extended_hours and (ticket.type != "limit" or ticket.time_in_force != "day"):
        raise unfit("extended hours order must be DAY limit orders")
    if shares(ticket.qty) % 1 and (
        ticket.type != "market" or ticket.order_class not in ("", "simple")
    ):
        raise unfit("fractional orders must be simple market orders")


def _check_class(ticket: Ticket) -> None:
    kind = ticket.order_class or "simple"
    exits = (ticket.take_profit is not None) + (ticket.stop_loss is not None)
    wanted = {"simple": 0, "oto": 1}.get(kind, 2)
    if exits != wanted:
        raise unfit(f"{kind} orders require {wanted} of take_profit and stop_loss")
    if kind == "simple":
        return
    if ticket.extended_hours or ticket.time_in_force not in ("day", "gtc"):
        raise unfit("complex orders must be DAY or GTC and not extended_hours")
    profit = price(ticket.take_profit.limit_price) if ticket.take_profit else None
    stop = price(ticket.stop_loss.stop_price) if ticket.stop_loss else None
    if (ticket.take_profit and profit is None) or (ticket.stop_loss and stop is None):
        raise bad("take_profit needs limit_price, stop_loss needs stop_price")
    # The exits of a bracket are on the other side; an OCO's own side is that of its exits.
    sells = (ticket.side == "sell") == (kind == "oco")
    if profit is not None and stop is not None and (profit > stop) != sells:
        raise unfit(
            "take_profit.limit_price must be " + (">" if sells else "<") + " stop_loss.stop_price"
        )


def price(value: Number) -> Decimal | None:
    """Return a price, None for none; at $1 and above two decimals, below four."""
    if value is None:
        return None
    found = _decimal(value)
    if found <= 0:
        raise unfit("prices must be > 0")
    places = 2 if found >= 1 else 4
    if round(found, places) != found:
        raise unfit(f"sub-penny increment does not fulfill minimum pricing criteria: {value}")
    return found


def shares(value: Number) -> Decimal:
    """Return a number of shares; raises Refusal for none."""
    if value is None:
        raise bad("qty is required")
    found = _decimal(value)
    if not 0 < found <= MAX_SHARES:
        raise bad(f"qty must be > 0 and at most {MAX_SHARES}")
    return found


def _decimal(value: str | float) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise bad(f"{value!r} is no number") from error
    if not found.is_finite():
        raise bad(f"{value!r} is no number")
    return found
