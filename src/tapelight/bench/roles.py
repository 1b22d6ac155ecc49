"""Measure what roles cost: messages by load, a reader's CPU time, and what shares save.

A journal is recorded at two loads as time goes by, and the feed's sender puts what is due into a queue that
counts. Then such a journal is followed by a reader that answers nothing. 1,000 scans and the boards are asked
at a whole second by one engine, and by the busiest of two and of three shares: what one worker saves where
another one helps. A journal with as many questions is followed by one worker process and by two at once. At
last, where Redis, RabbitMQ and PostgreSQL are installed, the roles run on them as processes.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tapelight.app.roles.replica import Replica
from tapelight.app.roles.senders import Cursor, Senders
from tapelight.app.roles.services import nothing, share_of
from tapelight.bench import row
from tapelight.bench._services import run as over_services
from tapelight.bench._stack import lacking
from tapelight.bench._workers import compared
from tapelight.bench.cycle import START_NS, Market, Size, decode_ns, questions, references
from tapelight.bench.scans import SCANS, text
from tapelight.engine import Cycle
from tapelight.market.baseline import market_curve
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import CalendarChoice, Mark, Questions, References, Symbols
from tapelight.model.stream import Run, Word, encode, parcel
from tapelight.queues.memory import MemoryQueue
from tapelight.scan.warm import compile_loops
from tapelight.stores.journal.segments import HEAD_BYTES
from tapelight.stores.journal.tail import blocks_in
from tapelight.stores.journal.writer import Writer

NS = 1_000_000_000
CYCLE_NS = NS // 20
LOADS = (10_000, 200_000)
SYMBOLS = 5_200
SECONDS = 5
AFTER_S = 0.5
WORKERS = (2, 3)


def run(size: Size | None = None, scans: int = SCANS) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; ratio = value / baseline."""
    decoded_us = decode_ns() / 1e3
    compile_loops()
    with TemporaryDirectory(prefix="tapelight-bench-") as folder:
        stream(Path(folder), LOADS[0] // 10)  # what is done once is not a trade's
    first = 0.0
    for trades_s in LOADS:
        with TemporaryDirectory(prefix="tapelight-bench-") as folder:
            bytes_each, cpu_us = stream(Path(folder), trades_s)
        with TemporaryDirectory(prefix="tapelight-bench-") as folder:
            messages_s = asyncio.run(messages(Path(folder), trades_s))
        first = first or messages_s
        yield row(f"stream_messages_s_of_a_reader_at_{trades_s}", messages_s, first, "1/s")
        yield row(f"stream_bytes_of_a_trade_at_{trades_s}", bytes_each, HEAD_BYTES, "B")
        yield row(f"reader_cpu_of_a_trade_at_{trades_s}", cpu_us, decoded_us, "us")
    yield from shares(size or Size(repeats=10), scans)
    yield from workers(scans)
    if told := lacking():
        print(told, file=sys.stderr)
    else:
        yield from over_services()


class Counting(MemoryQueue):
    """Count what is put, and tell the feed that it was taken."""

    def __init__(self, words: MemoryQueue) -> None:
        super().__init__()
        self.put_count = 0
        self._words = words

    async def put(self, body: bytes) -> None:
        """Count a message; the reader has it at once."""
        came = parcel(body)
        self.put_count += 1
        last = max((block.last_seq for block, _ in blocks_in(came.body, Path())), default=0)
        await self._words.put(encode(Word("bench", came.run, last)))


async def messages(data: Path, trades_s: int) -> float:
    """Return how many messages a second the feed sends to a reader, by the clock on the wall."""
    folder, words = data / "journal" / "2026-11-20" / "0001", MemoryQueue()
    queue = Counting(words)
    sender = Senders(data, lambda: folder, lambda: 1, lambda _reader: queue, words)
    await words.put(encode(Word("bench", Run(), 0, True)))
    sending = asyncio.create_task(sender.run())
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    await asyncio.to_thread(_record, folder, trades_s, True)
    await asyncio.sleep(AFTER_S)
    took_s = loop.time() - begun_s - AFTER_S
    sending.cancel()
    await asyncio.wait([sending])
    return queue.put_count / took_s


def stream(data: Path, trades_s: int) -> tuple[float, float]:
    """Return bytes a trade, and a reader's CPU time a trade in us."""
    folder = data / "feed" / "journal" / "2026-11-20" / "0001"
    _record(folder, trades_s)
    cursor = Cursor(data / "feed", Word("bench", Run(), 0), folder, 1)
    reader = Replica(data / "reader", cursor.run, nothing, _unheard)
    size = cpu_ns = 0
    loop = asyncio.new_event_loop()
    while (came := cursor.read(1, folder)) is not None:
        size += len(came.body)
        begin = time.process_time_ns()
        loop.run_until_complete(reader.take(came.body))
        cpu_ns += time.process_time_ns() - begin
    cursor.close()
    loop.run_until_complete(reader.close())
    loop.close()
    trades = trades_s * SECONDS
    return size / trades, cpu_ns / 1e3 / trades


def workers(scans: int) -> Iterator[dict[str, Any]]:
    """Yield events a second of one worker process, and of two that divide boards and scans, at two loads."""
    for trades_s in LOADS:
        with TemporaryDirectory(prefix="tapelight-bench-") as folder:
            data = Path(folder)
            _record(data / "journal" / "2026-11-20" / "0001", trades_s, asked=_asked(scans))
            yield from compared(data, f"{trades_s}_trades_s")


def _asked(scans: int) -> Questions:
    """Return the shipped boards, and as many scans."""
    texts = {f"scan_{i:04d}": text(i) for i in range(scans)}
    return Questions({**questions(scans=0).texts, **texts})


def _record(
    folder: Path, trades_s: int, paced: bool = False, asked: Questions | None = None
) -> None:
    """Record some seconds; `paced`: each mark at its time, and blocks when the writer is due."""
    begun_s = time.monotonic()
    draw, writer = np.random.default_rng(1), Writer(folder)
    symbols = [f"S{i:05d}" for i in range(SYMBOLS)]
    closes = np.round(np.exp(draw.normal(3.0, 1.0, SYMBOLS)) + 1.0, 2)
    writer.append(CalendarChoice("XNYS"))
    writer.append(market_curve())
    if asked is not None:
        writer.append(asked)
    writer.append(Symbols(0, symbols))
    writer.append(References("2026-11-20", references(symbols, closes.tolist())))
    n, seq = trades_s * CYCLE_NS // NS, 0
    for at in range(1, SECONDS * NS // CYCLE_NS + 1):
        now = START_NS + at * CYCLE_NS
        rows = draw.integers(0, SYMBOLS, n)
        prices = np.round(closes[rows] * np.exp(draw.normal(0, 0.0005, n)), 2)
        times = np.sort(draw.integers(now - CYCLE_NS, now, n)).tolist()
        sizes = (draw.integers(1, 20, n) * 100.0).tolist()
        numbers = list(range(seq + 1, seq + n + 1))
        seq += n
        trades = trades_of(rows.tolist(), times, prices.tolist(), sizes, [0] * n, [4] * n, numbers)
        writer.append(Batch(now - 1, trades=trades))
        writer.append(Mark(now, now))
        writer.tick(force=not paced and at % 2 == 0)
        if paced:
            time.sleep(max(begun_s + at * CYCLE_NS / NS - time.monotonic(), 0.0))
    writer.close()


def shares(size: Size, scans: int) -> Iterator[dict[str, Any]]:
    """Yield the CPU time of a whole-second mark for one worker, and for the busiest of several."""
    market = Market(size)
    market.warm()
    market.engine.apply(_asked(scans))
    alone = median(market.second() for _ in range(size.repeats))
    for workers in WORKERS:
        busiest = 0.0
        for number in range(workers):
            market.engine.share = share_of(number, workers)
            busiest = max(busiest, median(market.second() for _ in range(size.repeats)))
        yield row(f"whole_second_of_the_busiest_of_{workers}_workers", busiest, alone)


def _unheard(_cycle: Cycle) -> None:
    """Answer nothing."""
