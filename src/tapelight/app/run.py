"""`tapelight run`: feed, journal, engine and gateway in one loop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import structlog

from tapelight.app.asof import packed
from tapelight.app.chains import EngineChains
from tapelight.app.control import Control
from tapelight.app.correlation import EngineCorrelations
from tapelight.app.data.origin import origin_of
from tapelight.app.dispatch import Dispatch
from tapelight.app.lease import owning
from tapelight.app.loop import collect_seldom
from tapelight.app.measures import scanner_measures
from tapelight.app.observing import Observing
from tapelight.app.past import Live, Past
from tapelight.app.portfolio import PortfolioRisk, known_of
from tapelight.app.prints import PrintTape
from tapelight.app.publish import Publisher
from tapelight.app.quarantine import EngineQuarantine
from tapelight.app.questions import QuestionFiles
from tapelight.app.reasons import EngineReasons
from tapelight.app.record import TrackRecord
from tapelight.app.scanfiles import ScanFiles
from tapelight.app.scanner import Scanner
from tapelight.app.sources import Sources
from tapelight.app.strategies import Budget, StrategyFiles
from tapelight.app.tier3 import Rounds
from tapelight.app.tracing import SignalTraces
from tapelight.app.trading import Asking, Books, Price
from tapelight.app.trials import Trials
from tapelight.app.trust import remember
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.app.workers import Workers
from tapelight.buses.memory import MemoryBus
from tapelight.config import AUTO, Config, JournalLimits
from tapelight.engine import Engine, Share, everything
from tapelight.market.view import View
from tapelight.model.batch import Batch
from tapelight.model.records import Disabled, FeedState, Pin
from tapelight.ports import Feed, Keyed, OptionFeed, ReferenceFeed
from tapelight.scan.tiers import BENCHMARKS
from tapelight.scan.warm import compile_loops
from tapelight.stores.cold.store import ColdStore
from tapelight.stores.journal.retention import prune
from tapelight.web.rest import fault as unfit
from tapelight.web.server import Gateway

log = structlog.get_logger()
ASK_AGAIN_S = 60.0
WARM_S = 20.0
"""After the start, when the first rush is over."""
LOOK_S = 1.0
"""Between looks at the questions folder."""


@dataclass(slots=True)
class Parts:
    """Hold what one scanner process is made of."""

    scanner: Scanner
    gateway: Gateway
    feed: Feed
    boards: EngineBoards
    market: EngineMarket
    past: Past
    questions: QuestionFiles
    data: Path
    limits: JournalLimits
    strategies: StrategyFiles
    dispatch: Dispatch
    reasons: EngineReasons
    workers: Workers
    record: TrackRecord
    control: Control
    sources: Sources
    books: Books
    trading: Asking
    observing: Observing
    rounds: Rounds | None = None
    """Tier 3, where the feed knows options."""
    budget: Budget = field(default_factory=Budget)
    background: set["asyncio.Task[None]"] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)


def assemble(config: Config, feed: Feed, data: Path, share: Share = everything) -> Parts:
    """Make the objects of a scanner that answers a share; the port is bound here, before all else."""
    questions = QuestionFiles(Path(config.questions))
    bus = MemoryBus()
    web = config.web
    calendar = feed.calendar if config.calendar == AUTO else config.calendar
    scanner = Scanner(data, questions.questions, calendar, share)
    boards, market = EngineBoards(scanner.engine), EngineMarket(scanner.engine, scanner.status)
    prints = PrintTape(lambda: scanner.engine)
    publisher = Publisher(boards, market, bus, scanner.status, prints, lambda: scanner.behind)
    dispatch = Dispatch(scanner.clock.now_ns, publisher.on_cycle)
    scanner.listeners.append(dispatch.on_cycle)
    scanner.on_batch = _noted(dispatch, prints)
    scanner.signal_status = lambda: {
        **dispatch.status(), "track_record": record.status(), "alerts": control.alerting.status(),
        "trader": trading.summary(),
    }  # fmt: skip
    budget = Budget()
    observing = _observing(config, scanner, dispatch, budget)
    past = Past(data, calendar, lambda: _live(scanner))
    reasons = EngineReasons(scanner.engine, boards, past)
    record = TrackRecord(lambda: scanner.engine)
    scanner.listeners.append(record.on_cycle)
    scans = ScanFiles(questions, lambda: scanner.ask(questions.questions))
    control = Control(data, config, bus)
    books, trading = Books(data, lambda symbol: last_price(scanner.engine, symbol)), Asking(data)
    gateway = Gateway(
        boards, market, bus, host=web.host, port=web.port, hosts=web.hosts, origins=web.origins,
        past=past, scans=scans, reasons=reasons, records=record, documents=control.documents,
        quarantine=EngineQuarantine(scanner), users=control.users, guests=config.users.guests,
        code=control.code, alerting=control.alerting.desk, oidc=control.oidc, orders=books,
        trader=trading, prints=prints, correlations=EngineCorrelations(scanner.engine),
        portfolios=PortfolioRisk(books, lambda symbol: known_of(scanner.engine, symbol)),
        trials=Trials(data, questions.own, lambda: questions.questions.texts),
        chains=EngineChains(scanner.engine), measures=observing.measures, proxies=web.trusted_proxies,
    )  # fmt: skip
    parts = Parts(
        scanner, gateway, feed, boards, market, past, questions, data, config.journal,
        StrategyFiles(Path(config.strategies), config.strategy), dispatch, reasons,
        Workers(config.workers, lambda: scanner.engine, scanner.put), record, control,
        Sources(config), books, trading, observing, budget=budget,
    )  # fmt: skip
    _follow(parts)
    _keep_days(scanner, feed, data)
    _connect(parts, config)
    return parts


def last_price(engine: Engine, symbol: str) -> Price | None:
    """Return a symbol's last price, if one is known, and whether it is old or doubtful."""
    row = engine.table.universe.rows.get(symbol)
    if row is None or not engine.table.rows[row]["last"] > 0:
        return None
    view = View(engine.table, np.array([row], np.intp))
    doubtful = any(bool(np.asarray(view[name])[0]) for name in ("stale", "provisional"))
    return Price(float(engine.table.rows[row]["last"]), doubtful)


def _noted(dispatch: Dispatch, prints: PrintTape) -> Callable[[Batch], None]:
    def noted(batch: Batch) -> None:
        dispatch.note(batch)
        prints.note(batch)

    return noted


def _observing(config: Config, scanner: Scanner, dispatch: Dispatch, budget: Budget) -> Observing:
    """Return what gathers the measures; the gateway's own are added to it."""
    measures = (lambda: scanner_measures(scanner), dispatch.measures, budget.costs.measures)
    settings = config.telemetry
    return Observing(settings, "scanner", settings.port, measures, lambda: unfit(scanner.status()))


def _connect(parts: Parts, config: Config) -> None:
    """Let the scanner ask and call the other parts."""
    scanner, boards, feed = parts.scanner, parts.boards, parts.feed
    parts.control.show(parts.gateway, config.web.host)
    alerting = parts.control.alerting
    parts.dispatch.heard = lambda cycle: alerting.on_cycle(cycle, scanner.engine)
    parts.rounds = _rounds(parts, config.options.symbols)
    scanner.workers = config.workers
    scanner.listeners.insert(0, parts.workers.on_cycle)
    scanner.source_status = parts.sources.status
    parts.observing.more = parts.gateway.measures
    traces = SignalTraces(parts.observing.spans, lambda: scanner.clock.rate)
    parts.dispatch.traced = traces.on_signals
    alerting.sender.told = traces.on_delivery
    scanner.kept = lambda: packed(boards.newest)
    scanner.question_faults = lambda: parts.questions.faults
    scanner.strategy_faults = lambda: parts.strategies.faults
    scanner.feed_counts = feed.counts
    boards.counts = lambda: scanner.taken
    scanner.coverage = lambda: feed.coverage
    scanner.on_open = lambda engine: _attach(parts, engine, config.pins)
    scanner.on_roll = lambda running: prune(parts.data, config.journal, running)
    parts.market.asked_for = lambda symbol: _fetch_history(parts, symbol)


def _keep_days(scanner: Scanner, feed: Feed, data: Path) -> None:
    """Let past days be kept by the feed's own origin, and be asked for once."""
    scanner.origin = lambda: origin_of(feed.name, feed.coverage)
    if isinstance(feed, ReferenceFeed):
        feed.keep_in(ColdStore(data))


def _rounds(parts: Parts, symbols: int) -> Rounds | None:
    """Return tier 3's rounds, listening to the scanner; None where the feed knows no options."""
    if not isinstance(parts.feed, OptionFeed) or symbols <= 0:
        return None
    rounds = Rounds(parts.scanner, parts.feed, parts.data, symbols)
    parts.scanner.listeners.append(rounds.on_cycle)
    return rounds


def _attach(parts: Parts, engine: Engine, pins: Sequence[str]) -> None:
    parts.sources.opened.set()
    parts.boards.engine = engine
    parts.market.engine = engine
    _pin(parts.scanner, engine, pins)
    parts.reasons.engine = engine
    assert parts.scanner.recording is not None
    parts.control.alerting.again(parts.scanner.recording.opened.signals, engine)
    newest = parts.dispatch.open(parts.data, engine, parts.scanner.recording)
    parts.boards.newest.extend(newest)
    parts.reasons.log = parts.dispatch.log
    parts.record.open(parts.data)
    engine.roster.watch = parts.budget.watch
    engine.on_step = parts.budget.costs.on_step


def _pin(scanner: Scanner, engine: Engine, pins: Sequence[str]) -> None:
    """Let the configured symbols and the benchmarks be pinned, and no others."""
    for symbol in [*pins, *engine.tiers.pins]:
        chosen = symbol in pins or symbol in BENCHMARKS
        if chosen != (symbol in engine.tiers.pins):
            scanner.put(Pin(symbol, chosen))


def _live(scanner: Scanner) -> Live:
    writer = scanner.recording.writer if scanner.recording is not None else None
    return Live(scanner.clock.now_ns(), writer)


async def _warm(past: Past) -> None:
    await asyncio.sleep(WARM_S)
    await past.warm()


async def _follow_questions(parts: Parts) -> None:
    """Take the changes of the questions folder, and tell which files are refused; until cancelled."""
    told: dict[str, str] = {}
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(parts.questions.poll)
        parts.scanner.ask(parts.questions.questions)
        faults = dict(parts.questions.faults)
        for name, fault in faults.items():
            if told.get(name) != fault:
                stays = name in parts.questions.questions.texts
                then = "its running version stays" if stays else "it does not run"
                log.warning("a scan is refused", name=name, then=then, reason=fault)
        told = faults


def _follow(parts: Parts) -> None:
    """Run the chosen strategies, and note in the data folder that its runs ran them."""
    chosen = parts.strategies.strategies
    try:
        remember(parts.data, chosen.chosen)
    except OSError as error:
        log.warning("the strategies of this run can't be noted", reason=str(error))
    parts.scanner.follow(chosen)


async def _follow_strategies(parts: Parts) -> None:
    """Take changed strategy files, and switch off what fails or takes too long; until cancelled."""
    told: dict[str, str] = {}
    scanner = parts.scanner
    while True:
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(parts.strategies.poll)
        _follow(parts)
        for name, reason in parts.budget.take().items():
            scanner.put(Disabled(scanner.clock.now_ns(), name, reason))
        off = {n: rule.fault for n, rule in scanner.engine.strategies.items() if rule.fault}
        faults = parts.strategies.faults | off
        for name, fault in faults.items():
            if told.get(name) != fault:
                log.warning("a strategy is off or its file is refused", name=name, reason=fault)
        told = faults


def _fetch_history(parts: Parts, symbol: str) -> None:
    """Ask the feed for a symbol's earlier bars when somebody looks at its chart, once a minute."""
    loop = asyncio.get_running_loop()
    asked = parts.asked.get(symbol)
    if len(parts.background) >= 32 or (asked is not None and loop.time() - asked < ASK_AGAIN_S):
        return
    parts.asked[symbol] = loop.time()
    task = loop.create_task(parts.feed.history(symbol), name=f"history {symbol}")
    parts.background.add(task)
    task.add_done_callback(lambda done: _fetched(parts, done))


def _fetched(parts: Parts, task: "asyncio.Task[None]") -> None:
    parts.background.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("no history", task=task.get_name(), reason=str(error))


async def _feed(parts: Parts) -> None:
    """Run the feed, once no other process uses its key."""
    feed, scanner = parts.feed, parts.scanner

    def waits(pid: int) -> None:
        words = (
            f"Another process (id {pid}) uses this key, which allows one connection: this one takes "
            "over when that ends. Stop it, or give one of them a key of its own."
        )
        scanner.put(FeedState(scanner.clock.now_ns(), feed.name, "waiting", words))

    async with owning(feed.owns() if isinstance(feed, Keyed) else "", waits):
        await feed.run(scanner)


def _market(parts: Parts, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
    """Begin what brings the market into the journal, whoever answers questions of it."""
    scanner = parts.scanner
    tasks = [
        group.create_task(scanner.run_marks(), name="marks"),
        group.create_task(_follow_questions(parts), name="questions"),
        group.create_task(_follow_strategies(parts), name="strategies"),
        group.create_task(parts.workers.run(), name="tier workers"),
        group.create_task(parts.sources.run(scanner), name="sources"),
    ]
    if parts.rounds is not None:
        tasks.append(group.create_task(parts.rounds.run(), name="tier 3"))
    return tasks


async def serve_headless(parts: Parts) -> None:
    """Run feed and marks alone until cancelled: whose key it is was settled by a lease before.

    What observes the process is the caller's: it begins before.
    """
    await asyncio.to_thread(prune, parts.data, parts.limits)
    collect_seldom()
    try:
        async with asyncio.TaskGroup() as group:
            _market(parts, group)
            group.create_task(parts.feed.run(parts.scanner), name="feed")
    finally:
        await _close(parts)


async def serve(parts: Parts, until: asyncio.Event | None = None) -> None:
    """Run feed, marks and gateway until cancelled, or until `until` is set."""
    compile_loops()
    await asyncio.to_thread(prune, parts.data, parts.limits)
    collect_seldom()
    await parts.control.alerting.load()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(parts.gateway.serve(), name="gateway"),
                group.create_task(parts.control.alerting.run(), name="alerting"),
                group.create_task(_warm(parts.past), name="past"),
                group.create_task(_feed(parts), name="feed"),
                group.create_task(parts.observing.run(), name="observing"),
                *_market(parts, group),
            ]
            if until is not None:
                await until.wait()
                for task in tasks:
                    task.cancel()
    finally:
        await _close(parts)


async def _close(parts: Parts) -> None:
    for task in list(parts.background):
        task.cancel()
    parts.past.close()
    parts.scanner.close()  # the journal first: a second Ctrl-C may cut short what waits below
    await parts.control.close()
    await asyncio.to_thread(parts.dispatch.close)
    await asyncio.to_thread(parts.record.close)
    parts.books.close()
    parts.trading.close()
