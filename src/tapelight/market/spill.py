"""What the fold cannot keep in a row: counters, changed rows, closed bars, suspect prints."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.market.jit import loop, step

# Slots of the counters.
TRADES, QUOTES, DUPLICATES, LATE, QUARANTINED, UNKNOWN_CONDITION, INSIDE_SNAPSHOT = range(7)
CHANGED, CLOSED_BARS, LATE_PRINTS, SUSPECTS = range(7, 11)
IN, BARS, BANDS, CORRECTIONS, BARS_SUPERSEDED = range(11, 16)
"""All events that came, and what became of those that are neither trades nor quotes."""
N_COUNTERS = 16
MAX_SUSPECTS = 1024

BAR = np.dtype(
    [
        ("minute", "i8"),  # since the epoch
        ("row", "i4"),
        ("trades", "i4"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
        ("value", "f8"),  # sum of price x size; NaN unknown
    ]
)
SUSPECT = np.dtype(
    [
        ("ts_ns", "i8"),
        ("row", "i4"),
        ("may", "u1"),
        ("ruling", "u1"),
        ("price", "f8"),
        ("size", "f8"),
        ("reference", "f8"),  # the last price when it came
    ]
)
# Bits of `may`: what a held print would have moved.
LAST, HIGH_LOW, REGULAR_TIME, FOR_VWAP, FOR_VOLUME = 1, 2, 4, 8, 16
# Values of `ruling`.
HELD, ACCEPTED, REJECTED = 0, 1, 2


class Spill(NamedTuple):
    """Take what leaves the rows: bounded, emptied by the table after each batch."""

    changed: npt.NDArray[np.int32]
    bars: np.ndarray
    late: np.ndarray
    suspects: np.ndarray


def new_spill(rows: int, events: int) -> Spill:
    """Return empty spill areas for `rows` rows and at most `events` trades or bars a call."""
    return Spill(
        np.zeros(rows + 1, np.int32),
        np.zeros(rows + events + 1, BAR),
        np.zeros(events + 1, BAR),
        np.zeros(MAX_SUSPECTS, SUSPECT),
    )


@step
def touch(row, r, counters, spill):
    """Note that row `r` changed since the last mark."""
    if row.changed == 0:
        row.changed = 1
        spill.changed[counters[CHANGED]] = r
        counters[CHANGED] += 1


@loop
def forget(rows, counters, spill):
    """Begin a new cycle: no row has changed, no event has happened."""
    for at in range(counters[CHANGED]):
        row = rows[spill.changed[at]]
        row.changed = 0
        row.flags = 0
    counters[CHANGED] = 0


@loop
def touch_all(rows, which, counters, spill):
    """Note that the rows `which` changed since the last mark."""
    for r in which:
        touch(rows[r], r, counters, spill)


@step
def hold(row, r, ts, price, size, may, counters, spill):
    """Put a suspect print on the quarantine list, a ring of the newest."""
    row.quarantined += 1
    counters[QUARANTINED] += 1
    entry = spill.suspects[counters[SUSPECTS] % len(spill.suspects)]
    counters[SUSPECTS] += 1
    entry.ts_ns, entry.row, entry.price, entry.size = ts, r, price, size
    entry.reference = row.last
    entry.may, entry.ruling = may, HELD
