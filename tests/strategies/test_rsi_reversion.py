"""S8: a stretched stock that turns fires once, on either side."""

from typing import Any

import pytest

from strategies.fives import FIVE_NS, five, fives, history, path, runs
from strategy_tape import StrategyTape
from tapelight.model.records import Article, News
from tapelight.model.session import NS

pytestmark = pytest.mark.integration


def tape_of(
    steps: tuple[float, ...] = (-0.1, -0.2, -0.2, 0.3), swing: float = 0.04, spy: float = 500.0,
    news: str | None = "", parameters: str = "", shares_out: float = 1e9,
) -> StrategyTape:  # fmt: skip
    """Return a tape that swings about 50 until 10:20, then steps bar by bar; the last one turns.

    `spy` is where SPY is as it turns; `news` the time of an article, empty for a source without
    any, None without a source.
    """
    facts: dict[str, Any] = {"shares_out": shares_out, "prev_close": 50.0}
    tape = StrategyTape("rsi_reversion", "A", "SPY", parameters=parameters, **facts)
    if news is not None:
        told = Article("1", tape.ns(news or "09:00:00"), "Up", ("A" if news else "SPY",))
        tape.engine.apply(News(tape.ns("09:00:00"), (told,)))
    closes = [round(50 + swing * (-1) ** k, 2) for k in range(34)]
    quiet = path(closes, 0.04)
    moved = path(runs(closes[-1], *((1, step) for step in steps)), 0.04, 5_000.0)[1:]
    history(tape, "07:30:00", quiet[:30])
    tape.at("10:00:01")
    prices = [500.0] * (len(steps) + 4) + [spy]
    fives(tape, "10:00:00", [*quiet[30:], *moved], prices)
    return tape


def test_it_fires_once_as_the_turn_has_closed() -> None:
    tape = tape_of()
    (fired,) = tape.signals
    plan, view_vwap = fired.plan, tape("vwap")
    assert plan is not None
    atr = tape("atr_5m")
    assert (fired.state, fired.ts_ns) == ("fired", tape.ns("10:40:01"))
    assert (plan.side, plan.entry) == ("long", 49.76)
    assert plan.stop == pytest.approx(49.42 - atr)
    assert plan.targets == (view_vwap,)
    assert plan.expires_ns == tape.ns("10:45:00")
    assert plan.exit_ns == fired.ts_ns + 3_600 * NS
    tape.print("10:40:02", 49.77)
    tape.print("10:40:03", 49.98)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target")]
    five(tape, "10:40:00", (49.9, 49.95, 49.85, 49.9, 5_000.0))
    assert len(tape.fired()) == 1


def test_the_short_is_its_mirror() -> None:
    tape = tape_of((0.1, 0.2, 0.2, -0.3))
    (fired,) = tape.signals
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.entry, plan.signal_only) == ("short", 50.16, True)
    assert plan.stop == pytest.approx(50.5 + tape("atr_5m"))
    assert plan.targets == (tape("vwap"),)
    leaf = next(leaf for leaf in fired.why if leaf.name == "vwap_z")
    assert isinstance(leaf.value, float)
    assert leaf.value <= -2.0
    tape = tape_of((0.1, 0.2, 0.2, -0.3), parameters="shorts = false")
    assert (tape.fired(), tape.failing()) == ([], ["this side is traded"])


@pytest.mark.parametrize(
    ("leaf", "how"),
    [
        ("mcap", {"shares_out": 3e7}),
        ("rsi2 or rsi14", {"steps": (-0.15, -0.12, 0.3)}),
        ("vwap_z", {"swing": 0.2, "steps": (*[-0.02] * 8, 0.1)}),
        ("SPY chg_15m", {"spy": 497.0}),
        ("news_age_min", {"news": "09:50:00"}),
        ("news_age_min", {"news": None}),
        ("close over bar before", {"steps": (-0.1, -0.2, -0.2, 0.2)}),
        ("spread_pct", {"parameters": "spread_pct_max = 0.03"}),
        ("rsi2 or rsi14", {"parameters": "setup_bars = 1", "steps": (-0.3, -0.3, 0.06, 0.1)}),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any]) -> None:
    tape = tape_of(**how)
    assert (tape.fired(), tape.failing()) == ([], [leaf])


def test_older_news_and_the_slower_rsi_are_well() -> None:
    assert len(tape_of(news="09:39:00").fired()) == 1
    assert len(tape_of(parameters="rsi2_max = 0.0").fired()) == 0
    assert len(tape_of(parameters="rsi2_max = 0.0\nrsi14_max = 40.0").fired()) == 1


def test_it_knows_nothing_of_bars_while_it_was_out_of_play() -> None:
    """A stretch counts only where the bars since it closed one after the other."""
    tape = tape_of((-0.1, -0.2, -0.2))
    assert tape.rule.memory["bar"][0] == 390
    tape.rule.memory["bar"][0] = 380
    five(tape, "10:35:00", (49.46, 49.8, 49.42, 49.76, 5_000.0), (500.0, 500.0))
    assert (tape.fired(), tape.failing()) == ([], ["rsi2 or rsi14", "vwap_z"])


def entered() -> StrategyTape:
    tape = tape_of()
    tape.print("10:40:02", 49.77)
    return tape


def test_it_leaves_when_the_rsi_is_back() -> None:
    tape = entered()
    five(tape, "10:40:00", (49.77, 49.88, 49.75, 49.88, 5_000.0))
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target")]
    assert tape.signals[-1].text.endswith("rsi2 is back")


def test_it_leaves_after_an_hour() -> None:
    tape = entered()
    fives(tape, "10:40:00", path(runs(49.77, (12, -0.02)), 0.01)[1:])
    assert tape.exits() == [("confirmed", "entry"), ("exit", "time")]
    assert tape.signals[-1].ts_ns == tape.ns("11:40:01")
    assert FIVE_NS * 12 == 3_600 * NS


def test_it_leaves_at_its_stop() -> None:
    tape = entered()
    tape.print("10:41:00", 49.22)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]
