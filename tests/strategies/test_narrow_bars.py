"""The inside bar and the narrow range: small 5-minute bars break once, on the VWAP's side."""

from typing import Any

import pytest

from strategies.fives import Bars, fives, history, path, runs
from strategy_tape import StrategyTape

UP = path(runs(50.0, (16, 0.05)), 0.05)
DOWN = path(runs(50.0, (16, -0.05)), 0.05)
"""Bars of 15 cents from 09:00 on; the last one ends at 10:25."""
WIDE, INNER = (50.8, 51.1, 50.75, 51.0, 20_000.0), (51.0, 51.05, 50.85, 50.95, 20_000.0)
SMALL = (50.8, 50.9, 50.78, 50.85, 20_000.0)


def down(bar: tuple[float, ...]) -> tuple[float, ...]:
    """Return the bar mirrored about 50."""
    open_, high, low, close, volume = bar
    return (*(round(100.0 - price, 2) for price in (open_, low, high, close)), volume)


def tape_of(
    name: str, last: Bars, before: Bars = UP, parameters: str = "", **facts: Any
) -> StrategyTape:
    """Return a tape that has seen `last` bars, after those before."""
    tape = StrategyTape(name, parameters=parameters, **{"prev_close": 50.0, **facts})
    history(tape, "09:00:00", before[:16])
    tape.at("10:20:01")
    fives(tape, "10:20:00", [*before[16:], *last])
    return tape


@pytest.mark.parametrize(
    ("side", "bars", "before", "touch", "through", "entry", "stop"),
    [
        ("long", [WIDE, INNER], UP, 51.1, 51.11, 51.11, 50.85),
        ("short", [down(WIDE), down(INNER)], DOWN, 48.9, 48.89, 48.89, 49.15),
    ],
)
def test_the_inside_bar_fires_once(
    side: str, bars: Bars, before: Bars, touch: float, through: float, entry: float, stop: float
) -> None:
    tape = tape_of("inside_bar", bars, before)
    (armed,) = tape.signals
    assert (armed.state, tape.failing()) == ("armed", ["break"])
    assert tape.print("10:35:02", touch) == []
    (fired,) = tape.print("10:35:03", through)
    plan = fired.plan
    assert plan is not None
    assert (fired.id, plan.side, plan.entry, plan.stop) == (armed.id, side, entry, stop)
    risk = entry - stop
    assert plan.targets == pytest.approx((entry + risk, entry + 2 * risk))
    tape.print("10:35:04", through)
    tape.print("10:35:05", stop)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]
    tape.print("10:35:06", through)
    assert len(tape.fired()) == 1


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("inside bar's high", {"last": [WIDE, (51.0, 51.1, 50.85, 50.95, 20_000.0)]}),
        ("inside bar's low", {"last": [WIDE, (51.0, 51.05, 50.75, 50.95, 20_000.0)]}),
        ("outer bar's range", {"parameters": "outer_atr = 3.0"}),
        ("rvol_tod", {"adv20": 5e6}),
        ("secs_since_5m_close", {"parameters": "within_s = 1.5"}),
    ],
)
def test_no_inside_bar(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of("inside_bar", **{"last": [WIDE, INNER], **how})
    tape.print("10:35:03", 51.12)
    assert (tape.fired(), tape.failing()) == ([], [leaf])


@pytest.mark.parametrize(
    ("side", "bar", "before", "through", "entry", "stop"),
    [
        ("long", SMALL, UP, 50.95, 50.91, 50.78),
        ("short", down(SMALL), DOWN, 49.05, 49.09, 49.22),
    ],
)
def test_the_narrow_range_fires_once(
    side: str, bar: tuple[float, ...], before: Bars, through: float, entry: float, stop: float
) -> None:
    tape = tape_of("narrow_range", [bar], before, "risk_pct_min = 0.2")
    (armed,) = tape.signals
    assert (armed.state, tape.failing()) == ("armed", ["break"])
    (fired,) = tape.print("10:30:03", through)
    plan = fired.plan
    assert plan is not None
    assert (fired.id, plan.side, plan.entry, plan.stop) == (armed.id, side, entry, stop)
    assert plan.targets == pytest.approx((entry + 2 * (entry - stop), entry + 4 * (entry - stop)))
    tape.print("10:30:04", entry)
    assert tape.exits() == [("confirmed", "entry")]
    tape.print("10:30:05", through)
    assert len(tape.fired()) == 1


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("range of the bar", {"last": [(50.8, 50.93, 50.78, 50.85, 20_000.0)]}),
        ("rvol_tod", {"adv20": 5e6}),
        ("risk_pct", {"parameters": ""}),
        ("secs_since_5m_close", {"parameters": "risk_pct_min = 0.2\nwithin_s = 1.5"}),
    ],
)
def test_no_narrow_range(leaf: str, how: dict[str, Any]) -> None:
    told = {"last": [SMALL], "parameters": "risk_pct_min = 0.2", **how}
    tape = tape_of("narrow_range", **told)
    tape.print("10:30:03", 50.95)
    assert (tape.fired(), tape.failing()) == ([], [leaf])
