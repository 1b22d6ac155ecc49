"""Implied volatility of the simulated market: a level that wanders, a term structure, a smile.

The level of a symbol reverts to its mean day by day (Ornstein-Uhlenbeck), seeded by symbol, so
that every past session's 30-day volatility is known. Prices are those of Black and Scholes
without dividends, reckoned here one contract at a time and by no code of the analytics.
"""

import datetime as dt
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tapelight.feeds.simulator.listing import Listing

RATE = 0.04
FIRST_DAY = dt.date(2023, 1, 1)
"""From which the level's walk begins; earlier days have the mean level."""
_MOST_DAYS = 6000
_PREMIUM = 1.12
"""Options cost more than the stock then moves."""
_PULL, _KICK = 0.02, 0.05
"""The level's return to its mean by calendar day, and its daily noise."""
_SPEED_YEARS = 2.0
"""How fast the term structure comes back to the long run, per year."""
_SKEW, _CURVE = -0.09, 0.035
"""The smile, in shares of the volatility at the money by standard deviation of log-moneyness."""


class Worth(NamedTuple):
    """Hold one option's fair price and Greeks: theta a calendar day, vega a point."""

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float


class Surface:
    """Give every symbol's volatility by strike, time and date."""

    def __init__(self, listing: Listing, seed: int) -> None:
        yearly = listing.day_vol * math.sqrt(252.0) * _PREMIUM
        self._long_run = np.clip(yearly, 0.08, 2.5)
        self._seed = seed

    def volatility(
        self, row: int, date: dt.date, forward: float, strike: float, years: float
    ) -> float:
        """Return the implied volatility of a contract, a fraction a year."""
        middle = self.at_the_money(row, date, years)
        steps = math.log(strike / forward) / (middle * math.sqrt(max(years, 1e-4)))
        steps = min(max(steps, -4.0), 4.0)
        return middle * (1.0 + _SKEW * steps + _CURVE * steps * steps)

    def at_the_money(self, row: int, date: dt.date, years: float) -> float:
        """Return the volatility at the forward: total variance drifts to the long run's."""
        mean = float(self._long_run[row])
        now = mean * math.exp(self._level(row, date))
        pull = _SPEED_YEARS * max(years, 1e-4)
        share = (1.0 - math.exp(-pull)) / pull
        return math.sqrt(mean * mean + (now * now - mean * mean) * share)

    def _level(self, row: int, date: dt.date) -> float:
        day = (date - FIRST_DAY).days
        return float(_levels(self._seed, row)[day]) if 0 <= day < _MOST_DAYS else 0.0


@lru_cache(maxsize=512)
def _levels(seed: int, row: int) -> np.ndarray:
    """Return the log of the level by calendar day."""
    noise = np.random.default_rng([seed, 11, row]).standard_normal(_MOST_DAYS)
    levels: list[float] = []
    level = 0.0
    for kick in noise.tolist():
        level += -_PULL * level + _KICK * kick
        levels.append(level)
    return np.array(levels)


def worth(call: bool, spot: float, strike: float, years: float, volatility: float) -> Worth:
    """Return what an option is worth and how that moves; nothing of it moves at no time."""
    sign = 1.0 if call else -1.0
    cash = strike * math.exp(-RATE * years)
    if years <= 0.0:
        exercised = max(sign * (spot - strike), 0.0)
        return Worth(exercised, sign * float(exercised > 0.0), 0.0, 0.0, 0.0)
    spread = volatility * math.sqrt(years)
    d1 = math.log(spot / cash) / spread + 0.5 * spread
    above, paid = _below(sign * d1), _below(sign * (d1 - spread))
    density = math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    decay = -spot * density * volatility / (2.0 * math.sqrt(years)) - sign * RATE * cash * paid
    return Worth(
        max(sign * (spot * above - cash * paid), 0.0),
        sign * above,
        density / (spot * spread),
        decay / 365.0,
        spot * density * math.sqrt(years) / 100.0,
    )


def _below(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
