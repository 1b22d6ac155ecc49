"""S7: the first pullback after a leg fires once, over the last quiet candle."""

from collections.abc import Sequence
from typing import Any

import pytest

from strategy_tape import StrategyTape

pytestmark = pytest.mark.integration

LEG = [
    (10.00, 10.12, 9.98, 10.10, 40_000.0),
    (10.10, 10.24, 10.08, 10.22, 40_000.0),
    (10.22, 10.40, 10.20, 10.38, 50_000.0),
    (10.38, 10.60, 10.36, 10.58, 50_000.0),
]
FLAG = [(10.58, 10.58, 10.46, 10.48, 12_000.0), (10.48, 10.50, 10.42, 10.44, 10_000.0)]
Candle = Sequence[float]


def tape_of(
    leg: Sequence[Candle] = LEG, flag: Sequence[Candle] = FLAG, first: float = 10.0,
    volume: float = 1_000.0, parameters: str = "", **facts: Any,
) -> StrategyTape:  # fmt: skip
    """Return a tape that was quiet from 09:50, went up from 10:00, and rested since 10:04."""
    tape = StrategyTape("bull_flag", parameters=parameters, **facts)
    quiet = (first, first + 0.01, first - 0.01, first, volume)
    tape.minutes("09:50", *[quiet] * 10, marks=1, count=40)
    tape.minutes("10:00", *leg, *flag, marks=1, count=40)
    tape.at(tape.clock(tape.ns("10:01:01") + (len(leg) + len(flag) - 1) * 60 * 10**9))
    return tape


def shifted(candles: Sequence[Candle], by: float) -> list[Candle]:
    """Return candles so many dollars higher."""
    return [(*(round(price + by, 2) for price in bar[:4]), bar[4]) for bar in candles]


def test_it_fires_once_over_the_last_candle() -> None:
    tape = tape_of()
    (armed,) = tape.signals
    assert (armed.state, armed.ts_ns, tape.failing()) == ("armed", tape.ns("10:06:01"), ["break"])
    assert tape.print("10:06:02", 10.5) == []
    (fired,) = tape.print("10:06:03", 10.51)
    plan = fired.plan
    assert plan is not None
    assert (fired.state, fired.id) == ("fired", armed.id)
    assert (plan.side, plan.entry, plan.stop) == ("long", 10.51, 10.42)
    assert plan.targets == pytest.approx((10.6, 10.42 + 0.62))
    assert plan.limit == pytest.approx(10.54)
    assert plan.expires_ns == fired.ts_ns + 60 * 10**9
    tape.print("10:06:04", 10.52)
    tape.print("10:06:30", 10.61)
    tape.print("10:06:31", 11.05)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "target")]
    tape.minutes("10:07", *[(11.0, 11.1, 10.9, 11.05, 20_000.0)] * 2)
    assert len(tape.fired()) == 1


def test_the_pullbacks_low_ends_it() -> None:
    tape = tape_of()
    tape.print("10:06:03", 10.51)
    tape.print("10:06:04", 10.52)
    tape.print("10:06:05", 10.41)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]


INSIDE = (10.44, 10.49, 10.43, 10.46, 10_000.0)
"""Green, inside the last candle of the flag."""


def test_a_green_candle_inside_the_one_before_is_quiet() -> None:
    tape = tape_of(flag=[*FLAG, INSIDE])
    (fired,) = tape.print("10:07:03", 10.5)
    assert fired.plan is not None
    assert fired.plan.entry == 10.5


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("leg_pct", {"leg": [*LEG[:2], (10.22, 10.36, 10.2, 10.35, 90_000.0)],
                     "flag": shifted(FLAG, -0.23), "parameters": "retrace_max = 90.0"}),
        ("leg_pct", {"parameters": "leg_min = 2"}),
        ("leg rvol_5m", {"adv20": 1.2e7}),
        ("pullback_bars", {"flag": FLAG[:1]}),
        ("pullback_bars", {"flag": [*FLAG, *[INSIDE] * 4]}),
        ("bars neither red nor inside", {"flag": [FLAG[0], (10.48, 10.59, 10.46, 10.55, 10_000.0)]}),
        ("retrace_pct", {"flag": [FLAG[0], (10.48, 10.5, 10.28, 10.44, 10_000.0)]}),
        ("pullback volume_pct", {"flag": [(*bar[:4], 30_000.0) for bar in FLAG]}),
        ("holds ema or vwap", {"flag": [(10.58, 10.58, 10.39, 10.4, 12_000.0),
                                        (10.4, 10.41, 10.3, 10.32, 10_000.0)],
                               "leg": [*LEG[:3], (*LEG[3][:4], 200_000.0)],
                               "parameters": "hold_ema = 3"}),
    ],
)  # fmt: skip
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of(**how)
    assert tape.failing() == [leaf, "break"]
    tape.print(tape.clock(tape.engine.last_mark_ns + 10**9), 10.58)
    assert tape.fired() == []


def test_only_the_first_two_flags_of_a_day() -> None:
    tape = tape_of()
    for flag, (time, by) in enumerate((("10:07", 0.5), ("10:14", 1.0), ("10:21", 1.5)), 1):
        end = tape.engine.last_mark_ns
        tape.print(tape.clock(end + 2 * 10**9), round(10.51 + 0.5 * (flag - 1), 2))
        tape.print(tape.clock(end + 3 * 10**9), round(10.52 + 0.5 * (flag - 1), 2))
        assert len(tape.fired()) == min(flag, 2)
        assert flag < 3 or tape.failing() == ["signals_today"]
        tape.print(tape.clock(end + 4 * 10**9), round(10.4 + 0.5 * (flag - 1), 2))
        tape.minutes(time, *shifted([*LEG, *FLAG], by), marks=1, count=40)
        tape.at(tape.clock(tape.ns(f"{time}:01") + 6 * 60 * 10**9))


def test_the_volume_counts_as_it_was_when_the_leg_ended() -> None:
    """Five minutes on, the last five minutes hold none of the leg."""
    tape = tape_of(flag=[*FLAG, *[(10.44, 10.48, 10.43, 10.44, 100.0)] * 3])
    assert tape("rvol_5m") < 20 < tape.rule.memory["rvol"][0]
    tape.print("10:09:03", 10.49)
    assert len(tape.fired()) == 1
