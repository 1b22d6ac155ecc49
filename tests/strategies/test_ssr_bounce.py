"""The bounce of a stock that was restricted today fires once, over the last 5-minute high."""

from typing import Any

import pytest

from strategies.fives import Bars, fives, path, runs
from strategy_tape import StrategyTape

pytestmark = pytest.mark.integration

FALL = runs(46.0, (4, -0.4), (6, 0.25))
"""From 46 to 44.4, under nine tenths of 50, and back to 45.9 by 10:25."""


def tape_of(closes: list[float] = FALL, parameters: str = "", **how: Any) -> StrategyTape:
    """Return a tape that has seen the fall and the way back; `volume` is that of the last bar."""
    volume = how.pop("volume", 20_000.0)
    tape = StrategyTape("ssr_bounce", parameters=parameters, **{"prev_close": 50.0, **how})
    bars: Bars = path(closes, 0.05, volume)
    fives(tape, "09:30:00", bars)
    return tape


def test_it_fires_once() -> None:
    tape = tape_of()
    (armed,) = tape.signals
    assert (armed.state, tape.failing()) == ("armed", ["break"])
    assert tape.print("10:25:02", 45.95) == []
    (fired,) = tape.print("10:25:03", 45.96)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.stop) == ("long", 45.96, 45.1)
    assert plan.targets == pytest.approx((46.82, 47.68))
    tape.print("10:25:04", 45.97)
    tape.print("10:25:05", 45.0)
    assert tape.exits()[-2:] == [("confirmed", "entry"), ("exit", "stop")]
    tape.print("10:25:06", 45.97)
    assert len(tape.fired()) == 1


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("ssr", {"prev_close": 49.0}),
        ("lod_dist_pct", {"parameters": "bounce_pct_min = 4.0"}),
        ("rvol_tod", {"volume": 5_000.0}),
        ("last over vwap", {"closes": runs(51.0, (3, 0.3), (1, -7.5), (6, 0.25))}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of(**how)
    tape.print("10:25:03", 45.97)
    assert tape.fired() == []
    assert tape.failing() == [leaf]


def test_the_second_day_is_none() -> None:
    tape = tape_of()
    tape.table.live["ssr_before"] = 1
    tape.print("10:25:03", 45.97)
    assert (tape.fired(), tape.failing()) == ([], ["ssr since the day before"])
