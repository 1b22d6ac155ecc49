"""A 5-minute bar inside the one before it: the break of the outer bar, with the day's direction."""

from typing import Annotated

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import closed
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


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of the inside bar."""

    rvol_tod_min: Annotated[float, told("", "Least relative volume of the day.", ge=0)] = 1.5
    outer_atr: Annotated[float, told("atr 5m", "Least range of the outer bar.", ge=0)] = 1.0
    within_s: Annotated[float, told("s", "The break comes so soon after the bar.", ge=1)] = 300.0
    target_r: Annotated[float, told("R", "The nearer target; the other is twice as far.")] = 1.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 10.0
    cooldown_s: Annotated[float, told("s", "Silence for a symbol after a signal.", ge=0)] = 900.0


class InsideBar(Strategy):
    """Follow the break of a wide bar that holds the next one: up above the VWAP, down below it.

    The stop is the other end of the inside bar.
    """

    takes = Params
    params: Params
    title = "Inside bar"
    doc = "A 5-minute bar inside a wide one; entry at the wide one's end on the VWAP's side."
    sides = ("long", "short")
    candles = (("5m", 2),)

    def indicators(self) -> tuple[Ask]:
        """Return the range of five minutes."""
        return (ask("atr", (14.0,), "5m"),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick beyond the outer bar, stops beyond the inside bar."""
        p, last, rows = self.params, look["last"], closed(look, "5m", 2)
        atr = look.indicator(self.indicators()[0])
        (top, high), (bottom, low) = rows.bars.high.T, rows.bars.low.T
        side = np.where(last >= look["vwap"], LONG, SHORT).astype(np.int8)
        level = np.where(side > 0, top, bottom)
        entry = np.where(side > 0, ticks(top, 1), ticks(bottom, -1))
        stop = np.where(side > 0, low, high)
        when = (
            below("inside bar's high", high, top),
            above("inside bar's low", low, bottom),
            at_least("outer bar's range", top - bottom, p.outer_atr * atr),
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
