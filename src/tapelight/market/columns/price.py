"""Prices."""

import numpy as np

from tapelight.market.column import Column, Flags, column
from tapelight.market.row import KNOWN_DAY
from tapelight.market.view import Moment, Ref, State


def when_known(values: Column, state: State) -> Column:
    """Return `values`, null in rows that did not see the whole day."""
    return np.where(state["known"] & KNOWN_DAY, values, np.nan)


@column(unit="$")
def last(state: State) -> Column:
    """Return the last price of the live phase, of prints whose sale conditions allow it."""
    price: Column = state["last"]
    return price


@column(unit="$")
def bid(state: State) -> Column:
    """Return the national best bid."""
    price: Column = state["bid"]
    return price


@column(unit="$")
def ask(state: State) -> Column:
    """Return the national best offer."""
    price: Column = state["ask"]
    return price


@column(unit="$")
def mid(bid: Column, ask: Column) -> Column:
    """Return the middle of bid and ask."""
    return (bid + ask) / 2.0


@column(unit="$")
def open(state: State) -> Column:
    """Return the regular session's open: the listing market's, until then the first eligible print."""
    price: Column = state["open"]
    return price


@column(kind="flag")
def open_provisional(state: State) -> Flags:
    """Tell whether `open` is still the first eligible print, not the listing market's opening."""
    flags: Flags = state["open_src"] == 1
    return flags


@column(unit="$")
def high(state: State) -> Column:
    """Return the regular session's high, as the SIP counts it."""
    price: Column = state["high"]
    return price


@column(unit="$")
def low(state: State) -> Column:
    """Return the regular session's low, as the SIP counts it."""
    price: Column = state["low"]
    return price


@column(unit="$")
def hod(state: State) -> Column:
    """Return the high since 04:00 of prints that may be the last price; null in a row that did not see the whole day.

    `high` counts prints besides that were told late, so it may be above this.
    """
    return when_known(state["hod"], state)


@column(unit="$")
def lod(state: State) -> Column:
    """Return the low since 04:00 of prints that may be the last price; null in a row that did not see the whole day.

    `low` counts prints besides that were told late, so it may be below this.
    """
    return when_known(state["lod"], state)


@column(unit="$")
def pm_high(state: State) -> Column:
    """Return the pre-market high."""
    return when_known(state["pm_high"], state)


@column(unit="$")
def pm_low(state: State) -> Column:
    """Return the pre-market low."""
    return when_known(state["pm_low"], state)


@column(unit="$")
def close_rth(state: State, moment: Moment) -> Column:
    """Return the regular session's close, official once it came; null before the close."""
    over = moment.session is not None and moment.now_ns >= moment.session.close_ns
    price: Column = state["close_rth"]
    return price if over else np.full_like(price, np.nan)


@column(unit="$")
def prev_close(state: State) -> Column:
    """Return the official previous close, split-adjusted as of today; dividends are not adjusted."""
    price: Column = state["prev_close"]
    return price


@column(unit="$")
def prev_high(ref: Ref) -> Column:
    """Return the previous session's high, split-adjusted."""
    return ref["prev_high"]


@column(unit="$")
def prev_low(ref: Ref) -> Column:
    """Return the previous session's low, split-adjusted."""
    return ref["prev_low"]


@column(unit="$")
def or5_high(state: State, moment: Moment) -> Column:
    """Return the high of the first 5 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or5_high", 5)


@column(unit="$")
def or5_low(state: State, moment: Moment) -> Column:
    """Return the low of the first 5 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or5_low", 5)


@column(unit="$")
def or15_high(state: State, moment: Moment) -> Column:
    """Return the high of the first 15 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or15_high", 15)


@column(unit="$")
def or15_low(state: State, moment: Moment) -> Column:
    """Return the low of the first 15 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or15_low", 15)


@column(unit="$")
def or30_high(state: State, moment: Moment) -> Column:
    """Return the high of the first 30 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or30_high", 30)


@column(unit="$")
def or30_low(state: State, moment: Moment) -> Column:
    """Return the low of the first 30 regular minutes; null until they are over."""
    return _opening_range(state, moment, "or30_low", 30)


def _opening_range(state: State, moment: Moment, field: str, minutes: int) -> Column:
    over = moment.since_open_min() >= minutes
    values = when_known(state[field], state)
    return values if over else np.full_like(values, np.nan)
