"""Fault trials: whatever breaks, the day ends as if nothing had."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from faults.trial import (
    BEGIN_MS,
    EQUAL,
    KINDS,
    NS,
    SECONDS,
    Fault,
    Market,
    Plan,
    Seen,
    Verdict,
    fault_of,
    market_of,
    ms_of,
    run,
    trial,
    unbroken,
)

pytestmark = pytest.mark.integration

FIRST = {kind: next(s for s in range(100) if fault_of(s).kind == kind) for kind in KINDS}
HOUR_S, MINUTE_S = 3600, 60


def whole_in_the_end(fault: Fault, seconds: float = SECONDS) -> Seen:
    """Break a run; return what it showed once its last figures equal those of the unbroken one."""
    market = market_of(0)
    with tempfile.TemporaryDirectory() as folder:
        seen = run(market, fault, 0, Path(folder), seconds=seconds)
    whole, last = unbroken(0), max(seen.rows)
    for name in EQUAL:
        assert np.array_equal(seen.rows[last][name], whole.rows[last][name], equal_nan=True), name
    return seen


def test_rest_that_does_not_answer_cuts_no_sound_stream() -> None:
    seen = whole_in_the_end(Fault("cut", 5.0, 0.5, rest="hole", rest_after_s=26.0))
    live = [s.ts_ns for s in seen.states if s.state == "live" and "snapshot took" in s.detail]
    after = [s.state for s in seen.states if s.ts_ns > live[0]]
    assert after == ["healing", "live", "closed"]
    assert seen.counts["mute"] == 0


def test_a_stream_that_is_mute_from_its_first_connection_is_found() -> None:
    seen = whole_in_the_end(Fault("mute", 0.0, 30.0))
    gaps = [s.ts_ns for s in seen.states if s.state == "gap"]
    assert gaps[0] / NS - BEGIN_MS / 1000 < 17.0, "15 s where nothing is known of the stream yet"
    assert seen.counts["mute"] >= 2, "those that follow are mute too"
    assert len(seen.pictures_ns) >= 8, "a picture a second serves between the tries"
    assert seen.live_while_behind == 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_each_kind(kind: str) -> None:
    assert trial(FIRST[kind], markets=1).faults == ()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred() -> None:
    """Those over real sockets need a machine of their own: tools/fault_trials.py --real 20."""
    done = [trial(seed) for seed in range(100)]
    assert {v.seed: v.faults for v in done if v.faults} == {}
    assert sum(v.retracted for v in done) > 50
    assert sum(v.late for v in done) > 500
    assert most(done) <= 2.0


def most(done: list[Verdict]) -> float:
    return max(v.detected_s for v in done)


def morning(seconds: int) -> Market:
    """Return a quiet pre-market: three symbols that print now and then, silent for up to a minute."""
    draw = np.random.default_rng(5)
    ts = np.cumsum(draw.exponential(9.0, seconds // 9)) * 1000.0
    ts = (np.minimum(ts, seconds * 1000.0 - 1000.0) // 10 * 10 + 5).astype(np.int64)
    row = draw.integers(0, 3, len(ts))
    price = np.round(20.0 + draw.normal(0, 0.02, len(ts)), 2)
    return Market(("AAA", "BBB", "CCC"), ts, row, price, np.full(len(ts), 100))


@pytest.mark.parametrize(
    "hours", [0.25, pytest.param(5.5, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_a_quiet_morning_switches_nothing(hours: float) -> None:
    seconds = int(hours * HOUR_S)
    with tempfile.TemporaryDirectory() as folder:
        seen = run(morning(seconds), None, 1, Path(folder), "04:00", seconds)
    assert seen.counts["switches"] == seen.counts["mute"] == 0
    assert seen.counts["polls"] >= 1, "silences were asked about"
    assert seen.counts["connections"] == 1
    assert [s.state for s in seen.states] == ["connecting", "live", "closed"]


@pytest.mark.parametrize("fallback", [True, False])
def test_a_stream_of_minute_bars_alone_is_not_taken_for_mute(fallback: bool) -> None:
    market = morning(200)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(("AM",), fallback)
        seen = run(market, None, 1, Path(folder), "09:31", 200, plan)
    assert seen.counts["connections"] == 1
    assert seen.counts.get("mute", 0) == seen.counts.get("switches", 0) == 0
    assert [s.state for s in seen.states] == ["connecting", "live", "closed"]
    told = market.ts_ms < 3 * MINUTE_S * 1000
    assert max(seen.rows) > 3 * MINUTE_S
    assert seen.rows[max(seen.rows)]["vol"].sum() == market.size[told].sum()


def test_a_stream_of_minute_bars_that_falls_mute_is_found() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(("AM",))
        seen = run(morning(200), Fault("mute", 70.0, 60.0), 1, Path(folder), "09:31", 200, plan)
    gap = next(s for s in seen.states if s.state == "gap")
    assert 149.0 < gap.ts_ns / NS - BEGIN_MS / 1000 < 155.0, "90 s after the last bars"
    assert seen.counts["mute"] == 1
    assert seen.states[-2].state == "live"


@pytest.mark.parametrize("kind", ["cut", "mute"])
def test_a_hole_of_a_delayed_stream_is_healed_with_what_it_lost(kind: str) -> None:
    """The prints of its hole are a quarter of an hour older than the hole."""

    def shown(fault: Fault | None) -> Seen:
        with tempfile.TemporaryDirectory() as folder:
            return run(market_of(0), fault, 0, Path(folder), "10:00", 60, Plan(delayed=True))

    broken, whole = shown(Fault(kind, 6.0, 3.0)), shown(None)
    last = max(broken.rows)
    for name in ("vol", "high", "low", "hod", "pv", "v", "last", "trades"):
        assert np.array_equal(broken.rows[last][name], whole.rows[last][name], equal_nan=True), name
    assert {"gap", "healing"} <= {s.state for s in broken.states}
    assert broken.states[-2].state == "live"
    if kind == "mute":
        assert broken.counts["mute"] >= 1
    gap = next(s for s in broken.states if s.state == "gap")
    assert gap.ts_ns / NS - ms_of("10:00") / 1000 < 9.0
