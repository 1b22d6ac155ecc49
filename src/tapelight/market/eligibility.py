"""Which print may move what: sale conditions, and the quarantine of prints far from the market."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from typing import NamedTuple

import numpy as np

from tapelight.market.jit import step
from tapelight.model.conditions import ConditionRules

NS = 1_000_000_000
FRESH_NS = 60 * NS
"""A last price or quote older than this vouches for nothing."""
CONFIRM_NS = 5 * NS
CONFIRMED = 3
"""Prints near each other that make a new level."""


class Masks(NamedTuple):
    """Hold the condition rules as the fold reads them."""

    no_last: np.uint64
    no_high_low: np.uint64
    no_volume: np.uint64
    first_only: np.uint64
    sold_last: np.uint64
    no_vwap: np.uint64
    not_tape: np.uint64
    not_clean: np.uint64
    form_t: np.uint64
    out_of_sequence: np.uint64
    auction: np.uint64
    closing: np.uint64
    official_open: np.uint64
    official_close: np.uint64
    corrected: np.uint64
    quarantine: np.uint64
    reopening: np.uint64


def masks_of(rules: ConditionRules) -> Masks:
    """Return `rules` in the fold's form."""
    return Masks(*(np.uint64(getattr(rules, name)) for name in Masks._fields))


@step
def eligibility(row, mask, exchange, regular, masks):
    """Return (may move last, may move high and low) by the print's sale conditions."""
    if not regular:
        clean = not mask & masks.not_clean
        return clean, clean
    moves_last = not mask & masks.no_last
    if mask & masks.first_only and row.has_reg:
        moves_last = False
    if mask & masks.sold_last and row.has_reg:
        moves_last = moves_last and (exchange == row.last_exchange or exchange == row.listing)
    return moves_last, not mask & masks.no_high_low


@step
def counts_for_vwap(mask, regular, masks):
    """Tell whether a print is in the VWAP: Form T is neutral outside regular hours."""
    blocking = mask & masks.no_vwap
    if not regular:
        blocking &= ~masks.form_t
    return not blocking


@step
def band_width(reference):
    """Return how far a print may stand from `reference` before it is suspect, as a fraction."""
    if reference >= 3.0:
        return 0.10
    return 0.20 if reference >= 0.75 else 0.50


@step
def is_suspect(row, ts, price):
    """Tell whether a print is held: far from a last under a minute old and outside the quotes.

    The third such print near the ones before it, each within 5 s of the last, makes a level.
    """
    reference = row.last
    width = band_width(reference)
    old = np.isnan(reference) or ts - row.last_ns > FRESH_NS
    if old or abs(price / reference - 1.0) <= width:
        return False
    inside = row.bid * (1.0 - width / 2) <= price <= row.ask * (1.0 + width / 2)
    if inside and ts - row.quote_ns <= FRESH_NS:
        return False
    confirmed = (
        row.suspects > 0
        and ts - row.suspect_ns <= CONFIRM_NS
        and abs(price / row.suspect - 1.0) <= width / 2
    )
    row.suspects = row.suspects + 1 if confirmed else 1
    row.suspect = price
    row.suspect_ns = ts
    return row.suspects < CONFIRMED


@step
def side_of(row, price):
    """Classify a print: quote rule, tick rule at the mid; 1 bought, -1 sold, 0 unknown."""
    if price > row.tick_price:
        row.tick_dir = 1.0
    elif price < row.tick_price:
        row.tick_dir = -1.0
    row.tick_price = price
    mid = (row.bid + row.ask) / 2.0
    if price > mid:
        return 1
    if price < mid:
        return -1
    return int(row.tick_dir)
