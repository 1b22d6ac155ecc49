"""Follow one recorded journal with one worker, and with two at once that have a share each.

A worker is a process of its own, and does what a scan worker does with the stream: it writes the blocks into
a journal of its own, folds every trade, and answers its share of the boards and scans.

    python -m tapelight.bench._workers FEED_DATA OWN_DATA NUMBER SHARES

`ready` goes to stdout when everything is read and compiled; it begins with the line that comes then.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tapelight.app.roles.replica import Replica
from tapelight.app.roles.senders import Cursor
from tapelight.app.roles.services import share_of
from tapelight.bench import Row, row
from tapelight.engine import Cycle
from tapelight.market.spill import IN
from tapelight.model.stream import Run, Word
from tapelight.scan.warm import compile_loops
from tapelight.stores.journal.tail import blocks_in

LIMIT_S = 120.0


def compared(feed: Path, name: str) -> Iterator[Row]:
    """Yield events a second of one worker and of two, for a journal of a feed's data folder.

    Of several the slowest counts: by the clock on the wall, and by CPU time, as if each had a core alone.
    """
    one, two = at_once(feed, 1), at_once(feed, 2)
    for how in ("wall", "cpu"):
        alone, both = (
            min(told["events"] / told[f"{how}_s"] for told in found) for found in (one, two)
        )
        yield row(f"events_s_of_2_workers_by_{how}_at_{name}", both, alone, "1/s")


def at_once(feed: Path, workers: int) -> list[dict[str, float]]:
    """Return wall and CPU seconds of workers that follow a journal at the same time."""
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as folder:
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "tapelight.bench._workers",
                 *map(str, (feed, Path(folder) / str(number), number, workers))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for number in range(workers)
        ]  # fmt: skip
        try:
            for child in children:
                assert child.stdout is not None
                child.stdout.readline()
            for child in children:
                assert child.stdin is not None
                child.stdin.write(b"go\n")
                child.stdin.flush()
            return [json.loads(child.communicate(timeout=LIMIT_S)[0]) for child in children]
        finally:
            for child in children:
                child.kill()
                child.wait()


def follow(feed: Path, own: Path, number: int, shares: int) -> dict[str, Any]:
    """Follow the newest run of a feed's folder from a word on stdin on; return what it took."""
    folder = max((feed / "journal").glob("*/*"))
    cursor = Cursor(feed, Word("bench", Run(), 0), folder, 1)
    pieces = []
    while (came := cursor.read(1, folder)) is not None:
        pieces += [raw for _, raw in blocks_in(came.body, folder)]
    cursor.close()
    told = {"signals": 0, "boards": 0}

    def hear(cycle: Cycle) -> None:
        told["signals"] += len(cycle.signals)
        told["boards"] += len(cycle.rankings)

    worker = Replica(own, cursor.run, share_of(number, shares), hear)
    compile_loops()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(worker.take(pieces[0]))  # the questions are read once
    events = int(worker.engine.table.counters[IN])
    print("ready", flush=True)
    sys.stdin.readline()
    begin_s, begin_cpu_s = time.monotonic(), time.process_time()
    for raw in pieces[1:]:
        loop.run_until_complete(worker.take(raw))
    spent = {"wall_s": time.monotonic() - begin_s, "cpu_s": time.process_time() - begin_cpu_s}
    loop.run_until_complete(worker.close())
    loop.close()
    return {**spent, **told, "events": int(worker.engine.table.counters[IN]) - events}


if __name__ == "__main__":
    _feed, _own, _number, _shares = sys.argv[1:]
    print(json.dumps(follow(Path(_feed), Path(_own), int(_number), int(_shares))), flush=True)
