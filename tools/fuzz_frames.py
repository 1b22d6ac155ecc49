"""Send mutated frames through an adapter's real decoder and into the table; count what escapes.

    .venv/bin/python tools/fuzz_frames.py --adapter kite --count 2000000 --seed 1

Prints one JSON object: frames sent, rejected, records made, exceptions that escaped, and how much
resident memory grew from a tenth of the way to the end; exit code 1 where anything escaped
or is missing in the books (in = folded + superseded + rejected + expired, per stage).
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from feeds.frames import (  # type: ignore[import-not-found]  # the tests are no package
    ADAPTERS,
    Tally,
    fuzz,
    resident_bytes,
)


def main() -> int:
    """Run, print the counts and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--adapter", choices=sorted(ADAPTERS), required=True)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun_s, settled, tally = time.monotonic(), 0, Tally()
    for tally in fuzz(ADAPTERS[options.adapter](), options.count, options.seed):
        if not settled and tally.frames >= options.count / 10:
            settled = resident_bytes()
        sys.stderr.write(f"\r{tally.frames:,} of {options.count:,}")
    growth = 100.0 * (resident_bytes() / settled - 1.0)
    answer = {
        "adapter": options.adapter,
        "frames": tally.frames,
        "rejected": tally.rejected,
        "records": tally.records,
        "escaped": tally.escapes,
        "unaccounted": tally.unaccounted,
        "rss_mb": round(resident_bytes() / 1e6, 1),
        "rss_growth_pct": round(growth, 2),
        "seconds": round(time.monotonic() - begun_s, 1),
    }
    sys.stderr.write("\n")
    sys.stdout.write("\n".join([json.dumps(answer), *tally.escaped, ""]))
    return 1 if tally.escapes or tally.unaccounted else 0


if __name__ == "__main__":
    sys.exit(main())
