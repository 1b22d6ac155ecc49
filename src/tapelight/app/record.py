"""The live track record: each fired signal is followed, and each scan's record is at hand."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from tapelight.app.backtest.follow import Costs, Follower, outcomes
from tapelight.app.backtest.statistics import scan_record
from tapelight.engine import Cycle, Engine
from tapelight.errors import Missing
from tapelight.model.outcomes import Outcome, ScanRecord
from tapelight.model.session import local_date
from tapelight.ports import Json
from tapelight.stores.outcomes import OutcomeStore

REMEMBERED = 100_000
"""Newest outcomes that the records rest on."""


class TrackRecord:
    """Follow the fired signals of a running engine; off the journal's path and of every digest.

    It hears each cycle after the engine is done with it. What a restart finds open stays as it
    was when last written: `tapelight backtest --scoreboard` reckons it anew from the journal.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.store: OutcomeStore | None = None
        self._engine = engine
        self._follower = Follower()
        self._costs = Costs()
        self._known: dict[str, OrderedDict[str, Outcome]] = {}
        """Outcomes by scan and id, oldest first."""
        self._count = 0
        self._made: dict[str, ScanRecord] = {}
        self._changes: dict[str, int] = {}

    def open(self, data: Path) -> None:
        """Open the store and read what earlier sessions left; raises ConfigError."""
        self.store = OutcomeStore(data)
        for outcome in self.store.newest(REMEMBERED):
            self._remember(outcome)

    def close(self) -> None:
        """Write what waits, and what settled since the last whole second."""
        self._tell()
        if self.store is not None:
            self.store.close()

    def on_cycle(self, cycle: Cycle) -> None:
        """Take what a mark brought; at whole seconds let what has settled be written."""
        table = self._engine().table
        self._follower.on_mark(cycle.mark.ts_ns, cycle.signals, table)
        if cycle.whole:
            self._tell()

    def _tell(self) -> None:
        """Keep what began or settled, and let it be written."""
        signals, followed = self._follower.news()
        if not signals:
            return
        zone = self._engine().table.calendar.zone
        began = followed["session_ns"].tolist()
        days = {ns: local_date(ns, zone).isoformat() for ns in set(began)}
        dates = [days[ns] for ns in began]
        found = outcomes(signals, followed, dates, self._costs)
        for outcome in found:
            self._remember(outcome)
        if self.store is not None:
            self.store.put(found)

    def _remember(self, outcome: Outcome) -> None:
        mine = self._known.setdefault(outcome.scan, OrderedDict())
        self._count += outcome.id not in mine
        mine[outcome.id] = outcome
        self._made.pop(outcome.scan, None)
        self._changes[outcome.scan] = self._changes.get(outcome.scan, 0) + 1
        if self._count > REMEMBERED:
            largest = max(self._known.values(), key=len)
            largest.popitem(last=False)
            self._count -= 1

    async def records(self) -> Sequence[ScanRecord]:
        """Return the records of all scans that have fired."""
        return [await self._record(scan) for scan in sorted(self._known)]

    async def record(self, scan: str) -> ScanRecord:
        """Return a scan's record; raises Missing for a scan that there is not."""
        if scan in self._known:
            return await self._record(scan)
        engine = self._engine()
        names = sorted({*engine.scans, *engine.strategies, *self._known})
        if scan in names:
            return scan_record(scan, ())
        near = get_close_matches(scan, names, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise Missing(f"No scan or strategy is called {scan!r}.{hint}")

    async def _record(self, scan: str) -> ScanRecord:
        """Reckon a record on a thread; it stands until the scan's next outcome."""
        made = self._made.get(scan)
        if made is None:
            found, changes = list(self._known[scan].values()), self._changes[scan]
            made = await asyncio.to_thread(scan_record, scan, found)
            if changes == self._changes[scan]:
                self._made[scan] = made
        return made

    def status(self) -> dict[str, Json]:
        """Return what /health shows."""
        store = self.store
        return {
            "state": store.state if store is not None else "closed",
            "followed": len(self._follower),
            "outcomes": self._count,
            "lost": store.lost if store is not None else 0,
        }
