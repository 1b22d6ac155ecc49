"""One session of the market: who trades how much, at what price, and who is halted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.feeds.simulator.curve import CLOSE_SHARE, OPEN_SHARE, Curve
from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.moves import Gaps, Moves, gaps_of, moves_of
from tapelight.feeds.simulator.scenarios import Scenario
from tapelight.model.batch import Floats, Int64s
from tapelight.model.session import PRE, REGULAR, Session

MS = 1_000_000
_FAST, _SLOW = 0.88, 0.996
"""One-second memory of the two activity processes (about 8 s and 4 min)."""
_FAST_SD, _SLOW_SD = 0.9, 0.5
_COMMON_SD = 0.06
"""One-second innovation of the market's own factor, small so that the rate is as promised."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold what is fixed for one session before it begins."""

    session: Session
    curve: Curve
    gaps: Gaps
    moves: Moves
    prev_close: Floats
    adv: Floats


def plan_of(
    listing: Listing, scenario: Scenario, session: Session, prev_close: Floats, rate: float,
    seed: int,
) -> Plan:  # fmt: skip
    """Draw the session's gaps and moves from (seed, date)."""
    rng = np.random.default_rng([seed, 2, session.date.toordinal()])
    curve = Curve(session, rate)
    gaps = gaps_of(listing, rng)
    span = (session.open_ns // MS, session.close_ns // MS)
    auctions = 1.0 - OPEN_SHARE - CLOSE_SHARE
    return Plan(
        session=session,
        curve=curve,
        gaps=gaps,
        moves=moves_of(listing, scenario, gaps, span, rng),
        prev_close=prev_close,
        adv=listing.adv(curve.day_trades()) / auctions,
    )


class Activity:
    """Hold the share of trades by symbol: clustered in time, drawn anew each second."""

    def __init__(self, listing: Listing, plan: Plan, rng: np.random.Generator) -> None:
        n = len(listing)
        self._base = listing.weight
        self._plan = plan
        self._rng = rng
        self._fast = rng.standard_normal(n, np.float32)
        self._slow = rng.standard_normal(n, np.float32)
        self._common = 0.0
        self.heat: Floats = np.ones(n)
        """Activity against the symbol's own mean."""
        self.trades: Floats = np.cumsum(self._base)
        """Running sum of the trade weights, for searchsorted."""
        self.quotes: Floats = np.cumsum(self._base**0.6)
        self.common = 1.0
        """The market's own factor, mean 1."""

    def second(self, ts_ms: int, phase: int, open_: npt.NDArray[np.bool_]) -> None:
        """Advance by one second; only symbols in `open_` trade."""
        rng, n = self._rng, len(self._base)
        self._fast = np.float32(_FAST) * self._fast + np.float32(
            (1 - _FAST**2) ** 0.5
        ) * rng.standard_normal(n, np.float32)
        self._slow = np.float32(_SLOW) * self._slow + np.float32(
            (1 - _SLOW**2) ** 0.5
        ) * rng.standard_normal(n, np.float32)
        self._common = 0.75 * self._common + _COMMON_SD * float(rng.standard_normal())
        self.common = float(np.exp(self._common - _COMMON_SD**2 / (1 - 0.75**2) / 2))
        heat = np.exp(_FAST_SD * self._fast + _SLOW_SD * self._slow).astype(np.float64)
        self.heat = heat
        gaps = self._plan.gaps
        boost = gaps.pre_boost if phase == PRE else gaps.day_boost
        weight = self._base * boost * heat * open_
        moves = self._plan.moves
        for at in moves.active(ts_ms).tolist() if phase == REGULAR else ():
            weight[moves.row[at]] *= moves.boost[at]
        self.trades = np.cumsum(weight)
        self.quotes = np.cumsum((self._base * boost) ** 0.6 * open_)


class Prices:
    """Hold each symbol's efficient price and its national best bid and offer (in ticks)."""

    def __init__(
        self, listing: Listing, start: Floats, plan: Plan, rng: np.random.Generator
    ) -> None:
        n = len(listing)
        self._rng = rng
        self._plan = plan
        self._beta = listing.beta
        minute_sd = listing.day_vol / 390**0.5 * 0.9
        self._own_sd = minute_sd * 0.87
        self._common_sd = 0.0045 / 390**0.5
        self.log = np.log(start)
        self.tick: Int64s = np.where(start >= 1.0, 100, 1).astype(np.int64)
        self._bps = listing.spread_bps
        self.lower: Int64s = np.zeros(n, np.int64)
        self.upper: Int64s = np.full(n, 1 << 60, np.int64)
        self.bid: Int64s = np.zeros(n, np.int64)
        self.ask: Int64s = np.zeros(n, np.int64)
        self.wide = 1.0
        """Spreads against regular hours."""
        self.crash = 0.0
        """Market-wide drift, log return a second."""
        self.refresh(np.arange(n))

    def step(self, seconds: float, ts_ms: int, heat: Floats, phase: int) -> None:
        """Move the efficient prices by `seconds` of market time."""
        rng, n = self._rng, len(self.log)
        wild = float(self._plan.curve.wildness[self._plan.curve.minute_of(ts_ms)])
        root = wild * (seconds / 60.0) ** 0.5
        own = rng.standard_normal(n, np.float32) * self._own_sd
        market = float(rng.standard_normal()) * self._common_sd * root + self.crash * seconds
        self.log += own * (root * np.sqrt(np.clip(heat, 0.2, 4.0))) + self._beta * market
        moves = self._plan.moves
        for at in moves.active(ts_ms).tolist() if phase == REGULAR else ():
            drift = moves.log_return[at] / moves.length_ms[at] * 1000.0
            self.log[moves.row[at]] += drift * seconds

    def refresh(self, rows: Int64s) -> None:
        """Bring the quotes of distinct `rows` in line with their efficient prices."""
        price = np.exp(self.log[rows]) * TICKS
        bid, ask, tick = self.bid[rows], self.ask[rows], self.tick[rows]
        gap = np.maximum(tick, np.rint(price * self._bps[rows] * 1e-4 * self.wide / tick) * tick)
        upper, lower = self.upper[rows], self.lower[rows]
        stale = (price < bid) | (price > ask) | (ask - bid > 2 * gap + tick)
        stale |= (bid > upper) | (ask < lower)
        new_bid = np.floor((price - gap / 2) / tick) * tick
        new_bid = np.maximum(new_bid, tick)
        new_bid = np.minimum(new_bid, upper)
        new_ask = np.maximum(new_bid + gap, lower)
        new_bid = np.where(new_ask > new_bid, new_bid, new_ask - tick)
        self.bid[rows] = np.where(stale, new_bid, bid).astype(np.int64)
        self.ask[rows] = np.where(stale, new_ask, ask).astype(np.int64)

    def efficient(self) -> Floats:
        """Return the efficient prices in ticks, unrounded."""
        price: Floats = np.exp(self.log) * TICKS
        return price
