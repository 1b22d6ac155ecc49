"""S2: a reclaimed VWAP fires once, over the high of the candle that reclaimed it."""

from typing import Any

import numpy as np
import pytest

from strategy_tape import StrategyTape
from tapelight.market.view import View
from tapelight.model.records import Correction, Print

pytestmark = pytest.mark.integration

HIGH = (10.8, 10.85, 10.75, 10.8)
LOW = (10.65, 10.68, 10.6, 10.65)
BACK = (10.65, 10.82, 10.65, 10.8)


def morning(
    back: Any = BACK, volume: float = 12_000.0, low: Any = LOW, below: int = 10,
    first: Any = HIGH, **reference: Any,
) -> StrategyTape:  # fmt: skip
    """Return a tape at 09:52: eleven minutes at 10.80, ten at 10.65, one that comes back."""
    tape = StrategyTape("vwap_reclaim", **{"prev_close": 10.0, **reference})
    tape.minute("09:30", *first, 5_000.0)
    tape.minutes("09:31", *[(*HIGH, 5_000.0)] * (20 - below), *[(*low, 3_000.0)] * below)
    tape.minute("09:51", *back, volume)
    return tape


@pytest.fixture(scope="module")
def back() -> StrategyTape:
    return morning()


def test_it_is_armed_then_fires_once(back: StrategyTape) -> None:
    tape = back.fork()
    assert tape.signals == []
    (armed,) = tape.at("09:52:01")
    assert armed.state == "armed"
    assert tape.print("09:52:05", 10.82) == []
    (fired,) = tape.print("09:52:06", 10.83)
    plan = fired.plan
    assert plan is not None
    assert (fired.id, plan.side, plan.entry, plan.stop) == (armed.id, "long", 10.83, 10.6)
    # 1 R is above the day's high, which is the nearer target.
    assert plan.targets == pytest.approx((10.85, 11.06))
    assert plan.expires_ns == tape.ns("09:55:00")
    leaves = {leaf.name: leaf.value for leaf in fired.why}
    assert leaves["closes below vwap"] == 8
    assert leaves["reclaim volume"] == pytest.approx(12_000 / 4_000)
    tape.print("09:52:07", 10.83)
    tape.print("09:52:08", 10.86)
    tape.print("09:52:09", 11.1)
    tape.print("09:52:10", 10.84)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "target")]
    assert len(tape.fired()) == 1


def test_a_close_below_the_vwap_ends_it(back: StrategyTape) -> None:
    tape = back.fork()
    tape.print("09:52:06", 10.83)
    tape.print("09:52:07", 10.83)
    tape.minute("09:53", 10.83, 10.83, 10.65, 10.65)
    assert tape.exits() == [("confirmed", "entry")]
    tape.at("09:54:01")
    assert tape.exits()[1:] == [("exit", "invalid")]


def test_an_entry_that_nobody_trades_expires(back: StrategyTape) -> None:
    tape = back.fork()
    tape.print("09:52:06", 10.83)
    tape.print("09:52:07", 10.9)
    tape.minutes("09:53", *[(10.9, 10.9, 10.88, 10.9)] * 2)
    assert tape.exits() == [("expired", "time")]


def test_it_rests_until_a_quarter_of_an_hour_below(back: StrategyTape) -> None:
    tape = back.fork()
    tape.print("09:52:06", 10.83)
    tape.print("09:52:07", 10.5)
    tape.minutes("09:53", *[(*LOW, 3_000.0)] * 10, (*BACK, 12_000.0))
    assert tape.print("10:04:05", 10.83) == []
    assert tape.failing() == ["minutes below since the last signal"]
    tape.minutes("10:05", *[(*LOW, 3_000.0)] * 15, (*BACK, 12_000.0))
    assert [s.state for s in tape.print("10:21:05", 10.83)] == ["fired"]


def test_of_two_signals_the_one_told_on_the_cancelled_print_is_taken_back(
    back: StrategyTape,
) -> None:
    tape = back.fork()
    (first,) = tape.print("09:52:06", 10.83)
    tape.print("09:52:07", 10.5)
    tape.minutes("09:53", *[(*LOW, 3_000.0)] * 26, (*BACK, 12_000.0))
    (armed,) = tape.at("10:20:01")
    assert (armed.state, armed.id != first.id, tape.rule.course["tries"][0]) == ("armed", True, 1)
    for each in (tape.fork(), tape):
        wrong = Print(each.ns("09:52:06"), 10.83, 100.0)
        each.engine.apply(Correction(each.ns("10:20:02"), "A", wrong))
        (taken,) = each.at("10:20:02.05")
        assert (taken.state, taken.id, taken.values["entry"]) == ("retracted", first.id, None)
        assert (each.rule.course["tries"][0], each.rule.course["rested_ns"][0]) == (0, 0)
        (fired,) = each.print("10:20:05", 10.83)
        assert (fired.state, fired.id) == ("fired", armed.id)


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("chg_pct", {"prev_close": 10.53}),
        ("closes below vwap", {"below": 5}),
        (
            "dip_pct or earlier low",
            {"low": (10.77, 10.78, 10.75, 10.76), "below": 8, "first": (10.8, 10.85, 10.3, 10.8)},
        ),
        ("reclaim_pct", {"back": (10.65, 10.82, 10.65, 10.745), "volume": 8_000.0}),
        ("reclaim volume", {"volume": 5_900.0}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = morning(**how)
    tape.at("09:52:01")
    assert tape.missing("09:52:05", 10.83) == [leaf]
    assert tape.signals == []


def test_too_late_or_not_over_the_high_it_does_not_fire(back: StrategyTape) -> None:
    tape = back.fork()
    tape.minutes("09:52", *[(10.8, 10.82, 10.78, 10.8)] * 3)
    assert tape.failing() == ["break"]
    assert [s.state for s in tape.at("09:55:01")] == ["invalidated"]
    assert tape.print("09:55:05", 10.83) == []
    assert tape.failing() == ["secs_since_reclaim"]


def test_closed_below_again_it_does_not_fire(back: StrategyTape) -> None:
    tape = back.fork()
    tape.minute("09:52", 10.8, 10.8, 10.7, 10.7)
    tape.at("09:53:01")
    assert tape.print("09:53:05", 10.83) == []
    assert tape.failing() == ["closed below vwap since"]


def test_before_a_quarter_to_ten_it_does_not_fire() -> None:
    tape = StrategyTape("vwap_reclaim", prev_close=10.0)
    tape.minutes("09:10", *[(*HIGH, 5_000.0)] * 20, marks=2)
    tape.minutes("09:30", *[(*HIGH, 5_000.0)] * 2, *[(*LOW, 3_000.0)] * 9, (*BACK, 12_000.0))
    assert tape.print("09:42:05", 10.83) == []
    assert tape.failing() == ["minutes_since_open"]


def test_the_usual_volume_is_summed_bar_by_bar() -> None:
    tape = StrategyTape("vwap_reclaim", prev_close=10.0)
    volumes = [3_000.0 + i / 7.3 for i in range(20)]
    tape.minutes("09:30", *[(*HIGH, v) for v in volumes[:10]], marks=1)
    tape.minutes("09:40", *[(*LOW, v) for v in volumes[10:]], marks=1)
    tape.minute("09:50", *BACK, 12_000.0)
    tape.at("09:51:01")
    bars = View(tape.table).candles("1m", 21).volume[0]
    total = 0.0
    for volume in bars[:20].tolist():
        total += volume
    assert total != np.ascontiguousarray(bars[:20]).sum()
    assert tape.rule.memory["volume"].tolist() == [bars[20] / (total / 20)]
