"""What many columns reckon, each in one pass over the rows: NumPy would make a pass for each sign."""

import numpy as np

from tapelight.market.column import Column
from tapelight.market.jit import loop

NS = 1e9


def percent(value: Column, base: Column) -> Column:
    """Return how far `value` stands from `base`, in percent; null where base is 0 or unknown."""
    return _percent(_floats(value), _floats(base))


def over(value: Column, base: Column) -> Column:
    """Return `value` divided by `base`; null where base is 0 or unknown."""
    return _over(_floats(value), _floats(base))


def _floats(column: Column) -> Column:
    return np.ascontiguousarray(column, np.float64)


@loop
def seconds_since(stamps, now_ns):  # type: ignore[no-untyped-def]
    """Return the seconds from stamps (int64, ns) to now, never negative; null where there is none."""
    found = np.empty(len(stamps), np.float64)
    for row in range(len(stamps)):
        ago = (now_ns - stamps[row]) / NS
        found[row] = max(ago, 0.0) if stamps[row] > 0 else np.nan
    return found


@loop
def _percent(value: Column, base: Column) -> Column:
    found = np.empty(len(value), np.float64)
    for row in range(len(value)):
        at = base[row]
        found[row] = 100.0 * (value[row] - at) / at if at != 0.0 else np.nan
    return found


@loop
def _over(value: Column, base: Column) -> Column:
    found = np.empty(len(value), np.float64)
    for row in range(len(value)):
        found[row] = value[row] / base[row] if base[row] != 0.0 else np.nan
    return found
