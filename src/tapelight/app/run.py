"""`tapelight run`: feed, journal, engine and gateway in one loop."""

import asyncio
import gc
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tapelight.app.publish import Publisher
from tapelight.app.questions import read_questions
from tapelight.app.scanner import Scanner
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.buses.memory import MemoryBus
from tapelight.config import AUTO, Config, JournalLimits, convert
from tapelight.engine import Engine
from tapelight.market.warm import compile_loops
from tapelight.plugins import load
from tapelight.ports import Feed
from tapelight.stores.journal.retention import prune
from tapelight.web.server import Gateway

log = structlog.get_logger()
ASK_AGAIN_S = 60.0


@dataclass(slots=True)
class Parts:
    """Hold what one scanner process is made of."""

    scanner: Scanner
    gateway: Gateway
    feed: Feed
    boards: EngineBoards
    market: EngineMarket
    data: Path
    limits: JournalLimits
    background: set["asyncio.Task[None]"] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)


def open_feed(config: Config, name: str | None = None) -> Feed:
    """Return the feed that the configuration names."""
    chosen = name or config.use_feed
    module = load("feeds", chosen)
    settings = convert(config.feed.get(chosen, {}), module.Config, f"[feed.{chosen}]")
    feed: Feed = module.open(settings)
    return feed


def assemble(config: Config, feed: Feed, data: Path) -> Parts:
    """Make the objects of one scanner process; the port is bound here, before anything starts."""
    questions = read_questions(Path(config.questions))
    bus = MemoryBus()
    web = config.web
    calendar = feed.calendar if config.calendar == AUTO else config.calendar
    scanner = Scanner(data, questions, calendar)
    boards = EngineBoards(scanner.engine)
    market = EngineMarket(scanner.engine, scanner.status)
    scanner.listeners.append(Publisher(boards, market, bus, scanner.status).on_cycle)
    gateway = Gateway(
        boards, market, bus, host=web.host, port=web.port, hosts=web.hosts, origins=web.origins
    )
    parts = Parts(scanner, gateway, feed, boards, market, data, config.journal)
    scanner.feed_counts = feed.counts
    boards.counts = lambda: scanner.taken
    scanner.coverage = lambda: feed.coverage
    scanner.on_open = lambda engine: _attach(parts, engine)
    scanner.on_roll = lambda running: prune(data, config.journal, running)
    market.asked_for = lambda symbol: _fetch_history(parts, symbol)
    return parts


def _attach(parts: Parts, engine: Engine) -> None:
    parts.boards.engine = engine
    parts.market.engine = engine


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


async def serve(parts: Parts, until: asyncio.Event | None = None) -> None:
    """Run feed, marks and gateway until cancelled, or until `until` is set."""
    compile_loops()
    await asyncio.to_thread(prune, parts.data, parts.limits)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    scanner = parts.scanner
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(parts.gateway.serve(), name="gateway"),
                group.create_task(scanner.run_marks(), name="marks"),
                group.create_task(parts.feed.run(scanner), name="feed"),
            ]
            if until is not None:
                await until.wait()
                for task in tasks:
                    task.cancel()
    finally:
        for task in list(parts.background):
            task.cancel()
        scanner.close()
