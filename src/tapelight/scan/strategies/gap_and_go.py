"""S3: a gap with news or volume goes on through the pre-market's high."""

from typing import Annotated

import numpy as np

from tapelight.market.indicators import Ask, ask
from tapelight.scan.closed import mean
from tapelight.scan.strategy import (
    Common,
    Entries,
    Flags,
    Floats,
    Look,
    Strategy,
    above,
    at_least,
    at_most,
    either,
    longs,
    multiples,
    ticks,
    told,
)

NS = 1_000_000_000


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S3."""

    gap_min: Annotated[float, told("%", "Least gap.", ge=0)] = 4.0
    pm_vol_min: Annotated[float, told("shares", "Least pre-market volume.", ge=0)] = 100_000.0
    rvol_tod_min: Annotated[float, told("", "What makes up for no news.", ge=0)] = 5.0
    float_max: Annotated[float, told("shares", "Largest float.", ge=0)] = 100e6
    volume_x: Annotated[float, told("", "Last minute over the mean of five.", ge=0)] = 2.0
    mean_bars: Annotated[int, told("bars", "The mean's bars.", ge=1, le=60)] = 5
    trail_bars: Annotated[int, told("bars", "The average that trails, 1 m.", ge=2)] = 9
    atr_bars: Annotated[int, told("bars", "The range that a stop must allow, 1 m.", ge=2)] = 14
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    end_min: Annotated[float, told("min", "Last entry, after the open.", ge=0)] = 30.0
    tries: Annotated[int, told("", "Most signals a symbol and day.", ge=0)] = 2


class GapAndGo(Strategy):
    """Buy the break of the pre-market's high in the first half hour."""

    takes = Params
    params: Params
    code = "S3"
    title = "Gap and go"
    doc = "A gap of 4 % with news or volume breaks the pre-market high in the first half hour."
    enabled = True
    candles = (("1m", 60),)

    def indicators(self) -> tuple[Ask, Ask]:
        """Return the trailing average and the range of a minute."""
        p = self.params
        return ask("ema", (float(p.trail_bars),), "1m"), ask("atr", (float(p.atr_bars),), "1m")

    def concerns(self, look: Look) -> Flags:
        """Return the rows with a gap that is wide enough."""
        wide: Flags = look["gap_pct"] >= self.params.gap_min
        return wide

    def signals(self, look: Look) -> Entries:
        """Return entries a tick above the pre-market's high."""
        p, last, vwap = self.params, look["last"], look["vwap"]
        ema, atr = (look.indicator(one) for one in self.indicators())
        bars = look.candles("1m", p.mean_bars)
        entry = ticks(look["pm_high"], 1)
        stop = np.minimum(np.fmax(bars.low[:, -1], vwap), entry - atr)
        usual = mean(bars.volume)
        middle = (look["pm_high"] + look["pm_low"]) / 2.0
        news = at_least("news or rvol_tod", look["news_since_close"], 1.0)
        busy = at_least("rvol_tod", look["rvol_tod"], p.rvol_tod_min)
        return Entries(
            when=(
                at_least("gap_pct", look["gap_pct"], p.gap_min),
                at_least("pm_vol", look["pm_vol"], p.pm_vol_min),
                either(news.name, news, busy),
                at_most("float_shares", look["float_shares"], p.float_max),
                at_least("open over pre-market middle", look["open"], middle),
                at_least("vol_1m", look["vol_1m"], p.volume_x * usual),
                above("last over vwap", last, vwap),
                at_least("break", last, entry),
            ),
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=self._targets(entry, stop),
            expires_ns=look.now_ns + int(p.valid_s * NS),
            trail=ema,
        )

    def _targets(self, entry: Floats, stop: Floats) -> tuple[Floats, ...]:
        return multiples(entry, stop, 1.0, 2.0)
