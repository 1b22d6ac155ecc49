"""Volume-weighted average price."""

import numpy as np

from tapelight.market.arithmetic import over, percent
from tapelight.market.column import Column, column
from tapelight.market.view import State


@column(unit="$")
def vwap(state: State) -> Column:
    """Return the VWAP anchored at the open: both auctions and odd lots in, derived prints out."""
    return _mean(state["pv"], state["v"])


@column(unit="$")
def vwap_pm(state: State) -> Column:
    """Return the VWAP anchored at 04:00, to the day's end."""
    return _mean(state["pv_pm"], state["v_pm"])


@column(unit="%")
def vwap_dist_pct(last: Column, vwap: Column) -> Column:
    """Return the distance from the VWAP, in percent."""
    return percent(last, vwap)


@column()
def vwap_dist_atr(last: Column, vwap: Column, atr14: Column) -> Column:
    """Return the distance from the VWAP in average true ranges."""
    return over(last - vwap, atr14)


@column(unit="$")
def vwap_sd(state: State) -> Column:
    """Return the volume-weighted standard deviation of prices around the VWAP."""
    return np.sqrt(_mean(state["vw_m2"], state["v"]))


@column()
def vwap_z(last: Column, vwap: Column, vwap_sd: Column) -> Column:
    """Return the distance from the VWAP in its standard deviations."""
    return over(last - vwap, vwap_sd)


def _mean(total: Column, weight: Column) -> Column:
    return over(total, weight)
