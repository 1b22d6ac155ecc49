"""The live scanner: journal first, then the engine; marks by the market clock."""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from tapelight.app.baselines import profile_for, record_session, whole_session
from tapelight.app.figures import Figures, counted
from tapelight.app.frozen import State, blank, freeze
from tapelight.app.runs import Run, open_run
from tapelight.engine import Cycle, Engine
from tapelight.errors import ConfigError, Unavailable
from tapelight.market.view import complete_ns
from tapelight.model.batch import Batch
from tapelight.model.clock import MarketClock
from tapelight.model.conditions import mask_of
from tapelight.model.records import (
    CalendarChoice,
    Digest,
    FeedState,
    Halt,
    Mark,
    Questions,
    Record,
    References,
    Symbols,
)
from tapelight.model.session import PHASES, calendar, iso
from tapelight.model.universe import Universe
from tapelight.stores.journal.snapshots import write_snapshot

log = structlog.get_logger()
NS = 1_000_000_000
CYCLE_NS = 50_000_000
MOST_MARKS = 40
"""After a stall no more sub-second marks than this are made up for: whole seconds always."""
SNAPSHOT_NS = 60 * NS
FIRST_SNAPSHOT_NS = 20 * NS
LATE_BY_ITS_WORD = np.uint64(mask_of((13, 30, 32)))
"""Sold last or out of sequence: the venue was late with these prints, not the feed."""
LONGEST_MADE_UP_NS = 60 * NS
"""A clock set further ahead than this makes up for no marks: that time was not seen."""
MOST_EARLY = 99
"""Records kept that come before the feed has set the clock."""


class Scanner:
    """Be the sink of a feed: each record is journalled and applied before `put` returns.

    The journal is opened when the feed sets the clock: a run goes on only if market time is
    later than its last record. What is put before that waits for it.
    """

    def __init__(
        self,
        data: Path,
        questions: Questions,
        calendar_name: str,
    ) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.clock.on_set = self._clock_set
        self.figures = Figures()
        self.engine = Engine(calendar_name)
        self.listeners: list[Callable[[Cycle], None]] = []
        """Called with each cycle, in order."""
        self.on_open: Callable[[Engine], None] = lambda _engine: None
        self.feed_counts: Callable[[], Mapping[str, int]] = dict
        self.taken: Mapping[str, int] = {}
        """The feed's totals when its last batch was folded."""
        self.coverage: Callable[[], str] = str
        self.feed_state: FeedState | None = None
        self._data = data
        self._questions = questions
        self._calendar = calendar_name
        self._early: list[Record] = []
        self._known = 0
        self._run: Run | None = None
        self._next_mark_ns = 0
        self._complete_ns = 0
        self._dirty = False
        self._snapshot_due_ns = 0
        self._began_ns = 0
        self._recorded: dt.date | None = None
        self._holed: dt.date | None = None
        """The last session with a hole: no baseline."""
        self._shadow: State | None = None
        self._snapshot_task: asyncio.Task[Any] | None = None

    def put(self, record: Record) -> None:
        """Journal and apply one record, after the marks that were due before it."""
        if self._run is None:
            self._early = [*self._early[-MOST_EARLY:], record]
            if isinstance(record, FeedState):
                self._feed_changed(record)
            return
        now = self.clock.now_ns()
        self._mark_until(now)
        self._admit(record)
        self._take(record)
        self._dirty = True
        if isinstance(record, Batch):
            self.taken = self.feed_counts()
            self._measure(record)
        elif isinstance(record, FeedState):
            self._feed_changed(record)

    def alive(self, complete_ns: int) -> None:
        """Note that the stream is complete up to a market time."""
        self._complete_ns = max(self._complete_ns, complete_ns)

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Count a malformed message."""
        self.figures.reject(kind, sample)

    async def run_marks(self) -> None:
        """Make the marks that fall due while nothing arrives; runs until cancelled."""
        while True:
            if self._run is not None:
                self._mark_until(self.clock.now_ns())
                delay = self.clock.wall_delay_s(self._next_mark_ns)
            else:
                delay = 0.02
            await asyncio.sleep(min(max(delay, 0.001), 0.05))

    def _clock_set(self) -> None:
        """Open the journal at the first setting; at a later one go on from the new time."""
        now = self.clock.now_ns()
        if self._run is None:
            try:
                self._open(now)
            except Unavailable as error:
                raise ConfigError(str(error)) from error
        if now - self._next_mark_ns > LONGEST_MADE_UP_NS:
            self._next_mark_ns = (now // CYCLE_NS + 1) * CYCLE_NS

    def _open(self, now: int) -> None:
        self._run = open_run(self._data, calendar(self._calendar), now)
        self._began_ns = now
        self._snapshot_due_ns = now + FIRST_SNAPSHOT_NS
        if self._run.notice:
            log.warning("a new run", reason=self._run.notice)
        if self._run.engine is not None:
            self._go_on(self._run.engine)
        else:
            self._take(CalendarChoice(self._calendar))
            profile = profile_for(self._data, calendar(self._calendar), now, self.universe)
            self._admit(profile)
            self._take(profile)
        if self.engine.questions != self._questions:
            self._take(self._questions)
        self.on_open(self.engine)
        early, self._early = self._early, []
        for record in early:
            self._admit(record)
            self._take(record)

    def _go_on(self, engine: Engine) -> None:
        """Take over a run's state: what happened since its last mark is a hole until the snapshot."""
        self.engine = engine
        for symbol in engine.table.universe.symbols:
            self.universe.add(symbol)
        self._known = len(self.universe)
        self._take(
            FeedState(
                self.clock.now_ns(), engine.table.feed, "gap", "restarted", True,
                engine.last_mark_ns,
            )
        )  # fmt: skip

    def _admit(self, record: Record) -> None:
        """Give rows to the symbols that a record names for the first time."""
        if isinstance(record, References):
            for reference in record.references:
                self.universe.add(reference.symbol)
        elif isinstance(record, Halt):
            self.universe.add(record.symbol)
        if len(self.universe) > self._known:
            fresh = self.universe.symbols[self._known :]
            self._take(Symbols(self._known, fresh))
            self._known = len(self.universe)

    def _take(self, record: Record) -> Cycle | None:
        assert self._run is not None
        self._run.writer.append(record)
        return self.engine.apply(record)

    def _measure(self, batch: Batch) -> None:
        trades = batch.trades
        figures = self.figures
        if trades is not None and len(trades.ts_ns):
            in_time = (trades.conditions & LATE_BY_ITS_WORD) == 0
            figures.lag.add_prints(self.clock.now_ns() - trades.ts_ns[in_time])
        for part in (batch.trades, batch.quotes, batch.bars, batch.bands):
            if part is not None:
                figures.events_in += len(part.row)

    def _feed_changed(self, state: FeedState) -> None:
        self.feed_state = state
        tell = log.warning if state.provisional or state.state == "connecting" else log.info
        tell("feed", name=state.feed, state=state.state, detail=state.detail)
        if state.provisional:
            self.figures.gaps += 1
            session = self.engine.table.session
            self._holed = session.date if session else None

    def _mark_until(self, now: int) -> None:
        """Make every mark that is due by `now`: whole seconds always, others if anything is new."""
        behind = (now - self._next_mark_ns) // CYCLE_NS
        while self._next_mark_ns <= now:
            ts = self._next_mark_ns
            self._next_mark_ns += CYCLE_NS
            whole = ts % NS == 0
            if whole or (self._dirty and behind < MOST_MARKS):
                self._mark(ts)

    def _mark(self, ts: int) -> None:
        assert self._run is not None
        begin = self.clock.now_ns()
        self._dirty = False
        cycle = self._take(Mark(ts, min(self._complete_ns, ts)))
        assert cycle is not None
        if cycle.whole:
            self._run.writer.append(Digest(ts, self.engine.digest))
            self._sample(ts)
        self._run.writer.tick()
        self.figures.signals += len(cycle.signals)
        for listener in self.listeners:
            listener(cycle)
        self.figures.cycle_ns.append(self.clock.now_ns() - begin)
        if cycle.whole:
            self._end_session(ts)
            if ts >= self._snapshot_due_ns:
                self._snapshot()

    def _sample(self, ts: int) -> None:
        counters = self.engine.table.counters
        self.figures.trades.sample(ts, int(counters[0]))
        self.figures.events.sample(ts, self.figures.events_in)

    def _snapshot(self) -> None:
        """Copy the state, write it on a thread; the next one is due a minute after."""
        assert self._run is not None
        if self._snapshot_task is not None and not self._snapshot_task.done():
            return
        if self._shadow is None:
            self._in_thread(self._make_room())
            return
        self._snapshot_due_ns = self._next_mark_ns + SNAPSHOT_NS
        self._run.writer.tick(force=True)
        self._shadow = freeze(self.engine, self._shadow)
        folder, seq = self._run.folder, self._run.writer.seq
        self._in_thread(asyncio.to_thread(write_snapshot, folder, seq, self._shadow))

    async def _make_room(self) -> None:
        self._shadow = await asyncio.to_thread(blank, self.engine)

    def _in_thread(self, work: Coroutine[Any, Any, Any]) -> None:
        self._snapshot_task = asyncio.get_running_loop().create_task(work, name="snapshot")
        self._snapshot_task.add_done_callback(self._snapshot_written)

    def _end_session(self, ts: int) -> None:
        """Keep the volumes of a session seen whole as a baseline, once, when it has ended."""
        session = self.engine.table.session
        if session is None or ts < session.end_ns or session.date == self._recorded:
            return
        self._recorded = session.date
        if session.date != self._holed and whole_session(session, self._began_ns):
            try:
                record_session(self._data, self.engine, session)
            except OSError as error:
                self.figures.reject("profile", str(error))

    def _snapshot_written(self, task: "asyncio.Task[Any]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.figures.reject("snapshot", str(error))
            log.error("no snapshot", reason=repr(error))

    def close(self) -> None:
        """Flush the journal."""
        if self._run is not None:
            self._run.writer.close()

    def status(self) -> dict[str, Any]:
        """Return what /health shows."""
        engine, figures = self.engine, self.figures
        table, feed = engine.table, self.feed_state
        run = self._run
        rows = table.live
        age_ms = max(table.now_ns - complete_ns(table), 0) / 1e6
        journal = run.writer.state if run else "closed"
        counters = counted(table)
        return {
            "phase": PHASES[table.phase()],
            "session": table.session.date.isoformat() if table.session else "",
            "market_time": iso(table.now_ns) if table.now_ns else "",
            "rate": self.clock.rate,
            "feed": {
                "name": feed.feed if feed else "",
                "state": feed.state if feed else "connecting",
                "detail": feed.detail if feed else "",
                "coverage": self.coverage(),
            },
            "events_s": round(figures.events.per_second(), 1),
            "trades_s": round(figures.trades.per_second(), 1),
            "lag_ms": figures.lag_ms(),
            "cycle_ms": figures.cycle_ms(),
            "age_ms": round(age_ms, 1),
            "rows": table.n,
            "stale": table.n if age_ms > 5000 else 0,
            "gaps": figures.gaps,
            "gap_open": table.gap_since_ns > 0,
            "provisional": int((rows["provisional"] > 0).sum()),
            "quarantined": counters["quarantined"],
            "signals": figures.signals,
            "counters": {
                **counters,
                "events_in": figures.events_in,
                "rejected": sum(figures.rejected.values()),
                "expired": counters["late"],
            },
            "rejected_by_kind": dict(figures.rejected),
            "rejected_samples": dict(figures.samples),
            "feed_counts": dict(self.feed_counts()),
            "journal": {
                "state": journal.partition(":")[0],
                "detail": journal.partition(": ")[2],
                "bytes": run.writer.bytes if run else 0,
                "seq": run.writer.seq if run else 0,
            },
            "digest": engine.digest,
        }
