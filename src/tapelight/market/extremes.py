"""Highs and lows: the regular session's as the SIP counts them, the day's, the opening ranges."""

# mypy: allow-untyped-defs, allow-incomplete-defs
import numpy as np

from tapelight.market.jit import step
from tapelight.market.row import KNOWN_DAY, NEW_HIGH, NEW_HOD, NEW_LOD, NEW_LOW

NS = 1_000_000_000
MINUTE_NS = 60 * NS
APART_NS = 5 * NS
"""Between two counted highs of the day."""


@step
def max_known(a, b):
    """Return the larger, or the one that is known."""
    return b if not b <= a else a


@step
def min_known(a, b):
    """Return the smaller, or the one that is known."""
    return b if not b >= a else a


@step
def move_day(row, ts, price):
    """Let a print that may move last, high and low move hod and lod; a break is an event."""
    if not price <= row.hod:
        if row.known & KNOWN_DAY and not np.isnan(row.hod):
            row.flags |= NEW_HOD
            _count_high(row, ts, price)
        row.hod = price
        row.hod_ns = ts
    if not price >= row.lod:
        if row.known & KNOWN_DAY and not np.isnan(row.lod):
            row.flags |= NEW_LOD
        row.lod = price
        row.lod_ns = ts


@step
def _count_high(row, ts, price):
    tick = 0.01 if price >= 1.0 else 0.0001
    apart = ts - row.hod_event_ns >= APART_NS
    if apart and not price < row.hod_event_price + tick - 1e-9:
        row.hod_events += 1
        row.hod_event_ns = ts
        row.hod_event_price = price


@step
def move_regular(row, price, fires):
    """Let a regular print that may move high and low move them; `fires` if it may be an event."""
    if not price <= row.high:
        if fires and not np.isnan(row.high):
            row.flags |= NEW_HIGH
        row.high = price
    if not price >= row.low:
        if fires and not np.isnan(row.low):
            row.flags |= NEW_LOW
        row.low = price


@step
def move_ranges(row, since_open, high, low):
    """Widen the opening ranges of 5, 15 and 30 minutes."""
    if since_open < 0 or since_open >= 30 * MINUTE_NS:
        return
    row.or30_high = max_known(row.or30_high, high)
    row.or30_low = min_known(row.or30_low, low)
    if since_open < 15 * MINUTE_NS:
        row.or15_high = max_known(row.or15_high, high)
        row.or15_low = min_known(row.or15_low, low)
    if since_open < 5 * MINUTE_NS:
        row.or5_high = max_known(row.or5_high, high)
        row.or5_low = min_known(row.or5_low, low)


@step
def move_premarket(row, high, low):
    """Widen the pre-market range."""
    row.pm_high = max_known(row.pm_high, high)
    row.pm_low = min_known(row.pm_low, low)
