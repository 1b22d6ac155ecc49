"""Rewind: the time of a hole is reckoned anew from a run's snapshots and journal."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tapelight.app.frozen import thaw
from tapelight.engine import Engine, Share, everything
from tapelight.errors import Rejected
from tapelight.healing import Healing
from tapelight.model.records import Healed, Record, Symbols
from tapelight.stores.journal.segments import read_records
from tapelight.stores.journal.snapshots import places, read_snapshot


def from_journal(
    folder: Path, healed: Healed, until: int | None = None, share: Share = everything
) -> Healing[Engine] | None:
    """Return the course since before the hole, by a run's records up to number `until`.

    Without it they go up to the healing's own record. Holes healed between are healed with it, so
    the state must lie before the first of them. None where no such state is left.
    """
    since_ns = healed.since_ns
    while True:
        begun = _before(folder, since_ns)
        if begun is None:
            return None
        engine, seq = begun
        engine.share = share
        known = [r for r in _records(folder, seq, healed, until) if isinstance(r, Healed | Symbols)]
        holes = [r.since_ns for r in known if isinstance(r, Healed)]
        first_ns = min(holes, default=since_ns)
        if first_ns >= engine.last_mark_ns:
            break
        since_ns = first_ns
    healing = Healing(engine, healed, known)
    for record in _records(folder, seq, healed, until):
        healing.take(record)
    return healing


def _records(folder: Path, seq: int, healed: Healed, until: int | None) -> Iterator[Record]:
    """Yield the records after number `seq` and before the healing."""
    records = read_records(folder, seq)
    for record in records if until is None else islice(records, max(until - seq, 0)):
        if isinstance(record, Healed) and record.ts_recv_ns == healed.ts_recv_ns:
            return
        yield record


def _before(folder: Path, since_ns: int) -> tuple[Engine, int] | None:
    """Return the newest state at or before a time, with its record's number."""
    until_ns = since_ns
    while (found := read_snapshot(folder, until_ns=until_ns)) is not None:
        try:
            return thaw(found[1], adopt=True), found[0]
        except Rejected:
            until_ns = min(p.ts_ns for p in places(folder) if p.seq == found[0]) - 1
    if any(place.seq == 0 for place in places(folder)):
        return None  # the run goes on from another one, whose end lies after the time
    return Engine(), 0
