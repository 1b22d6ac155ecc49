"""European options after Black, Scholes and Merton, over whole arrays of contracts.

Units: prices in $ a share; years of 365 calendar days, fractions kept; rate and dividend yield
continuous, as fractions a year; volatility as a fraction a year (0.35 = 35 %). An input that
cannot be (spot or strike not above 0, time or volatility below 0) gives NaN.

Listed US equity options are American: what early exercise is worth is not in these prices.
Source: Black and Scholes (1973), Merton (1973); Hull, "Options, Futures and Other Derivatives".
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.analytics.normal import Floats, cdf, in_chunks, pdf

DAYS_A_YEAR = 365.0
PER_POINT = 100.0
"""Vega and rho are quoted per percentage point."""
Like = npt.ArrayLike


@dataclass(frozen=True, slots=True)
class Contracts:
    """Hold contracts and the market they are priced in: flat arrays of one length."""

    sign: Floats
    """+1 call, -1 put."""
    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend: Floats

    def __len__(self) -> int:
        return len(self.spot)

    def forward(self) -> Floats:
        """Return the forward prices of the underlyings."""
        forward: Floats = self.spot * np.exp((self.rate - self.dividend) * self.years)
        return forward

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the least and the highest price without arbitrage."""
        stock = self.spot * np.exp(-self.dividend * self.years)
        cash = self.strike * np.exp(-self.rate * self.years)
        return np.maximum(self.sign * (stock - cash), 0.0), np.where(self.sign > 0, stock, cash)


class Greeks(NamedTuple):
    """Hold sensitivities, one element a contract; NaN where time or volatility is 0."""

    delta: Floats
    """$ per $1 of the underlying."""
    gamma: Floats
    """Delta per $1 of the underlying."""
    theta: Floats
    """$ per calendar day that passes."""
    vega: Floats
    """$ per volatility point (0.01)."""
    rho: Floats
    """$ per percentage point of the rate."""


def contracts(
    call: Like, spot: Like, strike: Like, years: Like, rate: Like = 0.0, dividend: Like = 0.0
) -> Contracts:
    """Return `Contracts` of anything that broadcasts to one dimension; `call` is true or false."""
    sign = np.where(np.asarray(call, np.bool_), 1.0, -1.0)
    given = (sign, *(np.asarray(a, np.float64) for a in (spot, strike, years, rate, dividend)))
    flat = [np.ascontiguousarray(a).ravel() for a in np.broadcast_arrays(*given)]
    return Contracts(*flat)


def price(of: Contracts, volatility: Like) -> Floats:
    """Return the prices in $; at no time or no volatility, the discounted intrinsic value."""
    (value,) = in_chunks(_price, *_columns(of, volatility))
    return value


def greeks(of: Contracts, volatility: Like) -> Greeks:
    """Return the sensitivities in the units that `Greeks` names."""
    return Greeks(*in_chunks(_greeks, *_columns(of, volatility)))


def parity_gap(of_calls: Contracts, call_price: Like, put_price: Like) -> Floats:
    """Return by how many $ the pairs miss put-call parity, C - P = S e^(-qT) - K e^(-rT).

    The calls' contracts stand for both. American prices may miss it rightly.
    """
    stock = of_calls.spot * np.exp(-of_calls.dividend * of_calls.years)
    cash = of_calls.strike * np.exp(-of_calls.rate * of_calls.years)
    gap: Floats = np.asarray(call_price, np.float64) - np.asarray(put_price) - (stock - cash)
    return gap


def _columns(of: Contracts, volatility: Like) -> tuple[Floats, ...]:
    spread = np.broadcast_to(np.asarray(volatility, np.float64), of.spot.shape)
    return of.sign, of.spot, of.strike, of.years, of.rate, of.dividend, spread


def _price(
    sign: Floats, spot: Floats, strike: Floats, years: Floats, rate: Floats, dividend: Floats,
    volatility: Floats,
) -> tuple[Floats]:  # fmt: skip
    with np.errstate(all="ignore"):
        stock, cash = spot * np.exp(-dividend * years), strike * np.exp(-rate * years)
        spread = volatility * np.sqrt(years)
        d1 = np.log(stock / cash) / spread + 0.5 * spread
        value = sign * (stock * cdf(sign * d1) - cash * cdf(sign * (d1 - spread)))
        least = np.maximum(sign * (stock - cash), 0.0)
        # Rounding must not take a price below what exercise is worth.
        value = np.where(spread > 0.0, np.maximum(value, least), least)
    return (np.where(_sound(spot, strike, years, volatility), value, np.nan),)


def _greeks(
    sign: Floats, spot: Floats, strike: Floats, years: Floats, rate: Floats, dividend: Floats,
    volatility: Floats,
) -> tuple[Floats, ...]:  # fmt: skip
    with np.errstate(all="ignore"):
        root = np.sqrt(years)
        spread = volatility * root
        fade, cash = np.exp(-dividend * years), strike * np.exp(-rate * years)
        stock = spot * fade
        d1 = np.log(stock / cash) / spread + 0.5 * spread
        delta = sign * fade * cdf(sign * d1)
        owed = sign * cash * cdf(sign * (d1 - spread))
        slope = stock * pdf(d1)
        decay = -slope * volatility / (2.0 * root) - rate * owed + dividend * spot * delta
        found = (
            delta,
            slope / (spot * spot * spread),
            decay / DAYS_A_YEAR,
            slope * root / PER_POINT,
            years * owed / PER_POINT,
        )
    sound = _sound(spot, strike, years, volatility) & (spread > 0.0)
    return tuple(np.where(sound, g, np.nan) for g in found)


def _sound(
    spot: Floats, strike: Floats, years: Floats, volatility: Floats
) -> npt.NDArray[np.bool_]:
    return (spot > 0.0) & (strike > 0.0) & (years >= 0.0) & (volatility >= 0.0)
