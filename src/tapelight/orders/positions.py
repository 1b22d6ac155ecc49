"""Positions: what fills add up to, and profit in money."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from tapelight.model.orders import ZERO, Fill, Position


def added(position: Position, fill: Fill, ours: bool) -> Position:
    """Return the position after a fill: entry price by average cost, profit as shares are closed.

    `ours` tells whether an order of ours filled, or somebody traded in the broker's own app.
    """
    before, step = position.quantity, fill.signed
    after = before + step
    closed = min(abs(before), abs(step)) if before * step < 0 else ZERO
    gain = (fill.price - position.average) * closed
    return Position(
        symbol=position.symbol,
        quantity=after,
        ours=_within(position.ours + (step if ours else ZERO), after),
        average=_average(position, fill, after),
        realised=position.realised + (gain if before > 0 else -gain),
        fees=position.fees + fill.fee,
        bought=position.bought + max(step, ZERO),
        sold=position.sold + max(-step, ZERO),
    )


def _average(position: Position, fill: Fill, after: Decimal) -> Decimal:
    before, step = position.quantity, fill.signed
    if after == 0:
        return ZERO
    if before * step < 0:
        return position.average if before * after > 0 else fill.price
    return (position.average * abs(before) + fill.price * abs(step)) / abs(after)


def _within(ours: Decimal, all_: Decimal) -> Decimal:
    """Return our share of a position: of its side, and no more than there is."""
    return min(max(ours, ZERO), all_) if all_ > 0 else max(min(ours, ZERO), all_)


def split(position: Position, quantity: Decimal, symbol: str) -> Position:
    """Return the position as `quantity` shares of `symbol`, at the same cost."""

    def scaled(shares: Decimal) -> Decimal:
        # Multiplied first: a third of 300 shares has to be 100.
        return shares * quantity / position.quantity

    return replace(
        position,
        symbol=symbol,
        quantity=quantity,
        ours=scaled(position.ours),
        average=position.average * position.quantity / quantity,
        bought=scaled(position.bought),
        sold=scaled(position.sold),
    )


def unrealised(position: Position, price: Decimal) -> Decimal:
    """Return what closing at `price` would bring, $, fees not taken off."""
    return (price - position.average) * position.quantity


def totals(positions: Iterable[Position]) -> tuple[Decimal, Decimal]:
    """Return realised profit and fees of all positions, $."""
    realised = fees = ZERO
    for position in positions:
        realised += position.realised
        fees += position.fees
    return realised, fees
