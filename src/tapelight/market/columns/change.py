"""Change of price over spans and against levels."""

import numpy as np

from tapelight.market.arithmetic import percent
from tapelight.market.column import Column, Flags, column
from tapelight.market.row import OPENED
from tapelight.market.view import Ago, Ref, State


@column(unit="$")
def chg(last: Column, prev_close: Column) -> Column:
    """Return the change from the previous close."""
    return last - prev_close


@column(unit="%")
def chg_pct(last: Column, prev_close: Column) -> Column:
    """Return the change from the previous close, in percent."""
    return percent(last, prev_close)


@column(unit="$")
def open_or_last(open: Column, last: Column, state: State) -> Column:
    """Return the open once the regular session has opened, else the last price."""
    return np.where(state["open_src"] > 0, open, last)


@column(unit="%")
def gap_pct(open_or_last: Column, prev_close: Column) -> Column:
    """Return the gap from the split-adjusted previous close, in percent; indicative before the open."""
    return percent(open_or_last, prev_close)


@column(unit="%")
def chg_open_pct(last: Column, open: Column) -> Column:
    """Return the change from the regular open, in percent."""
    return percent(last, open)


@column(unit="%")
def post_chg_pct(last: Column, close_rth: Column) -> Column:
    """Return the after-hours change from the regular close, in percent."""
    return percent(last, close_rth)


@column(unit="%")
def chg_30s(last: Column, ago: Ago) -> Column:
    """Return the change over 30 s, in percent."""
    return percent(last, ago(30))


@column(unit="%")
def chg_1m(last: Column, ago: Ago) -> Column:
    """Return the change over 1 minute, in percent."""
    return percent(last, ago(60))


@column(unit="%")
def chg_2m(last: Column, ago: Ago) -> Column:
    """Return the change over 2 minutes, in percent."""
    return percent(last, ago(120))


@column(unit="%")
def chg_3m(last: Column, ago: Ago) -> Column:
    """Return the change over 3 minutes, in percent."""
    return percent(last, ago(180))


@column(unit="%")
def chg_5m(last: Column, ago: Ago) -> Column:
    """Return the change over 5 minutes, in percent."""
    return percent(last, ago(300))


@column(unit="%")
def chg_10m(last: Column, ago: Ago) -> Column:
    """Return the change over 10 minutes (from a ten-second boundary), in percent."""
    return percent(last, ago(600))


@column(unit="%")
def chg_15m(last: Column, ago: Ago) -> Column:
    """Return the change over 15 minutes (from a ten-second boundary), in percent."""
    return percent(last, ago(900))


@column(unit="%")
def chg_30m(last: Column, ago: Ago) -> Column:
    """Return the change over 30 minutes (from a ten-second boundary), in percent."""
    return percent(last, ago(1800))


@column(unit="%")
def chg_60m(last: Column, ago: Ago) -> Column:
    """Return the change over 60 minutes (from a ten-second boundary), in percent."""
    return percent(last, ago(3600))


@column(unit="%")
def accel(chg_1m: Column, ago: Ago) -> Column:
    """Return how much faster the last minute moved than the one before: chg_1m less its value 60 s ago."""
    return chg_1m - percent(ago(60), ago(120))


@column(unit="%/s")
def velocity(chg_30s: Column) -> Column:
    """Return the speed over the last 30 s, in percent a second."""
    return chg_30s / 30.0


@column(unit="%")
def prev_chg_pct(ref: Ref) -> Column:
    """Return the previous session's change, in percent."""
    return ref["prev_chg_pct"]


@column(kind="flag", pulse=True)
def just_opened(state: State) -> Flags:
    """Tell whether the open was set since the last mark."""
    flags: Flags = (state["flags"] & OPENED) > 0
    return flags
