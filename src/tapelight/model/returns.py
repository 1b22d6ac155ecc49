"""How symbols move with one another: correlation and beta of daily log returns.

Sums run over days in order, one at a time, whatever the number of symbols: the figures of a
symbol don't depend on which others are asked for with it.
"""

import numpy as np

from tapelight.model.batch import Floats

CORRELATION_DAYS = 20
BETA_DAYS = 60
LEAST_SHARE = 0.75
"""Of the correlation's days, how many both must have traded on."""
LEAST_BETA_DAYS = 20


def log_returns(closes: Floats) -> Floats:
    """Return daily log returns of `closes`, a row a symbol and a column a session, oldest first.

    A session without a close leaves its own return and the next one unknown.
    """
    with np.errstate(all="ignore"):
        returns: Floats = np.diff(np.log(np.where(closes > 0.0, closes, np.nan)), axis=1)
    return returns


def correlation(returns: Floats, benchmark: Floats, least: int) -> Floats:
    """Return each row's Pearson correlation with `benchmark` over the days known to both.

    `returns` has shape (n, days), `benchmark` (days,). NaN with fewer than `least` common days,
    and where one of the two did not move.
    """
    common, own, other, both = _moments(returns, benchmark)
    with np.errstate(all="ignore"):
        scale = np.sqrt(own * other)
        found = np.clip(both / scale, -1.0, 1.0)
    return np.where((common >= least) & (scale > 0.0), found, np.nan)


def beta(returns: Floats, benchmark: Floats, least: int = LEAST_BETA_DAYS) -> Floats:
    """Return each row's beta: covariance with `benchmark` by the benchmark's variance.

    NaN with fewer than `least` common days.
    """
    common, _, other, both = _moments(returns, benchmark)
    with np.errstate(all="ignore"):
        found = both / other
    return np.where((common >= least) & (other > 0.0), found, np.nan)


def _moments(returns: Floats, benchmark: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return by row the common days and three sums over them of deviations from the mean.

    They are the row's squares, the benchmark's squares, and the products of the two.
    """
    n, days = returns.shape
    known = ~np.isnan(returns) & ~np.isnan(benchmark)
    one, two = np.where(known, returns, 0.0), np.where(known, benchmark, 0.0)
    common, first, second = np.zeros(n), np.zeros(n), np.zeros(n)
    for day in range(days):
        common += known[:, day]
        first += one[:, day]
        second += two[:, day]
    with np.errstate(all="ignore"):
        first /= common
        second /= common
    own, other, both = np.zeros(n), np.zeros(n), np.zeros(n)
    for day in range(days):
        a = np.where(known[:, day], one[:, day] - first, 0.0)
        b = np.where(known[:, day], two[:, day] - second, 0.0)
        own += a * a
        other += b * b
        both += a * b
    return common, own, other, both
