"""Volatility from daily bars."""

from tapelight.market.arithmetic import over, percent
from tapelight.market.column import Column, column
from tapelight.market.view import Ref


@column(unit="$")
def atr14(ref: Ref) -> Column:
    """Return Wilder's average true range over 14 days, split-adjusted, up to yesterday."""
    return ref["atr14"]


@column(unit="%")
def atr_pct(atr14: Column, prev_close: Column) -> Column:
    """Return atr14 in percent of the previous close."""
    return over(100.0 * atr14, prev_close)


@column()
def atr_used(hod: Column, lod: Column, atr14: Column) -> Column:
    """Return the day's range over atr14: 1 is a full day's usual range."""
    return over(hod - lod, atr14)


@column(unit="%")
def hv20(ref: Ref) -> Column:
    """Return the annualised volatility of 20 daily log returns, in percent."""
    return ref["hv20"]


@column(unit="$")
def sma50d(ref: Ref) -> Column:
    """Return the mean of the last 50 daily closes, up to yesterday."""
    return ref["sma50d"]


@column(unit="$")
def sma200d(ref: Ref) -> Column:
    """Return the mean of the last 200 daily closes, up to yesterday."""
    return ref["sma200d"]


@column(unit="%")
def sma50d_dist_pct(last: Column, sma50d: Column) -> Column:
    """Return the distance from sma50d, in percent."""
    return percent(last, sma50d)


@column(unit="%")
def sma200d_dist_pct(last: Column, sma200d: Column) -> Column:
    """Return the distance from sma200d, in percent."""
    return percent(last, sma200d)
