"""Kill a real trader again and again, kill -9 at any time and at named sites, and audit the end.

tools/kill_trader.py --count 1000        half of them at each kind of venue, 10 % of replies lost
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
    from tapelight.testing.kills.town import play

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    found = 0
    for idempotent in (True, False):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kill") as folder:
            outcome = play(Path(folder), asked.seed, idempotent, asked.count // 2, COMMAND)
        say(tell(outcome, idempotent, time.monotonic() - begun))
        found += len(outcome.violations)
    return 1 if found else 0


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
