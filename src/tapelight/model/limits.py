"""Limits: what risk holds an order to, and how the desk routes each strategy."""

from decimal import Decimal
from typing import Literal

import msgspec

Mode = Literal["off", "dry-run", "approve", "auto"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[trade.limits]: entry limits; none of them blocks an order that reduces risk. $ unless said."""

    order_value: Decimal = Decimal(10_000)
    order_shares: Decimal = Decimal(5_000)
    symbol_pct: Decimal = Decimal(20)
    """Most of equity in one symbol, orders that work included, %."""
    total_pct: Decimal = Decimal(60)
    """Most of equity in all symbols, longs and shorts added, %."""
    open_positions: int = 3
    """Symbols held or about to be."""
    orders_per_s: int = 2
    orders_per_min: int = 10
    orders_per_day: int = 40
    reducing_per_min: int = 60
    """The cap of orders that reduce risk, which alone holds for them."""
    repeat_s: float = 60.0
    """No second entry of the same symbol, side and quantity within this, s."""
    repeats_per_day: int = 3
    """Entries in one symbol a day."""
    collar_pct: Decimal = Decimal(1)
    """How far from the market a limit may be, %."""
    luld_pct: Decimal = Decimal(1)
    """No entry within this of a band, %."""
    spread_pct: Decimal = Decimal("0.5")
    signal_age_ms: int = 1_500
    picture_age_ms: int = 2_000
    """How old the picture of the symbol may be, ms."""
    day_loss_pct: Decimal = Decimal(2)
    """Loss since the close before, % of that equity: trips the kill switch."""
    peak_loss_pct: Decimal = Decimal("1.5")
    """Loss from the day's highest equity, %: trips the kill switch."""
    extended_hours: bool = False
    """Whether entries go outside regular hours (with stops that the desk holds itself)."""
    shorts: bool = False


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[trade.strategy.NAME]: what becomes of a strategy's signals."""

    mode: Mode = "off"
    risk_pct: Decimal = Decimal("0.5")
    """Risk per trade, % of equity: entry less stop, times the shares."""
    live: bool = False
    """Whether it may send orders of real money."""


class Trade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[trade]: the desk."""

    limits: Limits = Limits()
    strategy: dict[str, Route] = {}
    dry_run_days: int = 5
    """Sessions on which a strategy has to have made entries in dry-run before it may use real money."""
    approve_s: float = 30.0
    """How long an order waits for a person, s."""
    send_s: float = 5.0
    """How long the desk waits for the venue's answer before the order is UNKNOWN, s."""
    ask_s: float = 1.0
    """How long between questions about what is unknown, s."""
    lost_s: float = 30.0
    """After how long `no such order` is believed, s; longer than a request can be on its way."""
    look_s: float = 30.0
    """How long between reconciliations when nothing is unknown, s."""
    flatten_on_breach: bool = False
    flatten_step_pct: Decimal = Decimal("0.5")
    """By how much a flattening order's collar widens each second, %."""
    flatten_most_pct: Decimal = Decimal(5)
