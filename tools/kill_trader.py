"""Kill a real trader again and again, kill -9 at any time and at named sites, and audit the end.

tools/kill_trader.py --count 1000        half of them at each kind of venue, 10 % of replies lost
tools/kill_trader.py --trips 1000        trips of the kill switch, half of them with the gateway dead
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tapelight.testing.kills.sites import wrap

if TYPE_CHECKING:
    from tapelight.testing.kills.town import Outcome

CHILD = "--child"
COMMAND = [sys.executable, str(Path(__file__).resolve()), CHILD]


def main() -> int:
    """Read the arguments and run; the exit code is 1 where the audit finds something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trips", type=int, default=0)
    asked = parser.parse_args()
    return run_trips(asked.trips, asked.seed) if asked.trips else run_kills(asked.count, asked.seed)


def run_kills(count: int, seed: int) -> int:
    """Kill at both kinds of venue; return the exit code."""
    from tapelight.testing.kills.town import play

    found = 0
    for idempotent in (True, False):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kill") as folder:
            outcome = play(Path(folder), seed, idempotent, count // 2, COMMAND)
        say(tell(outcome, idempotent, time.monotonic() - begun))
        found += len(outcome.violations)
    return 1 if found else 0


def run_trips(count: int, seed: int) -> int:
    """Trip the kill switch; return the exit code."""
    from tapelight.testing.kills.trips import play

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trip") as folder:
        outcome, trips = play(Path(folder), seed, count, COMMAND)
    say(
        f"{trips.count} trips, {trips.dead} with the gateway dead, {trips.restarts} restarts by "
        f"kill -9; last order p50 {sorted(trips.last_s)[trips.count // 2]:.3f} s, "
        f"cancel p50 {sorted(trips.cancel_s)[trips.count // 2]:.3f} s; {outcome.orders} orders, "
        f"{trips.works} entries that worked at a trip; last new order at most "
        f"{max(trips.last_s):.3f} s after the switch was on, which took at most "
        f"{max(trips.trip_s):.3f} s; last cancel asked at most {max(trips.cancel_s):.3f} s after; "
        f"violations {len(outcome.violations)} {outcome.violations[:5]}; {time.monotonic() - begun:.0f} s"
    )
    return 1 if outcome.violations else 0


def tell(outcome: "Outcome", idempotent: bool, took_s: float) -> str:
    """Return an outcome as a few lines."""
    kind = "refuses a repeated id" if idempotent else "takes ids as labels"
    sites = ", ".join(f"{name} {count}" for name, count in sorted(outcome.sites.items()))
    p50, p99 = outcome.quantile_s(0.5), outcome.quantile_s(0.99)
    return (
        f"A venue that {kind}: {outcome.kills} kills, {outcome.signals} signals, "
        f"{outcome.orders} orders, {outcome.fills} fills, {outcome.losses} of {outcome.replies} "
        f"replies lost; violations {len(outcome.violations)} {outcome.violations[:5]}; recovery "
        f"p50 {p50:.3f} s, p99 {p99:.3f} s; {took_s:.0f} s\n  {sites}"
    )


def say(line: str) -> None:
    """Print at once: a run is long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def child(arguments: list[str]) -> None:
    """Be the trader, with the sites of a file in every seam."""
    from tapelight.cli import main as commands

    path, *sys.argv[1:] = arguments
    wrap(Path(path))
    commands()


if __name__ == "__main__":
    if sys.argv[1:2] == [CHILD]:
        child(sys.argv[2:])
    else:
        sys.exit(main())
