"""The first day of the short-sale restriction: a stock down a tenth comes back over its VWAP."""

from typing import Annotated

import numpy as np

from tapelight.scan.closed import lowest
from tapelight.scan.strategy import (
    Common,
    Entries,
    Exit,
    Look,
    Strategy,
    above,
    at_least,
    is_false,
    is_true,
    longs,
    multiples,
    ticks,
    told,
)

STOP_MAX = 24


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of the bounce."""

    bounce_pct_min: Annotated[float, told("%", "Least rise from the low since 04:00.", ge=0)] = 2.0
    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 2.0
    stop_bars: Annotated[
        int, told("bars", "The stop is the low of these, 5 m.", ge=1, le=STOP_MAX)
    ] = 3
    target_r: Annotated[float, told("R", "The nearer target; the other is twice as far.")] = 1.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    last_entry_min: Annotated[float, told("min", "Last entry, before the close.", ge=0)] = 30.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 1


class SsrBounce(Strategy):
    """Buy the break of the last 5-minute high over the VWAP on the day the restriction began.

    Rule 201 restricts short sales from a fall of 10 % to the end of the next session: here it
    must have begun today.
    """

    takes = Params
    params: Params
    title = "SSR bounce"
    doc = "Down 10 % today and restricted, back over VWAP; entry over the last 5-minute high."
    candles = (("5m", STOP_MAX),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the last closed bar's high, stops at the low of the last bars."""
        p, last, vwap = self.params, look["last"], look["vwap"]
        bars = look.candles("5m", p.stop_bars)
        high, stop = bars.high[:, -1], lowest(bars.low)
        entry = ticks(high, 1)
        when = (
            is_true("ssr", look["ssr"]),
            is_false("ssr since the day before", look.state("ssr_before") > 0),
            at_least("lod_dist_pct", look["lod_dist_pct"], p.bounce_pct_min),
            at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min),
            above("last over vwap", last, vwap),
        )
        return Entries(
            when=(*when, above("break", last, high)),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, p.target_r, 2.0 * p.target_r),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
            exits=(Exit("invalid", "vwap loss", last < vwap),),
        )
