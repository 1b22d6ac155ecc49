"""Where the price stands in its ranges, and new extremes."""

from tapelight.market.arithmetic import over, percent
from tapelight.market.column import Column, Flags, column
from tapelight.market.columns.price import when_known
from tapelight.market.row import NEW_HIGH, NEW_HOD, NEW_LOD, NEW_LOW
from tapelight.market.view import Ref, State


@column(unit="%")
def hod_dist_pct(last: Column, hod: Column) -> Column:
    """Return how far below the high of the day the price is, in percent (never above 0)."""
    return percent(last, hod)


@column(unit="%")
def lod_dist_pct(last: Column, lod: Column) -> Column:
    """Return how far above the low of the day the price is, in percent."""
    return percent(last, lod)


@column()
def range_pos(last: Column, hod: Column, lod: Column) -> Column:
    """Return the place in the day's range: 0 at the low, 1 at the high."""
    span = hod - lod
    return over(last - lod, span)


@column(unit="%")
def pmh_dist_pct(last: Column, pm_high: Column) -> Column:
    """Return the distance from the pre-market high, in percent."""
    return percent(last, pm_high)


@column(unit="%")
def pdh_dist_pct(last: Column, prev_high: Column) -> Column:
    """Return the distance from the previous day's high, in percent."""
    return percent(last, prev_high)


@column(unit="$")
def w52_high(ref: Ref) -> Column:
    """Return the 52-week high up to yesterday, split-adjusted."""
    return ref["w52_high"]


@column(unit="$")
def w52_low(ref: Ref) -> Column:
    """Return the 52-week low up to yesterday, split-adjusted."""
    return ref["w52_low"]


@column(unit="%")
def w52h_dist_pct(last: Column, w52_high: Column) -> Column:
    """Return the distance from the 52-week high, in percent."""
    return percent(last, w52_high)


@column(unit="%")
def w52l_dist_pct(last: Column, w52_low: Column) -> Column:
    """Return the distance from the 52-week low, in percent."""
    return percent(last, w52_low)


@column()
def new_highs_today(state: State) -> Column:
    """Return the number of new highs of the day, at least a tick and 5 s apart."""
    return when_known(state.floats("hod_events"), state)


@column(unit="s", moves=True)
def secs_since_hod(state: State) -> Column:
    """Return the seconds since the high of the day was set."""
    return when_known(state.ns("hod_ns"), state)


@column(moves=True)
def streak_1m(state: State) -> Column:
    """Return the signed number of one-minute candles of one colour in a row.

    Of second bars the minute's last, which comes after its end, gives no colour.
    """
    return state.floats("streak1")


@column(moves=True)
def streak_5m(state: State) -> Column:
    """Return the signed number of five-minute candles of one colour in a row."""
    return state.floats("streak5")


@column(kind="flag", pulse=True)
def new_hod(state: State) -> Flags:
    """Tell whether the high since 04:00 was broken since the last mark."""
    flags: Flags = (state["flags"] & NEW_HOD) > 0
    return flags


@column(kind="flag", pulse=True)
def new_lod(state: State) -> Flags:
    """Tell whether the low since 04:00 was broken since the last mark."""
    flags: Flags = (state["flags"] & NEW_LOD) > 0
    return flags


@column(kind="flag", pulse=True)
def new_high(state: State) -> Flags:
    """Tell whether the regular session's high was broken since the last mark."""
    flags: Flags = (state["flags"] & NEW_HIGH) > 0
    return flags


@column(kind="flag", pulse=True)
def new_low(state: State) -> Flags:
    """Tell whether the regular session's low was broken since the last mark."""
    flags: Flags = (state["flags"] & NEW_LOW) > 0
    return flags


@column(kind="flag", pulse=True)
def new_w52_high(new_high: Flags, last: Column, w52_high: Column) -> Flags:
    """Tell whether the last mark brought a new 52-week high."""
    return new_high & (last > w52_high)


@column(kind="flag", pulse=True)
def new_w52_low(new_low: Flags, last: Column, w52_low: Column) -> Flags:
    """Tell whether the last mark brought a new 52-week low."""
    return new_low & (last < w52_low)
