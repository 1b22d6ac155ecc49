"""Rewind: the time of a hole is reckoned anew from a run's snapshots and journal."""

from functools import partial
from itertools import islice
from pathlib import Path

from tapelight.app.frozen import thaw
from tapelight.engine import Engine
from tapelight.errors import Rejected
from tapelight.healing import Healing
from tapelight.model.records import Healed
from tapelight.stores.journal.segments import read_records
from tapelight.stores.journal.snapshots import places, read_snapshot


def from_journal(folder: Path, healed: Healed, until: int | None = None) -> Healing[Engine] | None:
    """Return the course since before the hole, by a run's records up to number `until`.

    Without it they go up to the healing's own record. None where no state before the hole is left.
    """
    begun = _before(folder, healed.since_ns)
    if begun is None:
        return None
    engine, seq = begun
    engine.rewind = partial(from_journal, folder)
    healing = Healing(engine, healed)
    records = read_records(folder, seq)
    for record in records if until is None else islice(records, max(until - seq, 0)):
        if isinstance(record, Healed) and record.ts_recv_ns == healed.ts_recv_ns:
            break
        healing.take(record)
    return healing


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
