"""A small seeded market of our own: the records of a recorded day, without the simulator."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tapelight.app.questions import read_questions
from tapelight.engine import Cycle, Engine
from tapelight.market.baseline import market_curve
from tapelight.model.batch import Bands, Batch, Quotes, Trades, bands_of
from tapelight.model.records import (
    CalendarChoice,
    Digest,
    FeedState,
    Halt,
    Mark,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.stores.journal.writer import Writer

NS = 1_000_000_000
CYCLE_NS = 50_000_000
NEW_YORK = ZoneInfo("America/New_York")
SYMBOLS = [f"S{i:03d}" for i in range(40)]


@dataclass(frozen=True)
class Tape:
    """Say which market to draw: its start in New York time, seconds, seed and batch size."""

    start: str = "2026-11-20T09:29:55"
    seconds: int = 12
    seed: int = 7
    batch: int = 50
    trades_s: int = 400

    @property
    def start_ns(self) -> int:
        moment = dt.datetime.fromisoformat(self.start).replace(tzinfo=NEW_YORK)
        return int(moment.timestamp()) * NS

    def records(self) -> Iterator[Record]:
        """Yield the records as a live feed would put them, marks included, digests not."""
        start, draw = self.start_ns, np.random.default_rng(self.seed)
        date = self.start[:10]
        yield CalendarChoice("XNYS")
        yield market_curve()
        yield read_questions(None)
        yield Symbols(0, SYMBOLS)
        yield References(date, [_reference(s, i) for i, s in enumerate(SYMBOLS)])
        yield FeedState(start, "tape", "live")
        price = 5.0 + 20.0 * draw.random(len(SYMBOLS))
        seq = 0
        for mark_ns in range(start + CYCLE_NS, start + self.seconds * NS + 1, CYCLE_NS):
            n = int(draw.poisson(self.trades_s * CYCLE_NS / NS))
            trades, price = _trades(draw, n, mark_ns - CYCLE_NS, price, seq)
            quotes = _quotes(draw, n // 2, mark_ns - CYCLE_NS, price, n)
            seq += n
            yield from _batches(trades, quotes, self.batch, mark_ns)
            if draw.random() < 0.05:
                yield _bands(draw, mark_ns, price)
            if draw.random() < 0.02:
                yield Halt(mark_ns, SYMBOLS[int(draw.integers(40))], bool(draw.random() < 0.5))
            yield Mark(mark_ns, mark_ns)


def _reference(symbol: str, i: int) -> Reference:
    return Reference(
        symbol=symbol, type="CS", prev_close=8.0 + i % 20, prev_high=9.0 + i % 20, prev_low=7.0,
        prev_volume=1e6, adv20=1e5 * (1 + i), adv_sessions=20, atr14=1.0, shares_out=1e7,
        float_shares=5e6 + 1e6 * i, w52_high=12.0 + i % 20, w52_low=3.0,
    )  # fmt: skip


def _trades(
    draw: np.random.Generator, n: int, begin_ns: int, price: np.ndarray, seq: int
) -> tuple[Trades, np.ndarray]:
    row = np.minimum(draw.zipf(1.5, n) - 1, len(price) - 1).astype(np.int32)
    step = np.exp(draw.normal(0, 0.004, n))
    price = price.copy()
    paid = np.empty(n)
    for i, (r, s) in enumerate(zip(row.tolist(), step.tolist(), strict=True)):
        price[r] *= s
        paid[i] = round(price[r], 2)
    size = draw.choice([100.0, 1.0, 37.0, 200.0, 0.5, 1500.0], n)
    conditions = np.where(draw.random(n) < 0.1, np.uint64(1 << 37), np.uint64(0))
    ts = begin_ns + np.sort(draw.integers(0, CYCLE_NS, n))
    numbers = np.arange(seq + 1, seq + n + 1, dtype=np.int64)
    venue = draw.integers(1, 20, n).astype(np.uint8)
    return Trades(row, ts, paid, size, conditions, venue, numbers), price


def _quotes(
    draw: np.random.Generator, n: int, begin_ns: int, price: np.ndarray, trades: int
) -> Quotes:
    row = draw.integers(0, len(price), n).astype(np.int32)
    bid = np.round(price[row] - 0.01, 2)
    size = draw.integers(1, 20, (2, n)) * 100.0
    ts = begin_ns + np.sort(draw.integers(0, CYCLE_NS, n))
    before = np.sort(draw.integers(0, trades + 1, n)).astype(np.int32)
    return Quotes(row, ts, bid, np.round(bid + 0.02, 2), size[0], size[1], before)


def _batches(trades: Trades, quotes: Quotes, size: int, mark_ns: int) -> Iterator[Batch]:
    """Cut one cycle's events into batches of `size` trades, each quote with the trades around it."""
    n = len(trades.row)
    for begin in range(0, max(n, 1), size):
        end = min(begin + size, n)
        last = end == n
        mine = (quotes.before >= begin) & ((quotes.before < end) | last)
        part = Trades(*(getattr(trades, f)[begin:end] for f in Trades.__slots__))
        held = Quotes(*(getattr(quotes, f)[mine] for f in Quotes.__slots__))
        shifted = Quotes(
            *(getattr(held, f) for f in Quotes.__slots__[:-1]), held.before - np.int32(begin)
        )
        recv = mark_ns - 1
        yield Batch(recv, trades=part if end > begin else None, quotes=shifted)


def _bands(draw: np.random.Generator, ts_ns: int, price: np.ndarray) -> Batch:
    row = int(draw.integers(len(price)))
    bands: Bands = bands_of(
        [row], [ts_ns], [round(price[row] * 0.9, 2)], [round(price[row] * 1.1, 2)]
    )
    return Batch(ts_ns, bands=bands)


def live(records: Iterable[Record], writer: Writer | None, engine: Engine | None = None) -> Live:
    """Run records as the scanner does: journal first, a digest after each whole second."""
    done = Live(engine or Engine())
    for record in records:
        if writer is not None:
            writer.append(record)
        cycle = done.engine.apply(record)
        if cycle is None:
            continue
        done.cycles.append(cycle)
        if cycle.whole:
            done.digests.append(Digest(cycle.mark.ts_ns, done.engine.digest))
            if writer is not None:
                writer.append(done.digests[-1])
        if writer is not None:
            writer.tick(force=len(done.cycles) % 5 == 0)
    return done


class Live:
    """Hold what a run left: its engine, cycles and digests."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cycles: list[Cycle] = []
        self.digests: list[Digest] = []

    @property
    def signals(self) -> list[tuple[str, str, int]]:
        """Return (scan, symbol, mark) of each signal."""
        return [(s.scan, s.symbol, s.mark) for c in self.cycles for s in c.signals]


def record_day(folder: Path, tape: Tape) -> Live:
    """Record the tape into `folder` and close the journal."""
    writer = Writer(folder)
    done = live(tape.records(), writer)
    writer.close()
    assert writer.state == "ok"
    return done
