"""Quotes, spread and the tape."""

import numpy as np

from tapelight.market.arithmetic import over
from tapelight.market.column import Column, column
from tapelight.market.row import SOURCE_MINUTE, SOURCE_SECOND
from tapelight.market.view import State


def from_tape(values: Column, state: State) -> Column:
    """Return `values`, null in rows that live on bars: bars tell nothing of single prints."""
    source = state["source"]
    return np.where((source == SOURCE_MINUTE) | (source == SOURCE_SECOND), np.nan, values)


def where_told(values: Column, state: State) -> Column:
    """Return `values`, null in rows whose bars came without counts of trades."""
    return np.where(state["untold"] > 0, np.nan, values)


def within_minutes(values: Column, state: State) -> Column:
    """Return `values`, null in rows that live on minute bars: they tell of no shorter span."""
    return np.where(state["source"] == SOURCE_MINUTE, np.nan, values)


@column(unit="$")
def spread(bid: Column, ask: Column) -> Column:
    """Return ask less bid."""
    return ask - bid


@column(unit="%")
def spread_pct(spread: Column, mid: Column) -> Column:
    """Return the spread in percent of the mid."""
    return over(100.0 * spread, mid)


@column(unit="shares")
def bid_size(state: State) -> Column:
    """Return the shares at the best bid."""
    shares: Column = state["bid_size"]
    return shares


@column(unit="shares")
def ask_size(state: State) -> Column:
    """Return the shares at the best offer."""
    shares: Column = state["ask_size"]
    return shares


@column()
def imb(bid_size: Column, ask_size: Column) -> Column:
    """Return the quote imbalance (bid size - ask size) / (both), from -1 to 1."""
    both = bid_size + ask_size
    return over(bid_size - ask_size, both)


@column(unit="1/s", moves=True)
def trade_rate(state: State) -> Column:
    """Return the prints a second over the last minute; auctions and derived prints left out."""
    return where_told(state.window("n60", 60) / 60.0, state)


@column(unit="1/s", moves=True)
def trade_rate_10s(state: State) -> Column:
    """Return the prints a second over the last 10 s; auctions and derived prints left out."""
    return where_told(within_minutes(state.window("n10", 10) / 10.0, state), state)


@column(unit="shares", moves=True)
def avg_trade_size_1m(state: State) -> Column:
    """Return the mean size of the last minute's prints."""
    count = state.floats("n60")
    mean: Column = over(state["tv60"], count)
    return from_tape(mean, state)


@column(unit="%", moves=True)
def buy_pct_1m(state: State) -> Column:
    """Return the share of the last minute's classified volume that was bought (quote rule, tick rule at the mid)."""
    classified = state["cls60"]
    share: Column = over(100.0 * state["buy60"], classified)
    return share


@column(moves=True)
def blocks_5m(state: State) -> Column:
    """Return the number of prints of 10,000 shares or $200,000 in the last 5 minutes."""
    return from_tape(state.window("blocks300", 300), state)
