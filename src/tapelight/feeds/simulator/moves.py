"""What is out of the ordinary in one session: gaps, runners, spikes and crashes."""

from dataclasses import dataclass

import numpy as np

from tapelight.feeds.simulator.listing import Listing
from tapelight.feeds.simulator.scenarios import Scenario
from tapelight.model.batch import Floats, Int64s

_GAP_SHARE = 0.028


@dataclass(frozen=True, slots=True)
class Gaps:
    """Hold the overnight move of each symbol and the interest that it brings."""

    log_return: Floats
    pre_boost: Floats
    """Pre-market trades against an ordinary symbol's."""
    day_boost: Floats
    rows: Int64s
    """The gappers (4 % or more)."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Hold scheduled drifts, sorted by start; times are ms since the epoch."""

    start_ms: Int64s
    length_ms: Int64s
    row: Int64s
    log_return: Floats
    boost: Floats

    def active(self, ts_ms: int) -> Int64s:
        """Return the positions of moves under way at `ts_ms`."""
        upto = int(np.searchsorted(self.start_ms, ts_ms, side="right"))
        since = int(np.searchsorted(self.start_ms, ts_ms - 3_600_000))
        window = np.arange(since, upto)
        return window[self.start_ms[since:upto] + self.length_ms[since:upto] > ts_ms]


def gaps_of(listing: Listing, rng: np.random.Generator) -> Gaps:
    """Draw the overnight gaps: most small, about 28 in 1,000 symbols 4 % or more."""
    n = len(listing)
    etf = np.array([c.type == "ETF" for c in listing.companies])
    giant = np.array([c.activity is not None for c in listing.companies])
    gap = rng.normal(0.0, 1.0, n) * np.minimum(listing.day_vol * 0.35, 0.012)
    chance = rng.random(n) < _GAP_SHARE / max(0.5, 1.0 - float(etf.mean()))
    size = np.clip(0.04 + rng.exponential(0.055, n), 0.04, 0.6)
    signs = np.where(rng.random(n) < 0.62, 1.0, -1.0)
    gapper = chance & ~etf & ~giant
    gap = np.where(gapper, np.log1p(np.maximum(signs * size, -0.45)), gap)
    strength = rng.uniform(0.5, 1.5, n) * (1.0 + 20.0 * np.abs(gap))
    return Gaps(
        log_return=gap,
        pre_boost=np.where(gapper, 12.0 * strength, 1.0) * np.exp(rng.normal(0.0, 0.4, n)),
        day_boost=np.where(gapper, 2.5 * strength, 1.0) * np.exp(rng.normal(-0.1, 0.45, n)),
        rows=np.flatnonzero(gapper),
    )


def moves_of(
    listing: Listing, scenario: Scenario, gaps: Gaps, span_ms: tuple[int, int],
    rng: np.random.Generator,
) -> Moves:  # fmt: skip
    """Schedule the movers and spikes between `span_ms` (regular hours)."""
    minutes = (span_ms[1] - span_ms[0]) / 60_000
    movers = _draw(listing, int(scenario.movers_per_min * minutes), span_ms, gaps, rng)
    spikes = _draw(listing, int(scenario.spikes_per_min * minutes), span_ms, gaps, rng)
    n, m = len(movers[0]), len(spikes[0])
    length = np.concatenate([rng.integers(90_000, 900_000, n), rng.integers(40_000, 90_000, m)])
    size = np.concatenate([rng.uniform(0.03, 0.10, n), rng.uniform(0.14, 0.30, m)])
    up = np.where(rng.random(n + m) < 0.65, 1.0, -1.0)
    start = np.concatenate([movers[0], spikes[0]])
    order = np.argsort(start, kind="stable")
    return Moves(
        start_ms=start[order],
        length_ms=length[order],
        row=np.concatenate([movers[1], spikes[1]])[order],
        log_return=(up * np.log1p(up * size))[order] * up[order],
        boost=np.concatenate([rng.uniform(6, 25, n), rng.uniform(30, 120, m)])[order],
    )


def _draw(
    listing: Listing, count: int, span_ms: tuple[int, int], gaps: Gaps, rng: np.random.Generator
) -> tuple[Int64s, Int64s]:
    # Small common stocks run; a third of the runs are in today's gappers.
    plain = np.array([c.type in ("CS", "ADRC") and c.activity is None for c in listing.companies])
    small = np.flatnonzero(plain & ~listing.tier1 & (listing.price > 0.5))
    pool = small if len(small) else np.arange(len(listing))
    start = np.sort(rng.integers(span_ms[0], span_ms[1], count))
    busy = listing.weight[pool] ** 0.5
    row = rng.choice(pool, count, p=busy / busy.sum())
    if len(gaps.rows):
        row = np.where(rng.random(count) < 0.33, rng.choice(gaps.rows, count), row)
    return start, row
