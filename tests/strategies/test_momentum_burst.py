"""S5: a burst at the high fires once, above the last ten seconds' high."""

import math
from typing import Any

import pytest

from strategy_tape import StrategyTape

pytestmark = pytest.mark.integration


def burst(
    step: float = 0.004, before: float = 10.35, a_second: int = 4, size: float = 100.0,
    quiet: float = 1_000.0, until: int = 60, sold: int = 0, hod: float = 0.0,
) -> StrategyTape:  # fmt: skip
    """Return a tape whose last minute buys `a_second` prints a second, `step` dollars a second up."""
    tape = StrategyTape("momentum_burst", adv20=960_000.0)
    if hod:
        tape.minute("09:30", hod, hod, hod, hod)
    tape.minutes("09:31", *[(10.0, 10.02, 9.98, 10.0, quiet)] * 9)
    tape.minutes("09:40", (10.0, 10.1, 10.0, 10.1, 2 * quiet), (10.1, 10.2, 10.1, 10.2, 2 * quiet))
    tape.minute("09:42", 10.2, before, 10.2, before, 3 * quiet)
    begin = tape.ns("09:43:00")
    for second in range(until):
        price = round(before + step * second, 2)
        times = [begin + second * 10**9 + k * 10**8 for k in range(a_second)]
        tape.prints("A", times, [price] * a_second, [size] * a_second)
        if second < sold:
            half = [t + 5 * 10**8 for t in times]
            tape.prints("A", half, [price - 0.02] * a_second, [size * 2] * a_second, sold=True)
        tape.beat(begin + second * 10**9 + 950_000_000)
    return tape


def test_it_fires_once_with_entry_stop_and_targets() -> None:
    tape = burst()
    (fired,) = tape.fired()
    plan = fired.plan
    assert plan is not None
    # The 40th second brings 160 prints to the 21 that are left of the minute before: 3 a second.
    assert fired.ts_ns == tape.ns("09:43:39.95")
    assert fired.values["last"] == 10.51
    assert plan.entry == pytest.approx(10.52)
    assert plan.stop == pytest.approx(10.35)
    assert plan.targets == pytest.approx((10.69, 10.86))
    assert plan.limit == pytest.approx(10.52 + 0.03)
    assert plan.expires_ns == fired.ts_ns + 60 * 10**9
    assert tape.exits()[0] == ("confirmed", "entry")


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("chg_1m", {"step": 0.0015}),
        ("chg_5m", {"before": 10.05, "step": 0.0035}),
        ("vol_burst", {"quiet": 20_000.0}),
        ("trade_rate", {"a_second": 1, "size": 400.0}),
        ("buy_pct_1m", {"sold": 60}),
        ("hod_dist_pct", {"hod": 11.0}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = burst(**how)
    assert tape.fired() == []
    assert leaf in tape.failing()
    assert tape.failing() == [leaf] or set(tape.failing()) <= {leaf, "chg_1m", "accel", "chg_5m"}


def test_it_must_accelerate() -> None:
    tape = burst(before=11.0, step=0.004)
    assert tape.fired() == []
    assert tape.failing() == ["accel"]


def test_without_progress_it_is_left_after_three_minutes() -> None:
    tape = burst(until=43)
    entered = next(s for s in tape.signals if s.state == "confirmed")
    for second in range(43, 60):
        tape.print(f"09:43:{second}", 10.53)
    tape.minutes("09:44", *[(10.53, 10.55, 10.5, 10.53)] * 4)
    (left,) = [s for s in tape.signals if s.kind == "exit"]
    assert (left.reason, left.text) == ("time", "Momentum burst: exit, no progress")
    assert math.isclose((left.ts_ns - entered.ts_ns) / 1e9, 180, abs_tol=10)
