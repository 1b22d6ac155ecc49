"""As of: the engine at any past second of a recorded day, from snapshot and journal."""

import datetime as dt
import gc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path

import msgspec

from tapelight.app.frozen import State, thaw
from tapelight.app.rewind import from_journal
from tapelight.app.runs import runs_of
from tapelight.app.views import EngineBoards
from tapelight.engine import Engine
from tapelight.errors import Missing, Rejected, Unavailable
from tapelight.market.column import columns
from tapelight.model.records import Digest, Mark, Questions, Record, Strategies
from tapelight.model.session import Calendar, iso, latest_session, session_after
from tapelight.model.signals import Signal
from tapelight.scan.board import Ranking
from tapelight.scan.sql import Query
from tapelight.stores.journal.segments import Corrupt, read_records, segments
from tapelight.stores.journal.snapshots import places, read_snapshot

NS = 1_000_000_000
SILENT_NS = 2 * NS
"""A running recording has a mark each second: one that ends this long before is over."""
CURSORS = 2
"""Engines that are kept, to go on from: each holds up to 250 MB."""
NAMES = 8
"""Questions asked lately: one engine answers all of them."""
THAW_NS = 20 * NS
"""Market time replayed in the time that a snapshot takes to be read."""

Check = Callable[[], None]


class Stopped(Unavailable):
    """End a question about the past: it took too long, or nobody waits for it any more."""


def unhurried() -> None:
    """Let the work go on."""


def newest_in(state: State) -> list[Signal]:
    """Return the signals before a snapshot that are kept with it, the newest first."""
    return msgspec.msgpack.decode(state.get("newest", b"\x90"), type=list[Signal])


def packed(newest: Sequence[Signal]) -> State:
    """Return the newest signals as an item of a snapshot."""
    return {"newest": msgspec.msgpack.encode(list(newest))}


class _TiersStood(Exception):
    """Say that a changed question looks at tier 2, which stood still: begin anew."""


_SOURCES_OF_TIERS = {"ind", "extremes"}
"""Of `market.column.SOURCES`: indicators, and what closed candles reached."""


@cache
def _columns_of_tiers() -> frozenset[str]:
    """Return the columns that are made of indicators, of candles, or of the tier itself."""
    found: set[str] = set()
    before = -1
    while len(found) > before:
        before = len(found)
        found |= {c.name for c in columns().values() if {*c.inputs} & (_SOURCES_OF_TIERS | found)}
    return frozenset(found)


def of_tiers(query: Query) -> bool:
    """Tell whether a query looks at tier 2."""
    return bool(query.indicators) or not _columns_of_tiers().isdisjoint(query.used)


class Cursor:
    """Stand in a run's journal with an engine; go on to later times, never back.

    Only the `asked` boards, scans and strategies are evaluated: nothing else depends on them.
    Where neither they nor whoever asks (`tiers`) look at tier 2, it stands still.
    """

    def __init__(
        self, folder: Path, state: State | None, seq: int, asked: frozenset[str], tiers: bool = True
    ) -> None:
        self.folder = folder
        self.asked = asked
        self.tiers = tiers
        self.engine = Engine() if state is None else thaw(state, adopt=True)
        self.engine.rewind = partial(from_journal, folder)
        self.boards = EngineBoards(self.engine)
        if state is not None:
            self.boards.newest = deque(newest_in(state), self.boards.newest.maxlen)
        self._narrow()
        self.tiers = tiers = tiers or self._look_at_tiers()
        self.engine.tiers.still = not tiers
        self._seq = seq
        self._records: Iterator[Record] | None = None
        self._grown = True
        """Whether the journal may have grown since `_records` was opened: a run that goes on."""
        self.sound = True
        """Whether the engine stands between two cycles: an error within one leaves it half applied."""
        self._ahead: list[Record] = []
        """Read and not yet applied: what follows the last mark, up to the next one."""

    @property
    def mark_ns(self) -> int:
        """Return the mark at which the engine stands."""
        return self.engine.last_mark_ns

    def go_to(self, at_ns: int, check: Check = unhurried) -> bool:
        """Apply what came up to the last mark at or before `at_ns`.

        Returns False where the journal ends before it. `check` is called at each mark and may
        raise to end the work.
        """
        self._grown = True
        while (cycle := self._next_cycle()) is not None:
            mark = cycle[-1]
            assert isinstance(mark, Mark)
            if mark.ts_ns > at_ns:
                return True
            check()
            self._ahead = []
            self.sound = False
            for record in cycle:
                self._apply(record)
            self.sound = True
        return False

    def _next_cycle(self) -> list[Record] | None:
        """Return the records up to the next mark; None where the journal ends before it."""
        if self._ahead and isinstance(self._ahead[-1], Mark):
            return self._ahead
        while True:
            if self._records is None:
                self._grown = False
                self._records = read_records(self.folder, self._seq)
            for record in self._records:
                self._seq += 1
                self._ahead.append(record)
                if isinstance(record, Mark):
                    return self._ahead
            self._records = None
            if not self._grown:
                return None

    def _apply(self, record: Record) -> None:
        cycle = None if isinstance(record, Digest) else self.engine.apply(record)
        if isinstance(record, Questions | Strategies):
            self._narrow()
            if not self.tiers and self._look_at_tiers():
                raise _TiersStood
        if cycle is not None:
            self.boards.keep(cycle.rankings, cycle.signals)

    def _look_at_tiers(self) -> bool:
        engine = self.engine
        questions = [b.question for b in engine.boards.values()]
        questions += [s.question for s in engine.scans.values()]
        queries = (query for question in questions for query in question.queries())
        return bool(engine.strategies) or any(of_tiers(query) for query in queries)

    def _narrow(self) -> None:
        """Leave the questions alone that nobody asks."""
        engine = self.engine
        for asked in (engine.boards, engine.scans, engine.strategies):
            for name in [n for n in asked if n not in self.asked]:
                del asked[name]


@dataclass(frozen=True, slots=True)
class Then:
    """Hold the market as of a past mark: what a question about the past is asked of."""

    engine: Engine
    boards: EngineBoards
    """The rankings of the last whole second, and the newest signals."""
    run: str
    """DATE/NUMBER of the recording."""
    cursor: Cursor
    """What goes on from here, for a question that asks what came next."""
    check: Check = unhurried
    """To be called now and then: raises when nobody waits any more."""

    @property
    def mark_ns(self) -> int:
        """Return the last mark at or before the time asked for."""
        return self.engine.last_mark_ns

    def ranking(self, name: str) -> Ranking:
        """Return the ranking of a board, as of the last whole second; raises KeyError."""
        return self.boards.rankings[name]


class AsOf:
    """Give the engine as of any recorded time; keeps a few engines, so that scrubbing is fast."""

    def __init__(self, data: Path, calendar: Calendar, run: Path | None = None) -> None:
        """Answer from `run` alone, where one is given."""
        self._data = data
        self._calendar = calendar
        self._run = run
        self._cursors: list[Cursor] = []
        """The one used last comes last."""
        self._names: list[str] = []

    def engine_at(self, at_ns: int, asked: frozenset[str] = frozenset()) -> Engine:
        """Return the engine after the last mark at or before `at_ns`; raises Missing."""
        return self.at(at_ns, asked).engine

    def at(
        self,
        at_ns: int,
        asked: frozenset[str] = frozenset(),
        check: Check = unhurried,
        tiers: bool = True,
    ) -> Then:
        """Return the market as of `at_ns`, with the questions `asked` evaluated up to it.

        Without `tiers` nothing but these may be looked at that depends on tier 2. Raises Missing
        where no journal holds that time, and what `check` raises.
        """
        try:
            return self._at(at_ns, asked, check, tiers)
        except _TiersStood:
            return self._at(at_ns, asked, check, tiers=True)

    def _at(self, at_ns: int, asked: frozenset[str], check: Check, tiers: bool) -> Then:
        folder = self._run or run_at(self._data, self._calendar, at_ns)
        if not 0 < begin_of(folder) <= at_ns:
            raise Missing(
                f"Nothing is recorded at {iso(at_ns)}: the journal {_name(folder)} begins at "
                f"{iso(begin_of(folder))}.{_days(self._data)}"
            )
        cursor = self._cursor(folder, at_ns, asked, tiers)
        self._cursors = [c for c in self._cursors if c is not cursor]
        try:
            goes_on = cursor.go_to(at_ns, check)
        except Stopped:
            self._keep(cursor)
            raise
        self._keep(cursor)
        if not goes_on and at_ns - cursor.mark_ns >= SILENT_NS:
            raise Missing(
                f"Nothing is recorded at {iso(at_ns)}: the journal {_name(folder)} ends at "
                f"{iso(cursor.mark_ns)}.{_days(self._data)}"
            )
        return Then(cursor.engine, cursor.boards, _name(folder), cursor, check)

    def forget(self) -> None:
        """Keep no engine any more."""
        self._drop(len(self._cursors))

    def _drop(self, count: int) -> None:
        """Let the engines go that were used longest ago; their parts hold each other."""
        if count > 0 and self._cursors:
            del self._cursors[:count]
            gc.collect()

    def _keep(self, cursor: Cursor) -> None:
        self._cursors = [*self._cursors, cursor][-CURSORS:]

    def _cursor(self, folder: Path, at_ns: int, asked: frozenset[str], tiers: bool) -> Cursor:
        """Return the engine that is nearest before `at_ns`: one that is kept, or a snapshot's."""
        self._cursors = [c for c in self._cursors if c.sound]
        second_ns = at_ns // NS * NS
        snapshot_ns = max((p.ts_ns for p in places(folder) if p.ts_ns < second_ns), default=0)
        fit = [
            c for c in self._cursors
            if c.folder == folder and asked <= c.asked and tiers <= c.tiers
            and snapshot_ns - THAW_NS <= c.mark_ns <= at_ns
        ]  # fmt: skip
        if fit:
            return max(fit, key=lambda c: c.mark_ns)
        self._names = [*(n for n in self._names if n not in asked), *sorted(asked)][-NAMES:]
        self._drop(len(self._cursors) - CURSORS + 1)
        return begin_before(folder, second_ns, frozenset(self._names) | asked, tiers)


def begin_before(folder: Path, second_ns: int, asked: frozenset[str], tiers: bool = True) -> Cursor:
    """Return a cursor at the last snapshot before a whole second, or at the run's beginning.

    The second's own mark is then replayed: a board is asked at it.
    """
    until_ns = second_ns - 1
    while (found := read_snapshot(folder, until_ns=until_ns)) is not None:
        seq, state = found
        try:
            return Cursor(folder, state, seq, asked, tiers)
        except Rejected:
            if seq == 0:
                raise
            until_ns = min(p.ts_ns for p in places(folder) if p.seq == seq) - 1
    return Cursor(folder, None, 0, asked, tiers)


def run_at(data: Path, calendar: Calendar, at_ns: int) -> Path:
    """Return the run that recorded `at_ns`: the last that had begun and goes on to it.

    Where none goes on to it, the last that had begun. Raises Missing.
    """
    session = latest_session(calendar, at_ns)
    days = {session.date, session_after(calendar, at_ns).date}
    runs = [r for day in sorted(days) for r in runs_of(data, day.isoformat()) if segments(r)]
    begun = [(begin, run) for run in runs if 0 < (begin := begin_of(run)) <= at_ns]
    if begun:
        latest = [run for _, run in sorted(begun, reverse=True)]
        reach = (run for run in latest if len(latest) == 1 or _goes_on_to(run, at_ns))
        return next(reach, latest[0])
    first = f", the first of the day is {iso(begin_of(runs[0]))}" if runs else ""
    raise Missing(f"Nothing is recorded at {iso(at_ns)}{first}.{_days(data)}")


def _goes_on_to(run: Path, at_ns: int) -> bool:
    """Tell whether a run's recording reaches a time; one that is damaged does not."""
    if any(place.ts_ns >= at_ns for place in places(run)):
        return True
    try:
        return end_of(run) > at_ns - SILENT_NS
    except Corrupt:
        return False


def begin_of(run: Path) -> int:
    """Return the market time at which a run begins, 0 when it has no mark yet."""
    base_ns = next((p.ts_ns for p in places(run) if p.seq == 0), 0)
    return base_ns or _first_mark(run) or 0


@lru_cache(maxsize=256)
def _known_first_mark(run: Path) -> int:
    for record in read_records(run):
        if isinstance(record, Mark):
            return record.ts_ns
    raise LookupError


def end_of(run: Path) -> int:
    """Return the market time of a run's last mark, 0 when it has none yet; raises Corrupt."""
    found = segments(run)
    return _end_of(run, found[-1], found[-1].stat().st_size) if found else 0


@lru_cache(maxsize=64)
def _end_of(run: Path, _last: Path, _size: int) -> int:
    """Return a run's end; it is another one where the last segment has grown."""
    newest = max(places(run), key=lambda place: place.seq, default=None)
    seq, last_ns = (0, 0) if newest is None or not newest.seq else (newest.seq, newest.ts_ns)
    for record in read_records(run, seq):
        if isinstance(record, Mark):
            last_ns = record.ts_ns
    return last_ns


def _first_mark(run: Path) -> int | None:
    try:
        return _known_first_mark(run)
    except LookupError:
        return None


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def recorded_days(data: Path) -> list[str]:
    """Return the dates that hold a journal, oldest first."""
    found = (p for p in (data / "journal").glob("*") if p.is_dir() and _is_date(p.name))
    return sorted(p.name for p in found if any(segments(run) for run in runs_of(data, p.name)))


def _is_date(name: str) -> bool:
    try:
        dt.date.fromisoformat(name)
    except ValueError:
        return False
    return True


def _days(data: Path) -> str:
    days = recorded_days(data)
    if not days:
        return " No day is recorded yet."
    more = f" and {len(days) - 10} before" if len(days) > 10 else ""
    return f" Recorded are {', '.join(days[-10:])}{more}."
