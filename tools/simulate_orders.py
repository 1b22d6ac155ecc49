"""Run seeds of the order simulation; each prints itself when an invariant breaks on it.

tools/simulate_orders.py --count 10000            the invariants on seeds 0 to 9,999
tools/simulate_orders.py --seed 4711              one seed again, twice, with its digest
tools/simulate_orders.py --unanswered --count 500  no submit is ever answered
tools/simulate_orders.py --faults                 every planted fault: the first seed that finds it
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from tapelight.testing.sim.faults import FAULTS, Fault
from tapelight.testing.sim.session import Outcome, play, play_unanswered

SEEDS_MOST = 200
"""Within how many seeds a planted fault has to be found."""
CHUNK = 20


def found_by(fault: Fault) -> int | None:
    """Return the first seed that finds a fault, its known one first; None = none does."""
    with fault.planted():
        seeds = chain((fault.seed,), range(SEEDS_MOST))
        return next((seed for seed in seeds if play(seed).violation), None)


def run_seeds(how: Callable[[int], Outcome], first: int, count: int, workers: int) -> int:
    """Play seeds and print their sum; return the exit code."""
    kills = trips = orders = unanswered = violations = 0
    digest = hashlib.blake2b(digest_size=16)
    begun = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        for outcome in pool.map(how, range(first, first + count), chunksize=CHUNK):
            kills, orders = kills + outcome.kills, orders + outcome.orders
            trips, unanswered = trips + outcome.trips, unanswered + outcome.unanswered
            digest.update(outcome.digest.encode())
            if outcome.violation:
                violations += 1
                say(f"seed {outcome.seed}: {outcome.violation}")
    say(
        f"{count} seeds from {first}: {violations} violations, {kills} kills, {orders} orders, "
        f"{unanswered} submits without an answer, {trips} trips of the kill switch, "
        f"digest {digest.hexdigest()}, {time.monotonic() - begun:.0f} s"
    )
    return 1 if violations else 0


def run_seed(seed: int) -> int:
    """Play one seed twice and print it; return the exit code."""
    first, again = play(seed), play(seed)
    say(f"{tell(first)}\n{'the same again' if first == again else 'ANOTHER RUN: ' + tell(again)}")
    return 1 if first.violation or first != again else 0


def run_faults() -> int:
    """Plant every fault and print who finds it; return the exit code."""
    missed = 0
    for fault in FAULTS:
        seed = found_by(fault)
        missed += seed is None
        say(f"{fault.name:22} {'NOT FOUND' if seed is None else f'seed {seed}':10} {fault.what}")
    say(f"{len(FAULTS) - missed} of {len(FAULTS)} found within {SEEDS_MOST} seeds")
    return 1 if missed else 0


def tell(outcome: Outcome) -> str:
    """Return an outcome as one line."""
    return (
        f"seed {outcome.seed}: {outcome.violation or 'no violation'}; {outcome.kills} kills, "
        f"{outcome.orders} orders, digest {outcome.digest}"
    )


def say(line: str) -> None:
    """Print at once: a run is long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--unanswered", action="store_true")
    asked = parser.parse_args()
    if asked.faults:
        return run_faults()
    if asked.seed is not None:
        return run_seed(asked.seed)
    how = play_unanswered if asked.unanswered else play
    return run_seeds(how, asked.first, asked.count, asked.workers)


if __name__ == "__main__":
    sys.exit(main())
