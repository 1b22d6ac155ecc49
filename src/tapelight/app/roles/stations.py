"""The stations of a worker's signals: the event behind one, when it came, and the mark that asked.

They are stamps of the feed's market clock, as the stream has them: a worker has no such clock. When the
signal was sent on, and taken, is told by the logs of who took it.
"""

import dataclasses
from collections import deque

import msgspec

from tapelight.app.dispatch import BATCHES, Folded, events_of
from tapelight.engine import Cycle, Engine
from tapelight.model.batch import Batch
from tapelight.model.records import Record
from tapelight.model.signals import Hops


class Stations:
    """Note the batches since the last mark, and stamp the signals of the next."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._folded: deque[Folded] = deque(maxlen=BATCHES)

    def begin(self, engine: Engine) -> None:
        """Take the rows of a run's symbols."""
        self._rows = engine.table.universe.rows
        self._folded.clear()

    def see(self, record: Record) -> None:
        """Note a batch."""
        if isinstance(record, Batch):
            self._folded.append(Folded(record, record.ts_recv_ns))

    def stamped(self, cycle: Cycle) -> Cycle:
        """Return a cycle with the stamps on its signals."""
        rows = {self._rows[s.symbol] for s in cycle.signals if s.symbol in self._rows}
        events = events_of(self._folded, rows) if rows else {}
        self._folded.clear()
        if not cycle.signals:
            return cycle
        signals = []
        for signal in cycle.signals:
            event = events.get(self._rows.get(signal.symbol, -1))
            hops = Hops(
                exchange_ns=event.exchange_ns if event else None,
                receive_ns=event.receive_ns if event else None,
                fire_ns=cycle.mark.ts_ns,
            )
            signals.append(msgspec.structs.replace(signal, hops=hops))
        return dataclasses.replace(cycle, signals=signals)
