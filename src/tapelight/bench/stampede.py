"""Measure the market open (P4): ten times the rated load for a minute, over 09:30 and a new session.

A child process sends raw Massive frames, each when it is due, over a WebSocket on loopback; what it
cannot send in time keeps the time at which it was due. This process decodes, journals, folds, asks
boards and publishes them. It comes from the evening before, so that the new session begins under
load; half-way the regular session opens. Staleness is the time from when a trade was due until it
was in the table.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tapelight.app.accounts import accounts, unaccounted
from tapelight.app.scanner import Scanner
from tapelight.bench import Row, row
from tapelight.bench.e2e import NUMBER, STAMP, child, frames, scanner_of
from tapelight.errors import Unavailable
from tapelight.feeds._websocket import Stream, open_stream
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.line import Line
from tapelight.model.batch import Batch, trades_of

NS = 1_000_000_000
RATED = 100_000
"""Trades a second."""
TIMES = 10
SECONDS = 60.0
SIZE = 200
"""Trades a frame."""
OPEN_NS = 1_795_185_000 * NS
"""2026-11-20 09:30 New York."""
EVENING_NS = OPEN_NS - 14 * 3600 * NS
"""The evening before, 19:30: a session with trades that the new one replaces."""
EVENING_S = 3.0
"""Of the evening are seen: whole seconds at which all boards are asked."""
PATIENCE_S = 120.0
"""Beyond the load's own time, until everything sent must have been read."""


def run(rate: float | None = None, seconds: float = SECONDS) -> Iterator[Row]:
    """Yield rows {name, value, unit, baseline, ratio}; `rate` is the rated load, trades a second."""
    yield from asyncio.run(stampede(rate or RATED, seconds))


async def send(rate: float, seconds: float) -> None:
    """Serve frames on a free port, whose number goes to stdout; then how many trades were sent.

    The client says at which monotonic time the load begins.
    """
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def flood(connection: ServerConnection) -> None:
        count, begin_ns = 0, int(await connection.recv())
        with contextlib.suppress(ConnectionClosed):
            for frame in _due(rate, seconds):
                ahead_ns = begin_ns + int(count * NS / rate) - time.monotonic_ns()
                if ahead_ns > 0:
                    await asyncio.sleep(ahead_ns / NS)
                await connection.send(frame, text=True)
                count += SIZE
        ended.set_result(count)
        await connection.wait_closed()

    async with serve(flood, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        print(json.dumps({"sent": await ended}), flush=True)


def _due(rate: float, seconds: float) -> Iterator[bytes]:
    """Yield the frames of the load, stamped with the market time at which each is due."""
    pool = frames(SIZE)
    base_ns = OPEN_NS - int(seconds / 2 * NS)
    laps = ((lap, frame) for lap in itertools.count(100_001) for frame in pool)
    for k, (lap, frame) in zip(range(int(rate * seconds / SIZE)), laps, strict=False):
        due_ms = (base_ns + int(k * SIZE * NS / rate)) // 1_000_000
        yield frame.replace(STAMP, b'"t":%d' % due_ms).replace(NUMBER, b'"q":%d' % lap)


async def stampede(rated: float, seconds: float) -> list[Row]:
    """Send ten times the rated load for so long; return what became of it."""
    rate = rated * TIMES
    arguments = ("-m", "tapelight.bench.stampede", "--send", rate, seconds)
    with tempfile.TemporaryDirectory(prefix="tapelight-bench-") as folder:
        async with child(*arguments) as sender:
            assert sender.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                port = int(await sender.stdout.readline())
            scanner = _at_evening(Path(folder))
            marks = asyncio.create_task(scanner.run_marks(), name="marks")
            await asyncio.sleep(EVENING_S)
            async with open_stream(f"ws://127.0.0.1:{port}", lambda: None) as stream:
                decoder = await _follow(stream, scanner, rate, seconds)
            marks.cancel()
            async with asyncio.timeout(PATIENCE_S):
                told = json.loads(await sender.stdout.readline())
        rows = _rows(scanner, decoder, int(told["sent"]), rate)
        scanner.close()
    return rows


def _at_evening(folder: Path) -> Scanner:
    """Return a scanner that has seen each symbol trade the evening before."""
    scanner = scanner_of(folder, EVENING_NS)
    count = len(scanner.universe)
    now_ns, none = scanner.clock.now_ns(), [0] * count
    prices, sizes = [10.0] * count, [100.0] * count
    trades = trades_of(range(count), [now_ns] * count, prices, sizes, none, none, none)
    scanner.put(Batch(now_ns, trades=trades))
    scanner.figures.events_in = 0
    return scanner


async def _follow(stream: Stream, scanner: Scanner, rate: float, seconds: float) -> Decoder:
    """Read until everything that is due has come; the new session begins with the load."""
    decoder = Decoder(scanner.universe)
    line = Line(stream, decoder, scanner)
    line.held.release()
    wanted = int(rate * seconds / SIZE) * SIZE
    begin_ns = time.monotonic_ns() + NS
    await stream.send(str(begin_ns))
    await asyncio.sleep(max(0.0, (begin_ns - time.monotonic_ns()) / NS))
    base_ns = OPEN_NS - int(seconds / 2 * NS)
    scanner.clock.set(base_ns + time.monotonic_ns() - begin_ns)
    try:
        async with asyncio.timeout(seconds + PATIENCE_S):
            while decoder.counts.events < wanted:
                await line.read()
    except TimeoutError as error:
        raise Unavailable(
            f"{decoder.counts.events:,} of {wanted:,} trades were read in time: "
            "the machine is too busy; choose a lower --rate."
        ) from error
    return decoder


def _rows(scanner: Scanner, decoder: Decoder, sent: int, rate: float) -> list[Row]:
    table, lag = scanner.engine.table, scanner.figures.lag
    counts = {name: getattr(decoder.counts, name) for name in decoder.counts.__slots__}
    missing = unaccounted(accounts(counts, table, scanner.figures.events_in))
    missing += abs(sent - decoder.counts.events)
    blank = int((table.live["trades"] == 0).sum())
    frame_ms = SIZE / rate * 1000
    p50, p99 = (lag.quantile(q) or 0.0 for q in (0.5, 0.99))
    return [
        row("P4_staleness_p50", p50, frame_ms),
        row("P4_staleness_p99", p99, frame_ms),
        row("P4_unaccounted", missing, 0.0, "trades"),
        row("P4_blank_rows", blank, table.n, "rows"),
        row("P4_folded", _folded(scanner), sent, "trades"),
        row("P4_cycle_p99", scanner.figures.cycle_ms()["p99"], 50.0),
    ]


def _folded(scanner: Scanner) -> int:
    """Return how many trades of the load are in the table: those of the evening were one a row."""
    counters: dict[str, Any] = scanner.status()["counters"]
    return int(counters["trades"]) - scanner.engine.table.n


if __name__ == "__main__":
    asyncio.run(send(float(sys.argv[2]), float(sys.argv[3])))
