"""S12: a stock that rises while the market falls breaks its last high as the market turns."""

from typing import Annotated

import numpy as np

from tapelight.scan.closed import NAN, closed, lowest
from tapelight.scan.strategy import (
    MINUTE_NS,
    Common,
    Entries,
    Exit,
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

SWING_MAX = 24


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S12."""

    spy_chg_max: Annotated[float, told("%", "SPY's highest change in 30 min.")] = -0.3
    rs_min: Annotated[float, told("%", "Least strength against SPY in 30 min.")] = 1.0
    atr_used_min: Annotated[float, told("atr 1d", "Least range of the day.", ge=0)] = 0.5
    atr_used_max: Annotated[float, told("atr 1d", "Widest range of the day.", ge=0)] = 1.2
    swing_bars: Annotated[
        int, told("bars", "The stop is the low of these, 5 m.", ge=1, le=SWING_MAX)
    ] = 5
    target_r: Annotated[float, told("R", "The target.", ge=0)] = 2.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 300.0
    adv20_liquid: Annotated[float, told("shares", "Least usual day, whatever today.", ge=0)] = 2e6
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 30.0
    end_min: Annotated[float, told("min", "Last entry, after the open.", ge=0)] = 330.0
    cooldown_s: Annotated[float, told("s", "Silence for a symbol after a signal.", ge=0)] = 900.0


class RelativeStrength(Strategy):
    """Buy strength against SPY at the break of the last 5-minute high, once SPY closes a bar up.

    Strength is rs_spy_30m, which is null without the stock's beta: then there is no signal. SPY
    must be in play (it is pinned), its bar at most six minutes old: the next comes after five.
    """

    takes = Params
    params: Params
    code = "S12"
    title = "Relative strength"
    doc = "Up against a falling SPY, above VWAP; entry over the last 5-minute high as SPY turns."
    candles = (("5m", SWING_MAX),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the last closed bar's high, stops at the swing's low."""
        p, last, vwap = self.params, look["last"], look["vwap"]
        bars = closed(look, "5m", p.swing_bars).bars
        high, stop = bars.high[:, -1], lowest(bars.low)
        entry, spy = ticks(high, 1), look.full(look.of("SPY", "chg_30m"))
        when = (
            at_most("SPY chg_30m", spy, p.spy_chg_max),
            at_least("rs_spy_30m", look["rs_spy_30m"], p.rs_min),
            at_least("adv20", look["adv20"], p.adv20_liquid),
            above("last over vwap", last, vwap),
            at_least("atr_used", look["atr_used"], p.atr_used_min),
            at_most("atr_used", look["atr_used"], p.atr_used_max),
            above("SPY 5m close over open", look.full(_turn(look)), 0.0),
        )
        return Entries(
            when=(*when, above("break", last, high)),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, p.target_r),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
            exits=(Exit("invalid", "vwap loss", last < vwap),),
        )


def _turn(look: Look) -> float:
    """Return how far SPY's last 5-minute bar closed over its open; NaN where that is long ago."""
    bars, session = look.candles_of("SPY", "5m", 1), look.moment.session
    if bars is None or session is None or bars.minute[0, -1] < 0:
        return NAN
    ended_ns = session.start_ns + (int(bars.minute[0, -1]) + 5) * MINUTE_NS
    rise = float(bars.close[0, -1] - bars.open[0, -1])
    return rise if look.now_ns - ended_ns <= 6 * MINUTE_NS else NAN
