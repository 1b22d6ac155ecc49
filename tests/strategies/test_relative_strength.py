"""S12: strength against a falling SPY fires once, as SPY turns and the last high breaks."""

from typing import Any

import pytest

from strategies.fives import fives, path, runs
from strategy_tape import StrategyTape
from tapelight.model.session import NS

pytestmark = pytest.mark.integration


def tape_of(
    turn: float = 0.2, fall: float = -0.5, heavy: float = 0.0, parameters: str = "", **facts: Any
) -> StrategyTape:
    """Return a tape at 10:55:01: eight cents a bar up since ten, SPY down until 10:45, then up.

    `heavy` is a price at which five million shares trade in the first bar.
    """
    known = {"adv20": 5e6, "beta_spy": 1.0, "atr14": 1.0, "prev_close": 50.0, **facts}
    tape = StrategyTape("relative_strength", "A", "SPY", parameters=parameters, **known)
    bars = list(path(runs(50.0, (6, 0.0), (10, 0.08)), 0.04, 60_000.0))
    if heavy:
        bars[0] = (50.0, heavy, 50.0, heavy, 5e6)
    fives(tape, "09:30:00", bars, runs(500.0, (15, fall), (2, turn)))
    return tape


def test_it_fires_once_over_the_last_high() -> None:
    tape = tape_of()
    armed = tape.signals[-1]
    assert (armed.state, tape.failing()) == ("armed", ["break"])
    assert tape.print("10:55:02", 50.84) == []
    (fired,) = tape.print("10:55:03", 50.86)
    plan = fired.plan
    assert plan is not None
    assert (fired.state, fired.id) == ("fired", armed.id)
    assert (plan.side, plan.entry, plan.stop) == ("long", 50.85, 50.36)
    assert plan.targets == pytest.approx((50.85 + 2 * 0.49,))
    assert plan.expires_ns == fired.ts_ns + 300 * NS
    tape.print("10:55:04", 50.87)
    tape.print("10:55:05", 51.84)
    assert tape.exits()[-2:] == [("confirmed", "entry"), ("exit", "target")]
    tape.print("10:55:06", 50.8)
    tape.print("10:55:07", 50.9)
    assert len(tape.fired()) == 1


def test_the_loss_of_the_vwap_ends_it() -> None:
    tape = tape_of(parameters="swing_bars = 10")
    tape.print("10:55:03", 50.86)
    tape.print("10:55:04", 50.87)
    assert tape("vwap") > 50.2
    tape.print("10:55:05", 50.2)
    assert tape.exits()[-1] == ("exit", "invalid")
    assert tape.signals[-1].text.endswith("vwap loss")


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("SPY chg_30m", {"fall": -0.3}),
        ("rs_spy_30m", {"beta_spy": -1.0}),
        ("rs_spy_30m", {"beta_spy": None}),
        ("adv20", {"adv20": 1.9e6}),
        ("last over vwap", {"heavy": 51.2, "atr14": 1.5}),
        ("atr_used", {"atr14": 2.0}),
        ("atr_used", {"atr14": 0.7}),
        ("SPY 5m close over open", {"turn": -0.01}),
        ("minutes_since_open", {"parameters": "begin_min = 90.0"}),
        ("minutes_since_open", {"parameters": "end_min = 80.0"}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of(**how)
    assert tape.failing() == [leaf, "break"]
    tape.print("10:55:03", 50.86)
    assert tape.fired() == []
    assert tape.failing() == [leaf]


def test_without_spy_nothing_fires() -> None:
    known = {"adv20": 5e6, "beta_spy": 1.0, "atr14": 1.0, "prev_close": 50.0}
    tape = StrategyTape("relative_strength", **known)
    fives(tape, "09:30:00", path(runs(50.0, (6, 0.0), (10, 0.08)), 0.04, 60_000.0))
    tape.print("10:55:03", 50.86)
    assert tape.failing() == ["SPY chg_30m", "rs_spy_30m", "SPY 5m close over open"]
