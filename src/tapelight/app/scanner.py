"""The live scanner: journal first, then the engine; marks by the market clock."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from tapelight.app.accounts import accounts, unaccounted
from tapelight.app.ahead import Ahead
from tapelight.app.baselines import profile_for
from tapelight.app.figures import Figures, counted
from tapelight.app.frozen import State
from tapelight.app.healing import Healer
from tapelight.app.label import STALE_NS, Label
from tapelight.app.questions import tell_change
from tapelight.app.recording import Recording
from tapelight.engine import Cycle, Engine, Share, everything
from tapelight.errors import ConfigError, Unavailable
from tapelight.market.quarantine import count_rulings
from tapelight.market.view import complete_ns, stale_count
from tapelight.model.batch import Batch
from tapelight.model.clock import MarketClock
from tapelight.model.records import (
    CalendarChoice,
    Digest,
    FeedState,
    Halt,
    Healed,
    Mark,
    Profile,
    Questions,
    Record,
    References,
    Strategies,
    Symbols,
    TierWorkers,
)
from tapelight.model.session import PHASES, calendar, iso, latest_session
from tapelight.model.universe import Universe

log = structlog.get_logger()
NS = 1_000_000_000
CYCLE_NS = 50_000_000
MOST_MARKS = 40
"""After a stall no more sub-second marks than this are made up for: whole seconds always."""
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
        self, data: Path, questions: Questions, calendar_name: str, share: Share = everything
    ) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.clock.on_set = self._clock_set
        self.figures = Figures()
        self.engine = Engine(calendar_name)
        self.engine.share = self._share = share
        self.listeners: list[Callable[[Cycle], None]] = []
        """Called with each cycle, in order."""
        self.on_open: Callable[[Engine], None] = lambda _engine: None
        self.feed_counts: Callable[[], Mapping[str, int]] = dict
        self.taken: Mapping[str, int] = {}
        """The feed's totals when its last batch was folded."""
        self.coverage: Callable[[], str] = str
        self.origin: Callable[[], str] = lambda: "unknown"
        """Of the volumes: the feed and its coverage."""
        self.feed_state: FeedState | None = None
        self._data = data
        self._questions = questions
        self._strategies: Strategies | None = None
        self._calendar = calendar_name
        self.workers = 0
        """Processes that reckon tier 2; 0: the engine itself."""
        self._early: list[Record] = []
        self._known = 0
        self.recording: Recording | None = None
        self.healer: Healer | None = None
        self._label = Label()
        self.on_roll: Callable[[Path], object] = lambda _running: None
        """Called on a thread with the folder of each new session's run."""
        self.kept: Callable[[], State] = dict
        """What else a snapshot keeps."""
        self.question_faults: Callable[[], Mapping[str, str]] = dict
        self.strategy_faults: Callable[[], Mapping[str, str]] = dict
        self.on_batch: Callable[[Batch], None] = lambda _batch: None
        """Called with each batch that is in the table."""
        self.signal_status: Callable[[], Mapping[str, Any]] = dict
        """What /health shows of the signals' way and their log."""
        self.source_status: Callable[[], Mapping[str, Any]] = dict
        """What /health shows of the sources beside the feed."""
        self._next_mark_ns = 0
        self.behind = False
        """Whether a mark a second after the one being made is due already."""
        self._complete_ns = 0
        self._dirty = False
        self._began_ns = 0
        self.ahead = Ahead(data, calendar(calendar_name))
        self.ahead.on_fault = self.figures.reject
        self._holed: dt.date | None = None
        """The last session with a hole: no baseline."""

    def put(self, record: Record) -> None:
        """Journal and apply one record, after the marks that were due before it."""
        if self.recording is None:
            self._early = [*self._early[-MOST_EARLY:], record]
            if isinstance(record, FeedState):
                self._feed_changed(record)
            return
        now = self.clock.now_ns()
        self._mark_until(now)
        self._admit(record)
        if isinstance(record, Healed) and self.healer is not None:
            self.healer.heal(record)
            return
        if isinstance(record, FeedState) and self.healer is not None and self.healer.later(record):
            return
        self._take(record)
        self._dirty = True
        if isinstance(record, Batch):
            self.taken = self.feed_counts()
            self.figures.take(record, self.clock.now_ns())
            self.on_batch(record)
        elif isinstance(record, FeedState):
            self._feed_changed(record)

    def ask(self, questions: Questions) -> None:
        """Ask another set of questions from now on: a record, so that a replay does the same."""
        self._questions = questions
        if self.recording is not None and self.engine.questions != questions:
            self._take(questions)

    def follow(self, strategies: Strategies) -> None:
        """Run another set of strategies from now on: a record too."""
        self._strategies = strategies
        if self.recording is not None and self.engine.roster.chosen != strategies:
            self._take(strategies)

    def alive(self, complete_ns: int) -> None:
        """Note that the stream is complete up to a market time."""
        self._complete_ns = max(self._complete_ns, complete_ns)

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Count a malformed message."""
        self.figures.reject(kind, sample)

    def raw(self, frames: Sequence[bytes]) -> None:
        """Keep frames in the ring beside the journal."""
        if self.recording is not None:
            self.recording.writer.raw.add(self.clock.now_ns(), frames)

    def make_marks(self) -> None:
        """Make the marks that are due."""
        if self.recording is not None:
            self._mark_until(self.clock.now_ns())

    async def run_marks(self) -> None:
        """Make the marks that fall due while nothing arrives; runs until cancelled."""
        while True:
            self.make_marks()
            if self.recording is not None:
                delay = self.clock.wall_delay_s(self._next_mark_ns)
            else:
                delay = 0.02
            await asyncio.sleep(min(max(delay, 0.001), 0.05))

    def _clock_set(self) -> None:
        """Open the journal at the first setting; at a later one go on from the new time."""
        now = self.clock.now_ns()
        if self.recording is None:
            try:
                self._open(now)
            except Unavailable as error:
                raise ConfigError(str(error)) from error
        if now - self._next_mark_ns > LONGEST_MADE_UP_NS:
            self._next_mark_ns = (now // CYCLE_NS + 1) * CYCLE_NS

    def _open(self, now: int) -> None:
        self.recording = recording = Recording(
            self._data, calendar(self._calendar), now, self._share
        )
        recording.on_roll = self.on_roll
        recording.on_fault = self.figures.reject
        self._began_ns = now
        if recording.opened.notice:
            log.warning("a new run", reason=recording.opened.notice)
        self.healer = Healer(recording, lambda: self.engine, self._take_late)
        if recording.opened.engine is not None:
            self._go_on(recording.opened.engine)
        else:
            self._take(CalendarChoice(self._calendar))
            self._take_profile(now)
        if self.engine.questions != self._questions:
            tell_change(self.engine.questions, self._questions)
            self._take(self._questions)
        if self._strategies is not None:
            self.follow(self._strategies)
        if self.engine.tiers.workers != self.workers:
            self._take(TierWorkers(self.workers))
        self.on_open(self.engine)
        early, self._early = self._early, []
        for record in early:
            self._admit(record)
            self._take(record)

    def _take_profile(self, now: int) -> None:
        """Take the volume baseline that the kept sessions before `now` give."""
        session = latest_session(calendar(self._calendar), now)
        self._told(profile_for(self._data, self.origin(), session, self.universe))

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
        assert self.recording is not None
        assert self.healer is not None
        self.recording.append(record)
        self.healer.note(record)
        return self.engine.apply(record)

    def _take_late(self, record: Record) -> None:
        """Take a healing, or a state that waited for its end."""
        self._take(record)
        self._dirty = True
        if isinstance(record, FeedState):
            self._feed_changed(record)

    def _feed_changed(self, state: FeedState) -> None:
        self.feed_state = state
        self.figures.changes[state.state] += 1
        tell = log.warning if state.provisional or state.state == "connecting" else log.info
        tell("feed", name=state.feed, state=state.state, detail=state.detail)
        if state.provisional and state.state == "gap":
            self.figures.gaps += 1
            session = self.engine.table.session
            self._holed = session.date if session else None

    def _mark_until(self, now: int) -> None:
        """Make every mark that is due by `now`: whole seconds always, others if anything is new.

        So are those at which tier 2 is cut and seen.
        """
        behind = (now - self._next_mark_ns) // CYCLE_NS
        while self._next_mark_ns <= now:
            ts = self._next_mark_ns
            self._next_mark_ns += CYCLE_NS
            whole = ts % NS == 0 or self.engine.tiers.due(ts)
            if whole or (self._dirty and behind < MOST_MARKS):
                self.behind = now - ts >= NS
                self._mark(ts)

    def _mark(self, ts: int) -> None:
        assert self.recording is not None
        begin = self.clock.now_ns()
        self._dirty = False
        self.recording.roll(self.engine, ts)
        cycle = self._take(Mark(ts, min(self._complete_ns, ts)))
        assert cycle is not None
        if cycle.whole and self._share is everything:
            self.recording.append(Digest(ts, self.engine.digest))
        if cycle.whole:
            self.figures.second(ts, int(self.engine.table.counters[0]))
        self.recording.writer.tick()
        self.figures.signals += len(cycle.signals)
        for listener in self.listeners:
            listener(cycle)
        self.figures.cycle(self.clock.now_ns() - begin)
        if cycle.whole:
            self._change(ts)
            self.recording.snapshot(self.engine, ts, self.kept)

    def _change(self, ts: int) -> None:
        """Prepare the session change: what ended is kept, what comes is read, beside the loop."""
        table, ahead = self.engine.table, self.ahead
        ahead.origin = self.origin()
        if table.session is not None and ts >= table.session.end_ns:
            ahead.keep(self.engine, self._began_ns, self._holed)
        ahead.step(self.engine, self.universe, ts, self._told)

    def _told(self, profile: Profile) -> None:
        """Take a baseline that was read beside."""
        self._admit(profile)
        self._take(profile)

    def close(self) -> None:
        """Flush the journal."""
        if self.recording is not None:
            self.recording.close()

    def status(self) -> dict[str, Any]:
        """Return what /health shows."""
        engine, figures = self.engine, self.figures
        table, feed = engine.table, self.feed_state
        rows = table.live
        complete = complete_ns(table)
        age_ms = max(table.now_ns - complete, 0) / 1e6 if complete else None
        ring = {"state": "closed", "detail": ""}
        closed = {**ring, "bytes": 0, "seq": 0, "run": "", "ring": ring}
        counters = counted(table)
        books = accounts(self.feed_counts(), table, figures.events_in)
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
            "label": self._label.read(
                engine, feed, self.coverage(), self.origin(), figures.lateness.seconds()
            ),
            "events_s": round(figures.events.per_second(), 1),
            "trades_s": round(figures.trades.per_second(), 1),
            "lag_ms": figures.lag_ms(),
            "cycle_ms": figures.cycle_ms(),
            "age_ms": None if age_ms is None else round(age_ms, 1),
            "rows": table.n,
            "stale": table.n if age_ms is None else stale_count(table, STALE_NS),
            "gaps": figures.gaps,
            "gap_open": table.gap_since_ns > 0,
            "healed": self.healer.healed if self.healer else 0,
            "provisional": int((rows["provisional"] > 0).sum()),
            "quarantined": counters["quarantined"],
            "quarantine": count_rulings(table),
            "signals": figures.signals,
            "tiers": engine.tiers.status(),
            **self.signal_status(),
            "sources": dict(self.source_status()),
            **self._asked_status(),
            "counters": {
                **counters,
                "events_in": figures.events_in,
                "rejected": sum(figures.rejected.values()),
                "expired": counters["late"],
            },
            "accounts": books,
            "unaccounted": unaccounted(books),
            "rejected_by_kind": dict(figures.rejected),
            "rejected_samples": dict(figures.samples),
            "feed_counts": dict(self.feed_counts()),
            "journal": self.recording.status() if self.recording else closed,
            "digest": engine.digest,
        }

    def _asked_status(self) -> dict[str, Any]:
        rules = self.engine.strategies
        return {
            "questions": {
                "count": len(self._questions.texts),
                "faults": dict(self.question_faults()),
            },
            "strategies": {
                "running": sum(not rule.fault for rule in rules.values()),
                "off": {name: rule.fault for name, rule in rules.items() if rule.fault},
                "faults": dict(self.strategy_faults()),
            },
        }
