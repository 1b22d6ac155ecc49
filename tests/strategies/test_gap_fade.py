"""S4: a gap without news that gives way is sold towards its fill."""

from typing import Any

import pytest

from strategy_tape import StrategyTape
from tapelight.model.records import Article, News
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

RED = (
    (21.5, 21.6, 21.3, 21.4), (21.4, 21.45, 21.1, 21.2), (21.2, 21.3, 21.05, 21.1),
    (21.1, 21.2, 21.0, 21.05), (21.05, 21.15, 21.0, 21.1),
)  # fmt: skip
"""09:30 to 09:35: 21.00 to 21.60, from 21.50 to 21.10."""
REST = (21.1, 21.12, 21.02, 21.05)


def gap(
    bars: Any = RED, rest: Any = REST, articles: int = 0, source: bool = True, **how: Any
) -> StrategyTape:
    """Return a tape at 09:36: a gap of 7.5 % that opened red."""
    tape = StrategyTape("gap_fade", **{"prev_close": 20.0, "float_shares": 50e6, **how})
    if source:
        at = tape.ns("08:00:00")
        told = tuple(Article(str(i), at, "A files", ("A",)) for i in range(articles))
        tape.engine.apply(News(at, told))
    tape.minutes("09:30", *[(*bar, 6_000.0) for bar in bars])
    tape.minute("09:35", *rest, 6_000.0)
    return tape


@pytest.fixture(scope="module")
def faded() -> StrategyTape:
    return gap()


def test_it_fires_once_with_entry_stop_and_targets(faded: StrategyTape) -> None:
    tape = faded.fork()
    assert tape.fired() == []
    (fired,) = tape.print("09:36:05", 20.99)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.stop) == ("short", 20.99, 21.6)
    assert plan.targets == (20.75, 20.0)
    assert plan.exit_ns == tape.ns("11:00:00")
    assert plan.signal_only
    tape.print("09:36:06", 20.98)
    tape.print("09:50:00", 20.7)
    tape.print("10:30:00", 20.0)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "target")]
    tape.print("10:40:00", 21.1)
    tape.print("10:41:00", 20.9)
    assert len(tape.fired()) == 1
    assert tape.failing()[-1] == "signals_today"


def test_an_entry_that_is_not_traded_in_a_minute_is_void(faded: StrategyTape) -> None:
    tape = faded.fork()
    (fired,) = tape.print("09:36:05", 20.8)
    assert fired.plan is not None
    assert fired.plan.expires_ns == fired.ts_ns + 60 * NS
    tape.print("09:37:10", 20.8)
    tape.print("09:38:00", 20.98)
    assert tape.exits() == [("expired", "time")]


def test_it_is_out_at_eleven(faded: StrategyTape) -> None:
    tape = faded.fork()
    tape.print("09:36:05", 20.99)
    tape.print("09:36:06", 20.98)
    tape.at("10:59:59")
    tape.at("11:00:00")
    assert tape.exits() == [("confirmed", "entry"), ("exit", "time")]


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("gap_pct", {"prev_close": 20.3}),
        ("news_24h", {"articles": 1}),
        ("news_24h", {"source": False}),
        ("float_shares", {"float_shares": 19e6}),
        ("float_shares", {"float_shares": None}),
        ("first candle is red", {"bars": (*RED[:4], (21.05, 21.55, 21.0, 21.55))}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = gap(**how)
    assert tape.missing("09:36:05", 20.99) == [leaf]
    assert tape.fired() == []


def test_over_the_low_it_does_not_fire(faded: StrategyTape) -> None:
    tape = faded.fork()
    assert tape.print("09:36:05", 21.0) == []
    assert tape.failing() == ["break"]


def test_it_must_be_below_the_vwap_in_time() -> None:
    tape = gap(parameters="below_by_min = 4")
    tape.prints("A", [tape.ns("09:36:05")], [20.99], [100.0])
    assert tape.failing() == ["below vwap in time"]
    tape.at("09:36:05.05")
    assert tape.fired() == []


def test_after_eleven_it_does_not_fire(faded: StrategyTape) -> None:
    tape = faded.fork()
    tape.minutes("10:55", *[(*REST, 6_000.0)] * 5, marks=2)
    tape.print("11:00:00", 20.99)
    assert tape.failing()[0] == "minutes_since_open"
    assert tape.fired() == []
