"""Indicators that nobody follows: what they are reckoned of, and what they may cost."""

import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.views import EngineMarket
from tapelight.errors import ConfigError
from tapelight.market.asked_once import cost_us
from tapelight.market.indicators import ask
from tapelight.market.view import View
from tapelight.model.records import Pin, Reference

MEAN, LOW = ask("sma", (2,), "1m"), ask("min", (2,), "1m")


def tape() -> Tape:
    made = Tape("A", "B", "C")
    made.refer(Reference(symbol="B", type="ETF"))
    for symbol in "AC":
        made.engine.apply(Pin(symbol))
    made.mark("09:29:59")
    for minute, price in enumerate((10.0, 10.2, 10.4)):
        for i, symbol in enumerate("ABC"):
            made.trade(f"09:3{minute}:10", price + i, symbol=symbol)
        made.mark(f"09:3{minute}:59")
    made.mark("09:33:01")
    return made


def test_bars_are_gathered_once_for_the_series_of_a_timeframe() -> None:
    view = View(tape().table)
    np.testing.assert_allclose(view.indicator(MEAN), [10.3, np.nan, 12.3])
    gathered = view.reckoned("bars 1m")
    assert [len(part) for part in gathered] == [2, 6]
    np.testing.assert_allclose(view.indicator(LOW), [10.2, np.nan, 12.2])
    assert view.reckoned("bars 1m") is gathered


def test_a_view_of_a_row_gathers_the_bars_of_that_row_alone() -> None:
    view = View(tape().table, np.array([2], np.intp))
    np.testing.assert_allclose(view.indicator(MEAN), [12.3])
    assert [len(part) for part in view.reckoned("bars 1m")] == [1, 3]


def test_a_query_of_the_moment_is_bounded_by_what_its_indicators_cost() -> None:
    made = tape()
    market = EngineMarket(made.engine, dict)
    few = " + ".join(f"sma({n}, '1m')" for n in range(2, 12))
    assert len(market.query(f"SELECT symbol, {few} AS x FROM market")) == 3
    many = " + ".join(f"sma({n}, '1m')" for n in range(2, 52))
    with pytest.raises(ConfigError, match=r"no board or scan follows would cost about 50 ms"):
        market.query(f"SELECT symbol, {many} AS x FROM market")
    made.engine.tiers.want([ask("sma", (n,), "1m") for n in range(2, 52)])
    assert len(market.query(f"SELECT symbol, {many} AS x FROM market")) == 3


def test_a_series_costs_by_the_rows_in_play() -> None:
    table = tape().table
    assert cost_us(table, [MEAN, LOW]) == 2_000.0
    table.grow([f"S{i}" for i in range(500)])
    table.tiers.levels(table.n)[:] = 2
    assert cost_us(table, [MEAN]) == 10.0 * 503
