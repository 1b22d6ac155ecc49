"""Run seeded fault trials in virtual time and tell how they went: --count N [--first SEED]."""

import argparse
import asyncio
import collections
import logging
import statistics
import sys
import time
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from faults import real  # type: ignore[import-not-found]
from faults.trial import Verdict, trial  # type: ignore[import-not-found]


def main() -> int:
    """Run the trials; the exit code is 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first trial")
    parser.add_argument("--markets", type=int, default=10, help="how many markets to draw")
    parser.add_argument("--real", type=int, default=0, help="how many over real sockets, instead")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began = time.monotonic()
    done = []
    seeds = range(options.first, options.first + (options.real or options.count))
    for seed in seeds:
        verdict = asyncio.run(real.trial(seed)) if options.real else trial(seed, options.markets)
        done.append(verdict)
        if verdict.faults:
            sys.stdout.write(f"seed {seed}: {verdict.fault}: {'; '.join(verdict.faults)}\n")
    sys.stdout.write(told(done, time.monotonic() - began))
    return 1 if any(v.faults for v in done) else 0


def told(done: list[Verdict], took_s: float) -> str:
    """Return the figures in words."""
    broken = [v for v in done if v.fault.kind != "flood"]
    kinds = collections.Counter(v.fault.kind for v in done)
    failed = sum(bool(v.faults) for v in done)
    lines = [
        f"{len(done)} trials ({', '.join(f'{n} {k}' for k, n in sorted(kinds.items()))}), "
        f"{failed} failed, {took_s:.0f} s",
        _spread("detected after", [v.detected_s for v in broken]),
        _spread("served after", [v.served_s for v in broken if not v.fault.rest]),
        _spread("stream back after the provider was", [v.back_s for v in broken]),
        _spread("figures equal after the stream was back", [v.equal_s for v in done]),
        f"signals retracted {sum(v.retracted for v in done)}, told late {sum(v.late for v in done)}",
    ]
    return "\n".join(lines) + "\n"


def _spread(what: str, values: list[float]) -> str:
    if not values:
        return f"{what}: none"
    return f"{what}: median {statistics.median(values):.2f} s, most {max(values):.2f} s"


if __name__ == "__main__":
    sys.exit(main())
