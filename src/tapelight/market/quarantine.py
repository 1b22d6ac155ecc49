"""The quarantine: the prints that are held, and what somebody rules of them."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from dataclasses import dataclass

import numpy as np

from tapelight.market.candle import widen_bar
from tapelight.market.extremes import move_day, move_premarket, move_ranges, move_regular
from tapelight.market.fold import add_vwap, move_last
from tapelight.market.jit import loop
from tapelight.market.spill import (
    ACCEPTED,
    FOR_VOLUME,
    FOR_VWAP,
    HELD,
    HIGH_LOW,
    LAST,
    REGULAR_TIME,
    REJECTED,
    SUSPECTS,
    touch,
)
from tapelight.market.table import Table
from tapelight.model.records import Ruling
from tapelight.model.session import MINUTE_NS

RULINGS = ("held", "accepted", "rejected")
"""By the value of `ruling`."""


@dataclass(frozen=True, slots=True)
class HeldPrint:
    """Hold one suspect print and what was ruled of it."""

    symbol: str
    ts_ns: int
    price: float
    size: float
    reference: float
    """The last price when it came."""
    ruling: str
    """held, accepted or rejected."""


def held_prints(table: Table) -> list[HeldPrint]:
    """Return the newest suspect prints, newest first, at most 1,024."""
    symbols = table.universe.symbols
    return [
        HeldPrint(
            symbols[int(s["row"])], int(s["ts_ns"]), float(s["price"]), float(s["size"]),
            float(s["reference"]), RULINGS[s["ruling"]],
        )
        for s in (table.spill.suspects[at] for at in _newest(table))
    ]  # fmt: skip


def count_rulings(table: Table) -> dict[str, int]:
    """Return how many of the newest suspect prints are held, accepted and rejected."""
    known = table.spill.suspects["ruling"][_newest(table)]
    return {name: int(np.count_nonzero(known == i)) for i, name in enumerate(RULINGS)}


def _newest(table: Table) -> list[int]:
    count, size = int(table.counters[SUSPECTS]), len(table.spill.suspects)
    return [i % size for i in range(count - 1, max(count - size, 0) - 1, -1)]


def rule(table: Table, ruling: Ruling) -> None:
    """Accept or reject a held print; one that is not on the list, or was ruled on, stays as it is.

    An accepted print of this session moves what it would have moved, at its own time: last (where
    nothing came later), extremes, VWAP, its bar; its shares count at its price. It fires nothing,
    and the rolling windows stay as they are. A rejected one stays without effect.
    """
    row = table.universe.rows.get(ruling.symbol)
    suspects = table.spill.suspects
    for at in _newest(table):
        s = suspects[at]
        mine = s["row"] == row and s["ts_ns"] == ruling.print_ns and s["price"] == ruling.price
        if mine and s["ruling"] == HELD:
            s["ruling"] = ACCEPTED if ruling.accepted else REJECTED
            session = table.session
            if ruling.accepted and session is not None and s["ts_ns"] >= session.start_ns:
                accept_print(table.rows, suspects, at, table.day(), table.counters, table.spill)
                table.drain()
            return


@loop
def accept_print(rows, suspects, at, day, counters, spill):
    """Let a held print move what it would have moved; it makes no event."""
    s = suspects[at]
    r, ts, price, size, may = s.row, s.ts_ns, s.price, s.size, s.may
    row = rows[r]
    flags = row.flags
    regular = may & REGULAR_TIME != 0
    more = size * (price - s.reference) if may & FOR_VOLUME else 0.0
    row.dollar_vol += more
    if may & FOR_VWAP:
        add_vwap(row, price, size, price * size, regular)
    if may & HIGH_LOW:
        if may & LAST:
            move_day(row, ts, price)
        if regular:
            move_regular(row, price, False)
            move_ranges(row, ts - day.open_ns, price, price)
        elif ts < day.open_ns:
            move_premarket(row, price, price)
    if may & LAST and ts >= row.last_ns:
        move_last(row, ts, price, regular)
    widen_bar(row, r, ts // MINUTE_NS, price, more, may & HIGH_LOW, counters, spill)
    row.flags = flags
    touch(row, r, counters, spill)
