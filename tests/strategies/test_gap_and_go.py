"""S3: a gap that goes on through the pre-market's high."""

from typing import Any

import pytest

from strategy_tape import StrategyTape
from tapelight.model.records import Article, News
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

PRE = (10.45, 10.55, 10.4, 10.5)
OPEN = (10.5, 10.58, 10.46, 10.55)


def gap(
    pre: Any = PRE, first: Any = OPEN, pre_volume: float = 4_000.0, volume: float = 12_000.0,
    pm_low: float = 10.3, news: int | None = None, **reference: Any,
) -> StrategyTape:  # fmt: skip
    """Return a tape at 09:31: pre-market from 10.30 to 10.60, open 10.50; 1,000 are usual."""
    tape = StrategyTape("gap_and_go", **{"prev_close": 10.0, "float_shares": 50e6, **reference})
    if news is not None:
        at = tape.ns("08:00:00")
        told = Article("1", at, "A wins a contract", ("A",))
        tape.engine.apply(News(at, (told,) * news))
    tape.minute("08:59", 10.4, 10.6, pm_low, 10.45, pre_volume, marks=1)
    tape.minutes("09:00", *[(*pre, pre_volume)] * 30, marks=1)
    tape.minute("09:30", *first, volume)
    return tape


@pytest.fixture(scope="module")
def opened() -> StrategyTape:
    return gap()


def test_it_fires_once_with_entry_stop_and_targets(opened: StrategyTape) -> None:
    tape = opened.fork()
    assert tape.fired() == []
    (fired,) = tape.print("09:31:05", 10.61, 500)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry) == ("long", 10.61)
    # The VWAP is nearer than the first minute's low, but a minute's range must fit in between.
    atr = tape.rule.strategy.indicators()[1]
    range_1m = float(tape.table.indicators.values(atr, 1)[0])
    assert 0.1 < range_1m < 0.17
    assert plan.stop == pytest.approx(min(tape("vwap"), 10.61 - range_1m), abs=2e-3)
    risk = plan.entry - plan.stop
    assert plan.targets == pytest.approx((10.61 + risk, 10.61 + 2 * risk))
    tape.print("09:31:06", 10.62)
    tape.print("09:31:07", 10.4)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]


def test_an_entry_that_is_not_traded_in_a_minute_is_void(opened: StrategyTape) -> None:
    tape = opened.fork()
    (fired,) = tape.print("09:31:05", 10.8, 500)
    assert fired.plan is not None
    assert fired.plan.expires_ns == fired.ts_ns + 60 * NS
    tape.print("09:32:10", 10.8)
    tape.print("09:33:00", 10.62)
    assert tape.exits() == [("expired", "time")]


def test_it_tries_twice(opened: StrategyTape) -> None:
    tape = opened.fork()
    for second in (5, 15, 25):
        tape.print(f"09:31:{second:02d}", 10.61, 2_000)
        tape.print(f"09:31:{second + 1:02d}", 10.3, 2_000)
        tape.print(f"09:31:{second + 2:02d}", 10.59, 20_000)
    assert len(tape.fired()) == 2
    tape.print("09:31:40", 10.61, 2_000)
    assert tape.failing() == ["signals_today"]


@pytest.mark.parametrize(("news", "fires"), [(1, True), (0, False), (None, False)])
def test_news_make_up_for_volume(news: int | None, fires: bool) -> None:
    tape = gap(news=news, adv20=4 * 960_000.0)
    tape.print("09:31:05", 10.61, 500)
    assert bool(tape.fired()) == fires


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("gap_pct", {"prev_close": 10.1}),
        ("pm_vol", {"pre_volume": 3_200.0}),
        ("news or rvol_tod", {"adv20": 4 * 960_000.0}),
        ("float_shares", {"float_shares": 101e6}),
        ("float_shares", {"float_shares": None}),
        ("open over pre-market middle", {"first": (10.44, 10.58, 10.44, 10.55)}),
        ("vol_1m", {"pre_volume": 12_000.0}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = gap(**how)
    assert tape.missing("09:31:05", 10.61, 500.0) == [leaf]
    assert tape.fired() == []


def test_below_its_vwap_or_the_high_it_does_not_fire(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.print("09:31:05", 10.6, 500)
    assert tape.failing() == ["break"]
    tape.trade("09:31:05.5", 10.9, 100_000, 37)
    tape.prints("A", [tape.ns("09:31:06")], [10.61], [500.0])
    assert "last over vwap" in tape.failing()
    tape.at("09:31:06.05")
    assert tape.fired() == []


def test_after_ten_it_does_not_fire(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.minutes("09:55", *[(*OPEN, 60_000.0)] * 5, marks=2)
    tape.print("10:00:00", 10.61, 200_000)
    assert "minutes_since_open" in tape.failing()
    assert tape.fired() == []


def test_the_average_trails_after_the_first_target(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.print("09:31:05", 10.61, 500)
    tape.print("09:31:06", 10.62, 500)
    tape.print("09:31:07", 10.8, 500)
    tape.minutes("09:32", *[(10.8, 10.82, 10.78, 10.8, 5_000.0)] * 12, marks=2)
    assert tape.rule.course["stop"][0] == pytest.approx(
        float(tape.table.indicators.values(tape.rule.strategy.indicators()[0], 1)[0])
    )
    tape.print("09:45:05", 10.7, 500)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "stop")]
