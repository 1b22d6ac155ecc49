"""The first break of a level of days before fires once: yesterday's high, the 52-week high."""

from typing import Any

import numpy as np
import pytest

from strategies.fives import fives, path, runs
from strategy_tape import StrategyTape
from tapelight.market.indicators import ask
from tapelight.model.records import Pin

STRATEGIES = {"prior_day_high": "prev_high", "week52_high": "w52_high"}


def tape_of(
    name: str, level: float | None = 50.5, bars: int = 8, volume: float = 20_000.0, step: float = 0.05,
    parameters: str = "", heavy: float = 0.0, pinned: bool = True,
) -> StrategyTape:  # fmt: skip
    """Return a tape that rose from 50 to 50.4 by 10:15; `heavy`: where most of the volume was."""
    facts = {STRATEGIES[name]: level, "prev_close": 50.0}
    tape = StrategyTape(name, parameters=parameters, **facts)
    tape.engine.apply(Pin("A", pinned=pinned))
    rise = list(path(runs(50.0, (bars, step)), 0.03, volume))
    if heavy:
        rise[0] = (50.0, heavy, 50.0, 50.0, volume)
        tape.prints("A", [tape.ns("09:30:01")], [50.0], [100.0])
        tape.prints("A", [tape.ns("09:30:02")], [heavy], [5e6])
    fives(tape, "09:30:00", rise)
    return tape


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_fires_once_a_tick_over_the_level(name: str) -> None:
    tape = tape_of(name)
    assert tape.failing() == ["break"]
    assert tape.print("10:15:02", 50.5) == []
    (fired,) = tape.print("10:15:03", 50.51)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.stop) == ("long", 50.51, 50.22)
    assert plan.targets == pytest.approx((50.8, 51.09))
    assert plan.expires_ns == fired.ts_ns + 60 * 10**9
    tape.print("10:15:04", 50.52)
    tape.print("10:15:05", 50.21)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]
    tape.print("10:15:06", 50.51)
    assert len(tape.fired()) == 1


def test_a_row_at_its_level_is_in_play_for_its_bars_alone_until_it_moves() -> None:
    tape = tape_of("prior_day_high", pinned=False)
    tape.ask(b="SELECT symbol, tier_why, sma(1, '1m') AS one FROM market WHERE last > 0")
    close = ask("sma", (1.0,))
    tape.at("10:15:02")
    assert tape("tier_why") == "level"
    (fired,) = tape.print("10:15:03", 50.51)
    assert fired.state == "fired"
    tape.at("10:15:04")
    assert np.isnan(tape.table.indicators.values(close, 1)[0])
    tape.print("10:15:05", 50.9)
    for time in ("10:15:06", "10:15:06.5"):
        tape.at(time)
    assert tape("tier_why") == "volume"
    assert tape.table.indicators.values(close, 1)[0] == 50.4
    again = tape.fork()
    for one in (tape, again):
        one.at("10:16:00.5")
        one.at("10:16:01")
        assert one.table.indicators.values(close, 1)[0] == 50.9


def test_the_loss_of_the_vwap_ends_it() -> None:
    tape = tape_of("prior_day_high", parameters="stop_bars = 8")
    tape.print("10:15:03", 50.51)
    tape.print("10:15:04", 50.52)
    tape.print("10:15:05", 50.1)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "invalid")]


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("open", {"level": 49.9}),
        ("open", {"level": None}),
        ("high_over_level_pct", {"parameters": "beyond_pct_max = 0.0"}),
        ("rvol_tod", {"volume": 4_000.0}),
        ("last over vwap", {"heavy": 50.6, "parameters": "beyond_pct_max = 1.0"}),
        ("minutes_since_open", {"parameters": "begin_min = 60.0"}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of("prior_day_high", **how)
    tape.print("10:15:03", 50.51)
    assert tape.fired() == []
    assert leaf in tape.failing()
    assert how.get("level", 50.5) != 50.5 or tape.failing() == [leaf]
