"""What happened today before the tape's start, minute by minute, so that a snapshot has a past."""

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.curve import CLOSE_SHARE, OPEN_SHARE
from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.market import MS, Plan
from tapelight.feeds.simulator.totals import KEEP_MINUTES, Totals
from tapelight.model.batch import Floats, Int64s
from tapelight.model.session import MINUTE_NS, POST, PRE, REGULAR

_GAP_AT_ONCE = 0.75
"""How much of the overnight gap is there at 04:00."""


def start_prices(listing: Listing, plan: Plan, start_ms: int, seed: int) -> Floats:
    """Return the efficient prices (dollars) at the tape's start."""
    rng = np.random.default_rng([seed, 5, plan.session.date.toordinal()])
    opened = max(0, start_ms - plan.session.open_ns // MS) / 23_400_000
    drift = rng.normal(0.0, 1.0, len(listing)) * listing.day_vol * 0.7 * min(1.0, opened) ** 0.5
    price: Floats = plan.prev_close * np.exp(plan.gaps.log_return + drift)
    return price


class Morning:
    """Draw the minutes from 04:00 to the start and put them into `totals`."""

    def __init__(
        self, listing: Listing, plan: Plan, target: Floats, start_ms: int, seed: int
    ) -> None:
        self._listing, self._plan = listing, plan
        self._rng = np.random.default_rng([seed, 6, plan.session.date.toordinal()])
        self._start_ms = start_ms
        self._target = np.log(target)
        self._log = np.log(plan.prev_close) + _GAP_AT_ONCE * plan.gaps.log_return
        self._sd = listing.day_vol / 390**0.5 * 0.9
        self._tick = np.where(target >= 1.0, 100, 1).astype(np.int64)

    def fill(self, totals: Totals) -> None:
        """Bring `totals` to the state at the start."""
        first_ms = self._plan.session.start_ns // MS
        minutes = max(0, (self._start_ms - first_ms) // 60_000)
        for minute in range(minutes):
            bars = self._minute(minute, minutes - minute, first_ms + minute * 60_000)
            if minute < minutes - KEEP_MINUTES:
                totals.older.append(bars.small())
            else:
                totals.minutes.closed.append(bars)
            totals.note(bars)
            self._fold(bars, totals)
        totals.regular = self._start_ms * MS > self._plan.session.open_ns

    def _minute(self, minute: int, left: int, start_ms: int) -> Closed:
        rng, n = self._rng, len(self._listing)
        before = self._log
        wild = self._plan.curve.wildness[min(minute, len(self._plan.curve.wildness) - 1)]
        noise = rng.standard_normal(n) * self._sd * (wild * ((left - 1) / left) ** 0.5)
        self._log = before + (self._target - before) / left + noise
        count = rng.poisson(self._expected(minute, start_ms))
        size = sales.MEAN_SIZE * self._listing.size_factor * rng.uniform(0.6, 1.4, n)
        volume = np.ceil(count * size) + self._auction(start_ms)
        row = np.flatnonzero(volume > 0)
        wick = np.exp(np.abs(rng.standard_normal((2, n))) * self._sd * (0.5 * wild))[:, row]
        open_, close = np.exp(before[row]), np.exp(self._log[row])
        high, low = np.maximum(open_, close) * wick[0], np.minimum(open_, close) / wick[1]
        vwap = (open_ + close) / 2.0
        volume = volume[row]
        return Closed(
            start_ms, row, self._ticks(open_, row), self._ticks(high, row),
            self._ticks(low, row), self._ticks(close, row), volume, np.round(vwap, 4) * volume,
            volume.copy(), np.maximum(count[row], 1),
        )  # fmt: skip

    def _expected(self, minute: int, start_ms: int) -> Floats:
        curve, gaps = self._plan.curve, self._plan.gaps
        pre = self._plan.session.phase(start_ms * MS) == PRE
        weight = self._listing.weight * (gaps.pre_boost if pre else gaps.day_boost)
        rate = curve.minutes[min(minute, len(curve.minutes) - 1)]
        expected: Floats = rate * 60.0 * weight / weight.sum()
        return expected

    def _auction(self, start_ms: int) -> Floats:
        session, share = self._plan.session, 0.0
        if start_ms <= session.open_ns // MS < start_ms + MINUTE_NS // MS:
            share = OPEN_SHARE
        elif start_ms <= session.close_ns // MS < start_ms + MINUTE_NS // MS:
            share = CLOSE_SHARE
        shares: Floats = np.rint(self._plan.adv * self._plan.gaps.day_boost * share)
        return shares

    def _ticks(self, price: Floats, row: Int64s) -> Int64s:
        tick = self._tick[row]
        ticks = np.rint(price * TICKS / tick) * tick
        whole: Int64s = np.maximum(ticks, tick).astype(np.int64)
        return whole

    def _fold(self, bars: Closed, totals: Totals) -> None:
        phase, row = self._plan.session.phase(bars.start_ms * MS), bars.row
        totals.volume[row] += bars.volume
        totals.count[row] += bars.count
        totals.last[row], totals.last_ms[row] = bars.close, bars.start_ms + 59_000
        totals.last_size[row] = 100.0
        totals.last_kind[row] = sales.kind() if phase == REGULAR else sales.kind(12)
        totals.last_venue[row] = 12
        if phase == REGULAR:
            self._fold_regular(bars, totals)
        elif phase == POST:
            new = row[totals.official_close[row] == 0]
            totals.official_close[new] = totals.close[new]

    def _fold_regular(self, bars: Closed, totals: Totals) -> None:
        row = bars.row
        new = totals.open[row] == 0
        totals.open[row[new]] = totals.official_open[row[new]] = bars.open[new]
        totals.high[row] = np.maximum(totals.high[row], bars.high)
        totals.low[row] = np.minimum(totals.low[row], bars.low)
        totals.close[row] = bars.close
        totals.amount[row] += bars.amount
        totals.vwap_volume[row] += bars.vwap_volume
