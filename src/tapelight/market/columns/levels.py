"""Levels of the last minutes: what a price must pass to make a five-minute or an hour's high."""

from collections.abc import Callable

from tapelight.market.column import Column, column

Extremes = Callable[[int], tuple[Column, Column]]


@column(unit="$")
def high_5m(extremes: Extremes) -> Column:
    """Return the high of the last 5 closed minutes; null outside tier 2 and without a trade."""
    return extremes(5)[0]


@column(unit="$")
def low_5m(extremes: Extremes) -> Column:
    """Return the low of the last 5 closed minutes; null outside tier 2 and without a trade."""
    return extremes(5)[1]


@column(unit="$")
def high_15m(extremes: Extremes) -> Column:
    """Return the high of the last 15 closed minutes; null outside tier 2 and without a trade."""
    return extremes(15)[0]


@column(unit="$")
def low_15m(extremes: Extremes) -> Column:
    """Return the low of the last 15 closed minutes; null outside tier 2 and without a trade."""
    return extremes(15)[1]


@column(unit="$")
def high_60m(extremes: Extremes) -> Column:
    """Return the high of the last 60 closed minutes; null outside tier 2 and without a trade."""
    return extremes(60)[0]


@column(unit="$")
def low_60m(extremes: Extremes) -> Column:
    """Return the low of the last 60 closed minutes; null outside tier 2 and without a trade."""
    return extremes(60)[1]
