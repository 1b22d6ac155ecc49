"""Prices and Greeks: against published values, QuantLib, the paper's own identities."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import QuantLib as ql  # noqa: N813 - its usual name
from hypothesis import given
from hypothesis import strategies as st

from tapelight.analytics import normal
from tapelight.analytics.implied import implied_volatility
from tapelight.analytics.options import Contracts, contracts, greeks, parity_gap, price

QL_DATE = ql.Date(2, 1, 2026)


def random_contracts(count: int) -> tuple[Contracts, np.ndarray]:
    rng = np.random.default_rng(7)
    spot = rng.uniform(1.0, 1000.0, count)
    days = rng.integers(1, 1000, count)
    of = contracts(
        rng.random(count) < 0.5, spot, spot * np.exp(rng.normal(0.0, 0.25, count)), days / 365.0,
        rng.uniform(-0.01, 0.08, count), rng.uniform(0.0, 0.06, count),
    )  # fmt: skip
    return of, rng.uniform(0.05, 1.5, count)


def test_the_normal_distribution_is_exact_over_its_whole_range() -> None:
    x = np.concatenate([np.linspace(-37.0, 37.0, 4001), [0.0, -0.0, 0.46875, 4.0]])
    exact = np.array([math.erfc(v) for v in x.tolist()])
    there = exact > 1e-300
    assert normal.erfc(x)[there] == pytest.approx(exact[there], rel=1e-12)
    assert normal.cdf(np.array([np.inf, -np.inf, 0.0])).tolist() == [1.0, 0.0, 0.5]
    assert np.isnan(normal.cdf(np.array([np.nan]))[0])
    near = np.linspace(-3.0, 5.0, 500)
    scaled = np.array([math.exp(v * v) * math.erfc(v) for v in near.tolist()])
    assert normal.erfcx(near) == pytest.approx(scaled, rel=1e-13)


def test_the_check_of_the_textbooks() -> None:
    of = contracts([True, False], 100.0, 100.0, 1.0, 0.05)
    call, put = price(of, 0.2)
    found = greeks(of, 0.2)
    assert (call, put) == pytest.approx((10.4506, 5.5735), abs=5e-5)
    figures = [g[0] for g in found[:4]]
    assert figures == pytest.approx([0.6368, 0.01876, -0.01757, 0.3752], abs=5e-5)


def test_published_prices_and_greeks(shared: Path) -> None:
    """py_vollib's table, whose theta is a year's, and vega and rho those of 1.00."""
    file = json.loads((shared / "data/options_refs/py_vollib_test_data.json").read_text())
    table = dict(zip(file["columns"], np.array(file["data"]).T, strict=True))
    for call, letter, paid in ((True, "C", "bs_call"), (False, "P", "bs_put")):
        of = contracts(call, table["S"], table["K"], table["t"], table["R"])
        found = greeks(of, table["v"])
        assert price(of, table["v"]) == pytest.approx(table[paid], abs=1e-6)
        assert found.delta == pytest.approx(table[f"{letter}D"], abs=1e-6)
        assert found.gamma == pytest.approx(table[f"{letter}G"], abs=1e-6)
        assert found.theta * 365.0 == pytest.approx(table[f"{letter}T"], abs=1e-6)
        assert found.vega * 100.0 == pytest.approx(table[f"{letter}V"], abs=1e-6)
        assert found.rho * 100.0 == pytest.approx(table[f"{letter}R"], abs=1e-6)


def test_quantlib_agrees_on_a_thousand_contracts() -> None:
    of, volatility = random_contracts(1000)
    found = np.array([price(of, volatility), *greeks(of, volatility)])
    asked = np.array([_quantlib(of, i, volatility[i]) for i in range(len(of))]).T
    assert found == pytest.approx(asked, rel=1e-9, abs=1e-9)


def _quantlib(of: Contracts, i: int, volatility: float) -> list[float]:
    ql.Settings.instance().evaluationDate = QL_DATE
    count = ql.Actual365Fixed()

    def flat(rate: float) -> ql.YieldTermStructureHandle:
        return ql.YieldTermStructureHandle(ql.FlatForward(QL_DATE, float(rate), count))

    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(float(of.spot[i]))), flat(of.dividend[i]), flat(of.rate[i]),
        ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(QL_DATE, ql.NullCalendar(), float(volatility), count)
        ),
    )  # fmt: skip
    kind = ql.Option.Call if of.sign[i] > 0 else ql.Option.Put
    expiry = QL_DATE + round(float(of.years[i]) * 365)
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(kind, float(of.strike[i])), ql.EuropeanExercise(expiry)
    )
    option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    return [
        option.NPV(), option.delta(), option.gamma(), option.theta() / 365.0,
        option.vega() / 100.0, option.rho() / 100.0,
    ]  # fmt: skip


def test_recorded_spx_rows_are_met(shared: Path) -> None:
    """The vendor's volatility gives its delta within 0.006 in every row.

    Where its delta is not rounded to nothing, the quote's middle gives its volatility within 3.5
    points (half of the rows within 0.6): all are puts 30 % out of the money, smoothed by hand.
    """
    rows = pl.read_parquet(shared / "data/options_spx_2017.parquet")
    days = (rows["expiry"] - rows["ts"].dt.date()).dt.total_days().to_numpy()
    call = (rows["right"] == "C").to_numpy()
    of = contracts(call, rows["underlying_price"], rows["strike"], days / 365.0)
    told = rows["iv"].to_numpy()
    delta = rows["delta"].to_numpy()
    found = np.nan_to_num(greeks(of, told).delta, nan=0.0)
    expired = days == 0
    assert np.abs(found - delta)[~expired].max() < 0.006
    carried = contracts(
        call, rows["underlying_price"], rows["strike"], days / 365.0, 0.008, 0.02
    )  # what the Treasury and the index paid in 2017
    implied = implied_volatility(carried, rows["mark"])
    telling = (np.abs(delta) > 0.005) & (np.abs(delta) < 0.5)
    assert np.count_nonzero(telling) == 14
    assert np.abs(implied - told)[telling].max() < 0.035
    assert np.median(np.abs(implied - told)[telling]) < 0.006


@pytest.mark.parametrize("shift", [1e-4])
def test_greeks_are_the_slopes_of_the_price(shift: float) -> None:
    of, volatility = random_contracts(400)
    found = greeks(of, volatility)

    def at(**moved: np.ndarray) -> np.ndarray:
        names = ("sign", "spot", "strike", "years", "rate", "dividend")
        fields = {name: getattr(of, name) for name in names}
        return price(Contracts(**(fields | moved)), volatility)

    step = of.spot * shift
    above, below = at(spot=of.spot + step), at(spot=of.spot - step)
    assert found.delta == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)
    bend = (above - 2.0 * at() + below) / step**2
    assert found.gamma * of.spot == pytest.approx(bend * of.spot, rel=1e-3, abs=2e-4)
    later = (at(years=of.years - 1e-5) - at(years=of.years + 1e-5)) / 2e-5
    assert found.theta == pytest.approx(later / 365.0, rel=1e-3, abs=1e-4)
    dearer = (price(of, volatility + 1e-5) - price(of, volatility - 1e-5)) / 2e-5
    assert found.vega == pytest.approx(dearer / 100.0, rel=1e-4, abs=1e-6)
    richer = (at(rate=of.rate + 1e-6) - at(rate=of.rate - 1e-6)) / 2e-6
    assert found.rho == pytest.approx(richer / 100.0, rel=1e-4, abs=1e-5)


MARKET = st.tuples(
    st.floats(0.5, 2000.0), st.floats(-2.0, 2.0), st.floats(0.002, 5.0),
    st.floats(-0.02, 0.12), st.floats(0.0, 0.1), st.floats(0.01, 4.0),
)  # fmt: skip


@given(MARKET)
def test_prices_keep_parity_and_bounds(drawn: tuple[float, ...]) -> None:
    spot, distance, years, rate, dividend, volatility = drawn
    strike = spot * math.exp(distance)
    both = contracts([True, False], spot, strike, years, rate, dividend)
    call, put = price(both, volatility)
    calls = contracts(True, spot, strike, years, rate, dividend)
    assert abs(parity_gap(calls, call, put)[0]) < 1e-11 * (spot + strike)
    least, most = both.bounds()
    assert (least <= [call, put]).all()
    assert ([call, put] <= most * (1.0 + 1e-12)).all()


@given(MARKET)
def test_prices_rise_with_volatility_and_calls_fall_with_the_strike(
    drawn: tuple[float, ...],
) -> None:
    spot, distance, years, rate, dividend, volatility = drawn
    strikes = spot * np.exp(distance + np.linspace(0.0, 0.5, 9))
    calls = price(contracts(True, spot, strikes, years, rate, dividend), volatility)
    assert (np.diff(calls) <= 1e-12 * spot).all()
    of = contracts([[True], [False]], spot, strikes[0], np.full((1, 9), years), rate, dividend)
    rising = np.tile(volatility * np.linspace(1.0, 1.5, 9), 2)
    steps = np.diff(price(of, rising).reshape(2, 9), axis=1)
    assert (steps >= -1e-12 * spot).all()


def test_what_cannot_be_is_null() -> None:
    of = contracts(True, [100.0, -1.0, 100.0, 100.0], [100.0, 100.0, 0.0, 100.0], [1, 1, 1, -1])
    assert np.isnan(price(of, 0.2)).tolist() == [False, True, True, True]
    assert np.isnan(price(of, [np.nan, 0.2, 0.2, 0.2])).all()
    assert np.isnan(greeks(of, -0.2).delta).all()


def test_an_expired_option_is_worth_its_exercise_and_has_no_greeks() -> None:
    of = contracts([True, False, True], [110.0, 110.0, 90.0], 100.0, 0.0)
    assert price(of, 0.2).tolist() == [10.0, 0.0, 0.0]
    assert np.isnan(np.array(greeks(of, 0.2))).all()
