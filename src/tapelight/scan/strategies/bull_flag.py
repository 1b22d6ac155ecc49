"""S7: the first pullback after a fast leg up, a bull flag, on one-minute bars."""

from typing import Annotated, Any

import numpy as np

from tapelight.market.candles import Candles
from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import NAN
from tapelight.scan.strategy import (
    Common,
    Condition,
    Entries,
    Floats,
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

    def __post_init__(self) -> None:
        """Refuse a shortest pullback over the longest: raises ValueError."""
        super().__post_init__()
        self.in_order("flag_least", "flag_most")


class BullFlag(Strategy):
    """Buy the first candle that trades over the one before it after a quiet pullback.

    The leg ends with the bar of the highest high (the last of equals) of the bars looked at, and
    begins with the lowest low of the leg_min minutes up to it; the pullback is what came since.
    Its volume counts as it was when the leg's last bar closed. The pullback holds where no
    close is under the 9-bar average, or no low under the VWAP. Flags that fired are counted.

    The memory holds leg and pullback as of the newest bar: the leg's last minute (-1 none), its
    low and high, the pullback's bars, those of them `against` it (neither red nor inside the bar
    before), its lows, and its mean volume in percent of the leg's.
    """

    takes = Params
    params: Params
    code = "S7"
    title = "First pullback"
    doc = "Two to five quiet candles after a leg of 4 % in ten minutes; entry over the last one."
    candles = (("1m", LEG_MAX + FLAG_MAX + 1),)
    by_bars = True
    memory = {  # noqa: RUF012
        "bar": -1, "leg": -1, "rvol": NAN, "low": NAN, "high": NAN, "bars": NAN, "against": NAN,
        "flag_low": NAN, "close_low": NAN, "volume_pct": NAN,
    }  # fmt: skip

    def indicators(self) -> tuple[Ask]:
        """Return the average that holds."""
        return (ask("ema", (float(self.params.hold_ema),), "1m"),)

    def signals(self, look: Look) -> Entries:
        """Return entries a tick over the last candle, stops at the pullback's low."""
        p, last, newest = self.params, look["last"], look.candles("1m", 1)
        now = self._remember(look, newest.minute[:, 0])
        leg, over = now["high"] - now["low"], newest.high[:, 0]
        when = (
            at_least("leg_pct", _share(leg, now["low"]), p.leg_pct_min),
            at_least("leg rvol_5m", now["rvol"], p.rvol_5m_min),
            at_least("pullback_bars", now["bars"], float(p.flag_least)),
            at_most("pullback_bars", now["bars"], float(p.flag_most)),
            at_most("bars neither red nor inside", now["against"], 0.0),
            at_most("retrace_pct", _share(now["high"] - now["flag_low"], leg), p.retrace_max),
            below("pullback volume_pct", now["volume_pct"], p.volume_max),
            self._holds(look, now),
        )
        return Entries(
            when=(*when, above("break", last, over)),
            side=longs(look),
            entry=ticks(over, 1),
            stop=now["flag_low"],
            targets=(now["high"], now["flag_low"] + leg),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=look.now_ns + int(p.valid_s * 1e9),
            keep=now,
        )

    def _holds(self, look: Look, now: dict[str, Any]) -> Condition:
        """Ask that the closes stay over the average, or the lows over the VWAP."""
        average = look.indicator(self.indicators()[0])
        closes = at_least("holds ema or vwap", now["close_low"], average)
        return either(closes.name, closes, at_least("", now["flag_low"], look["vwap"]))

    def _remember(self, look: Look, newest: Any) -> dict[str, Any]:
        """Return the memory after this moment: it moves where a bar has closed."""
        kept, p = {name: look.kept(name) for name in self.memory}, self.params
        fresh = newest != kept["bar"]
        if not fresh.any():
            return kept
        found = _flag(look.candles("1m", p.leg_min + p.flag_most + 1), p.leg_min)
        found["bar"] = newest
        found["rvol"] = np.where(found["leg"] != kept["leg"], look["rvol_5m"], kept["rvol"])
        return {name: np.where(fresh, found[name], kept[name]) for name in kept}


def _flag(bars: Candles, leg_min: int) -> dict[str, Any]:
    """Return the leg and the pullback of each row from its one-minute bars, newest last."""
    count, rows = bars.high.shape[1], np.arange(len(bars.high))
    known, place = ~np.isnan(bars.high), np.arange(count)[None, :]
    high = np.where(known, bars.high, -np.inf)
    peak = count - 1 - np.argmax(high[:, ::-1], axis=1)
    minute = np.where(known.any(axis=1), bars.minute[rows, peak], -1)
    before = known & (place <= peak[:, None]) & (bars.minute > (minute - leg_min)[:, None])
    low = np.where(before, bars.low, np.inf)
    begin = np.argmin(low, axis=1)
    leg, flag = before & (place >= begin[:, None]), known & (place > peak[:, None])
    found = before.any(axis=1)
    return {
        "leg": minute,
        "low": np.where(found, low[rows, begin], NAN),
        "high": np.where(found, bars.high[rows, peak], NAN),
        "bars": np.where(found, flag.sum(axis=1), NAN),
        "against": np.where(found, (flag & ~_quiet(bars)).sum(axis=1), NAN),
        "flag_low": _least(bars.low, flag),
        "close_low": _least(bars.close, flag),
        "volume_pct": _share(_mean(bars.volume, flag), _mean(bars.volume, leg)),
    }


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
