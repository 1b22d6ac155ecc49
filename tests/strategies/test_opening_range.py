"""S1: the opening range's break fires once, on the side of its candle."""

from typing import Any

import pytest

from strategy_tape import StrategyTape
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

UP = (
    (20.0, 20.2, 19.9, 20.1), (20.1, 20.3, 20.1, 20.2), (20.2, 20.6, 20.2, 20.5),
    (20.5, 20.6, 20.4, 20.5), (20.5, 20.6, 20.45, 20.5),
)  # fmt: skip
"""09:30 to 09:35: 19.90 to 20.60, from 20.00 to 20.50."""
DOWN = tuple((40 - o, 40 - low, 40 - h, 40 - c) for o, h, low, c in UP)
REST = (20.5, 20.55, 20.45, 20.5)


def opening(
    bars: Any = UP, volume: float = 6_000.0, later: float = 6_000.0, rest: Any = REST,
    parameters: str = "", spread: float = 0.02, **reference: Any,
) -> StrategyTape:  # fmt: skip
    """Return a tape at 09:36; 2,000 shares a minute are usual."""
    facts = {"prev_close": 20.0, "adv20": 1.92e6, "atr14": 1.0, **reference}
    tape = StrategyTape("opening_range", parameters=parameters, spread=spread, **facts)
    tape.minutes("09:30", *[(*bar, volume) for bar in bars])
    tape.minute("09:35", *rest, later)
    return tape


@pytest.fixture(scope="module")
def opened() -> StrategyTape:
    return opening()


def test_it_fires_once_with_entry_and_stop(opened: StrategyTape) -> None:
    tape = opened.fork()
    assert tape.fired() == []
    (fired,) = tape.print("09:36:05", 20.61)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.targets) == ("long", 20.61, ())
    assert plan.stop == pytest.approx(20.51)
    assert plan.exit_ns == tape.ns("15:55:00")
    assert not plan.signal_only
    tape.print("09:36:06", 20.62)
    tape.print("09:36:07", 20.4)
    tape.print("09:37:00", 20.5)
    tape.print("09:38:00", 20.7)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]
    assert len(tape.fired()) == 1
    assert tape.failing()[-1] == "signals_today"


def test_an_entry_that_is_not_traded_in_a_minute_is_void(opened: StrategyTape) -> None:
    tape = opened.fork()
    (fired,) = tape.print("09:36:05", 20.9)
    assert fired.plan is not None
    assert fired.plan.expires_ns == fired.ts_ns + 60 * NS
    tape.print("09:37:10", 20.9)
    tape.print("09:40:00", 20.62)
    assert tape.exits() == [("expired", "time")]


def test_without_a_last_minute_it_trades_all_day() -> None:
    tape = opening(parameters="end_min = 0")
    tape.minutes("10:40", *[(*REST, 9_000.0)] * 5)
    (fired,) = tape.print("10:45:05", 20.61)
    assert fired.plan is not None
    assert (fired.plan.side, fired.plan.entry) == ("long", 20.61)


def test_it_is_out_at_the_close(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.print("09:36:05", 20.61)
    tape.print("09:36:06", 20.62)
    tape.print("15:54:00", 23.0)
    tape.at("15:55:00")
    assert tape.exits() == [("confirmed", "entry"), ("exit", "time")]


def test_a_red_range_is_sold() -> None:
    tape = opening(DOWN, rest=(19.5, 19.55, 19.45, 19.5))
    assert tape.print("09:36:05", 20.11) == []
    (fired,) = tape.print("09:36:06", 19.39)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry) == ("short", 19.39)
    assert plan.stop == pytest.approx(19.49)
    assert plan.signal_only


def test_the_range_as_stop_and_multiples_as_targets() -> None:
    tape = opening(parameters='stop = "range"\ntargets = "r"')
    (fired,) = tape.print("09:36:05", 20.61)
    assert fired.plan is not None
    assert fired.plan.stop == pytest.approx(19.9)
    assert fired.plan.targets == pytest.approx((21.32, 22.03))


def test_a_range_of_a_quarter_of_an_hour() -> None:
    tape = opening(parameters="minutes = 15\nbegin_min = 15")
    tape.minutes("09:36", *[(*REST, 6_000.0)] * 8, (20.5, 20.65, 20.5, 20.6, 6_000.0))
    tape.minute("09:45", 20.6, 20.62, 20.55, 20.6, 6_000.0)
    (fired,) = tape.print("09:46:05", 20.66)
    assert fired.plan is not None
    assert fired.plan.entry == 20.66


@pytest.mark.parametrize(
    ("leaves", "how"),
    [
        (["price"], {"parameters": "last_min = 21"}),
        (["adv20"], {"adv20": 0.99e6}),
        (["atr14", "range"], {"atr14": 0.49, "parameters": "stop_atr = 0.25"}),
        (["open_rvol"], {"volume": 1_990.0, "later": 20_000.0}),
        (["body_pct"], {"bars": (*UP[:4], (20.5, 20.6, 20.0, 20.05))}),
        (["range"], {"atr14": 0.69, "parameters": "stop_atr = 0.2"}),
        (["rvol_5m"], {"volume": 2_400.0, "later": 0.6}),
        (["risk_pct"], {"parameters": "stop_atr = 0.06", "spread": 0.01}),
        (["minutes_since_open"], {"parameters": "end_min = 6"}),
    ],
)
def test_a_near_miss_does_not_fire(leaves: list[str], how: dict[str, Any]) -> None:
    tape = opening(**how)
    missed = tape.missing("09:36:05", 20.61)
    assert tape.fired() == []
    # Who takes no part in the ranking is not among its first.
    assert [name for name in missed if name not in ("last", "open_rvol of the top")] == leaves


def test_under_its_vwap_it_does_not_fire(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.trade("09:35:59.5", 21.0, 500_000, 37)
    tape.prints("A", [tape.ns("09:36:05")], [20.61], [100.0])
    assert tape.failing() == ["last over vwap"]
    tape.at("09:36:05.05")
    assert tape.fired() == []


def test_inside_the_range_it_does_not_fire(opened: StrategyTape) -> None:
    tape = opened.fork()
    assert tape.print("09:36:05", 20.6) == []
    assert tape.failing() == ["break"]


def test_after_half_past_ten_it_does_not_fire(opened: StrategyTape) -> None:
    tape = opened.fork()
    tape.minutes("10:25", *[(*REST, 6_000.0)] * 5)
    assert tape.print("10:30:00", 20.61) == []
    assert tape.failing()[0] == "minutes_since_open"


def test_only_the_most_unusual_take_part() -> None:
    tape = StrategyTape(
        "opening_range", "A", "B", parameters="top = 1", prev_close=20.0, adv20=1.92e6, atr14=1.0
    )
    for k, bar in enumerate([*UP, REST]):
        for symbol, volume in (("A", 6_000.0), ("B", 7_000.0)):
            begin = tape.ns("09:30:00") + k * 60 * 10**9
            first, high, low, last = bar
            times = [begin + i * 10**9 for i in range(40)]
            way = [first] * 10 + [low] * 10 + [high] * 10 + [last] * 10
            tape.prints(symbol, times, way, [volume / 40] * 40)
        for second in (1, 40, 60):
            tape.beat(begin + second * 10**9)
    tape.at("09:36:01")
    for symbol in ("A", "B"):
        tape.print("09:36:05", 20.61, symbol=symbol)
    assert [s.symbol for s in tape.signals if s.state == "fired"] == ["B"]
    assert tape.failing("A") == ["open_rvol of the top"]
