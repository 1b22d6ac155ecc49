"""Breaks of a level of days before: what the strategies of them share."""

from typing import Annotated

import numpy as np

from tapelight.scan.closed import NAN, lowest
from tapelight.scan.strategy import (
    Common,
    Entries,
    Exit,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    longs,
    multiples,
    ticks,
    told,
)

STOP_MAX = 24


class LevelParams(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of a level's break."""

    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 1.5
    beyond_pct_max: Annotated[
        float, told("%", "How far the day's high may be over the level already.", ge=0)
    ] = 0.5
    stop_bars: Annotated[
        int, told("bars", "The stop is the low of these, 5 m.", ge=1, le=STOP_MAX)
    ] = 3
    target_r: Annotated[float, told("R", "The nearer target; the other is twice as far.")] = 1.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 15.0
    last_entry_min: Annotated[float, told("min", "Last entry, before the close.", ge=0)] = 30.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 1


class LevelBreak(Strategy):
    """Buy the first trade over a level that the session opened under; subclasses name the level."""

    takes = LevelParams
    params: LevelParams
    candles = (("5m", STOP_MAX),)

    def level(self, look: Look) -> Floats:
        """Return the level of each row, NaN unknown."""
        raise NotImplementedError

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the level, stops at the low of the last closed bars."""
        p, last, vwap, level = self.params, look["last"], look["vwap"], self.level(look)
        entry, stop = ticks(level, 1), lowest(look.candles("5m", p.stop_bars).low)
        base = np.where(level > 0.0, level, NAN)
        when = (
            at_most("open", look["open"], level),
            at_most("high_over_level_pct", 100.0 * (look["high"] / base - 1.0), p.beyond_pct_max),
            at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min),
            above("last over vwap", last, vwap),
        )
        return Entries(
            when=(*when, above("break", last, level)),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, p.target_r, 2.0 * p.target_r),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
            exits=(Exit("invalid", "vwap loss", last < vwap),),
        )
