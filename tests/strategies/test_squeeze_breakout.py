"""S10: the first close outside the band after a squeeze; an independent recomputation agrees."""

import math
from typing import Any

import numpy as np
import pytest

from strategies.fives import FIVE_NS, Bars, five, fives, history, leaves, path
from strategy_tape import StrategyTape
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

BEGIN, SEEN = "04:30:00", 66
WILD = [round(50.0 + 0.5 * math.sin(k / 3), 2) for k in range(56)]


def calm(wild: list[float] = WILD, count: int = 22, jump: float = 0.9) -> Bars:
    """Return swings, calm bars about the last of them, and a bar that jumps on three times the volume."""
    closes = wild + [round(wild[-1] + 0.02 * (-1) ** k, 2) for k in range(count)]
    bars = path([*closes, round(closes[-1] + jump, 2)], 0.08)
    return [*bars[:-1], (*bars[-1][:4], 60_000.0)]


def tape_of(bars: Bars, parameters: str = "", **reference: Any) -> StrategyTape:
    """Return a tape that has seen all bars."""
    tape = StrategyTape("squeeze_breakout", parameters=parameters, **reference)
    seen = len(bars) - 13
    history(tape, BEGIN, bars[:seen])
    begin = tape.ns(BEGIN) + seen * FIVE_NS
    tape.beat(begin + NS)
    fives(tape, tape.clock(begin), bars[seen:])
    return tape


def bands(close: np.ndarray) -> tuple[float, float]:
    return float(close[-20:].mean()), float(close[-20:].std())


@pytest.mark.parametrize("jump", [0.9, -0.9])
def test_it_fires_once_as_the_bar_that_breaks_out_has_closed(jump: float) -> None:
    bars, side = calm(jump=jump), int(math.copysign(1, jump))
    tape = tape_of(bars)
    (fired,) = tape.signals
    plan = fired.plan
    assert plan is not None
    closes = np.array([bar[3] for bar in bars])
    _, high, low, _ = (np.array(column) for column in list(zip(*bars, strict=True))[:4])
    ranges = np.maximum(high[1:], closes[:-1]) - np.minimum(low[1:], closes[:-1])
    atr = ranges[:14].mean()
    for true_range in ranges[14:]:
        atr += (true_range - atr) / 14
    mid, _ = bands(closes)
    assert (fired.state, fired.ts_ns) == ("fired", tape.ns("11:05:01"))
    assert (plan.side, plan.entry) == ("long" if jump > 0 else "short", closes[-1])
    assert plan.stop == pytest.approx(closes[-1] - side * atr)
    assert side * (plan.stop - mid) > 0
    assert plan.targets == pytest.approx((closes[-1] + side * 2 * atr,))
    assert plan.expires_ns == tape.ns("11:20:00")
    assert plan.signal_only is (jump < 0)
    tape.print("11:05:02", closes[-1])
    five(tape, "11:05:00", (closes[-1], closes[-1] + 0.1, closes[-1] - 0.1, closes[-1], 90_000.0))
    assert len(tape.fired()) == 1


def test_the_stop_trails_the_average_after_the_target() -> None:
    tape = tape_of(calm(), "target_r = 1.0")
    stop = tape.fired()[0].plan
    assert stop is not None
    tape.print("11:05:02", 50.64)
    tape.print("11:05:03", 50.92)
    fives(tape, "11:05:00", path([50.95 + 0.1 * k for k in range(8)]))
    trailed = float(tape.rule.course["stop"][0])
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target")]
    assert trailed == pytest.approx(leaf_ema(tape), abs=1e-9)
    assert trailed > stop.stop


def leaf_ema(tape: StrategyTape) -> float:
    ask = tape.rule.strategy.indicators()[6]
    return float(tape.table.indicators.values(ask, 1)[0])


@pytest.mark.parametrize(
    ("leaf", "how", "parameters"),
    [
        ("squeeze_bars before", {"count": 14}, ""),
        ("bb_width_pctl before", {"wild": [50.0] * 40 + WILD[40:]}, ""),
        ("squeeze_bars", {"jump": 0.75}, ""),
        ("close beyond band", {}, "deviations = 4.5"),
    ],
)
def test_a_near_miss_does_not_fire(leaf: str, how: dict[str, Any], parameters: str) -> None:
    tape = tape_of(calm(**how), parameters)
    assert (tape.fired(), tape.failing()) == ([], [leaf])


def test_the_volume_of_the_bar_counts() -> None:
    bars = calm()
    tape = tape_of([*bars[:-1], (*bars[-1][:4], 29_000.0)])
    assert (tape.fired(), tape.failing()) == ([], ["bar volume"])


LOOSE = """
squeeze_bars = 1
width_pctl_max = 100.0
volume_x = 0.0
risk_pct_min = 0.0
risk_spreads_min = 0.0
channel_atr = 1.2
deviations = 1.0
"""


def test_its_leaves_equal_an_independent_recomputation() -> None:
    """Over 60 bars of a random walk: bands, ranks, volumes and momentum from the bars alone.

    Prices have four decimals: with two, a bar often equals the one that leaves, and widths tie.
    """
    g = np.random.default_rng(20)
    closes = np.round(50.0 * np.exp(np.cumsum(g.normal(0, 0.002, 126))), 4)
    bars = [(*bar[:4], float(v)) for bar, v in zip(
        path(closes.tolist(), 0.08), g.integers(5, 50, 126) * 1_000, strict=True
    )]  # fmt: skip
    tape = StrategyTape("squeeze_breakout", parameters=LOOSE)
    history(tape, BEGIN, bars[:SEEN])
    tape.beat(tape.ns(BEGIN) + SEEN * FIVE_NS + NS)
    alone: set[str] = set()
    for i in range(SEEN, len(bars)):
        five(tape, tape.clock(tape.ns(BEGIN) + i * FIVE_NS), bars[i])
        told, expected = leaves(tape), recompute(bars[: i + 1])
        for name, value in expected.items():
            known = told[name].value
            assert isinstance(known, float)
            assert math.isclose(known, value, abs_tol=1e-9), (i, name)
        failing = tape.failing()
        alone |= set(failing) if len(failing) == 1 else set()
    assert len(tape.fired()) == 1
    assert {"momentum rise", "close beyond band", "squeeze_bars before"} <= alone


def recompute(bars: Bars) -> dict[str, float]:
    """Return what the leaves must say of the last bar (deviations 1)."""
    closes, volumes = (np.array([bar[k] for bar in bars]) for k in (3, 4))
    mid, sd = bands(closes)
    side = 1 if closes[-1] >= mid else -1
    widths = [s / m for m, s in (bands(closes[:k]) for k in range(20, len(bars)))][-120:]
    apart = [closes[k - 1] - bands(closes[:k])[0] for k in range(len(bars) - 12, len(bars) + 1)]
    ends = [np.polyval(np.polyfit(range(12), part, 1), 11) for part in (apart[:-1], apart[1:])]
    return {
        "bb_width_pctl before": 100.0 * np.mean(np.array(widths[:-1]) < widths[-1]),
        "close beyond band": max(closes[-1] - mid - sd, mid - sd - closes[-1]),
        "bar volume": volumes[-1] / volumes[-21:-1].mean(),
        "momentum on this side": side * ends[1],
        "momentum rise": side * (ends[1] - ends[0]),
    }
