"""Volume, counted from every print whose sale conditions count it."""

import numpy as np

from tapelight.market.arithmetic import over
from tapelight.market.column import Column, column
from tapelight.market.columns.liquidity import where_told, within_minutes
from tapelight.market.columns.price import when_known
from tapelight.market.row import SOURCE_TRADES
from tapelight.market.view import Moment, Ref, State


@column(unit="shares")
def vol(state: State) -> Column:
    """Return the volume since 04:00 (round the clock markets: since 00:00 UTC), odd lots included."""
    shares: Column = state["vol"]
    return shares


@column()
def trades(state: State) -> Column:
    """Return the number of prints since 04:00; null in a row that did not see the whole day."""
    return where_told(when_known(state.floats("trades"), state), state)


@column(unit="shares")
def vol_rth(state: State) -> Column:
    """Return the regular session's volume, both auctions included."""
    shares: Column = state["vol_rth"]
    return shares


@column(unit="shares")
def pm_vol(state: State) -> Column:
    """Return the pre-market volume."""
    shares: Column = state["pm_vol"]
    return shares


@column(unit="shares")
def post_vol(state: State) -> Column:
    """Return the after-hours volume, without closing prints stamped after the close."""
    shares: Column = state["post_vol"]
    return shares


@column(unit="shares", moves=True)
def vol_10s(state: State) -> Column:
    """Return the volume of the last 10 s."""
    return within_minutes(state.window("v10", 10), state)


@column(unit="shares", moves=True)
def vol_1m(state: State) -> Column:
    """Return the volume of the last minute."""
    return state.window("v60", 60)


@column(unit="shares", moves=True)
def vol_5m(state: State) -> Column:
    """Return the volume of the last 5 minutes."""
    return state.window("v300", 300)


@column(unit="shares", moves=True)
def vol_15m(state: State) -> Column:
    """Return the volume of the last 15 minutes (from a ten-second boundary)."""
    return state.window("v900", 900)


@column(unit="$")
def dollar_vol(state: State) -> Column:
    """Return the dollars traded since 04:00; null in a row that did not see the whole day."""
    return when_known(state["dollar_vol"], state)


@column(unit="$", moves=True)
def dv_10s(state: State) -> Column:
    """Return the dollars traded in the last 10 s."""
    return within_minutes(state.window("dv10", 10), state)


@column(unit="$", moves=True)
def dv_5m(state: State) -> Column:
    """Return the dollars traded in the last 5 minutes (typical price where a bar has no VWAP)."""
    return state.window("dv300", 300)


@column(unit="shares")
def adv20(ref: Ref) -> Column:
    """Return the mean full-day volume of up to 20 full sessions, half days left out."""
    return ref["adv20"]


@column(unit="shares")
def prev_vol(ref: Ref) -> Column:
    """Return the previous session's volume."""
    return ref["prev_volume"]


@column(unit="shares")
def mean20_1m(state: State, moment: Moment) -> Column:
    """Return the mean volume of the last 20 closed minutes (at least 3 seen, else null)."""
    shares: Column = state["v20"]
    return _mean(shares, moment)


@column()
def vol_burst(state: State, moment: Moment) -> Column:
    """Return the last minute's volume over the mean of the 20 closed minutes before it.

    Of the tape, auctions and derived prints left out; of all volume in rows that live on bars.
    """
    tape = state["source"] == SOURCE_TRADES
    mean = _mean(np.where(tape, state["tv20"], state["v20"]), moment)
    burst: Column = np.where(tape, state["tv60"], state["v60"])
    return over(burst, mean)


def _mean(total: Column, moment: Moment) -> Column:
    if moment.minutes_seen < 3:
        return np.full_like(total, np.nan)
    return total / moment.minutes_seen


@column(unit="shares")
def float_shares(ref: Ref) -> Column:
    """Return the free float."""
    return ref["float_shares"]


@column(kind="text")
def float_asof(ref: Ref) -> object:
    """Return the date of the float."""
    return ref.text("float_asof")


@column(kind="text")
def float_src(ref: Ref) -> object:
    """Return the source of the float."""
    return ref.text("float_src")


@column()
def float_rot(vol: Column, float_shares: Column) -> Column:
    """Return the day's volume over the float: 1.0 is the whole float traded once."""
    return over(vol, float_shares)


@column(unit="$")
def mcap(last: Column, ref: Ref) -> Column:
    """Return the market capitalisation: last price x shares outstanding."""
    return last * ref["shares_out"]


@column(unit="%")
def short_float_pct(ref: Ref) -> Column:
    """Return the short interest in percent of the float."""
    floated = ref["float_shares"]
    return over(100.0 * ref["short_interest"], floated)


@column(unit="days")
def days_to_cover(ref: Ref) -> Column:
    """Return the short interest over the mean daily volume."""
    daily = ref["adv20"]
    return over(ref["short_interest"], daily)
