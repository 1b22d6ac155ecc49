"""Exposure, value at risk and expected shortfall of a portfolio.

A risk figure is a loss: positive $ at the given confidence and horizon. Value at risk is the
loss that is exceeded with probability 1 - confidence; expected shortfall is the mean loss in
that tail. Returns are simple daily returns as fractions, their mean taken as 0; a horizon of
h days scales the covariance by h. Source: Jorion, "Value at Risk"; Acerbi and Tasche, "On the
coherence of expected shortfall" (2002).

No BLAS is called: its sums depend on the machine's threads and widths.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple, Protocol

import numpy as np

from tapelight.analytics.normal import Floats

PATHS_AT_ONCE = 8192
UNKNOWN_SECTOR = "unknown"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Hold delta-dollars: the $ of stock that a portfolio moves like."""

    net: float
    gross: float
    long: float
    short: float
    """Not above 0."""
    by_symbol: Mapping[str, float]
    by_sector: Mapping[str, float]


class Draws(Protocol):
    """Where chance comes from: a seeded NumPy generator, which the caller makes."""

    def standard_normal(self, size: Any = None) -> Any:
        """Return standard normal draws of shape `size`."""


class Risk(NamedTuple):
    """Hold value at risk and expected shortfall, $ lost; NaN where they cannot be told."""

    value_at_risk: float
    expected_shortfall: float


def exposure(
    symbols: Sequence[str], sectors: Sequence[str | None], delta_dollars: Floats
) -> Exposure:
    """Add up `delta_dollars` (delta x quantity x shares a contract x price, one a position)."""
    by_symbol: dict[str, float] = {}
    by_sector: dict[str, float] = {}
    for symbol, sector, dollars in zip(symbols, sectors, delta_dollars.tolist(), strict=True):
        by_symbol[symbol] = by_symbol.get(symbol, 0.0) + dollars
        name = sector or UNKNOWN_SECTOR
        by_sector[name] = by_sector.get(name, 0.0) + dollars
    long = sum(d for d in by_symbol.values() if d > 0.0)
    short = sum(d for d in by_symbol.values() if d < 0.0)
    return Exposure(long + short, long - short, long, short, by_symbol, by_sector)


def parametric(
    delta_dollars: Floats, covariance: Floats, confidence: float = 0.99, days: float = 1.0
) -> Risk:
    """Return the risk of normally distributed returns, in closed form."""
    _check(confidence)
    variance = math.fsum((delta_dollars[:, None] * covariance * delta_dollars).ravel().tolist())
    deviation = math.sqrt(max(variance, 0.0) * days)
    quantile = NormalDist().inv_cdf(confidence)
    tail = NormalDist().pdf(quantile) / (1.0 - confidence)
    return Risk(quantile * deviation, tail * deviation)


def historical(delta_dollars: Floats, returns: Floats, confidence: float = 0.99) -> Risk:
    """Return the risk had the portfolio been held through past days.

    `returns` has a row a day and a column a position; a day with an unknown return is left out.
    """
    whole = returns[~np.isnan(returns).any(axis=1)]
    return of_profits(_in_order(whole, delta_dollars), confidence)


def monte_carlo(
    rng: Draws, delta_dollars: Floats, covariance: Floats, confidence: float = 0.99,
    days: float = 1.0, paths: int = 100_000, gamma_dollars: Floats | None = None,
) -> Risk:  # fmt: skip
    """Return the risk over simulated returns, second-order where `gamma_dollars` are given.

    `gamma_dollars` are gamma x quantity x shares a contract x price^2, one a position. The same
    generator state gives the same figures. Raises ValueError for a covariance that is none.
    """
    profits = simulated(rng, delta_dollars, covariance, days, paths, gamma_dollars)
    return of_profits(profits, confidence)


def simulated(
    rng: Draws, delta_dollars: Floats, covariance: Floats, days: float = 1.0,
    paths: int = 100_000, gamma_dollars: Floats | None = None,
) -> Floats:  # fmt: skip
    """Return the profit in $ of each simulated path: what `monte_carlo` takes its risk from."""
    profits = np.empty(paths)
    root = cholesky(covariance * days)
    for at in range(0, paths, PATHS_AT_ONCE):
        part = profits[at : at + PATHS_AT_ONCE]
        own = rng.standard_normal((len(root), len(part)))
        # What is linear needs no returns of each position: the root's columns weigh the draws.
        part[:] = _in_order(own.T, _in_order(root.T, delta_dollars))
        if gamma_dollars is not None:
            returns = correlated(root, own)
            part += _in_order((returns * returns).T, 0.5 * gamma_dollars)
    return profits


def of_profits(profits: Floats, confidence: float = 0.99) -> Risk:
    """Return the risk of equally likely profits; the tail's last element counts in part.

    With n profits the tail holds n (1 - confidence) of them; NaN where that is less than one.
    """
    _check(confidence)
    # The count is rounded at the twelfth digit: 100 x (1 - 0.99) is one, not one and a bit.
    share = round(len(profits) * (1.0 - confidence), 9)
    whole = math.floor(share)
    if share < 1.0:
        return Risk(math.nan, math.nan)
    last = min(math.ceil(share), len(profits)) - 1
    worst = np.sort(np.partition(profits, last)[: last + 1])
    total = math.fsum(worst[:whole].tolist()) + (share - whole) * float(worst[last])
    return Risk(float(-worst[last]), -total / share)


def cholesky(covariance: Floats) -> Floats:
    """Return the lower triangle L with L L' = `covariance`, semi-definite ones included.

    Raises ValueError where the matrix is not symmetric or has a negative direction.
    """
    n = len(covariance)
    if covariance.shape != (n, n) or not np.allclose(covariance, covariance.T, rtol=1e-9):
        raise ValueError("A covariance is a symmetric matrix of numbers.")
    slack = 1e-10 * float(np.abs(np.diagonal(covariance)).max(initial=0.0))
    root = np.zeros((n, n))
    for j in range(n):
        left = float(covariance[j, j]) - math.fsum((root[j, :j] ** 2).tolist())
        if left < -slack:
            raise ValueError(f"The covariance has a negative direction at element {j}.")
        if left <= slack:
            continue
        root[j, j] = math.sqrt(left)
        for i in range(j + 1, n):
            told = math.fsum((root[i, :j] * root[j, :j]).tolist())
            root[i, j] = (float(covariance[i, j]) - told) / root[j, j]
    return root


def correlated(root: Floats, own: Floats) -> Floats:
    """Return standard normal draws `own`, shape (n, paths), with the covariance of `root`.

    `root` is that of `cholesky`, shape (n, n).
    """
    drawn = np.zeros_like(own)
    part = np.empty(own.shape[1])
    for i, row in enumerate(root.tolist()):
        for j in range(i + 1):
            np.multiply(row[j], own[j], out=part)
            drawn[i] += part
    return drawn


def one_index(deviations: Floats, betas: Floats, market: float) -> Floats:
    """Return the covariance of returns that move together by one index alone (Sharpe 1963).

    `deviations` and `market`, that of the index, are standard deviations over one horizon. What a
    symbol's own does not hold of its beta's part is taken as that part: no variance is negative.
    """
    shared = betas * market
    found: Floats = shared[:, None] * shared
    own = np.maximum(deviations * deviations - shared * shared, 0.0)
    found[np.diag_indices(len(betas))] += own
    return found


def covariance_of(returns: Floats) -> Floats:
    """Return the sample covariance of `returns` (a row a day), over days on which all are known.

    Every element is NaN with fewer than two such days.
    """
    whole = returns[~np.isnan(returns).any(axis=1)]
    n = returns.shape[1]
    if len(whole) < 2:
        return np.full((n, n), np.nan)
    centred = whole - whole.mean(axis=0)
    found = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            product = math.fsum((centred[:, i] * centred[:, j]).tolist())
            found[i, j] = found[j, i] = product / (len(whole) - 1)
    return found


def _in_order(returns: Floats, weights: Floats) -> Floats:
    """Return each row's weighted sum, added from the first position to the last."""
    total = np.zeros(len(returns))
    for i, weight in enumerate(weights.tolist()):
        total += weight * returns[:, i]
    return total


def _check(confidence: float) -> None:
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"The confidence is {confidence:g}: choose 0.5 up to below 1, like 0.99.")
