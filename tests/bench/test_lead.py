"""The lead of trades over bars: each high from bars was there before, by less than a bar."""

import pytest

from tapelight.bench.lead import Fired, Tape, fired, leads_s

pytestmark = pytest.mark.slow
SMALL = Tape(symbols=40, rate=300.0, seconds=125, seed=3)


@pytest.fixture(scope="module")
def trades() -> Fired:
    return fired(SMALL, "trades")


def test_leads_match_each_high_with_the_first_that_reached_it() -> None:
    trades = {"A": [(10.0, 1_000_000_000), (10.5, 3_000_000_000)], "B": [(5.0, 0), (6.0, 10)]}
    bars = {"A": [(10.0, 2_000_000_000), (10.4, 4_500_000_000)], "B": [(6.0, 9)], "C": [(1.0, 1)]}
    assert leads_s(trades, bars) == [1.0, 1.5]


@pytest.mark.parametrize(("source", "span_s"), [("second", 1.0), ("minute", 60.0)])
def test_trades_are_earlier_by_less_than_a_bar(trades: Fired, source: str, span_s: float) -> None:
    leads = leads_s(trades, fired(SMALL, source))
    assert len(leads) > 10
    assert min(leads) >= 0.0
    assert max(leads) <= span_s + 0.1
