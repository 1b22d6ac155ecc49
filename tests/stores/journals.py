"""Small journals by hand: records of known values, in blocks of known places."""

from pathlib import Path

import numpy as np

from tapelight.model.batch import Batch, Quotes, Trades, quotes_of, trades_of
from tapelight.model.records import Halt, Mark, Record
from tapelight.stores.journal.segments import SEGMENT_BYTES
from tapelight.stores.journal.writer import Writer

NS = 1_000_000_000
START = 1_795_185_000 * NS


def trades(n: int, first: int = 0) -> Trades:
    at = range(first, first + n)
    return trades_of(
        [i % 5 for i in at], [START + i for i in at], [10.0 + i / 100 for i in at],
        [100.0] * n, [0] * n, [4] * n, [i + 1 for i in at],
    )  # fmt: skip


def quotes(n: int, before: list[int]) -> Quotes:
    return quotes_of(
        list(range(n)), [START] * n, [9.99] * n, [10.01] * n, [1.0] * n, [2.0] * n, before
    )


def records(cycles: int) -> list[Record]:
    """Return one halt, then a batch and a mark for each cycle."""
    made: list[Record] = [Halt(START, "AAPL", True, "LUDP")]
    for i in range(cycles):
        made.append(Batch(START + i * NS, trades=trades(3, 3 * i)))
        made.append(Mark(START + i * NS, START + i * NS))
    return made


def write(
    folder: Path, made: list[Record], per_block: int = 4, segment_bytes: int = SEGMENT_BYTES
) -> None:
    """Write records in blocks of `per_block` appended ones."""
    writer = Writer(folder, 0, segment_bytes)
    for i, record in enumerate(made, 1):
        writer.append(record)
        if i % per_block == 0:
            writer.tick(force=True)
    writer.close()
    assert writer.state == "ok"


def plain(record: Record) -> object:
    """Return a record as something that compares by value."""
    if isinstance(record, Batch):
        parts = (record.trades, record.quotes)
        return (record.ts_recv_ns, *(_columns(p) for p in parts if p is not None))
    return record


def _columns(part: Trades | Quotes) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(np.asarray(getattr(part, f)).tolist()) for f in part.__slots__)
