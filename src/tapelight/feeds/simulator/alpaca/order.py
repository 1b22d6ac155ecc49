"""An order at the simulated venue, and its form in Alpaca's JSON."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
WAITING = frozenset({"accepted", "pending_new", "held"})
"""Taken, and not yet in the market."""
WORKING = frozenset({"new", "partially_filled", "pending_cancel", "pending_replace"})
DONE = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})
_SPACE = uuid.UUID("6f1d1b4e-7f0c-4c39-9f57-6a2f5a3f7c11")


def id_of(*parts: object) -> str:
    """Return the same UUID for the same parts: runs with one seed have the same ids."""
    return str(uuid.uuid5(_SPACE, "/".join(map(str, parts))))


@dataclass(slots=True, eq=False)
class Order:
    """Hold one order; prices and shares are decimals, times ns UTC of the market."""

    id: str
    client_order_id: str
    symbol: str
    row: int
    side: str
    type: str
    time_in_force: str
    qty: Decimal
    created_ns: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    order_class: str = "simple"
    status: str = "pending_new"
    updated_ns: int = 0
    times: dict[str, int] = field(default_factory=dict)
    """When it was filled, canceled, expired, replaced or failed, by the field's name."""
    filled_qty: Decimal = ZERO
    paid: Decimal = ZERO
    """Sum of price x shares of its fills."""
    triggered: bool = False
    """Whether the stop price was reached: from then on it is a market or a limit order."""
    resting: bool = False
    """Whether it has been tried against the market once."""
    due_ns: int = 0
    """When a pending cancel or replace takes effect."""
    legs: list["Order"] = field(default_factory=list)
    """The exits of a bracket or an OCO."""
    parent: "Order | None" = None
    siblings: list["Order"] = field(default_factory=list)
    """Of one-cancels-other: those that end when this one is filled."""
    replaces: "Order | None" = None
    replaced_by: "Order | None" = None

    @property
    def left(self) -> Decimal:
        """Return the shares that are not filled."""
        return self.qty - self.filled_qty

    @property
    def is_buy(self) -> bool:
        """Tell the side."""
        return self.side == "buy"

    @property
    def is_open(self) -> bool:
        """Tell whether it may still be filled."""
        return self.status not in DONE

    @property
    def waits_for_stop(self) -> bool:
        """Tell whether its stop price has yet to be reached."""
        return self.type in ("stop", "stop_limit") and not self.triggered

    @property
    def average(self) -> Decimal | None:
        """Return the mean price of its fills."""
        return self.paid / self.filled_qty if self.filled_qty else None


def form(order: Order, nested: bool = True) -> dict[str, object]:
    """Return Alpaca's JSON of an order: numbers are strings."""
    legs = [form(leg) for leg in order.legs] if nested and order.legs else None
    found: dict[str, object] = {
        "id": order.id, "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_ns), "submitted_at": stamp(order.created_ns),
        "updated_at": stamp(order.updated_ns or order.created_ns),
        "asset_id": id_of("asset", order.symbol), "symbol": order.symbol,
        "asset_class": "us_equity", "notional": None, "qty": text(order.qty),
        "filled_qty": text(order.filled_qty), "filled_avg_price": optional(order.average),
        "order_class": order.order_class, "order_type": order.type, "type": order.type,
        "side": order.side, "time_in_force": order.time_in_force,
        "limit_price": optional(order.limit_price), "stop_price": optional(order.stop_price),
        "status": order.status, "extended_hours": order.extended_hours, "legs": legs,
        "trail_percent": None, "trail_price": None, "hwm": None, "source": None, "subtag": None,
        "replaces": order.replaces.id if order.replaces else None,
        "replaced_by": order.replaced_by.id if order.replaced_by else None,
    }  # fmt: skip
    for name in ("filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at"):
        found[name] = stamp(order.times[name]) if name in order.times else None
    return found


def text(value: Decimal) -> str:
    """Return a number as Alpaca writes it: no exponent, no trailing zeros."""
    return f"{value.normalize():f}" if value else "0"


def optional(value: Decimal | None) -> str | None:
    """Return a number in text, None for none; at most six decimals."""
    return None if value is None else text(round(value, 6))


def stamp(ns: int) -> str:
    """Return RFC 3339 with nanoseconds."""
    whole, rest = divmod(ns, 1_000_000_000)
    return f"{dt.datetime.fromtimestamp(whole, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
