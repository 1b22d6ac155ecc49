"""Ask a million generated scan expressions of the compiler and of DuckDB, and count what differs.

    .venv/bin/python tools/fuzz_scans.py --count 1000000 --seed 1

Prints one JSON object: how many were asked, how many escaped the closed list, ran over 50 ms of
CPU time over the table's rows, or differed from the oracle; exit code 1 where any did. Each seed
is another million. The first of each kind are printed after it.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from scan.sentences import (  # type: ignore[import-not-found]  # the tests are no package
    Counts,
    Oracle,
    attack,
    hostile,
    market,
    run,
)

LIMIT_MS = 50.0
STEP = 10_000
SHOWN = 5


def main() -> int:
    """Run, print the counts and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=11_000, help="rows of the table")
    parser.add_argument("--depth", type=int, default=3, help="operations inside each other")
    options = parser.parse_args()
    oracle = Oracle(market(options.rows), slow_ms=LIMIT_MS)
    for begin in range(0, options.count, STEP):
        seed = options.seed * 1_000_000_007 + begin
        run(oracle, seed, min(STEP, options.count - begin), options.depth)
        sys.stderr.write(
            f"{min(begin + STEP, options.count):,} of {options.count:,}: {so_far(oracle.counts)}\n"
        )
    attacks = Counts()
    for text in hostile(options.seed, options.count // 10):
        attack(oracle.view, text, attacks)
    return tell(oracle.counts, attacks)


def so_far(counts: Counts) -> str:
    """Return what went wrong up to now: a run that is broken off has told it."""
    return f"{len(counts.escaped)} escaped, {len(counts.slow)} slow, {len(counts.different)} differ"


def tell(counts: Counts, attacks: Counts) -> int:
    """Print what was counted; return the exit code."""
    bad = [*counts.escaped, *attacks.escaped, *counts.slow, *counts.different, *attacks.different]
    answer = {
        "asked": counts.asked,
        "escaped": len(counts.escaped) + len(attacks.escaped),
        "over_50_ms": len(counts.slow),
        "slowest_ms": round(counts.slowest_ms, 3),
        "slowest": counts.slowest,
        "different": len(counts.different),
        "refused_for_cost": counts.costly,
        "hostile": attacks.asked,
        "hostile_refused": attacks.refused,
        "hostile_unclear": len(attacks.different),
    }
    sys.stdout.write("\n".join([json.dumps(answer), *bad[:SHOWN], ""]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
