"""Value at risk and expected shortfall against closed forms; exposure; the triangle."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapelight.analytics.portfolio import (
    cholesky,
    correlated,
    covariance_of,
    exposure,
    historical,
    monte_carlo,
    of_profits,
    parametric,
)

DOLLARS = np.array([100_000.0, -40_000.0, 25_000.0])
COVARIANCE = np.array([[4.0, 1.2, -0.5], [1.2, 2.25, 0.3], [-0.5, 0.3, 1.0]]) * 1e-4


def deviation(days: float = 1.0) -> float:
    return math.sqrt(float(DOLLARS @ COVARIANCE @ DOLLARS) * days)


def test_exposure_adds_up_by_symbol_and_sector() -> None:
    found = exposure(
        ["AAPL", "AAPL", "XOM", "ZZZ"],
        ["Technology", "Technology", "Energy", None],
        np.array([60_000.0, -10_000.0, -30_000.0, 5_000.0]),
    )
    assert (found.net, found.gross) == (25_000.0, 85_000.0)
    assert (found.long, found.short) == (55_000.0, -30_000.0)
    assert found.by_symbol == {"AAPL": 50_000.0, "XOM": -30_000.0, "ZZZ": 5_000.0}
    assert found.by_sector == {"Technology": 50_000.0, "Energy": -30_000.0, "unknown": 5_000.0}


def test_parametric_is_the_normal_quantile() -> None:
    found = parametric(DOLLARS, COVARIANCE, 0.99)
    assert found.value_at_risk == pytest.approx(2.3263478740408408 * deviation(), rel=1e-12)
    assert found.expected_shortfall == pytest.approx(2.6652142203457622 * deviation(), rel=1e-9)
    week = parametric(DOLLARS, COVARIANCE, 0.95, days=5.0)
    assert week.value_at_risk == pytest.approx(1.6448536269514722 * deviation(5.0), rel=1e-12)


def test_historical_counts_the_days() -> None:
    returns = np.arange(-50, 50)[:, None] / 1000.0
    found = historical(np.array([1000.0]), returns, 0.95)
    assert found == pytest.approx((46.0, 48.0))  # five days of 100: -50 ... -46, their mean -48
    gaps = np.vstack([returns, [[np.nan]]])
    assert historical(np.array([1000.0]), gaps, 0.95) == found


def test_the_tails_last_element_counts_in_part() -> None:
    """Of 50 profits, 1 - 0.95 are two and a half."""
    found = of_profits(np.arange(50.0) - 50.0, 0.95)
    assert found.value_at_risk == 48.0
    assert found.expected_shortfall == pytest.approx((50 + 49 + 0.5 * 48) / 2.5)
    assert np.isnan(of_profits(np.arange(10.0), 0.95)).all(), "half a profit is no tail"
    assert np.isnan(of_profits(np.zeros(0), 0.95)).all()


def test_monte_carlo_comes_to_the_closed_form() -> None:
    found = monte_carlo(np.random.default_rng(1), DOLLARS, COVARIANCE, 0.99, paths=400_000)
    assert found == pytest.approx(parametric(DOLLARS, COVARIANCE, 0.99), rel=0.01)
    again = monte_carlo(np.random.default_rng(1), DOLLARS, COVARIANCE, 0.99, paths=400_000)
    assert found == again


def test_gamma_alone_is_a_chi_square() -> None:
    """A short straddle's loss is half its gamma-dollars times a squared normal."""
    nothing, gamma = np.zeros(1), np.array([-1e6])
    found = monte_carlo(
        np.random.default_rng(2), nothing, np.array([[4e-4]]), 0.95, days=2.0, paths=400_000,
        gamma_dollars=gamma,
    )  # fmt: skip
    squared = NormalDist().inv_cdf(0.975) ** 2
    assert found.value_at_risk == pytest.approx(0.5 * 1e6 * 8e-4 * squared, rel=0.01)


def test_draws_have_the_covariance_asked_for() -> None:
    own = np.random.default_rng(3).standard_normal((3, 400_000))
    drawn = correlated(cholesky(COVARIANCE), own)
    assert np.cov(drawn) == pytest.approx(COVARIANCE, abs=2e-6)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 8))
def test_the_triangle_multiplies_back(seed: int, n: int, rank: int) -> None:
    parts = np.random.default_rng(seed).normal(size=(n, min(rank, n)))
    covariance = parts @ parts.T
    covariance = 0.5 * (covariance + covariance.T)
    root = cholesky(covariance)
    scale = np.diagonal(covariance).max()
    assert root @ root.T == pytest.approx(covariance, abs=1e-4 * scale)
    assert np.triu(root, 1).any() == False  # noqa: E712 - a NumPy truth
    if rank >= n:
        assert root @ root.T == pytest.approx(covariance, abs=1e-8 * scale)


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match="negative direction at element 1"):
        cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(ValueError, match="symmetric"):
        cholesky(np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="symmetric"):
        cholesky(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="confidence is 1"):
        parametric(DOLLARS, COVARIANCE, 1.0)


def test_covariance_of_known_days() -> None:
    returns = np.random.default_rng(4).normal(0.0, 0.01, (60, 3))
    assert covariance_of(returns) == pytest.approx(np.cov(returns.T), rel=1e-12)
    gaps = returns.copy()
    gaps[5, 1] = np.nan
    kept = np.delete(returns, 5, axis=0)
    assert covariance_of(gaps) == pytest.approx(np.cov(kept.T), rel=1e-12)
    assert np.isnan(covariance_of(returns[:1])).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=200), st.floats(0.5, 0.97))
def test_the_shortfall_is_never_below_the_value_at_risk(
    profits: list[float], confidence: float
) -> None:
    found = of_profits(np.array(profits), confidence)
    assert found.expected_shortfall >= found.value_at_risk - 1e-6
    assert -max(profits) <= found.value_at_risk <= -min(profits)
