"""S9: the MACD's cross on closed bars fires once; an independent recomputation agrees."""

import math
from typing import Any

import numpy as np
import pytest

from strategies.fives import Bars, five, fives, history, leaves, path, runs
from strategy_tape import StrategyTape
from tapelight.model.records import TierWorkers

pytestmark = pytest.mark.integration

BEGIN, SEEN = "04:30:00", 64
CLOSES = runs(50.0, (70, 0.02), (3, -0.05), (4, 0.08))
"""Up all morning, down at 10:25, up from 10:40; the bar that ends at 11:00 crosses."""
DEEP = runs(50.0, (66, 0.0), (4, -0.1), (6, 0.1))
"""The bar that ends at 10:45 crosses below zero, two bars later the line is above."""


def tape_of(bars: Bars, parameters: str = "", **reference: Any) -> StrategyTape:
    """Return a tape that has seen all bars but the last, the newest ones live."""
    tape = StrategyTape("macd_cross", parameters=parameters, **reference)
    history(tape, BEGIN, bars[:SEEN])
    tape.at("09:50:01")
    fives(tape, "09:50:00", bars[SEEN:-1])
    return tape


def last_of(tape: StrategyTape, bars: Bars, **how: Any) -> StrategyTape:
    """Trade the last bar too."""
    five(tape, tape.clock(tape.ns(BEGIN) + (len(bars) - 1) * 300 * 10**9), bars[-1], **how)
    return tape


@pytest.fixture(scope="module")
def before() -> StrategyTape:
    return tape_of(path(CLOSES))


@pytest.fixture
def fired(before: StrategyTape) -> StrategyTape:
    return last_of(before.fork(), path(CLOSES))


def test_it_fires_once_as_the_bar_that_crosses_has_closed(fired: StrategyTape) -> None:
    (signal,) = fired.signals
    plan = signal.plan
    assert plan is not None
    assert (signal.state, signal.ts_ns) == ("fired", fired.ns("11:00:01"))
    assert (plan.side, plan.entry, plan.stop) == ("long", 51.57, 51.19)
    assert plan.targets == pytest.approx((51.57 + 1.5 * 0.38,))
    assert plan.expires_ns == fired.ns("11:05:00")
    fired.print("11:00:02", 51.58)
    fives(fired, "11:00:00", path([51.58, 51.6, 51.61, 51.62])[1:])
    assert len(fired.fired()) == 1
    assert fired.exits() == [("confirmed", "entry")]


def test_the_opposite_cross_ends_it(fired: StrategyTape) -> None:
    fired.print("11:00:02", 51.58)
    fives(fired, "11:00:00", path([51.57, 51.4, 51.3])[1:])
    assert fired.exits()[1:] == [("exit", "invalid")]
    assert fired.signals[-1].text.endswith("opposite cross")


def test_without_a_cross(before: StrategyTape) -> None:
    tape = last_of(before.fork(), [*path(CLOSES)[:-1], (51.49, 51.55, 51.29, 51.35, 20_000.0)])
    assert tape.fired() == []
    assert "bars_since_cross" in tape.failing()


@pytest.mark.parametrize(
    ("leaf", "closes"),
    [
        ("histogram rise", runs(50.0, (70, 0.02), (3, -0.05), (1, 0.6))),
        ("line at cross, or zero cross", DEEP[:-2]),
        ("ema_15m rise", runs(50.0, (66, 0.0), (3, -0.1), (4, 0.1))),
    ],
)
def test_a_near_miss_by_its_bars(leaf: str, closes: list[float]) -> None:
    tape = last_of(tape_of(path(closes)), path(closes))
    assert tape.fired() == []
    assert tape.failing() == [leaf]


def test_the_volume_of_the_day_counts() -> None:
    tape = last_of(tape_of(path(CLOSES), adv20=6e6), path(CLOSES))
    assert (tape.fired(), tape.failing()) == ([], ["rvol_tod"])


def test_under_the_vwap_nothing_fires(before: StrategyTape) -> None:
    tape = last_of(before.fork(), path(CLOSES), late=51.2)
    assert (tape.fired(), tape.failing()) == ([], ["last over vwap"])


def test_a_close_is_news_for_half_a_minute() -> None:
    tape = tape_of(path(CLOSES), "trade_rate_min = 0.0")
    tape.spread = 0.4
    last_of(tape, path(CLOSES))
    assert "spread_pct" in tape.failing()
    tape.spread = 0.02
    tape.print("11:00:40", 51.58)
    assert (tape.fired(), tape.failing()) == ([], ["secs_since_5m_close"])


def test_it_waits_for_the_indicators_of_the_bar(before: StrategyTape) -> None:
    tape = before.fork()
    tape.engine.apply(TierWorkers(1))
    last_of(tape, path(CLOSES))
    assert tape.fired() == []
    assert "5m indicators are of the last bar" in tape.failing()


@pytest.mark.parametrize(("confirm_bars", "fires"), [(3, ["10:55:01"]), (1, [])])
def test_a_deep_cross_waits_for_the_zero_line(confirm_bars: int, fires: list[str]) -> None:
    tape = tape_of(path(DEEP), f"confirm_bars = {confirm_bars}")
    last_of(tape, path(DEEP))
    assert [tape.clock(s.ts_ns) for s in tape.fired()] == fires


def ema(values: np.ndarray, bars: int, begin: int = 0) -> np.ndarray:
    """Return the exponential mean, begun with the plain one of the first values; NaN before.

    TA-Lib begins both averages of the MACD at the same bar: the fast one leaves out `begin`.
    """
    found = np.full(len(values), np.nan)
    first = int(np.argmax(~np.isnan(values))) + begin + bars - 1
    found[first] = values[first - bars + 1 : first + 1].mean()
    for i in range(first + 1, len(values)):
        found[i] = found[i - 1] + 2.0 / (bars + 1) * (values[i] - found[i - 1])
    return found


def test_its_leaves_equal_an_independent_recomputation() -> None:
    """Over 40 bars of a random walk, from closes alone."""
    g = np.random.default_rng(9)
    closes = np.round(50.0 * np.exp(np.cumsum(g.normal(0.0002, 0.003, 104))), 2)
    bars = path(closes.tolist(), 0.05)
    tape = StrategyTape("macd_cross")
    history(tape, BEGIN, bars[:SEEN])
    crosses = 0
    for i in range(SEEN, len(bars)):
        five(tape, tape.clock(tape.ns(BEGIN) + i * 300 * 10**9), bars[i])
        line = ema(closes[: i + 1], 12, 14) - ema(closes[: i + 1], 26)
        hist = line - ema(line, 9)
        told = leaves(tape)
        ups = [k for k in range(4) if hist[i - k] > 0 >= hist[i - k - 1]]
        ups = [k for k in ups if (hist[i - k :] > 0).all()]
        crosses += len(ups)
        assert told["bars_since_cross"].value == (ups[0] if ups else None)
        if ups:
            at = i - ups[0]
            rise = min(hist[at] - hist[at - 1], hist[at - 1] - hist[at - 2])
            assert math.isclose(told["histogram rise"].value, rise, abs_tol=1e-8)
            assert math.isclose(told["line at cross, or zero cross"].value, line[at], abs_tol=1e-9)
        if i % 3 == 2:
            trend = ema(closes[2 : i + 1 : 3], 20)
            assert math.isclose(told["ema_15m rise"].value, trend[-1] - trend[-2], abs_tol=1e-9)
    assert crosses >= 4
