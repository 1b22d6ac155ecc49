"""S11: a resume at or over the halt's price that breaks its first seconds' high fires once."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from strategy_tape import StrategyTape
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

FIRST = (10.9, 10.85, 10.95, 10.92)
"""Prices of the first seconds after the resume."""


def tape_of(
    code: str = "LUDP", halt_at: float = 10.8, first: Sequence[float] = FIRST, a_second: int = 20,
    before: Sequence[str] = (), bands: tuple[float, float] | None = (9.8, 10.81), spread: float = 0.02,
    chg: float = 0.08, parameters: str = "",
) -> StrategyTape:  # fmt: skip
    """Return a tape 16 s after a resume at 10:10, that was halted at 10:05 after a way of `chg` a minute.

    `before` names codes of earlier halts of the day.
    """
    tape = StrategyTape("halt_resume", parameters=parameters)
    price = halt_at - 10 * chg
    for i, earlier in enumerate(before):
        tape.halt(f"09:4{2 * i}:00", True, earlier)
        tape.at(f"09:4{2 * i}:01")
        tape.halt(f"09:4{2 * i + 1}:00", False)
        tape.at(f"09:4{2 * i + 1}:01")
    closes = [round(price + chg * k, 2) for k in range(11)]
    tape.minutes(
        "09:55",
        *[(a, max(a, b), min(a, b), b, 60_000.0) for a, b in pairwise(closes)],
        marks=1,
        count=20,
    )
    if bands:
        tape.bands("10:05:00.1", *bands)
    tape.halt("10:05:00.2", True, code)
    tape.at("10:05:00.25")
    tape.halt("10:10:00.2", False)
    tape.at("10:10:00.25")
    tape.bands("10:10:00.3", 9.9, 12.0)
    tape.spread = spread
    prints(tape, "10:10:00.4", first, a_second)
    for second in range(4, 16):
        prints(tape, f"10:10:{second:02d}.4", [first[-1]], a_second)
    tape.at("10:10:16")
    return tape


def prints(tape: StrategyTape, time: str, prices: Sequence[float], count: int) -> None:
    """Print `count` times a second at each of the prices, with a mark after each second."""
    begin = tape.ns(time)
    for i, price in enumerate(prices):
        times = [begin + i * NS + k * (NS // 40) for k in range(count)]
        tape.prints("A", times, [price] * count, [100.0] * count)
        tape.beat(begin + i * NS + 600_000_000)


def test_it_fires_once_over_the_first_high() -> None:
    tape = tape_of()
    (armed,) = tape.signals
    assert (armed.state, armed.ts_ns, tape.failing()) == ("armed", tape.ns("10:10:16"), ["break"])
    assert tape.print("10:10:16.1", 10.95) == []
    (fired,) = tape.print("10:10:16.2", 10.97)
    plan = fired.plan
    assert plan is not None
    assert (fired.state, fired.id) == ("fired", armed.id)
    assert (plan.side, plan.entry, plan.stop, plan.signal_only) == ("long", 10.96, 10.85, True)
    assert plan.targets == pytest.approx((10.96 + 2 * 0.11, 12.0))
    assert plan.exit_ns == fired.ts_ns + 300 * NS
    assert plan.expires_ns == fired.ts_ns + 30 * NS
    tape.print("10:10:16.3", 10.98)
    tape.print("10:10:17", 11.2)
    tape.print("10:10:18", 12.01)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "target")]
    prints(tape, "10:10:19", [10.9, 10.97, 10.9, 10.97], 20)
    assert len(tape.fired()) == 1


def test_a_deep_resume_low_leaves_the_stop_at_four_percent() -> None:
    tape = tape_of(first=(10.9, 10.4, 10.95, 10.92))
    (fired,) = tape.print("10:10:16.2", 10.97)
    assert fired.plan is not None
    assert fired.plan.stop == pytest.approx(10.96 * 0.96)


def test_it_is_left_after_five_minutes() -> None:
    tape = tape_of()
    tape.print("10:10:16.2", 10.97)
    tape.print("10:10:16.3", 10.98)
    tape.at("10:15:16")
    assert tape.exits() == [("confirmed", "entry")]
    tape.at("10:15:17")
    assert tape.exits()[1:] == [("exit", "time")]


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("volatility pause", {"code": "T2"}),
        ("halt up", {"bands": (10.79, 12.0)}),
        ("halt up", {"bands": None, "chg": -0.05, "halt_at": 10.8}),
        ("halts_today", {"before": ("LUDP", "M")}),
        ("no news halt today", {"before": ("T1",)}),
        ("no news halt today", {"before": ("T12",)}),
        ("no news halt today", {"before": ("H10",)}),
        ("resume price", {"first": (10.79, 10.85, 10.95, 10.92)}),
        ("resume_gap_pct", {"first": (12.5, 12.45, 12.55, 12.5), "bands": (9.8, 10.81)}),
        ("trade_rate", {"a_second": 17}),
        ("spread_pct", {"spread": 0.17}),
        ("secs_since_resume", {"parameters": "range_s = 20.0"}),
        ("secs_since_resume", {"parameters": "entry_s = 15.5"}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of(**how)
    assert set(tape.failing()) - {"break", "risk"} == {leaf}
    tape.print("10:10:16.2", 12.6 if leaf == "resume_gap_pct" else 10.97)
    assert tape.fired() == []
    assert leaf in tape.failing()


def test_a_pause_is_known_by_either_tape_and_without_bands() -> None:
    tape = tape_of(code="M", bands=None, before=("M",))
    tape.print("10:10:16.2", 10.97)
    assert len(tape.fired()) == 1


def test_the_bounce_of_a_halt_down_is_asked_for() -> None:
    tape = tape_of(bands=(10.79, 12.0), parameters="down = true")
    tape.print("10:10:16.2", 10.97)
    assert len(tape.fired()) == 1


def test_the_low_before_the_halt_ends_it() -> None:
    tape = tape_of(parameters="stop_pct = 7.0", first=(10.9, 10.35, 10.95, 10.92))
    tape.print("10:10:16.2", 10.97)
    tape.print("10:10:16.3", 10.98)
    tape.print("10:10:17", 10.39)
    assert tape.exits()[-1] == ("exit", "invalid")
    assert tape.signals[-1].text.endswith("below the low before the halt")


def test_a_second_halt_begins_anew() -> None:
    tape = tape_of()
    tape.halt("10:12:00", True, "LUDP")
    tape.at("10:12:00.05")
    tape.halt("10:17:00", False)
    tape.at("10:17:00.05")
    assert tape.signals[-1].state == "invalidated"
    assert {"resume price", "secs_since_resume"} <= set(tape.failing())
    assert tape.rule.memory["price"][0] == 10.92
