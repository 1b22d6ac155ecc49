"""Correlations across symbols from daily closes. Returns are daily and logarithmic."""

import numpy as np

from tapelight.analytics.normal import Floats
from tapelight.model.returns import (
    BETA_DAYS,
    CORRELATION_DAYS,
    LEAST_SHARE,
    beta,
    correlation,
    log_returns,
)

TINY = 1e-12
"""A sum of squares below this share of what it was made from is rounding: nothing moved."""


def corr_20d(closes: Floats, benchmark: Floats) -> Floats:
    """Return each symbol's correlation with a benchmark over the last 20 daily returns.

    `closes` has a row a symbol and a column a session, oldest first, `benchmark` the closes of
    the same sessions: of SPY it gives corr_spy_20d, of the sector's fund corr_sector_20d. NaN
    with fewer than 15 days on which both have a return.
    """
    both = _last(closes, CORRELATION_DAYS), _last(benchmark[None, :], CORRELATION_DAYS)[0]
    return correlation(*both, least=int(CORRELATION_DAYS * LEAST_SHARE))


def beta_60d(closes: Floats, benchmark: Floats) -> Floats:
    """Return each symbol's beta to a benchmark over up to 60 daily returns; NaN with fewer than 20."""
    return beta(_last(closes, BETA_DAYS), _last(benchmark[None, :], BETA_DAYS)[0])


def correlation_matrix(closes: Floats, days: int = CORRELATION_DAYS) -> Floats:
    """Return the correlations of all pairs over the last `days` returns: shape (n, n).

    Each pair stands on the days known to both, at least three quarters of `days`, else NaN; the
    diagonal is 1 where a symbol moved. Made pair by pair, it may be no covariance's matrix.
    """
    returns = _last(closes, days)
    known = ~np.isnan(returns)
    moves, ones = np.where(known, returns, 0.0), known.astype(np.float64)
    common = _products(ones, ones)
    with np.errstate(all="ignore"):
        first = _products(moves, ones)
        squares = _products(moves * moves, ones) - first * first / common
        both = _products(moves, moves) - first * first.T / common
        found = np.clip(both / np.sqrt(squares * squares.T), -1.0, 1.0)
    moved = squares > TINY * _products(moves * moves, ones)
    enough = common >= max(2, int(days * LEAST_SHARE))
    return np.where(enough & moved & moved.T, found, np.nan)


def _products(one: Floats, two: Floats) -> Floats:
    """Return the sums of products of all pairs of rows."""
    return np.einsum("id,jd->ij", one, two)


def _last(closes: Floats, days: int) -> Floats:
    return log_returns(closes[:, -(days + 1) :])
