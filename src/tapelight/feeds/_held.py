"""Hold back what a stream brings until a snapshot has been put before it."""

from dataclasses import replace

from tapelight.errors import Unavailable
from tapelight.model.batch import Batch, size
from tapelight.model.records import Record
from tapelight.ports import Hears, Sink

MOST_EVENTS = 3_000_000
"""Kept while a snapshot is on its way, some 150 MB; beyond, connect anew."""


class Held:
    """Pass records on to a sink, or hold them back: at first, and from `hold` to `release`."""

    def __init__(self, sink: Sink) -> None:
        self.holds = True
        self.events = 0
        """How many events of batches wait; they are lost with the connection, in its hole."""
        self._sink = sink
        self._records: list[Record] = []

    def put(self, record: Record) -> None:
        """Pass a record on, or keep it; raises Unavailable where too much waits."""
        if not self.holds:
            self._sink.put(record)
            return
        self._records.append(record)
        if isinstance(record, Batch):
            self.events += size(record)
            if isinstance(self._sink, Hears):
                self._sink.heard(record)
        if self.events > MOST_EVENTS:
            raise Unavailable(
                "The snapshot took so long that the stream ran over; connecting anew."
            )

    def hold(self) -> None:
        """Keep what comes from now on."""
        self.holds = True

    def release(self) -> None:
        """Deliver what was held back, as received now, and hold nothing more."""
        records, self._records = self._records, []
        self.holds, self.events = False, 0
        now_ns = self._sink.clock.now_ns()
        for record in records:
            late = replace(record, ts_recv_ns=now_ns) if isinstance(record, Batch) else record
            self._sink.put(late)
