"""S6: a new high after a base fires once; each thing that is missing stops it."""

from typing import Any

import pytest

from strategy_tape import CYCLE_NS, StrategyTape
from tapelight.app.reasons import Looker
from tapelight.model.records import Correction, Print
from tapelight.model.session import NS
from tapelight.model.signals import Signal

pytestmark = pytest.mark.integration

BASE = ((11.0, 11.0, 10.7, 10.75), (10.75, 10.85, 10.72, 10.8), (10.8, 10.9, 10.75, 10.9))


def base(
    bars: Any = BASE, first: float = 10.0, volume: float = 5_000.0, quiet: float = 5_000.0
) -> StrategyTape:
    """Return a tape that rises from $10 to $11 by 09:55 and rests in a base of minutes."""
    tape = StrategyTape("new_hod")
    tape.minute("09:30", first, first, 10.0, 10.04, volume)
    rise = [10.0 + 0.04 * i for i in range(1, 25)]
    tape.minutes("09:31", *[(p, p + 0.04, p, p + 0.04, volume) for p in rise])
    tape.minutes("09:55", *[(*bar, quiet) for bar in bars])
    return tape


@pytest.fixture(scope="module")
def based() -> StrategyTape:
    return base()


def test_it_fires_once_with_entry_stop_and_targets(based: StrategyTape) -> None:
    tape = based.fork()
    assert tape.fired() == []
    (fired,) = tape.print("09:58:05", 11.01)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.stop) == ("long", 11.01, 10.7)
    assert plan.targets == pytest.approx((11.32, 11.63))
    leaves = {leaf.name: leaf.value for leaf in fired.why}
    assert leaves["secs_since_high"] == pytest.approx(205, abs=0.1)
    tape.print("09:58:06", 11.02)
    tape.print("09:58:07", 11.32)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target")]
    tape.print("09:58:08", 11.4)
    tape.minutes("09:59", *[(11.4, 11.5, 11.4, 11.5)] * 9, volume=5_000.0)
    # The stop follows the average of nine minutes, and never back.
    assert 11.3 < tape.rule.course["stop"][0] < 11.5
    tape.print("10:08:05", 11.2)
    assert tape.exits()[2:] == [("exit", "stop")]
    assert len(tape.fired()) == 1


def test_an_entry_that_is_not_traded_in_a_minute_is_void(based: StrategyTape) -> None:
    tape = based.fork()
    (fired,) = tape.print("09:58:05", 11.2)
    assert fired.plan is not None
    assert fired.plan.expires_ns == fired.ts_ns + 60 * NS
    tape.print("09:58:50", 11.3)
    assert tape.exits() == []
    tape.print("09:59:10", 11.25)
    tape.print("10:05:00", 11.03)
    assert tape.exits() == [("expired", "time")]


def test_each_base_is_a_new_chance(based: StrategyTape) -> None:
    tape = based.fork()
    tape.print("09:58:05", 11.01)
    tape.print("09:58:06", 10.69)
    assert tape.exits() == [("invalidated", "stop")]
    tape.print("09:58:07", 11.02)
    assert tape.failing() == ["risk_pct", "risk", "secs_since_high", "depth_pct", "new high"]
    # The leg is now from 10.70 to 11.02: 10.93 is 28 % of it.
    tape.minutes("09:59", *[(10.95, 10.97, 10.93, 10.95, 5_000.0)] * 3)
    (fired,) = tape.print("10:02:05", 11.03)
    assert fired.plan is not None
    assert (fired.plan.entry, fired.plan.stop) == (11.03, 10.93)


def flat(*bars: float) -> Any:
    return tuple((p, p, p, p) for p in bars)


@pytest.mark.parametrize(
    ("leaf", "how", "at"),
    [
        ("secs_since_high", {"bars": BASE[:1]}, "09:56:05"),
        ("depth_pct", {"bars": flat(10.9, 10.9, 10.9)}, "09:58:05"),
        ("depth_pct", {"bars": flat(10.7, 10.45, 10.7)}, "09:58:05"),
        ("rvol_tod", {"volume": 2_500.0, "quiet": 2_500.0}, "09:58:05"),
        ("rvol_5m", {"bars": BASE * 2, "quiet": 300.0}, "10:01:05"),
        ("chg_open_pct", {"first": 10.9}, "09:58:05"),
        ("ema fast over slow", {"bars": flat(*[10.52] * 20)}, "10:15:05"),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any], at: str) -> None:
    tape = base(**how)
    assert tape.missing(at, 11.01) == [leaf]
    assert tape.fired() == []


def test_why_says_what_it_was_asked_with_and_not_what_it_remembers_since(
    based: StrategyTape,
) -> None:
    tape, looker = based.fork(), Looker("A", "new_hod")
    with looker.beside(tape.engine):
        (fired,) = tape.print("09:58:05", 11.01)
        tape.at("09:58:05.1")
    told, later = looker.found
    assert (told.failed, told.state, told.since_ns) == ((), "fired", fired.mark)
    assert tuple(leaf.name for leaf in told.leaves[: len(fired.why)]) == tuple(
        leaf.name for leaf in fired.why
    )
    assert [leaf.value for leaf in told.leaves if leaf.name == "secs_since_high"] == [
        leaf.value for leaf in fired.why if leaf.name == "secs_since_high"
    ]
    assert {"new high", "live signal"} <= {leaf.name for leaf in later.failed}
    # Of the two marks of that second, the one at which it fired.
    assert looker.nearest(tape.rule.pulsing) is told


def test_below_its_vwap_it_does_not_fire(based: StrategyTape) -> None:
    tape = based.fork()
    tape.trade("09:57:50", 11.5, 400_000, 37)
    assert tape.missing("09:58:05", 11.01) == ["last over vwap"]
    assert tape.fired() == []


def test_without_a_new_high_it_does_not_fire(based: StrategyTape) -> None:
    tape = based.fork()
    assert tape.print("09:58:05", 11.0) == []
    assert tape.failing() == ["new high"]


def test_after_half_past_three_it_does_not_fire(based: StrategyTape) -> None:
    tape = based.fork()
    tape.minutes("15:20", *[(10.75, 10.8, 10.75, 10.8)] * 2, volume=900_000.0)
    missed = []
    for at in ("15:29:58", "15:30:00"):
        late = tape.fork()
        late.prints("A", [late.ns(at)], [10.99], [100.0])
        late.at(f"{at}.05")
        missed.append([name for name in late.failing() if name.startswith("minutes")])
    assert missed == [[], ["minutes_to_close"]]


def cancelled(tape: StrategyTape, time: str, price: float) -> list[Signal]:
    """Cancel a print of 100 shares, ask at the next mark, and return what that brought."""
    wrong = Print(tape.ns(time), price, 100.0)
    tape.engine.apply(Correction(tape.ns(time) + 1, "A", wrong))
    return tape.beat((tape.table.now_ns // CYCLE_NS + 1) * CYCLE_NS)


def test_a_cancelled_high_takes_its_signal_back_and_begins_the_base_anew(
    based: StrategyTape,
) -> None:
    tape = based.fork()
    (fired,) = tape.print("09:58:05", 11.01)
    (taken,) = cancelled(tape, "09:58:05", 11.01)
    assert (taken.id, taken.state, taken.reason) == (fired.id, "retracted", "correction")
    assert taken.text.endswith("retracted, the trade that it was told on was cancelled")
    assert (tape.rule.course["tries"][0], tape.rule.live) == (0, False)
    assert cancelled(tape, "09:58:05", 11.01) == []
    tape.print("09:58:10", 10.9)
    assert tape.rule.memory["high"][0] == 11.0
    tape.minutes("09:59", *[(10.9, 10.95, 10.85, 10.9, 5_000.0)] * 3)
    (again,) = tape.print("10:02:05", 11.01)
    assert again.plan is not None
    assert (again.state, again.plan.entry) == ("fired", 11.01)


def test_an_entry_that_was_traded_is_followed_though_its_signal_is_taken_back(
    based: StrategyTape,
) -> None:
    tape = based.fork()
    tape.print("09:58:05", 11.01)
    tape.print("09:58:06", 11.02)
    assert [s.state for s in cancelled(tape, "09:58:05", 11.01)] == ["retracted"]
    tape.print("09:58:08", 10.69)
    assert tape.exits() == [("confirmed", "entry"), ("retracted", "correction"), ("exit", "stop")]
