"""What a chain says of its underlying, from chains whose volatility is known."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from tapelight.analytics.chain import (
    DAY_NS,
    RATE,
    YEAR_NS,
    each_contract,
    figures,
    iv30,
    iv_pctl,
    iv_rank,
    put_call_volume,
    term_structure,
)
from tapelight.analytics.options import contracts, greeks, price
from tapelight.model.options import Chain, empty_chain

NOW_NS = int(dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC).timestamp()) * 10**9
UNKNOWN = np.zeros(0)


def chain(
    days_and_volatilities: dict[float, float], spot: float = 100.0, dividend: float = 0.0,
    step: float = 2.5, skew: float = 0.0,
) -> Chain:  # fmt: skip
    """Return a chain quoted a cent around fair prices, strikes from 70 % to 130 %."""
    strikes = np.arange(0.7 * spot, 1.3 * spot, step)
    parts = []
    for days, volatility in days_and_volatilities.items():
        smile = volatility + skew * np.log(strikes / spot)
        for call in (True, False):
            fair = price(contracts(call, spot, strikes, days / 365, RATE, dividend), smile)
            parts.append(
                (np.full(len(strikes), int(days * DAY_NS)), np.full_like(fair, call), fair)
            )
    expiry, call, fair = (np.concatenate(p) for p in zip(*parts, strict=True))
    n = len(fair)
    return Chain(
        NOW_NS, "ABC", spot, NOW_NS + expiry.astype(np.int64), call.astype(np.uint8),
        np.tile(strikes, len(parts)), fair - 0.005, fair + 0.005, np.full(n, 10.0),
        np.full(n, 100.0), np.full(n, np.nan), UNKNOWN,
    )  # fmt: skip


def test_thirty_days_lie_between_two_expirations_in_total_variance() -> None:
    curve = term_structure(chain({23.0: 0.30, 51.0: 0.40}), NOW_NS)
    assert [e.years * 365 for e in curve] == pytest.approx([23.0, 51.0])
    assert [e.volatility for e in curve] == pytest.approx([0.30, 0.40], abs=2e-4)
    variance = 0.30**2 * 23 + (0.40**2 * 51 - 0.30**2 * 23) * 7 / 28
    assert iv30(curve) == pytest.approx(np.sqrt(variance / 30), abs=2e-4)


def test_the_forward_carries_dividends_that_nobody_told_of() -> None:
    (expiry,) = term_structure(chain({30.0: 0.25}, dividend=0.08), NOW_NS)
    assert expiry.forward == pytest.approx(100.0 * np.exp((RATE - 0.08) * 30 / 365), abs=0.02)
    assert expiry.volatility == pytest.approx(0.25, abs=2e-4)
    assert expiry.strike == 100.0


def test_the_smile_is_read_at_the_forward() -> None:
    (expiry,) = term_structure(chain({30.0: 0.40}, spot=101.0, skew=-0.8), NOW_NS)
    told = 0.40 - 0.8 * np.log(expiry.forward / 101.0)
    assert expiry.volatility == pytest.approx(told, abs=1e-3)


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ({25.0: 0.3}, 0.3), ({44.0: 0.3}, 0.3), ({19.0: 0.3}, None), ({46.0: 0.3}, None),
        ({5.0: 0.9, 33.0: 0.3}, 0.3), ({5.0: 0.9}, None), ({}, None),
    ],
)  # fmt: skip
def test_one_side_alone_is_taken_flat_or_not_at_all(
    curve: dict[float, float], told: float | None
) -> None:
    of = chain(curve) if curve else empty_chain(NOW_NS, "ABC")
    found = figures(of, NOW_NS).iv30
    assert np.isnan(found) if told is None else found == pytest.approx(told, abs=2e-4)


def test_quotes_that_are_no_prices_are_left_out() -> None:
    good = chain({30.0: 0.3})
    spoilt = good.ask.copy()
    near = np.abs(good.strike - 100.0) < 1.0
    spoilt[near] *= 3.0
    assert iv30(term_structure(replace(good, ask=spoilt), NOW_NS)) == pytest.approx(0.3, abs=2e-3)
    for broken in (replace(good, bid=0 * good.bid), replace(good, ask=good.bid - 0.01)):
        assert term_structure(broken, NOW_NS) == []
    calls_alone = replace(good, bid=np.where(good.call == 1, good.bid, np.nan))
    assert term_structure(calls_alone, NOW_NS) == []


def test_expired_contracts_say_nothing() -> None:
    assert term_structure(chain({30.0: 0.3}), NOW_NS + 31 * DAY_NS) == []


def test_rank_and_percentile_over_a_year() -> None:
    past = np.linspace(0.2, 0.4, 252)
    assert iv_rank(0.3, past) == pytest.approx(50.0)
    assert iv_pctl(0.3, past) == pytest.approx(100.0 * 126 / 252)
    assert (iv_rank(0.5, past), iv_pctl(0.5, past)) == (100.0, 100.0)
    assert (iv_rank(0.1, past), iv_pctl(0.1, past)) == (0.0, 0.0)
    old_peak = np.concatenate([[9.0], past])
    assert iv_rank(0.3, old_peak) == pytest.approx(50.0), "older than 252 sessions"


def test_too_short_a_past_ranks_nothing() -> None:
    sparse = np.full(252, np.nan)
    sparse[:199] = np.linspace(0.2, 0.4, 199)
    assert np.isnan([iv_rank(0.3, sparse), iv_pctl(0.3, sparse)]).all()
    sparse[199] = 0.3
    assert np.isfinite([iv_rank(0.3, sparse), iv_pctl(0.3, sparse)]).all()
    assert np.isnan(iv_rank(0.3, np.full(252, 0.3))), "all are equal"
    assert np.isnan([iv_rank(np.nan, sparse), iv_pctl(np.nan, sparse)]).all()


def test_puts_for_each_call() -> None:
    traded = chain({30.0: 0.3})
    volume = np.where(traded.call == 1, 10.0, 25.0)
    volume[:3] = np.nan
    n = len(volume) // 2
    assert put_call_volume(replace(traded, volume=volume)) == pytest.approx(25 * n / (10 * (n - 3)))
    assert np.isnan(put_call_volume(replace(traded, volume=0 * volume)))
    assert np.isnan(put_call_volume(replace(traded, volume=np.full_like(volume, np.nan))))
    assert np.isnan(put_call_volume(empty_chain(NOW_NS, "ABC")))


def test_the_greeks_are_those_of_the_call_at_the_money() -> None:
    found = figures(
        replace(chain({23.0: 0.30, 51.0: 0.40}), past=np.linspace(0.2, 0.4, 252)), NOW_NS
    )
    (near, _) = term_structure(chain({23.0: 0.30, 51.0: 0.40}), NOW_NS)
    told = greeks(contracts(True, 100.0, 100.0, 23 / 365, RATE), 0.30)
    assert near.years == 23 * DAY_NS / YEAR_NS
    assert found[4:] == pytest.approx([g[0] for g in told[:4]], rel=2e-3)
    assert found.iv_rank == pytest.approx(100 * (found.iv30 - 0.2) / 0.2)
    assert found.put_call_vol == 1.0
    assert np.isnan(figures(empty_chain(NOW_NS, "ABC"), NOW_NS)).all()


def test_each_contract_has_the_volatility_and_greeks_that_its_quote_implies() -> None:
    made = chain({23.0: 0.30, 51.0: 0.40}, dividend=0.03, skew=-0.2)
    volatility, found = each_contract(made, NOW_NS)
    near = made.expiry_ns == made.expiry_ns.min()
    at = np.flatnonzero(near & (made.strike == 100.0))
    assert volatility[at] == pytest.approx([0.30, 0.30], abs=1e-3)
    years = 23 / 365
    fair = greeks(contracts([True, False], 100.0, 100.0, years, RATE, 0.03), 0.30)
    assert found.delta[at] == pytest.approx(fair.delta, abs=2e-3)
    assert found.vega[at] == pytest.approx(fair.vega, rel=5e-3)
    deep = np.flatnonzero(near & (made.strike == 70.0) & (made.call == 1))
    wide = replace(made, bid=made.bid - 0.5, ask=made.ask + 0.5)
    assert np.isnan(each_contract(wide, NOW_NS)[0][deep]).all()
    unquoted = replace(made, bid=np.where(near, 0.0, made.bid))
    assert np.isnan(each_contract(unquoted, NOW_NS)[0][at]).all()
