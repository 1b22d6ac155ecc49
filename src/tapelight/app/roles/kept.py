"""Bars and trades of a run on their way into PostgreSQL: the archive's reader of the stream.

It follows like a scan worker that answers nothing. Its state is kept only where everything up to there is
written, so that one that was killed goes on there, and writes again what came after: each bar and trade has
a key, and is there once. While PostgreSQL is away no more is taken than a bound; the feed's journal has it.
"""

import asyncio
import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from tapelight.app.roles.follower import Follower
from tapelight.app.roles.services import Services, nothing
from tapelight.app.roles.tenure import mark_of
from tapelight.config import Config
from tapelight.engine import Cycle, Engine
from tapelight.errors import Unavailable
from tapelight.market.bars import Chunk
from tapelight.market.warm import compile_loops
from tapelight.model.batch import Batch
from tapelight.model.records import Record
from tapelight.ports import History
from tapelight.stores.journal.retention import prune
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
MINUTE_NS = 60 * 10**9
BLOCK = 5_000
MOST = 50_000
"""Rows that may wait: then nothing more is followed until PostgreSQL has taken some."""
LOOK_S = 0.1
AGAIN_S = 0.5

Rows = list[tuple[Any, ...]]


class Keeper:
    """Gather the bars that close or change, and the trades where they are wanted; write them in order."""

    def __init__(self, history: History, bars: bool = True, trades: bool = False) -> None:
        self.counts = {"bars": 0, "trades": 0}
        """Rows written; a bar that changed counts again."""
        self.fault = ""
        self._history, self._wants_bars, self._wants_trades = history, bars, trades
        self._lock = threading.Lock()
        """A run is opened on a thread."""
        self._engine: Engine | None = None
        self._table: object = None
        self._watch: list[Chunk] = []
        self._symbols: list[str] = []
        self._due: deque[tuple[str, Rows]] = deque()
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()

    def begin(self, engine: Engine) -> None:
        """Watch the engine of a run; what the one before brought stays due."""
        with self._lock:
            self._gather()
            self._engine = engine
            self._turn(engine)

    def see(self, record: Record) -> None:
        """Take a batch's trades; one without the provider's number gets one of its receive time."""
        if not self._wants_trades or not isinstance(record, Batch) or record.trades is None:
            return
        t, first = record.trades, record.ts_recv_ns
        symbols = [self._symbols[row] for row in t.row.tolist()]
        seq = [number or -(first + i) for i, number in enumerate(t.seq.tolist())]
        columns = (t.ts_ns.tolist(), symbols, seq, t.price.tolist(), t.size.tolist())
        with self._lock:
            self._add("trades", list(zip(*columns, strict=True)))

    def hear(self, _cycle: Cycle) -> None:
        """Look after a cycle."""
        self.look()

    def look(self, _engine: Engine | None = None) -> None:
        """Take what has closed; after a healing, all bars of the session, which is reckoned anew."""
        with self._lock:
            self._gather()
            if self._engine is not None and self._engine.table is not self._table:
                self._turn(self._engine)
                self._take([self._engine.table.bars.all()])

    def _turn(self, engine: Engine) -> None:
        self._table, self._symbols = engine.table, engine.table.universe.symbols
        self._watch = engine.table.bars.watch(over_night=True)

    def _gather(self) -> None:
        found = list(self._watch)
        self._watch.clear()
        self._take(found)

    def _take(self, found: list[Chunk]) -> None:
        if not self._wants_bars or not found:
            return
        bars = np.concatenate(found)
        names = ("open", "high", "low", "close", "volume")
        columns = [
            (bars["minute"] * MINUTE_NS).tolist(),
            [self._symbols[row] for row in bars["row"].tolist()],
            *(bars[name].tolist() for name in names),
        ]
        self._add("bars", list(zip(*columns, strict=True)))

    def _add(self, kind: str, rows: Rows) -> None:
        for at in range(0, len(rows), BLOCK):
            self._due.append((kind, rows[at : at + BLOCK]))
        self._waiting += len(rows)
        if self._waiting >= MOST:
            self._room.clear()

    @property
    def empty(self) -> bool:
        """Tell whether everything up to now is written."""
        return not self._waiting and not self._watch

    async def room(self) -> None:
        """Wait until more may come."""
        await self._room.wait()

    async def run(self) -> None:
        """Write; until cancelled."""
        while True:
            if not self._due:
                await asyncio.sleep(LOOK_S)
                continue
            kind, rows = self._due[0]
            try:
                await asyncio.to_thread(self._write, kind, rows)
            except Unavailable as error:
                if not self.fault:
                    log.warning("bars and trades can't be written, trying again", reason=str(error))
                self.fault = str(error)
                await asyncio.sleep(AGAIN_S)
                continue
            self.fault = ""
            with self._lock:
                self._due.popleft()
                self._waiting -= len(rows)
                if self._waiting < MOST:
                    self._room.set()
            self.counts[kind] += len(rows)

    def _write(self, kind: str, rows: Rows) -> None:
        if kind == "bars":
            self._history.write_bars(rows)
        else:
            self._history.write_trades(rows)

    def measures(self) -> list[Measure]:
        """Return what was written, and what waits, for /metrics."""
        doc = "Bars and trades that wait for PostgreSQL."
        return [
            *counted("archived_rows_total", "Bars and trades written.", self.counts, "kind"),
            Measure("archive_rows_waiting", doc, self._waiting),
        ]


class Kept:
    """Follow the stream, and keep its bars and trades."""

    def __init__(self, config: Config, data: Path, services: Services, history: History) -> None:
        settings, reader = config.scale_out, f"archive.{mark_of(data)}"
        self.keeper = Keeper(history, settings.archive_bars, settings.archive_trades)
        self.follower = Follower(
            data, reader, services.stream(reader), services.words(), nothing, self.keeper.hear,
            opened=self.keeper.look, tidy=lambda folder: prune(data, config.journal, folder),
            watches=self.keeper,
        )  # fmt: skip

    async def run(self) -> None:
        """Follow and write; until cancelled."""
        await asyncio.to_thread(compile_loops)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.keeper.run(), name="keeper")
                await self.follower.open()
                group.create_task(self.follower.run_words(), name="words")
                group.create_task(self.follower.run_stream(self._before), name="stream")
        finally:
            await self.follower.close()

    async def _before(self) -> None:
        """Wait for room; keep the state where everything up to it is written."""
        await self.keeper.room()
        if self.keeper.empty and self.follower.replica is not None:
            self.follower.replica.snapshot()

    def fault(self) -> str | None:
        """Return why nothing is kept, if so."""
        return self.keeper.fault or self.follower.fault()

    def measures(self) -> list[Measure]:
        """Return how far it is, for /metrics."""
        return [*self.keeper.measures(), *self.follower.measures()]
