"""Ask risk for generated orders, and hold each verdict against a second opinion.

    .venv/bin/python tools/fuzz_limits.py --count 1000000 --seed 1

Exit code 1 and the shortest history found where a verdict differs.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from orders.limits import run_limits  # type: ignore[import-not-found]  # the tests are no package


def main() -> int:
    """Run and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(run_limits(options.count, options.seed) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
