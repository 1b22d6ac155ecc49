"""Healing: the time of a hole is reckoned anew, with the trades that the feed missed where they belong.

The state before the hole takes the records since once more, the missed trades among them at their
own time, with the marks that they would have caused. What comes out is the state and the signals
of the day without the hole; what was told and is not among these is taken back, what is missing
is told late. Pure, like the engine: a replay heals with the same records, and gives the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from tapelight.market.row import GAP
from tapelight.market.table import Table
from tapelight.model.batch import Batch, Int64s, Trades
from tapelight.model.records import FeedState, Healed, Mark, Record, Snapshot, Symbols
from tapelight.model.session import NS, iso
from tapelight.model.signals import Signal

CYCLE_NS = 50_000_000
"""The grid of the marks between whole seconds."""
FORESIGHT_NS = 30 * NS
"""A hole is told at the latest so long after it began."""
LONGEST_NS = 30 * 60 * NS
"""A longer hole is not healed."""
MOST_TOLD = 50_000
AGAIN = "healed: the trades missed"
"""So begins the reason of a record that stands for what was told otherwise before."""
NONE = b"\x90"


class Cycle(Protocol):
    """What a mark brought."""

    @property
    def signals(self) -> list[Signal]: ...


class Machine(Protocol):
    """An engine: what takes records."""

    table: Table
    last_mark_ns: int

    def apply(self, record: Record) -> Any:
        """Apply one record; a mark returns its cycle."""


M = TypeVar("M", bound=Machine)


class Healing(Generic[M]):
    """Take the course from before a hole anew: `take` each record since, then read what came out.

    Holes that were healed in between, or overlap, are healed with it: their records among those
    that are taken say where each ended.
    """

    def __init__(self, machine: M, healed: Healed, since: Iterable[Record] = ()) -> None:
        """Begin with an engine as of a mark at or before the first hole; it changes here.

        `since` are the records that will be taken, as far as they are known: the symbols among
        them get their rows at once, since a missed trade may be the first of its symbol.
        """
        self.machine = machine
        before: list[Healed] = []
        for record in since:
            if isinstance(record, Symbols):
                machine.apply(record)
            elif isinstance(record, Healed):
                before.append(record)
        self.signals: list[Signal] = []
        """What the course gave since the last hole's beginning."""
        self._holes = [*before, healed]
        self._told: set[int] = set()
        """Holes, by number, whose first state was seen."""
        self._trades, self._times = _arrivals(self._holes)
        self._at = 0
        self._group: list[Batch] = []
        """Batches since the last other record: a journal keeps them as one."""

    def take(self, record: Record) -> None:
        """Take the next record that followed."""
        if isinstance(record, Batch):
            self._group.append(record)
            return
        self._release_before(record)
        match record:
            case Mark():
                self._take_mark(record)
            case FeedState() if (number := self._hole_at(record.ts_ns)) is not None:
                self._tell(number)
            case Snapshot() if (number := self._hole_at(record.ts_recv_ns)) is not None:
                self.machine.apply(self._unhealed(record, number))
            case Healed():
                pass
            case _:
                self.machine.apply(record)

    def finish(self) -> M:
        """Bring what is left of the missed trades, and return the engine."""
        self._fill(self._holes[-1].until_ns + 1, self.machine.last_mark_ns)
        self._release()
        return self.machine

    def _release_before(self, record: Record) -> None:
        """Apply the batches before `record`, and before them the missed trades that are older."""
        left = self._times[self._at :]
        if self._group and len(left) and self._group[-1].ts_recv_ns <= left[0]:
            self._release()
        if isinstance(record, Mark):
            self._fill(record.ts_ns, record.ts_ns - 1)
        elif self._group:
            self._fill(self._group[-1].ts_recv_ns, self._group[-1].ts_recv_ns)
        self._release()

    def _release(self) -> None:
        """Apply the batches that the stream brought."""
        for batch in self._group:
            self.machine.apply(self._once(batch))
        self._group.clear()

    def _take_mark(self, mark: Mark) -> None:
        if mark.ts_ns > self._holes[0].since_ns:
            known_ns = min(mark.ts_ns, self._holes[-1].until_ns)
            mark = Mark(mark.ts_ns, max(mark.complete_ns, known_ns))
        self._mark(mark)

    def _mark(self, mark: Mark) -> None:
        cycle = self.machine.apply(mark)
        if mark.ts_ns > self._holes[-1].since_ns:
            self.signals += cycle.signals

    def _hole_at(self, ts_ns: int) -> int | None:
        """Return the number of the hole that was open at a time.

        A state or a picture of another one, which began while these were being healed and is not
        healed yet, is taken as it is.
        """
        for number, hole in enumerate(self._holes):
            if hole.since_ns <= ts_ns <= hole.until_ns:
                return number
        return None

    def _tell(self, number: int) -> None:
        """Leave a state of a hole out; the first makes those rows provisional that stay so."""
        if number not in self._told:
            self._told.add(number)
            missing = self._holes[number].missing
            rows = missing[missing < self.machine.table.n]
            self.machine.table.live["provisional"][rows] |= GAP

    def _fill(self, until_ns: int, last_mark_ns: int) -> None:
        """Apply the missed trades before `until_ns`, and the marks due by `last_mark_ns` among them."""
        while self._at < len(self._times) and self._times[self._at] < until_ns:
            due_ns = (int(self._times[self._at]) // CYCLE_NS + 1) * CYCLE_NS
            end = int(np.searchsorted(self._times, min(due_ns, until_ns), "left"))
            piece = _picked(self._trades, slice(self._at, end))
            self.machine.apply(Batch(int(self._times[end - 1]), trades=piece))
            self._at = end
            if self.machine.last_mark_ns < due_ns <= last_mark_ns:
                self._mark(Mark(due_ns, due_ns))

    def _unhealed(self, snapshot: Snapshot, number: int) -> Snapshot:
        """Return the snapshot, older than anything for the rows that need none of its figures."""
        missing = np.isin(snapshot.row, self._holes[number].missing)
        return replace(snapshot, updated_ns=np.where(missing, snapshot.updated_ns, 0))

    def _once(self, batch: Batch) -> Batch:
        """Return the batch without the trades that the missed ones bring too and no number tells."""
        trades = batch.trades
        if trades is None or trades.seq.all():
            return batch
        twice = np.zeros(len(trades.row), np.bool_)
        for hole in self._holes:
            due_ns = trades.ts_ns + hole.delay_ns
            inside = (due_ns > hole.since_ns) & (due_ns <= hole.until_ns)
            twice |= inside & (trades.seq == 0) & ~np.isin(trades.row, hole.missing)
        quotes = batch.quotes
        if quotes is not None:
            arrived = np.concatenate(([0], np.cumsum(~twice))).astype(np.int32)
            quotes = replace(quotes, before=arrived[quotes.before])
        return replace(batch, trades=_picked(trades, ~twice), quotes=quotes)


def _arrivals(holes: Sequence[Healed]) -> tuple[Trades, Int64s]:
    """Return the missed trades of all holes in the order in which they came, and when.

    That is by their time and the feed's delay, not before their hole, but within a row by their number: a print
    stamped late came with the one before it.
    """
    parts = [hole.trades for hole in holes]
    trades = Trades(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Trades)))
    times = np.concatenate([np.maximum(h.trades.ts_ns + h.delay_ns, h.since_ns) for h in holes])
    by_row = np.lexsort((times, trades.seq, trades.row))
    row, seq = trades.row[by_row], trades.seq[by_row]
    twice = (np.diff(row, prepend=-1) == 0) & (np.diff(seq, prepend=-1) == 0) & (seq > 0)
    by_row = by_row[~twice]  # fetched for two holes: it came with the first
    times = times[by_row]
    bounds = [*np.flatnonzero(np.diff(trades.row[by_row], prepend=-1)), len(times)]
    for begin, end in pairwise(bounds):
        np.maximum.accumulate(times[begin:end], out=times[begin:end])
    order = np.argsort(times, kind="stable")
    return _picked(trades, by_row[order]), times[order]


def _picked(trades: Trades, at: Any) -> Trades:
    return Trades(*(getattr(trades, f.name)[at] for f in fields(Trades)))


def corrections(told: Iterable[Signal], true: Iterable[Signal], healed: Healed) -> list[Signal]:
    """Return the records that lead from what was `told` in a hole to what is `true`.

    A signal that never was is retracted; one that was not told is told now, with the mark at
    which it became true; one whose later state was wrong is told again as it stands. What takes
    something back has mark 0: it bears the mark that tells it.
    """
    was, right = _by_id(told), _by_id(true)
    hole = f"{iso(healed.since_ns)[11:19]} to {iso(healed.until_ns)[11:19]}"
    found: list[Signal] = []
    for key in sorted(was.keys() | right.keys()):
        before, now = was.get(key, {}), right.get(key, {})
        fresh = [
            s for state, s in now.items() if state not in before or before[state].mark != s.mark
        ]
        wrong = [record for state, record in before.items() if state not in now]
        if wrong and not fresh:
            found += _taken_back(wrong, list(now.values()), hole)
        found += [_told_late(record, hole) for record in fresh]
    return found


def _by_id(signals: Iterable[Signal]) -> dict[str, dict[str, Signal]]:
    """Return the records by id and state, in the order told."""
    found: dict[str, dict[str, Signal]] = {}
    for signal in signals:
        found.setdefault(signal.id, {})[signal.state] = signal
    return found


def _taken_back(wrong: list[Signal], right: list[Signal], hole: str) -> list[Signal]:
    """Return what replaces states that never were: the last true one, or that nothing was."""
    reason = f"{AGAIN} from {hole} show otherwise"
    if right:
        return [msgspec.structs.replace(right[-1], mark=0, reason=reason)]
    if any(record.state == "fired" for record in wrong):
        return [msgspec.structs.replace(wrong[-1], mark=0, state="retracted", reason=reason)]
    if all(record.state == "armed" for record in wrong):
        return []  # what is armed ends quietly
    return [msgspec.structs.replace(wrong[-1], mark=0, state="fired", reason=reason)]


def _told_late(record: Signal, hole: str) -> Signal:
    late = f"healed: told late, by the trades missed from {hole}"
    reason = f"{record.reason}; {late}" if record.reason else late
    return msgspec.structs.replace(record, reason=reason)


@dataclass(slots=True)
class Base:
    """Hold an engine's state before a hole, and the records since."""

    state: dict[str, Any]
    begun_ns: int
    records: list[Record] = field(default_factory=list)
    opened: bool = False
    """Whether the hole has been told."""

    def copied(self) -> dict[str, Any]:
        """Return the state for an engine to live in; another hole may need it again."""
        return {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in self.state.items()
        }


class Course:
    """Keep what the healing of a hole needs: a part of the engine.

    That is the signals told lately and, where the hole is foreseen (in a recording), the state
    before it and the records since. Who runs live has these in the journal: `rewind` reads them.
    """

    def __init__(self) -> None:
        self.told: deque[Signal] = deque(maxlen=MOST_TOLD)
        self.late: list[Signal] = []
        """Corrections that the next mark tells."""
        self.base: Base | None = None
        self.foreseen: deque[int] = deque()
        """When holes will have begun, ns; told ahead by who reads a recording."""

    def note(self, record: Record) -> None:
        """Keep a record that the engine is about to apply, while a hole may need it."""
        if self.base is not None:
            self.base.records.append(record)

    def correct(self, healed: Healed, true: list[Signal]) -> None:
        """Owe the corrections of a healed hole; what is true counts as told from now on."""
        told = [s for s in self.told if s.mark > healed.since_ns]
        self.late += corrections(told, true, healed)
        sure = [s for s in self.told if s.mark <= healed.since_ns]
        self.told = deque([*sure, *true], MOST_TOLD)

    def tell(self, now_ns: int) -> list[Signal]:
        """Return the corrections as of a mark; each keeps the mark at which it became true."""
        late, self.late = self.late, []
        return [msgspec.structs.replace(s, ts_ns=now_ns, mark=s.mark or now_ns) for s in late]

    def step(
        self, table: Table, signals: list[Signal], freeze: Callable[[], dict[str, Any]]
    ) -> None:
        """End a mark: note its signals, and keep the state where a hole begins soon."""
        now = table.now_ns
        self.told.extend(signals)
        while self.told and not table.gap_since_ns and self.told[0].mark < now - FORESIGHT_NS:
            self.told.popleft()
        self._drop(table, now)
        while self.base is None and self.foreseen and self.foreseen[0] - 2 * NS <= now:
            begun_ns = self.foreseen.popleft()
            if begun_ns >= now:
                self.base = Base(freeze(), begun_ns)

    def _drop(self, table: Table, now: int) -> None:
        """Let the kept state go where the hole has ended and no other has begun, or lasts too long."""
        base = self.base
        if base is None:
            return
        if table.gap_since_ns:
            base.opened = True
            while self.foreseen and self.foreseen[0] <= table.gap_since_ns:
                self.foreseen.popleft()
        begun = bool(self.foreseen) and self.foreseen[0] <= now
        ended = base.opened and not table.gap_since_ns and not begun
        if ended or now - base.begun_ns > LONGEST_NS:
            self.base = None

    def freeze(self) -> dict[str, Any]:
        """Return what was told and what is to be."""
        pack = msgspec.msgpack.encode
        return {"told": pack(list(self.told)), "late": pack(self.late)}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""

        def read(name: str) -> list[Signal]:
            return msgspec.msgpack.decode(state.get(name, NONE), type=list[Signal])

        self.told, self.late = deque(read("told"), MOST_TOLD), read("late")

    def clear(self) -> None:
        """Begin a new session: what was told before is not taken back any more."""
        self.told.clear()


def foreseen(records: Iterable[Record], foresee: Callable[[int], object]) -> Iterator[Record]:
    """Yield the records of a recording; `foresee` is told of each hole before it begins."""
    ahead: deque[Record] = deque()
    marks: deque[int] = deque()
    seen: set[int] = set()
    for record in records:
        ahead.append(record)
        if isinstance(record, FeedState) and record.provisional and record.since_ns not in seen:
            seen.add(record.since_ns)
            foresee(record.since_ns)
        if isinstance(record, Mark):
            marks.append(record.ts_ns)
            while marks[-1] - marks[0] > FORESIGHT_NS:
                yield from _until_mark(ahead)
                marks.popleft()
    yield from ahead


def _until_mark(ahead: deque[Record]) -> Iterator[Record]:
    while True:
        record = ahead.popleft()
        yield record
        if isinstance(record, Mark):
            return
