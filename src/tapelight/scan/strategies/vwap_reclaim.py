"""S2: a stock that is up on the day comes back over its VWAP after minutes below it."""

from typing import Annotated, Any

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import mean
from tapelight.scan.strategy import (
    MINUTE_NS,
    Common,
    Entries,
    Exit,
    Flags,
    Floats,
    Int64s,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    either,
    is_false,
    is_true,
    longs,
    multiples,
    ticks,
    told,
)

NAN = float("nan")
LOOKED_BACK = 60
"""Bars among which an earlier low is looked for."""


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S2."""

    chg_min: Annotated[float, told("%", "Least change on the day.", ge=0)] = 3.0
    of_bars: Annotated[int, told("bars", "Closes looked at before the reclaim.", ge=1, le=40)] = 8
    below_min: Annotated[int, told("bars", "Least of these closes below the VWAP.", ge=1)] = 6
    dip_pct: Annotated[float, told("%", "How far the low is below the VWAP.", ge=0)] = 0.5
    near_atr: Annotated[float, told("atr 1m", "Or how near to an earlier low.", ge=0)] = 2.0
    reclaim_pct: Annotated[float, told("%", "The close above the VWAP.", ge=0)] = 0.1
    volume_x: Annotated[float, told("", "The reclaim's volume over the mean of 20.", ge=0)] = 1.5
    within_bars: Annotated[int, told("bars", "The trigger comes within these.", ge=1)] = 3
    stop_bars: Annotated[int, told("bars", "The stop is the low of these.", ge=1, le=40)] = 5
    stop_atr: Annotated[float, told("atr 1m", "Nearest stop.", ge=0)] = 1.0
    rearm_bars: Annotated[int, told("bars", "Closes below before the next.", ge=1, le=60)] = 15
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 15.0

    def __post_init__(self) -> None:
        """Refuse more closes below than are looked at: raises ValueError."""
        super().__post_init__()
        self.in_order("below_min", "of_bars")


class VwapReclaim(Strategy):
    """Buy the break of the candle that closed back above the VWAP.

    The memory holds whether each of the last minutes closed below the VWAP as it stood then
    (a bit a bar, the newest lowest), and what the newest candle that came back looked like.
    """

    takes = Params
    params: Params
    code = "S2"
    title = "VWAP reclaim"
    doc = "A close back above the VWAP after six of eight below it; entry over that candle's high."
    enabled = True
    candles = (("1m", LOOKED_BACK),)
    by_bars = True
    memory = {  # noqa: RUF012
        "bar": -1, "bits": 0, "freed_ns": 0, "back_ns": 0,
        "pct": NAN, "high": NAN, "low": NAN, "below": NAN, "dip": NAN, "near": NAN, "volume": NAN,
    }  # fmt: skip

    def indicators(self) -> tuple[Ask]:
        """Return the range of a minute."""
        return (ask("atr", (14.0,), "1m"),)

    def concerns(self, look: Look) -> Flags:
        """Return the rows of which a bar has closed, and those that reclaimed just now."""
        since_ns = look.now_ns - look.kept("back_ns")
        fresh = look.candles("1m", 1).minute[:, 0] != look.kept("bar")
        return np.asarray(fresh | (since_ns <= int(self.params.within_bars * MINUTE_NS)))

    def signals(self, look: Look) -> Entries:
        """Return entries over the high of the candle that reclaimed the VWAP."""
        p, last, atr = self.params, look["last"], look.indicator(self.indicators()[0])
        now = self._remember(look, atr)
        high, live = now["high"], look.live
        entry = ticks(high, 1)
        stop = np.minimum(now["low"], entry - p.stop_atr * atr)
        secs = np.where(now["back_ns"] > 0, (look.now_ns - now["back_ns"]) / 1e9, NAN)
        under = (now["bits"] & 1) > 0
        rested = (live.fired_ns == 0) | (now["freed_ns"] > live.fired_ns)
        dip = at_least("dip_pct or earlier low", now["dip"], p.dip_pct)
        when = (
            at_least("chg_pct", look["chg_pct"], p.chg_min),
            at_least("closes below vwap", now["below"], p.below_min),
            either(dip.name, dip, at_most("", now["near"], p.near_atr)),
            at_least("reclaim_pct", now["pct"], p.reclaim_pct),
            at_least("reclaim volume", now["volume"], p.volume_x),
            at_most("secs_since_reclaim", secs, 60.0 * p.within_bars),
            is_false("closed below vwap since", under),
            is_true("minutes below since the last signal", rested),
        )
        return Entries(
            when=(*when, above("break", last, high)),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=(*multiples(entry, stop, 1.0), look["hod"]),
            armed=np.logical_and.reduce([c.true for c in when]),
            expires_ns=now["back_ns"] + int(p.within_bars * MINUTE_NS),
            exits=(Exit("invalid", "close below vwap", under),),
            keep=now,
        )

    def _remember(self, look: Look, atr: Floats) -> dict[str, Any]:
        """Return the memory after this moment: it moves where a bar has closed."""
        p, vwap = self.params, look["vwap"]
        bars = look.candles("1m", LOOKED_BACK)
        kept = {name: look.kept(name) for name in self.memory}
        close, minute = bars.close[:, -1], bars.minute[:, -1]
        fresh = (minute > kept["bar"]) & (minute >= look.open_minute)
        under = close < vwap
        bits = np.where(fresh, (kept["bits"] << 1 | under) & (2**60 - 1), kept["bits"])
        weak = (kept["bits"] & 1 > 0) | ~(kept["pct"] >= p.reclaim_pct)
        back = fresh & (close > vwap) & weak
        measured = self._measure(look, bars, kept["bits"], atr)
        long_below = (1 << p.rearm_bars) - 1
        freed = fresh & (bits & long_below == long_below)
        return {
            "bar": np.where(fresh, minute, kept["bar"]),
            "bits": bits,
            "freed_ns": np.where(freed, look.now_ns, kept["freed_ns"]),
            "back_ns": np.where(back, self._closed_ns(look, minute), kept["back_ns"]),
            **{name: np.where(back, values, kept[name]) for name, values in measured.items()},
        }

    def _measure(self, look: Look, bars: Any, before: Int64s, atr: Floats) -> dict[str, Floats]:
        """Return what the newest bar looks like as one that reclaims the VWAP."""
        p, vwap = self.params, look["vwap"]
        lows = bars.low[:, -1 - p.of_bars : -1]
        low = np.fmin.reduce(lows, axis=1)
        earlier = np.fmin.reduce(bars.low[:, : -1 - p.of_bars], axis=1)
        usual = mean(bars.volume[:, -21:-1])
        return {
            "pct": 100.0 * (bars.close[:, -1] / vwap - 1.0),
            "high": bars.high[:, -1],
            "low": np.fmin.reduce(bars.low[:, -p.stop_bars :], axis=1),
            "below": _ones(before, p.of_bars),
            "dip": 100.0 * (1.0 - low / vwap),
            "near": np.abs(low - earlier) / np.where(atr > 0.0, atr, NAN),
            "volume": bars.volume[:, -1] / np.where(usual > 0.0, usual, NAN),
        }

    def _closed_ns(self, look: Look, minute: Int64s) -> Int64s:
        session = look.moment.session
        start = session.start_ns if session else 0
        return start + (minute + 1) * MINUTE_NS


def _ones(bits: Int64s, count: int) -> Floats:
    """Return how many of the lowest `count` bits are set."""
    found: Flags = np.stack([(bits >> i) & 1 for i in range(count)])
    return found.sum(axis=0).astype(np.float64)
