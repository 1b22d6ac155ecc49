"""S5: a burst of buying at the day's high; the entry is a break of the last ten seconds' high."""

from typing import Annotated

import numpy as np

from tapelight.scan.course import CONFIRMED
from tapelight.scan.strategy import (
    Common,
    Entries,
    Exit,
    Flags,
    Look,
    Strategy,
    above,
    at_least,
    longs,
    multiples,
    ticks,
    told,
)

NS = 1_000_000_000


class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the thresholds of S5."""

    chg_1m_min: Annotated[float, told("%", "Least rise in a minute.", ge=0)] = 1.5
    chg_5m_min: Annotated[float, told("%", "Least rise in five minutes.", ge=0)] = 3.0
    vol_burst_min: Annotated[float, told("", "Least volume over the usual minute.", ge=0)] = 4.0
    trade_rate_min: Annotated[float, told("1/s", "Fewest prints a second.", ge=0)] = 3.0
    buy_pct_min: Annotated[float, told("%", "Least share of bought volume.", ge=0, le=100)] = 60.0
    accel_min: Annotated[float, told("%", "The last minute's rise over the one before.")] = 0.0
    hod_dist_min: Annotated[float, told("%", "Nearest to the high of the day.", le=0)] = -1.5
    entry_s: Annotated[float, told("s", "The entry is above this span's high.", ge=1, le=60)] = 10.0
    stop_s: Annotated[float, told("s", "The stop is this span's low.", ge=1, le=300)] = 60.0
    valid_s: Annotated[float, told("s", "The entry is void after this.", ge=1)] = 60.0
    patience_s: Annotated[float, told("s", "Time stop without progress.", ge=1)] = 180.0
    patience_r: Annotated[float, told("R", "The progress that is meant.", ge=0)] = 0.5
    cooldown_s: Annotated[float, told("s", "Silence for a symbol after a signal.", ge=0)] = 300.0
    mute_resume_s: Annotated[float, told("s", "Silence for a symbol after a resume.", ge=0)] = 60.0


class MomentumBurst(Strategy):
    """Buy strength: price, volume, prints and their buyers all speed up near the high."""

    takes = Params
    params: Params
    code = "S5"
    title = "Momentum burst"
    doc = "A fast rise on heavy bought volume near the high of the day; entry on a 10-second break."
    enabled = True

    def concerns(self, look: Look) -> Flags:
        """Return the rows that rise fast enough."""
        rises: Flags = look["chg_1m"] >= self.params.chg_1m_min
        return rises

    def signals(self, look: Look) -> Entries:
        """Return entries above the last seconds' high, stops below the last minute's low."""
        p, last = self.params, look["last"]
        past = look.past(max(int(p.entry_s), int(p.stop_s)))
        recent = np.fmax.reduce(past[:, : int(p.entry_s)], axis=1)
        entry = ticks(np.fmax(recent, last), 1)
        stop = np.fmin(np.fmin.reduce(past[:, : int(p.stop_s)], axis=1), last)
        when = (
            at_least("chg_1m", look["chg_1m"], p.chg_1m_min),
            at_least("chg_5m", look["chg_5m"], p.chg_5m_min),
            at_least("vol_burst", look["vol_burst"], p.vol_burst_min),
            at_least("buy_pct_1m", look["buy_pct_1m"], p.buy_pct_min),
            above("accel", look["accel"], p.accel_min),
            at_least("hod_dist_pct", look["hod_dist_pct"], p.hod_dist_min),
        )
        return Entries(
            when=when,
            side=longs(look),
            entry=entry,
            stop=stop,
            targets=multiples(entry, stop, 1.0, 2.0),
            expires_ns=look.now_ns + int(p.valid_s * NS),
            exits=(self._tired(look),),
        )

    def _tired(self, look: Look) -> Exit:
        """Return where the entry is old and has not gone half an R its way."""
        p, live = self.params, look.live
        old = look.now_ns - live.filled_ns >= p.patience_s * NS
        slow = live.best - live.fill < p.patience_r * live.risk
        return Exit("time", "no progress", (live.state == CONFIRMED) & old & slow)
