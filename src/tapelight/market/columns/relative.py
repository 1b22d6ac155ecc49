"""Relative volume, by the time of day."""

import numpy as np

from tapelight.market.arithmetic import over
from tapelight.market.column import Column, Flags, column
from tapelight.market.text import Text
from tapelight.market.view import Moment, Usual
from tapelight.model.session import REGULAR

FLOOR_SHARES = 1_000.0


@column(unit="shares")
def usual_vol(usual: Usual, moment: Moment) -> Column:
    """Return the mean volume up to this time of day: since 04:00, in the regular session since 09:30.

    Linear inside a minute, but the first regular minute counts whole: an auction is not spread
    over 60 s.
    """
    now = moment.since_start_min()
    if moment.phase != REGULAR:
        return usual(0.0, now)
    opened = now - moment.since_open_min()
    return usual(opened, max(now, opened + 1.0))


@column()
def rvol_tod(vol: Column, vol_rth: Column, usual_vol: Column, moment: Moment) -> Column:
    """Return the volume so far over its mean by this time of day (floor 1,000 shares)."""
    so_far = vol_rth if moment.phase == REGULAR else vol
    return so_far / np.maximum(usual_vol, FLOOR_SHARES)


@column(kind="flag")
def rvol_thin(usual_vol: Column, moment: Moment) -> Flags:
    """Tell whether rvol_tod stands on little: the 1,000-share floor, or before 09:31."""
    early = moment.since_open_min() < 1.0
    return (usual_vol < FLOOR_SHARES) | early


@column(kind="text")
def rvol_src(usual: Usual, adv20: Column) -> Text:
    """Return the baseline's source: profile (own minutes, 5 sessions or more) or curve (adv20)."""
    codes = np.where(usual.own(), 0, np.where(np.isnan(adv20), -1, 1))
    return Text(codes.astype(np.int32), ("profile", "curve"))


@column()
def rvol_day(vol: Column, adv20: Column) -> Column:
    """Return the volume over the mean full day's: the naive figure that others quote."""
    return over(vol, adv20)


@column()
def rvol_5m(vol_5m: Column, usual: Usual, moment: Moment) -> Column:
    """Return the last 5 minutes' volume over its mean in the same minutes of the day."""
    now = moment.since_start_min()
    return _over(vol_5m, usual(now - 5.0, now))


@column()
def rvol_1m(vol_1m: Column, usual: Usual, moment: Moment) -> Column:
    """Return the last minute's volume over its mean in the same minute of the day."""
    now = moment.since_start_min()
    return _over(vol_1m, usual(now - 1.0, now))


def _over(volume: Column, mean: Column) -> Column:
    return volume / np.where(mean <= 0.0, np.nan, mean)
