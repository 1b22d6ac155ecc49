"""Monte Carlo of one position: stock and option legs on one underlying.

The underlying moves as a geometric Brownian motion to the horizon; there each leg is worth its
Black-Scholes-Merton price at its own volatility (which stays with the strike), or its intrinsic
value once expired. A leg that expires earlier is settled at the price of the horizon: choose a
horizon not beyond the first expiration.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tapelight.analytics.normal import Floats
from tapelight.analytics.options import DAYS_A_YEAR, Greeks, contracts, greeks, price
from tapelight.analytics.portfolio import Draws, Risk, of_profits

SHARES = 100.0
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


class Leg(NamedTuple):
    """Name one leg: `quantity` contracts (or shares of stock), below 0 for short."""

    kind: str
    """call, put or stock."""
    quantity: float
    entry: float
    """The price paid or taken, $ a share."""
    strike: float = 0.0
    days: float = 0.0
    """Calendar days to expiration."""
    volatility: float = 0.0
    """Implied volatility, a fraction a year."""
    multiplier: float = SHARES
    """Shares a contract; 1 is taken for stock."""

    @property
    def shares(self) -> float:
        """Return the shares that the leg stands for, signed."""
        return self.quantity * (1.0 if self.kind == "stock" else self.multiplier)


@dataclass(frozen=True, slots=True)
class Outlook:
    """Hold what a position may bring at the horizon, $."""

    probability_of_profit: float
    mean: float
    deviation: float
    worst: float
    best: float
    quantiles: dict[float, float]
    """Profit by share of paths below it."""
    risk: Risk
    profits: Floats
    """One element a path."""


@dataclass(frozen=True, slots=True)
class Underlying:
    """Hold the market that a position stands in; rates and volatility as fractions a year."""

    spot: float
    volatility: float
    rate: float = 0.0
    dividend: float = 0.0
    drift: float | None = None
    """Expected return a year; None takes rate - dividend, under which prices are fair."""


def profit(legs: list[Leg], market: Underlying, spot: Floats, days: float) -> Floats:
    """Return the position's profit in $ at each `spot`, `days` from now."""
    total = np.zeros(len(spot))
    for leg in legs:
        total += leg.shares * (_worth(leg, market, spot, days) - leg.entry)
    return total


def simulate(
    rng: Draws, legs: list[Leg], market: Underlying, days: float,
    paths: int = 100_000, confidence: float = 0.95,
) -> Outlook:  # fmt: skip
    """Return the outlook `days` from now; the same generator state gives the same one."""
    years = days / DAYS_A_YEAR
    drift = market.rate - market.dividend if market.drift is None else market.drift
    spread = market.volatility * np.sqrt(years)
    steps = rng.standard_normal(paths)
    ends = market.spot * np.exp(drift * years - 0.5 * spread * spread + spread * steps)
    profits = profit(legs, market, ends, days)
    return Outlook(
        float(np.count_nonzero(profits > 0.0) / paths),
        float(profits.mean()),
        float(profits.std()),
        float(profits.min()),
        float(profits.max()),
        dict(zip(QUANTILES, np.quantile(profits, QUANTILES).tolist(), strict=True)),
        of_profits(profits, confidence),
        profits,
    )


def position_greeks(legs: list[Leg], market: Underlying) -> Greeks:
    """Return the Greeks of the whole position now: $ per unit as in `Greeks`, all shares."""
    total = np.zeros(len(Greeks._fields))
    for leg in legs:
        if leg.kind == "stock":
            total[0] += leg.shares
            continue
        of = contracts(
            leg.kind == "call", market.spot, leg.strike, leg.days / DAYS_A_YEAR,
            market.rate, market.dividend,
        )  # fmt: skip
        total += leg.shares * np.concatenate(greeks(of, leg.volatility))
    return Greeks(*(np.array([g]) for g in total.tolist()))


def _worth(leg: Leg, market: Underlying, spot: Floats, days: float) -> Floats:
    if leg.kind == "stock":
        return spot
    if leg.kind not in ("call", "put"):
        raise ValueError(f"A leg is call, put or stock, not {leg.kind!r}.")
    years = max(leg.days - days, 0.0) / DAYS_A_YEAR
    of = contracts(leg.kind == "call", spot, leg.strike, years, market.rate, market.dividend)
    return price(of, leg.volatility)
