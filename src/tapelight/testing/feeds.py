"""Conformance of feeds: what each must do whatever it brings, live or polled.

async def test_mine() -> None:
    await check_feed(open(Config(...)), lambda sheet: sheet.trades > 100)
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from tapelight.engine import Engine
from tapelight.model.batch import MAX_AHEAD_NS, Batch
from tapelight.model.clock import MarketClock
from tapelight.model.codec import decode, encode
from tapelight.model.records import CalendarChoice, FeedState, Mark, Record, Symbols
from tapelight.model.session import calendar
from tapelight.model.universe import Universe
from tapelight.ports import Feed

STATES = frozenset({"connecting", "live", "gap", "polling", "healing", "closed"})
END_S = 5.0
DTYPES = {
    "row": "i4", "ts_ns": "i8", "start_ns": "i8", "span_s": "i4", "before": "i4", "seq": "i8",
    "conditions": "u8", "exchange": "u1",
}  # fmt: skip
"""Of the columns that are no float64."""


class Sheet:
    """A sink that holds each record to the contract, folds it, and counts what came."""

    def __init__(self, calendar_name: str) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.clock.on_set = self._set
        self._is_set = False
        self.records: list[Record] = []
        self.trades = self.quotes = self.bars = 0
        self.rejected: list[tuple[str, str]] = []
        self.came = asyncio.Event()
        self.faults: list[str] = []
        self._engine = Engine()
        self._engine.apply(CalendarChoice(calendar_name))
        self._known = 0
        self._recv_ns = 0

    def put(self, record: Record) -> None:
        """Take a record; what is wrong with it is noted, so that the feed is not disturbed."""
        try:
            self._check(record)
        except AssertionError as fault:
            self.faults.append(str(fault))
        self.records.append(record)
        self.came.set()

    def alive(self, complete_ns: int) -> None:
        """Hold that nobody knows the future."""
        if complete_ns > self.clock.now_ns():
            self.faults.append("alive() tells of a time that has not come")
        self.came.set()

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Keep what was rejected."""
        self.rejected.append((kind, str(sample)[:200]))

    def raw(self, frames: Sequence[bytes]) -> None:
        """Hold that frames are bytes."""
        if not all(isinstance(frame, bytes) for frame in frames):
            self.faults.append("raw() is given something else than bytes")

    @property
    def states(self) -> list[str]:
        """Return the states said, in order."""
        return [r.state for r in self.records if isinstance(r, FeedState)]

    def _set(self) -> None:
        self._is_set = True

    def _check(self, record: Record) -> None:
        if isinstance(record, Batch):
            self._check_batch(record)
        if isinstance(record, FeedState):
            assert record.state in STATES, f"state {record.state!r} is none of {sorted(STATES)}"
        again = decode(encode(record))
        assert type(again) is type(record), "a record does not survive the journal"
        self._fold(record)

    def _fold(self, record: Record) -> None:
        symbols = self.universe.symbols
        if len(symbols) > self._known:
            self._engine.apply(Symbols(self._known, list(symbols[self._known :])))
            self._known = len(symbols)
        self._engine.apply(record)

    def _check_batch(self, batch: Batch) -> None:
        assert self._is_set, "a batch came before the clock was set"
        assert batch.ts_recv_ns >= self._recv_ns, "ts_recv_ns went back"
        self._recv_ns = batch.ts_recv_ns
        parts = (batch.trades, batch.quotes, batch.bars, batch.bands)
        assert any(part is not None for part in parts), "a batch holds nothing"
        for part in parts:
            if part is not None:
                self._check_columns(part, batch.ts_recv_ns)
        trades = 0 if batch.trades is None else len(batch.trades.row)
        self.trades += trades
        self.bars += 0 if batch.bars is None else len(batch.bars.row)
        if batch.quotes is not None:
            before = batch.quotes.before
            self.quotes += len(before)
            assert (np.diff(before) >= 0).all(), "quotes.before does not rise"
            assert before.max() <= trades, "quotes.before counts trades that are not there"

    def _check_columns(self, part: Any, recv_ns: int) -> None:
        kind, count = type(part).__name__, len(part.row)
        assert count > 0, f"{kind} is there and empty"
        for column in fields(part):
            values = getattr(part, column.name)
            wanted = np.dtype(DTYPES.get(column.name, "f8"))
            assert values.dtype == wanted, f"{kind}.{column.name} is {values.dtype}, not {wanted}"
            assert values.shape == (count,), f"{kind}.{column.name} has another length"
        assert part.row.min() >= 0, f"{kind} has a row below 0"
        assert part.row.max() < len(self.universe), f"{kind} has a row that no symbol has"
        times = part.start_ns if hasattr(part, "start_ns") else part.ts_ns
        assert times.max() <= recv_ns + MAX_AHEAD_NS, f"{kind} is stamped ahead of market time"
        if hasattr(part, "price"):
            assert (part.price > 0).all(), "a trade has no price"
            assert (part.size >= 0).all(), "a trade has no size"


async def check_feed(feed: Feed, enough: Callable[[Sheet], bool], limit_s: float = 60.0) -> Sheet:
    """Run a feed until `enough`, then cancel it; raise AssertionError where it breaks its contract.

    It must say connecting first and live before it ends, set the clock before the first batch, put
    records that the table folds and the journal keeps, count what it did, answer `history` of
    an unknown symbol without a fault, and end within five seconds of its cancellation, saying closed.
    """
    calendar(feed.calendar)
    assert isinstance(feed.name, str), "a feed has a name"
    assert feed.name, "a feed has a name"
    _check_counts(feed, {})
    sheet = Sheet(feed.calendar)
    task = asyncio.ensure_future(feed.run(sheet))
    task.add_done_callback(lambda _: sheet.came.set())
    try:
        await _until(sheet, task, enough, limit_s)
        totals = _check_counts(feed, {})
        await feed.history("NO.SUCH")
        _check_counts(feed, totals)
        assert isinstance(feed.coverage, str), "coverage is a word or two"
        now_ns = sheet.clock.now_ns()
        sheet._engine.apply(Mark(now_ns, now_ns))  # noqa: SLF001 - the table answers
    finally:
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=END_S)
    assert ended, f"it did not end within {END_S:g} s of its cancellation"
    assert task.cancelled() or task.exception() is None, f"it ended with {task.exception()!r}"
    assert sheet.states[:1] == ["connecting"], f"it says {sheet.states[:1]} first"
    assert "live" in sheet.states, "it never said that it is live"
    assert sheet.states[-1] == "closed", "it did not say that it is closed"
    assert not sheet.faults, sheet.faults[0]
    return sheet


async def _until(
    sheet: Sheet, task: "asyncio.Future[None]", enough: Callable[[Sheet], bool], limit_s: float
) -> None:
    async with asyncio.timeout(limit_s):
        while not enough(sheet) and not task.done():
            sheet.came.clear()
            await sheet.came.wait()
    if task.done():
        task.result()


def _check_counts(feed: Feed, before: dict[str, int]) -> dict[str, int]:
    totals = dict(feed.counts())
    for name, value in totals.items():
        assert isinstance(value, int), f"count {name} is no whole number"
        assert value >= before.get(name, 0), f"count {name} went back"
    return totals
