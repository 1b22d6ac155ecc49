"""Halts, limit bands and the short-sale restriction."""

import numpy as np

from tapelight.market.column import Column, Flags, column
from tapelight.market.text import Text
from tapelight.market.view import Moment, Ref, State
from tapelight.model.session import REGULAR

PAUSE_AFTER_S = 15.0


@column(kind="flag")
def halted(state: State) -> Flags:
    """Tell whether a status source says that trading is halted."""
    flags: Flags = state["halted"] > 0
    return flags


@column(kind="text")
def halt_code(ref: Ref) -> Text:
    """Return the present halt's reason code."""
    return ref.halt_code()


@column(unit="s")
def halt_time(state: State) -> Column:
    """Return the seconds since the present halt began."""
    return np.where(state["halted"] > 0, state.ns("halt_ns"), np.nan)


@column()
def halts_today(state: State) -> Column:
    """Return the number of halts today."""
    return state.floats("halts")


@column(unit="s")
def resume_time(state: State, moment: Moment) -> Column:
    """Return the seconds until the announced resumption; null when not halted or not known."""
    resumes = state["resume_ns"]
    ahead = (resumes - moment.now_ns) / 1e9
    return np.where((state["halted"] > 0) & (resumes > 0), ahead, np.nan)


@column(unit="$")
def luld_up(state: State) -> Column:
    """Return the upper limit band, from the feed."""
    price: Column = state["luld_up"]
    return price


@column(unit="$")
def luld_dn(state: State) -> Column:
    """Return the lower limit band, from the feed."""
    price: Column = state["luld_dn"]
    return price


@column(unit="%")
def luld_dist_pct(last: Column, luld_up: Column, luld_dn: Column, moment: Moment) -> Column:
    """Return the distance to the nearer band, in percent of last; null outside regular hours."""
    if moment.phase != REGULAR:
        return np.full_like(last, np.nan)
    return 100.0 * np.minimum(luld_up - last, last - luld_dn) / last


@column(unit="s")
def limit_s(state: State) -> Column:
    """Return the seconds in limit state: best bid at the upper band or best offer at the lower."""
    return state.ns("limit_ns")


@column(kind="flag")
def halt_suspected(limit_s: Column, quiet_s: Column) -> Flags:
    """Tell whether a pause is likely: 15 s of limit state and silence; never shown as halted."""
    return (limit_s >= PAUSE_AFTER_S) & (quiet_s >= PAUSE_AFTER_S)


@column(kind="flag")
def ssr(state: State) -> Flags:
    """Tell whether the short-sale restriction holds: today or yesterday at or below 0.9 x prev close (est.)."""
    flags: Flags = (state["ssr"] > 0) | (state["ssr_before"] > 0)
    return flags


@column(kind="flag")
def split_today(ref: Ref) -> Flags:
    """Tell whether a split takes effect today."""
    return ~np.isnan(ref["split_today"])


@column(unit="days")
def ipo_days(ref: Ref, moment: Moment) -> Column:
    """Return the days since the listing."""
    dates = ref.text("ipo_date")
    today = np.datetime64(moment.date or "NaT")
    days = [(today - np.datetime64(word)) / np.timedelta64(1, "D") for word in dates.words]
    table = np.array([*days, np.nan], np.float64)
    return np.asarray(table[dates.codes])
