"""Healing: the time of a hole is reckoned anew, with the trades that the feed missed where they belong.

The state before the hole takes the records since once more, the missed trades among them at their
own time, with the marks that they would have caused. What comes out is the state and the signals
of the day without the hole; what was told and is not among these is taken back, what is missing
is told late. Pure, like the engine: a replay heals with the same records, and gives the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.row import GAP
from tapelight.market.table import Table
from tapelight.model.batch import Batch, Int64s, Trades
from tapelight.model.records import FeedState, Healed, Mark, Record, Snapshot
from tapelight.model.session import NS, iso
from tapelight.model.signals import Signal

CYCLE_NS = 50_000_000
"""The grid of the marks between whole seconds."""
FORESIGHT_NS = 30 * NS
"""A hole is told at the latest so long after it began."""
LONGEST_NS = 30 * 60 * NS
"""A longer hole is not healed."""
MOST_TOLD = 50_000
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
    """Take the course from before a hole anew: `take` each record since, then read what came out."""

    def __init__(self, machine: M, healed: Healed) -> None:
        """Begin with an engine as of a mark at or before the hole's beginning; it changes here."""
        self.machine = machine
        self.signals: list[Signal] = []
        """What the course gave since the hole's beginning."""
        self._healed = healed
        self._missing = set(healed.missing.tolist())
        order, times = _arrivals(healed.trades)
        self._trades = _picked(healed.trades, order)
        self._times = np.maximum(times, healed.since_ns)
        self._at = 0
        self._open = False
        self._group: list[Batch] = []
        """Batches since the last other record: a journal keeps them as one."""

    def take(self, record: Record) -> None:
        """Take the next record that followed."""
        if isinstance(record, Batch):
            self._group.append(record)
            return
        if self._group and self._group[-1].ts_recv_ns <= self._healed.since_ns:
            self._release()
        if isinstance(record, Mark):
            self._fill(record.ts_ns, record.ts_ns - 1)
        elif self._group:
            self._fill(self._group[-1].ts_recv_ns, self._group[-1].ts_recv_ns)
        self._release()
        match record:
            case Mark():
                self._take_mark(record)
            case FeedState() if self._of_hole(record):
                pass
            case Snapshot() if self._open:
                self.machine.apply(self._unhealed(record))
            case _:
                self.machine.apply(record)

    def finish(self) -> M:
        """Bring what is left of the missed trades, and return the engine."""
        self._fill(self._healed.until_ns + 1, self.machine.last_mark_ns)
        self._release()
        return self.machine

    def _release(self) -> None:
        """Apply the batches that the stream brought."""
        for batch in self._group:
            self.machine.apply(self._once(batch))
        self._group.clear()

    def _take_mark(self, mark: Mark) -> None:
        healed = self._healed
        if healed.since_ns < mark.ts_ns <= healed.until_ns:
            mark = Mark(mark.ts_ns, mark.ts_ns)
        self._mark(mark)

    def _mark(self, mark: Mark) -> None:
        cycle = self.machine.apply(mark)
        if mark.ts_ns > self._healed.since_ns:
            self.signals += cycle.signals

    def _of_hole(self, state: FeedState) -> bool:
        """Tell whether a state is of the hole; its first one makes those provisional that stay so."""
        if state.provisional and not self._open and state.ts_ns >= self._healed.since_ns:
            self._open = True
            rows = [row for row in self._missing if row < self.machine.table.n]
            self.machine.table.live["provisional"][rows] |= GAP
        return self._open

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

    def _unhealed(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot, older than anything for the rows that need none of its figures."""
        missing = np.isin(snapshot.row, self._healed.missing)
        return replace(snapshot, updated_ns=np.where(missing, snapshot.updated_ns, 0))

    def _once(self, batch: Batch) -> Batch:
        """Return the batch without the trades that the missed ones bring too and no number tells."""
        trades, healed = batch.trades, self._healed
        if not self._open or trades is None:
            return batch
        twice = (trades.seq == 0) & (trades.ts_ns > healed.since_ns)
        twice &= (trades.ts_ns <= healed.until_ns) & ~np.isin(trades.row, healed.missing)
        if not twice.any():
            return batch
        quotes = batch.quotes
        if quotes is not None:
            arrived = np.concatenate(([0], np.cumsum(~twice))).astype(np.int32)
            quotes = replace(quotes, before=arrived[quotes.before])
        return replace(batch, trades=_picked(trades, ~twice), quotes=quotes)


def _arrivals(trades: Trades) -> tuple[npt.NDArray[np.intp], Int64s]:
    """Return the order in which trades came, and when.

    That is by their time, but within a row by their number: a print stamped late came with the
    one before it.
    """
    by_row = np.lexsort((trades.ts_ns, trades.seq, trades.row))
    times = trades.ts_ns[by_row].copy()
    starts = np.flatnonzero(np.diff(trades.row[by_row], prepend=-1))
    for begin, end in zip(starts, [*starts[1:], len(times)], strict=True):
        np.maximum.accumulate(times[begin:end], out=times[begin:end])
    order = np.argsort(times, kind="stable")
    return by_row[order], times[order]


def _picked(trades: Trades, at: Any) -> Trades:
    return Trades(*(getattr(trades, f.name)[at] for f in fields(Trades)))


def corrections(told: Iterable[Signal], true: Iterable[Signal], healed: Healed) -> list[Signal]:
    """Return the records that lead from what was `told` in a hole to what is `true`.

    A signal that never was is retracted; one that was not told is told now, with the mark at
    which it became true; one whose later state was wrong is told again as it stands.
    """
    was, right = _by_id(told), _by_id(true)
    hole = f"{iso(healed.since_ns)[11:19]} to {iso(healed.until_ns)[11:19]}"
    found: list[Signal] = []
    for key in sorted(was.keys() | right.keys()):
        before, now = was.get(key, {}), right.get(key, {})
        fresh = [record for state, record in now.items() if state not in before]
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
    reason = f"healed: the trades missed from {hole} show otherwise"
    if right:
        return [msgspec.structs.replace(right[-1], reason=reason)]
    if any(record.state == "fired" for record in wrong):
        return [msgspec.structs.replace(wrong[-1], state="retracted", reason=reason)]
    if all(record.state == "armed" for record in wrong):
        return []  # what is armed ends quietly
    return [msgspec.structs.replace(wrong[-1], state="fired", reason=reason)]


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
        if self.base is not None and not isinstance(record, Healed):
            self.base.records.append(record)

    def tell(self, now_ns: int) -> list[Signal]:
        """Return the corrections as of a mark; each keeps the mark at which it became true."""
        late, self.late = self.late, []
        return [
            msgspec.structs.replace(s, ts_ns=now_ns, mark=now_ns if s.state == "retracted" else s.mark)
            for s in late
        ]  # fmt: skip

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
        """Let the kept state go where the hole has ended, or lasts too long."""
        base = self.base
        if base is None:
            return
        base.opened = base.opened or table.gap_since_ns > 0
        if (base.opened and not table.gap_since_ns) or now - base.begun_ns > LONGEST_NS:
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
