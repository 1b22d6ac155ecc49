"""Monte Carlo of option positions against what can be told without it."""

import numpy as np
import pytest

from tapelight.analytics.normal import cdf
from tapelight.analytics.options import contracts, greeks, price
from tapelight.analytics.position import Leg, Underlying, position_greeks, profit, simulate

MARKET = Underlying(spot=100.0, volatility=0.4, rate=0.03, dividend=0.01)
DAYS = 45.0
YEARS = DAYS / 365.0


def fair(kind: str, strike: float, quantity: float) -> Leg:
    of = contracts(kind == "call", 100.0, strike, YEARS, 0.03, 0.01)
    return Leg(kind, quantity, float(price(of, 0.4)[0]), strike, DAYS, 0.4)


def test_a_calls_probability_of_profit_is_known() -> None:
    leg = fair("call", 105.0, 2.0)
    found = simulate(np.random.default_rng(1), [leg], MARKET, DAYS, paths=400_000)
    even = 105.0 + leg.entry
    spread = 0.4 * np.sqrt(YEARS)
    above = cdf(np.array([(np.log(100.0 / even) + 0.02 * YEARS) / spread - 0.5 * spread]))[0]
    assert found.probability_of_profit == pytest.approx(above, abs=0.003)
    assert found.worst == pytest.approx(-200.0 * leg.entry)
    grown = 200.0 * leg.entry * (np.exp(0.03 * YEARS) - 1.0)
    assert found.mean == pytest.approx(grown, abs=4.0 * found.deviation / np.sqrt(400_000))
    assert found.quantiles[0.01] == found.worst
    assert found.risk.value_at_risk == pytest.approx(200.0 * leg.entry)


def test_an_iron_condor_is_bounded_on_both_sides() -> None:
    legs = [
        fair("put", 85.0, 1),
        fair("put", 90.0, -1),
        fair("call", 110.0, -1),
        fair("call", 115.0, 1),
    ]
    taken = -sum(leg.shares * leg.entry for leg in legs)
    found = simulate(np.random.default_rng(2), legs, MARKET, DAYS, paths=50_000)
    assert found.best == pytest.approx(taken)
    assert found.worst == pytest.approx(taken - 500.0)
    ends = np.array([50.0, 87.5, 100.0, 112.5, 200.0])
    told = taken - np.array([500.0, 250.0, 0.0, 250.0, 500.0])
    assert profit(legs, MARKET, ends, DAYS) == pytest.approx(told)


def test_a_covered_call_before_expiration_is_stock_less_the_call() -> None:
    call = fair("call", 110.0, -1)
    legs = [Leg("stock", 100.0, 100.0), call]
    at = np.array([95.0, 120.0])
    of = contracts(True, at, 110.0, (DAYS - 10.0) / 365.0, 0.03, 0.01)
    told = 100.0 * (at - 100.0) - 100.0 * (price(of, 0.4) - call.entry)
    assert profit(legs, MARKET, at, 10.0) == pytest.approx(told)
    now = position_greeks(legs, MARKET)
    one = greeks(contracts(True, 100.0, 110.0, YEARS, 0.03, 0.01), 0.4)
    assert now.delta[0] == pytest.approx(100.0 - 100.0 * one.delta[0])
    assert now.theta[0] == pytest.approx(-100.0 * one.theta[0])


def test_the_same_seed_gives_the_same_outlook() -> None:
    legs = [fair("put", 95.0, -3)]
    one, two, other = (
        simulate(np.random.default_rng(seed), legs, MARKET, 20.0, paths=2_000) for seed in (5, 5, 6)
    )
    assert (one.quantiles, one.risk) == (two.quantiles, two.risk)
    assert one.quantiles != other.quantiles
    assert list(one.quantiles.values()) == sorted(one.quantiles.values())


def test_a_drift_moves_the_mean() -> None:
    stock = [Leg("stock", 10.0, 100.0)]
    up = Underlying(100.0, 0.2, drift=0.5)
    found = simulate(np.random.default_rng(7), stock, up, 365.0, paths=200_000)
    assert found.mean == pytest.approx(1000.0 * (np.exp(0.5) - 1.0), rel=0.01)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="call, put or stock, not 'swap'"):
        simulate(np.random.default_rng(1), [Leg("swap", 1.0, 1.0)], MARKET, 1.0, paths=10)
