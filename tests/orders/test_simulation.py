"""The deterministic simulation: what holds on every seed, and that a seed is a whole run."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tapelight.testing.sim.faults import FAULTS, Fault
from tapelight.testing.sim.session import Outcome, play, play_unanswered

pytestmark = pytest.mark.integration


def failed(outcomes: list[Outcome]) -> list[str]:
    """Return the violations; a seed alone repeats its run: `tools/simulate_orders.py --seed N`."""
    return [f"seed {o.seed}: {o.violation}" for o in outcomes if o.violation]


def test_the_invariants_hold_on_twenty_seeds() -> None:
    outcomes = [play(seed) for seed in range(20)]
    assert failed(outcomes) == []
    assert sum(o.kills for o in outcomes) > 100
    assert sum(o.orders for o in outcomes) > 100


@pytest.mark.slow
def test_what_is_never_answered_ends_by_the_venues_word_alone() -> None:
    outcomes = [play_unanswered(seed) for seed in range(3)]
    assert failed(outcomes) == []
    assert sum(o.unanswered for o in outcomes) > 300


def test_a_seed_gives_the_same_run_again() -> None:
    assert [play(seed).digest for seed in (3, 4)] == [play(seed).digest for seed in (3, 4)]


@pytest.mark.slow
def test_a_seed_gives_the_same_run_under_another_hash_seed() -> None:
    code = "from tapelight.testing.sim.session import play\nprint(play(5).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip
    assert digests == {play(5).digest + "\n"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_invariants_hold_on_five_hundred_seeds(
    record_property: Callable[[str, object], None],
) -> None:
    outcomes = [play(seed) for seed in range(1_000, 1_500)]
    kills, orders = sum(o.kills for o in outcomes), sum(o.orders for o in outcomes)
    record_property("told", f"500 seeds, {kills} kills, {orders} orders, violations 0")
    assert failed(outcomes) == []


SEEDS_MOST = 200


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    """The known seed comes first; where the code has moved on, one of two hundred must do."""
    with fault.planted():
        seeds = itertools.chain((fault.seed,), range(SEEDS_MOST))
        assert any(play(seed).violation for seed in seeds)


def test_there_are_at_least_twenty_five_faults() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 25


def test_a_fault_is_gone_once_it_is_not_planted() -> None:
    fault = next(fault for fault in FAULTS if fault.name == "no_fsync")
    with fault.planted():
        assert play(fault.seed).violation
    assert play(fault.seed).violation == ""
