"""Correlation and beta of daily returns."""

import numpy as np
import pytest

from tapelight.analytics.correlation import beta_60d, corr_20d, correlation_matrix
from tapelight.model.returns import beta, correlation, log_returns


def walk(seed: int, symbols: int, days: int) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0.0, 0.02, (symbols, days))
    return 50.0 * np.exp(np.cumsum(steps, axis=1))


def test_it_is_pearsons_over_the_last_twenty_returns() -> None:
    closes = walk(1, 6, 80)
    found = corr_20d(closes, closes[0])
    steps = np.diff(np.log(closes[:, -21:]), axis=1)
    assert found == pytest.approx(np.corrcoef(steps)[0], abs=1e-12)
    assert found[0] == 1.0
    assert corr_20d(1.0 / closes, closes[0])[0] == pytest.approx(-1.0)


def test_beta_is_the_slope_over_sixty_returns() -> None:
    closes = walk(2, 4, 100)
    steps = np.diff(np.log(closes[:, -61:]), axis=1)
    told = [np.cov(s, steps[0])[0, 1] / np.var(steps[0], ddof=1) for s in steps]
    assert beta_60d(closes, closes[0]) == pytest.approx(told, rel=1e-12)
    leveraged = np.exp(2.0 * np.log(closes[0]))
    assert beta_60d(leveraged[None, :], closes[0])[0] == pytest.approx(2.0)


def test_a_short_overlap_is_null() -> None:
    closes = walk(3, 2, 30)
    gaps = closes.copy()
    gaps[1, [12, 15, 18]] = np.nan  # each takes two of the last 20 returns
    assert np.isnan(corr_20d(gaps, closes[0])[1])
    gaps[1, 12] = closes[1, 12]
    steps = np.diff(np.log(gaps[:, -21:]), axis=1)
    both = ~np.isnan(steps[1])
    told = np.corrcoef(steps[0][both], steps[1][both])[0, 1]
    assert both.sum() == 16
    assert corr_20d(gaps, closes[0])[1] == pytest.approx(told, abs=1e-12)
    assert np.isnan(beta_60d(closes[:, -20:], closes[0][-20:])).all()
    assert np.isfinite(beta_60d(closes[:, -21:], closes[0][-21:])).all()


def test_what_does_not_move_has_none() -> None:
    still = np.full((1, 40), 10.0)
    moving = walk(4, 1, 40)[0]
    assert np.isnan(corr_20d(still, moving)[0])
    assert beta_60d(still, moving)[0] == 0.0
    assert np.isnan(beta_60d(moving[None, :], still[0])[0])
    assert np.isnan(log_returns(np.array([[0.0, 1.0, -1.0, 2.0]]))).all()


def test_the_matrix_holds_every_pair() -> None:
    closes = walk(5, 5, 40)
    closes[3, 10:] = np.nan
    matrix = correlation_matrix(closes)
    known = [0, 1, 2, 4]
    steps = np.diff(np.log(closes[known, -21:]), axis=1)
    assert matrix[np.ix_(known, known)] == pytest.approx(np.corrcoef(steps), abs=1e-12)
    assert np.isnan(matrix[3]).all()
    assert np.isnan(matrix[:, 3]).all()
    assert np.array_equal(matrix, matrix.T, equal_nan=True)
    assert correlation_matrix(np.zeros((0, 30))).shape == (0, 0)


def test_a_symbols_figures_do_not_depend_on_the_others() -> None:
    returns = log_returns(walk(6, 300, 61))
    whole = correlation(returns, returns[7], 15), beta(returns, returns[7])
    for i in (0, 7, 299):
        alone = returns[i : i + 1]
        assert correlation(alone, returns[7], 15)[0] == whole[0][i]
        assert beta(alone, returns[7])[0] == whole[1][i]
