"""NR7 on 5-minute bars: the narrowest of seven breaks, on the VWAP's side."""

from typing import Annotated

import numpy as np

from tapelight.scan.closed import closed, lowest
from tapelight.scan.strategy import (
    LONG,
    SHORT,
    Common,
    Entries,
    Look,
    Strategy,
    above,
    at_least,
    below,
    multiples,
    ticks,
    told,
)

BARS_MAX = 24


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of the narrow range."""

    bars: Annotated[int, told("bars", "It is the narrowest of these, 5 m.", ge=2, le=BARS_MAX)] = 7
    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 1.5
    within_s: Annotated[float, told("s", "The break comes so soon after the bar.", ge=1)] = 300.0
    target_r: Annotated[float, told("R", "The nearer target; the other is twice as far.")] = 2.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 35.0
    cooldown_s: Annotated[float, told("s", "Silence for a symbol after a signal.", ge=0)] = 900.0


class NarrowRange(Strategy):
    """Follow the break of the bar whose range is the narrowest of the last seven.

    After T. Crabel's NR7 (Day Trading with Short Term Price Patterns, 1990), which is told of
    days: daily ranges are no reference data here, so it is taken of 5-minute bars. The stop is
    the other end of the bar.
    """

    takes = Params
    params: Params
    title = "Narrow range"
    doc = "The narrowest of seven 5-minute bars; entry at its end on the VWAP's side."
    sides = ("long", "short")
    candles = (("5m", BARS_MAX),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick beyond the narrow bar, stops beyond its other end."""
        p, last, rows = self.params, look["last"], closed(look, "5m", self.params.bars)
        high, low = rows.bars.high[:, -1], rows.bars.low[:, -1]
        ranges = rows.bars.high - rows.bars.low
        others = np.where(np.isnan(ranges).any(axis=1), np.nan, lowest(ranges[:, :-1]))
        side = np.where(last >= look["vwap"], LONG, SHORT).astype(np.int8)
        level, stop = np.where(side > 0, high, low), np.where(side > 0, low, high)
        entry = np.where(side > 0, ticks(high, 1), ticks(low, -1))
        when = (
            below("range of the bar", ranges[:, -1], others),
            at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min),
            rows.just(p.within_s),
        )
        return Entries(
            when=(*when, above("break", side * (last - level), 0.0)),
            side=side,
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, p.target_r, 2.0 * p.target_r),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
        )
