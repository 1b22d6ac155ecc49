"""A worker process of tier 2: bars come in by its standard input, values go out by its output.

It ends when its input does: when the scanner stops it, and when the scanner is no more.
"""

import signal
import struct
import sys
from typing import BinaryIO

import msgspec
import numpy as np

from tapelight.market.bank import Bank, Work, result_of
from tapelight.market.candles import CANDLE
from tapelight.market.indicators import ask

HEAD = struct.Struct("<I")
"""The length of what follows."""


class Parcel(msgspec.Struct):
    """Hold the wire form of a piece of Work: arrays as bytes."""

    cut_ns: int
    due_ns: int
    asks: list[tuple[str, tuple[float, ...], str]]
    reopened: bytes
    whole: dict[str, bytes]
    fresh: dict[str, bytes]
    dropped: bytes


def wrap(work: Work, worker: int, workers: int) -> bytes:
    """Return the part of `work` whose rows are one worker's, as a message with its length."""
    parcel = Parcel(
        work.cut_ns,
        work.due_ns,
        [(a.name, a.params, a.timeframe) for a in work.asks],
        _rows(work.reopened, worker, workers),
        {name: _bars(bars, worker, workers) for name, bars in work.whole.items()},
        {name: _bars(bars, worker, workers) for name, bars in work.fresh.items()},
        _rows(work.dropped, worker, workers),
    )
    return framed(msgspec.msgpack.encode(parcel))


def _rows(rows: np.ndarray, worker: int, workers: int) -> bytes:
    mine: np.ndarray = rows[rows % workers == worker].astype(np.int64)
    return mine.tobytes()


def _bars(bars: np.ndarray, worker: int, workers: int) -> bytes:
    mine: np.ndarray = bars[bars["row"] % workers == worker]
    return mine.tobytes()


def unwrap(message: bytes) -> Work:
    """Return the work of a message without its length."""
    parcel = msgspec.msgpack.decode(message, type=Parcel)
    return Work(
        parcel.cut_ns,
        parcel.due_ns,
        tuple(ask(name, tuple(params), timeframe) for name, params, timeframe in parcel.asks),
        np.frombuffer(parcel.reopened, np.int64).astype(np.intp),
        {name: np.frombuffer(bars, CANDLE) for name, bars in parcel.whole.items()},
        {name: np.frombuffer(bars, CANDLE) for name, bars in parcel.fresh.items()},
        np.frombuffer(parcel.dropped, np.int64).astype(np.intp),
    )


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return HEAD.pack(len(message)) + message


def serve(given: BinaryIO, answers: BinaryIO) -> None:
    """Answer each piece of work until there is no more."""
    bank = Bank()
    while len(head := given.read(HEAD.size)) == HEAD.size:
        work = unwrap(given.read(HEAD.unpack(head)[0]))
        answers.write(framed(msgspec.msgpack.encode(result_of(work, bank.reckon(work)))))
        answers.flush()


def main() -> None:
    """Serve on the standard streams; an interrupt is the scanner's to heed.

    TA-Lib loads data-frame libraries where they are installed: seconds and megabytes that no
    worker needs.
    """
    sys.modules.update(dict.fromkeys(("pandas", "polars")))  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
