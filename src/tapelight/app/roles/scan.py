"""The scan worker: it follows the whole stream, and answers its share of the questions.

Workers are identical: each takes a share that is free. All of them fold every trade, so that each has
the whole market; what they divide is the asking.
"""

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import structlog

from tapelight.app.accounts import table_account
from tapelight.app.measures import MOMENT
from tapelight.app.observing import Observing
from tapelight.app.prints import PrintTape
from tapelight.app.publish import PRICE, PRICES, Publisher
from tapelight.app.roles.boardwriter import BoardWriter
from tapelight.app.roles.follower import Follower
from tapelight.app.roles.hotboards import SIGNALS, SYMBOLS
from tapelight.app.roles.outbox import Outbox
from tapelight.app.roles.recall import Recall
from tapelight.app.roles.services import Services, lock, share_of
from tapelight.app.roles.standby import (
    LEFT,
    STANDBY,
    Standby,
    active,
    own_first,
    share_folder,
    take_over,
)
from tapelight.app.roles.stations import Stations
from tapelight.app.roles.tenure import Tenure, mark_of, owner_of
from tapelight.app.tracing import SignalTraces, Spans
from tapelight.app.views import EngineBoards, EngineMarket, phase_and_session
from tapelight.config import Config, ScaleOut
from tapelight.engine import Cycle, Engine, everything
from tapelight.errors import Unavailable
from tapelight.market.table import Table
from tapelight.model.signals import Signal
from tapelight.ports import Bus, Json
from tapelight.scan.warm import compile_loops
from tapelight.stores.journal.retention import prune
from tapelight.telemetry import Measure

log = structlog.get_logger()
SYMBOLS_S = 2.0
SYMBOLS_TTL_S = 30.0
FIRST = 0
"""The share whose worker also tells rows and bars."""
PUBLISH_S = 0.05
START_S = 30.0
"""For so long a share is left to the worker that had it: it goes on faster than one that has nothing."""
AGAIN = 500
"""Signals of one message that are given again."""


class OwnTopics:
    """Be a bus on which only the topics of one share are wanted."""

    def __init__(self, bus: Bus, number: int, engine: Engine) -> None:
        self.engine = engine
        self._bus, self._number = bus, number

    def publish(self, topic: str, state: Mapping[str, Json]) -> None:
        """Publish."""
        self._bus.publish(topic, state)

    def wanted(self) -> frozenset[str]:
        """Return the wanted topics that are this share's; signals travel by another way."""
        return frozenset(topic for topic in self._bus.wanted() if self._is_mine(topic))

    def _is_mine(self, topic: str) -> bool:
        kind, _, name = topic.partition(":")
        if kind == "board":
            return name in self.engine.boards and self.engine.share(name)
        return kind in ("symbol", "bars", PRICES, PRICE) and self._number == FIRST

    def subscribe(self, _listener: object) -> None:
        """Hear nothing: a worker only tells."""

    def want(self, _topic: str, _wanted: bool) -> None:
        """Want nothing."""


class ScanWorker:
    """Follow the stream as share `number` of the questions."""

    def __init__(
        self, config: Config, data: Path, services: Services, number: int, spans: Spans,
        recall: Recall,
    ) -> None:  # fmt: skip
        settings = config.scale_out
        self.number = number
        self._recall, self._share = recall, share_of(number, settings.shares)
        folder = share_folder(data, number)
        self.services = services
        consumers = consumers_of(settings)
        self.outbox = Outbox({name: services.signals(name) for name in consumers})
        self.hot, self.bus = services.hot(), services.bus()
        engine = Engine()
        self.boards = EngineBoards(engine)
        self.market = EngineMarket(engine, dict)
        self.topics = OwnTopics(self.bus, number, engine)
        prints = PrintTape(lambda: self.boards.engine)
        self.publisher = Publisher(self.boards, self.market, self.topics, dict, prints)
        self.writer = BoardWriter(self.hot, number, self.boards)
        self.stations = Stations()
        self.traces = SignalTraces(spans)
        reader = f"scan.{number}.{mark_of(data)}"
        self.follower = Follower(
            folder, reader, services.stream(reader), services.words(),
            self._share, self._on_cycle, self._again, self._opened,
            lambda running: _tidy(data, folder, config, running), self.stations,
        )  # fmt: skip
        self._published_s = 0.0
        self._told = 0

    async def run(self) -> None:
        """Follow, answer and write; until cancelled."""
        try:
            await self._run()
        finally:
            await self.follower.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.outbox.run(), name="outbox")
            await self.follower.open()
            for label, signals in self._recall.of(self._share):
                self._send(signals, label)
            group.create_task(self.bus.run(), name="bus")
            group.create_task(self.writer.run(), name="boards")
            group.create_task(self.follower.run_words(), name="words")
            group.create_task(self.follower.run_stream(self._before), name="stream")
            group.create_task(self._tell_symbols(), name="symbols")

    async def _before(self) -> None:
        """Wait for room; keep the state where every signal up to it has arrived."""
        await self.outbox.room()
        if self.outbox.empty and self.follower.replica is not None:
            self.follower.replica.snapshot()

    def _opened(self, engine: Engine) -> None:
        self.boards.engine = self.market.engine = self.topics.engine = engine
        self.boards.rankings.clear()

    def _again(self, signals: Sequence[Signal]) -> None:
        """Send again what followed the state that a start goes on from."""
        shown = {(s.id, s.state, s.mark) for s in self.boards.newest}
        self.boards.keep((), [s for s in signals if (s.id, s.state, s.mark) not in shown])
        self._send(signals)

    def _send(self, signals: Sequence[Signal], run: str = "") -> None:
        """Let signals go to their queues, those of one phase together; they are of `run`, or of the present one."""
        engine, run = self.boards.engine, run or self.follower.run.label
        for (phase, session), group in groupby(
            signals, lambda signal: phase_and_session(engine, signal.mark)
        ):
            some = tuple(group)
            for at in range(0, len(some), AGAIN):
                self.outbox.add(run, some[at : at + AGAIN], phase, session)

    def _on_cycle(self, cycle: Cycle) -> None:
        cycle = self.stations.stamped(cycle)
        self._send(cycle.signals)
        if not self.follower.near:
            self.boards.keep(cycle.rankings, cycle.signals)
            return  # it is of a while ago: nobody is told, and there is no wall time to trace it at
        self._tell_signals(cycle)
        self.traces.on_signals(cycle.signals)
        now_s = asyncio.get_running_loop().time()
        live = self.follower.live
        if live and now_s - self._published_s >= PUBLISH_S:
            self._published_s = now_s
            self.publisher.on_cycle(cycle)
        else:
            self.boards.keep(cycle.rankings, cycle.signals)
        if cycle.whole and live:
            engine = self.boards.engine
            mine = [n for n in (*engine.boards, *engine.scans) if engine.share(n)]
            self.writer.note(cycle.mark.ts_ns, cycle.rankings, mine)

    def _tell_signals(self, cycle: Cycle) -> None:
        """Let the gateways have signals at once; each topic is published once, so none is conflated."""
        if cycle.signals:
            self._told += 1
            state = {"mark": cycle.mark.ts_ns, "signals": list(cycle.signals)}
            self.bus.publish(f"{SIGNALS}{self.number}:{self._told}", state)

    async def _tell_symbols(self) -> None:
        """Tell the gateways what is watched; until cancelled."""
        while True:
            symbols = list(self.boards.engine.table.universe.symbols)
            try:
                await self.hot.put_rows({SYMBOLS: symbols}, SYMBOLS_TTL_S)
            except Unavailable as error:
                log.debug("what is watched can't be told", reason=str(error))
            await asyncio.sleep(SYMBOLS_S)

    def unfit(self) -> str | None:
        """Return why this worker answers nothing, if so."""
        return self.follower.fault() or self.outbox.fault() or self.services.fault()

    def measures(self) -> list[Measure]:
        """Return its figures, for /metrics."""
        doc = "Boards written to the hot store."
        return [
            active(True),
            Measure("scan_share", "The share of the questions.", self.number),
            Measure("boards_written_total", doc, self.writer.written),
            Measure("bus_sent_total", "Publications sent to the bus.", self.bus.sent),
            Measure("bus_shed_total", "Publications that found no room.", self.bus.shed),
            *books(self.boards.engine.table),
            *self.follower.measures(), *self.outbox.measures(), *self.services.measures(),
        ]  # fmt: skip


def books(table: Table) -> Iterator[Measure]:
    """Yield what became of the events that a worker's table has had, as the feed tells of its own."""
    for fate, count in table_account(table).items():
        if fate not in MOMENT:
            labels = {"stage": "table", "fate": fate}
            yield Measure("events_total", "Events by stage and fate.", count, labels)


def consumers_of(settings: ScaleOut) -> list[str]:
    """Return for whom signals are kept in queues."""
    roles = {"archive": True, "trade": settings.trade, "alert": settings.alert}
    return [name for name, is_there in roles.items() if is_there]


def _tidy(data: Path, folder: Path, config: Config, running: Path) -> None:
    """Delete what is not needed any more; it may take long."""
    shutil.rmtree(data / LEFT, ignore_errors=True)
    prune(folder, config.journal, running)


async def serve(config: Config, data: Path) -> None:
    """Take a share that is free, and be its worker; until cancelled or the share is lost."""
    compile_loops()
    held = lock(data)
    services = Services(config.scale_out)
    await services.check("redis", "rabbitmq")
    standby = Standby(config, data / STANDBY, f"scan.standby.{mark_of(data)}", services, everything)
    telemetry = config.telemetry
    observing = Observing(telemetry, "scan", telemetry.port, (), standby.unfit)
    observing.more = lambda: [*standby.measures(), *services.measures()]
    tenure = Tenure(await asyncio.to_thread(services.leases), owner_of(data))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observing.run(), name="observing")
            number = await _share(config, data, tenure, standby)
            worker = ScanWorker(config, data, services, number, observing.spans, standby.recall)
            observing.unfit = worker.unfit
            observing.more = lambda: [*worker.measures(), *tenure.measures()]
            group.create_task(tenure.keep(), name="lease")
            group.create_task(worker.run(), name="worker")
    finally:
        await tenure.give_up()
        held.close()


async def _share(config: Config, data: Path, tenure: Tenure, standby: Standby) -> int:
    """Wait for a share, its own before others; one that another had is left to it for a while."""
    prefix, shares = config.scale_out.prefix, config.scale_out.shares
    names = {f"{prefix}.scan.{number}": number for number in own_first(data, shares)}
    lease = await standby.win(tenure, list(names), START_S)
    number = names[lease.name]
    await asyncio.to_thread(take_over, data, number)
    log.info("scan worker", share=number, of=shares)
    return number
