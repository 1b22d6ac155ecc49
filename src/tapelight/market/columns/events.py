"""Halts, limit bands and the short-sale restriction."""

import datetime as dt

import numpy as np

from tapelight.market.column import Column, Flags, column
from tapelight.market.text import Text
from tapelight.market.view import Moment, Ref, State
from tapelight.model.session import REGULAR

PAUSE_AFTER_S = 15.0
SILENT_S, EXPECTED_PRINTS, SHORTEST_S = 60.0, 100.0, 3600.0
"""Silence that makes a halt likely: so long, and so many prints missing at the
pace of the whole day so far (an hour at least), the quiet morning included."""


def in_regular_hours(values: Column, moment: Moment) -> Column:
    """Return `values`, null outside regular hours: limit bands hold only there."""
    return values if moment.phase == REGULAR else np.full_like(values, np.nan)


@column(kind="flag")
def halted(state: State) -> Flags:
    """Tell whether a status source says that trading is halted."""
    flags: Flags = state["halted"] > 0
    return flags


@column(kind="text")
def halt_code(ref: Ref) -> Text:
    """Return the present halt's reason code."""
    return ref.halt_code()


@column(unit="s", moves=True)
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


@column(unit="s", moves=True)
def secs_since_resume(state: State) -> Column:
    """Return the seconds since trading resumed after the day's last halt; null while halted."""
    return np.where(state["halted"] > 0, np.nan, state.ns("resume_ns"))


@column(unit="$")
def luld_up(state: State, moment: Moment) -> Column:
    """Return the upper limit band, from the feed; null outside regular hours."""
    return in_regular_hours(state["luld_up"], moment)


@column(unit="$")
def luld_dn(state: State, moment: Moment) -> Column:
    """Return the lower limit band, from the feed; null outside regular hours."""
    return in_regular_hours(state["luld_dn"], moment)


@column(unit="%")
def luld_dist_pct(last: Column, luld_up: Column, luld_dn: Column) -> Column:
    """Return the distance to the nearer band, in percent of last; null outside regular hours."""
    return 100.0 * np.minimum(luld_up - last, last - luld_dn) / last


@column(unit="s")
def limit_s(state: State, moment: Moment) -> Column:
    """Return the seconds in limit state: best bid at the upper band or best offer at the lower.

    Looked at each whole second; null where there is none, and outside regular hours.
    """
    return in_regular_hours(state.ns("limit_ns"), moment)


@column(kind="flag")
def halt_suspected(
    halted: Flags, limit_s: Column, quiet_s: Column, stale: Flags, trades: Column, moment: Moment
) -> Flags:
    """Tell whether a halt is likely though no source says so; never shown as halted.

    In regular hours: 15 s of limit state and silence, or a minute of silence in which a hundred
    prints were to be expected at the day's pace.
    """
    session = moment.session
    if session is None or moment.phase != REGULAR:
        return np.zeros_like(halted)
    pace = trades / max((moment.now_ns - session.start_ns) / 1e9, SHORTEST_S)
    pause = (limit_s >= PAUSE_AFTER_S) & (quiet_s >= PAUSE_AFTER_S)
    mute = (quiet_s >= SILENT_S) & (pace * quiet_s >= EXPECTED_PRINTS)
    return (pause | mute) & ~halted & ~stale


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
def runner_days_1y(ref: Ref) -> Column:
    """Return how many days of the last 52 weeks closed 30 % or more above the day before."""
    return ref["runner_days_1y"]


@column(unit="%")
def best_day_1y_pct(ref: Ref) -> Column:
    """Return the best day's change of the last 52 weeks, close to close."""
    return ref["best_day_1y_pct"]


@column(unit="days")
def ipo_days(ref: Ref, moment: Moment) -> Column:
    """Return the days since the listing; null before the first session and for what is no date."""
    dates = ref.text("ipo_date")
    days = np.full(len(dates.words) + 1, np.nan)
    for code in np.unique(dates.codes[dates.codes >= 0]).tolist():
        days[code] = _days_since(dates.words[code], moment.date)
    return np.asarray(days[dates.codes])


def _days_since(word: str, today: str) -> float:
    try:
        passed = dt.date.fromisoformat(today) - dt.date.fromisoformat(word)
    except ValueError:
        return np.nan
    return float(passed.days)
