"""S7: the first pullback after a fast leg up, a bull flag, on one-minute bars."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tapelight.market.candles import Candles
from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import NAN
from tapelight.scan.strategy import (
    Common,
    Condition,
    Entries,
    Floats,
    Int64s,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    below,
    either,
    longs,
    ticks,
    told,
)

LEG_MAX, FLAG_MAX = 30, 10


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S7."""

    leg_pct_min: Annotated[float, told("%", "Least rise of the leg.", ge=0)] = 4.0
    leg_min: Annotated[int, told("min", "Longest leg.", ge=2, le=LEG_MAX)] = 10
    rvol_5m_min: Annotated[float, told("", "Least relative volume of the leg.", ge=0)] = 3.0
    flag_least: Annotated[int, told("bars", "Shortest pullback, 1 m.", ge=1, le=FLAG_MAX)] = 2
    flag_most: Annotated[int, told("bars", "Longest pullback, 1 m.", ge=1, le=FLAG_MAX)] = 5
    retrace_max: Annotated[float, told("%", "Deepest pullback, of the leg.", ge=0)] = 50.0
    volume_max: Annotated[float, told("%", "The pullback's volume, of the leg's mean.", ge=0)] = (
        60.0
    )
    hold_ema: Annotated[int, told("bars", "The average that holds, 1 m.", ge=2)] = 9
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 2


@dataclass(frozen=True, slots=True, eq=False)
class Flag:
    """Hold leg and pullback of each row, NaN where there is none."""

    minute: Int64s
    """The minute of the leg's last bar, -1 none."""
    low: Floats
    high: Floats
    bars: Floats
    """Bars of the pullback."""
    against: Floats
    """Those of them that are neither red nor inside the bar before."""
    flag_low: Floats
    close_low: Floats
    volume_pct: Floats
    """Mean volume of the pullback's bars in percent of the leg's."""


class BullFlag(Strategy):
    """Buy the first candle that trades over the one before it after a quiet pullback.

    The leg ends with the bar of the highest high (the last of equals) of the bars looked at, and
    begins with the lowest low of the leg_min minutes up to it; the pullback is what came since.
    Its volume counts as it was when the leg's last bar closed. The pullback holds where no
    close is under the 9-bar average, or no low under the VWAP. Flags that fired are counted.
    """

    takes = Params
    params: Params
    code = "S7"
    title = "First pullback"
    doc = "Two to five quiet candles after a leg of 4 % in ten minutes; entry over the last one."
    candles = (("1m", LEG_MAX + FLAG_MAX + 1),)
    memory = {"leg": -1, "rvol": NAN}  # noqa: RUF012

    def indicators(self) -> tuple[Ask]:
        """Return the average that holds."""
        return (ask("ema", (float(self.params.hold_ema),), "1m"),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the last candle, stops at the pullback's low."""
        p, last = self.params, look["last"]
        bars = look.candles("1m", p.leg_min + p.flag_most + 1)
        flag = _flag(bars, p.leg_min)
        fresh = flag.minute != look.kept("leg")
        rvol = np.where(fresh, look["rvol_5m"], look.kept("rvol"))
        leg, over = flag.high - flag.low, bars.high[:, -1]
        when = (
            at_least("leg_pct", 100.0 * leg / flag.low, p.leg_pct_min),
            at_least("leg rvol_5m", rvol, p.rvol_5m_min),
            at_least("pullback_bars", flag.bars, float(p.flag_least)),
            at_most("pullback_bars", flag.bars, float(p.flag_most)),
            at_most("bars neither red nor inside", flag.against, 0.0),
            at_most("retrace_pct", _share(flag.high - flag.flag_low, leg), p.retrace_max),
            below("pullback volume_pct", flag.volume_pct, p.volume_max),
            self._holds(look, flag),
        )
        return Entries(
            when=(*when, above("break", last, over)),
            side=longs(look),
            entry=ticks(over, 1),
            stop=flag.flag_low,
            targets=(flag.high, flag.flag_low + leg),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
            keep={"leg": flag.minute, "rvol": rvol},
        )

    def _holds(self, look: Look, flag: Flag) -> Condition:
        """Ask that the closes stay over the average, or the lows over the VWAP."""
        closes = at_least("holds ema or vwap", flag.close_low, look.indicator(self.indicators()[0]))
        return either(closes.name, closes, at_least("", flag.flag_low, look["vwap"]))


def _flag(bars: Candles, leg_min: int) -> Flag:
    """Return the leg and the pullback of each row from its one-minute bars, newest last."""
    count = bars.high.shape[1]
    known = ~np.isnan(bars.high)
    high = np.where(known, bars.high, -np.inf)
    peak = count - 1 - np.argmax(high[:, ::-1], axis=1)
    place = np.arange(count)[None, :]
    at_peak = (np.arange(len(peak)), peak)
    minute = np.where(known.any(axis=1), bars.minute[at_peak], -1)
    before = known & (place <= peak[:, None])
    before &= bars.minute > (minute - leg_min)[:, None]
    low = np.where(before, bars.low, np.inf)
    begin = np.argmin(low, axis=1)
    leg = before & (place >= begin[:, None])
    flag = known & (place > peak[:, None])
    found = before.any(axis=1)
    return Flag(
        minute=minute,
        low=np.where(found, low[np.arange(len(peak)), begin], NAN),
        high=np.where(found, bars.high[at_peak], NAN),
        bars=np.where(found, flag.sum(axis=1), NAN),
        against=np.where(found, (flag & ~_quiet(bars)).sum(axis=1), NAN),
        flag_low=_least(bars.low, flag),
        close_low=_least(bars.close, flag),
        volume_pct=_share(_mean(bars.volume, flag), _mean(bars.volume, leg)),
    )


def _quiet(bars: Candles) -> np.ndarray:
    """Tell of each bar whether it is red, or inside the bar before."""
    quiet = bars.close < bars.open
    inside = (bars.high[:, 1:] <= bars.high[:, :-1]) & (bars.low[:, 1:] >= bars.low[:, :-1])
    quiet[:, 1:] |= inside
    return quiet


def _least(values: Floats, among: np.ndarray) -> Floats:
    return np.asarray(np.fmin.reduce(np.where(among, values, NAN), axis=1))


def _mean(values: Floats, among: np.ndarray) -> Floats:
    """Return the mean of some of each row's bars, added in time order."""
    total = np.zeros(len(values))
    for k in range(values.shape[1]):
        total += np.where(among[:, k], values[:, k], 0.0)
    return total / np.where(among.any(axis=1), among.sum(axis=1), NAN)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(100.0 * part / np.where(whole > 0.0, whole, NAN))
