"""Which prints may move what: the consolidated table of the sale conditions, by Massive's ids.

Transcribed from the CTS Pillar and UTP specifications, not taken from the scanner.
"""

from dataclasses import dataclass

YES, NO, FIRST, SOLD_LAST = "YNFL"
ALL = "YYY"
UNKNOWN = "NNY"
"""An id that nobody knows counts for volume and moves no price."""

TABLE = {
    0: ALL, 1: ALL, 2: "NNY", 3: ALL, 4: ALL, 5: "FYY", 7: "NNY", 8: ALL, 9: ALL, 10: "FYY",
    11: ALL, 12: "NNY", 13: "NNY", 14: ALL, 15: "NNN", 16: "NNN", 17: ALL, 18: ALL, 19: ALL,
    20: "NNY", 21: "NNY", 22: "FYY", 23: ALL, 24: ALL, 25: ALL, 27: ALL, 28: ALL, 29: "NNY",
    30: "LYY", 32: "FYY", 34: ALL, 36: ALL, 37: "NNY", 38: "YYN", 41: ALL, 52: "NNY", 53: "NNY",
}  # fmt: skip
"""Id -> may it move last, high and low, volume? F: only as the first; L: see `moves_last`."""
NOT_OUTSIDE_HOURS = frozenset({2, 7, 10, 13, 15, 16, 20, 21, 22, 29, 32, 37, 38, 52, 53})
"""Outside 09:30-16:00 a Form T print (12) moves last, unless it also bears one of these."""
AUCTION = frozenset({8, 17, 18, 19, 25, 28})
"""Opening, reopening and closing prints belong to regular hours whatever their time."""
OFFICIAL_OPEN = 16


@dataclass(frozen=True, slots=True)
class Print:
    """One trade of the ledger."""

    ts_ns: int
    symbol: str
    price: float
    size: float
    conditions: tuple[int, ...]
    exchange: int
    bad: bool
    """Whether the simulator put it off the market on purpose."""


@dataclass(slots=True)
class LastSale:
    """What the rules ask of the past: has the regular session a last, and where from?"""

    regular: bool = False
    exchange: int = 0


def counts(conditions: tuple[int, ...]) -> bool:
    """Tell whether a print's shares are volume."""
    return all(TABLE.get(c, UNKNOWN)[2] == YES for c in conditions)


def is_regular(sale: Print, open_ns: int, close_ns: int) -> bool:
    """Tell whether a print belongs to regular hours."""
    return open_ns <= sale.ts_ns < close_ns or not AUCTION.isdisjoint(sale.conditions)


def moves_last(sale: Print, regular: bool, past: LastSale, listing: int) -> bool:
    """Tell whether a print's conditions let it be the last price; every one must allow it."""
    if not regular:
        return NOT_OUTSIDE_HOURS.isdisjoint(sale.conditions) and _known(sale.conditions)
    letters = {TABLE.get(c, UNKNOWN)[0] for c in sale.conditions}
    if NO in letters or (FIRST in letters and past.regular):
        return False
    if SOLD_LAST in letters and past.regular:
        return sale.exchange in (past.exchange, listing)
    return True


def moves_high_low(sale: Print, regular: bool) -> bool:
    """Tell whether a print's conditions let it be a high or low."""
    if not regular:
        return NOT_OUTSIDE_HOURS.isdisjoint(sale.conditions) and _known(sale.conditions)
    return all(TABLE.get(c, UNKNOWN)[1] == YES for c in sale.conditions)


def _known(conditions: tuple[int, ...]) -> bool:
    return all(c in TABLE for c in conditions)
