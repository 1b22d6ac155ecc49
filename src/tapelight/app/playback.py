"""`tapelight replay`: a recorded day or a Parquet file through the same engine."""

import asyncio
import datetime as dt
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from tapelight.app.data.kept import Kept
from tapelight.app.prints import PrintTape
from tapelight.app.publish import Publisher
from tapelight.app.questions import read_questions
from tapelight.app.runs import find_run, journal_date, open_journal
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.feeds import replay
from tapelight.market.baseline import market_curve
from tapelight.market.view import View
from tapelight.model.batch import Batch
from tapelight.model.records import CalendarChoice, Digest, FeedState, Mark, Questions, Record
from tapelight.model.session import PHASES, Calendar, Session, calendar, clock_zone, iso, parse_time
from tapelight.scan.sql import answer, compile_query
from tapelight.web.server import Gateway

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Say what to replay and what to answer."""

    source: str
    data: Path
    verify: bool = False
    daily: Path | None = None
    reference: str | None = None
    """The origin whose kept days tell of the past, instead of `daily`."""
    sql: tuple[str, ...] = ()
    at: str | None = None
    calendar: str = "auto"
    json: bool = False


@dataclass(slots=True)
class Verdict:
    """Count the digests that agree with those the live run left."""

    same: int = 0
    other: int = 0
    first_other_ns: int = 0

    def see(self, witness: Digest, mine: str) -> None:
        """Compare one digest."""
        if witness.digest == mine:
            self.same += 1
        else:
            self.first_other_ns = self.first_other_ns or witness.ts_ns
            self.other += 1


@dataclass(frozen=True, slots=True)
class Opened:
    """Hold a source's records, the engine before them, and its day where the source tells it."""

    records: Iterator[Record]
    engine: Engine = field(default_factory=Engine)
    session: Session | None = None

    def moment(self, text: str, cal: Calendar, first_ns: int) -> int:
        """Return TIME in ns.

        A time of day is the exchange's, on the journal's day or that of a file's last session.
        """
        session = self.session
        if session is None:
            day = dt.date.fromisoformat(journal_date(cal, first_ns))
            session = cal.session_on(day)
            assert session is not None
        return parse_time(text, session, clock_zone(cal))


def open_records(options: ReplayOptions, questions: Questions | None) -> Opened:
    """Return the records of the source; `questions` are asked of a file that has none itself."""
    path = Path(options.source)
    if path.suffix != ".parquet" and not path.is_file():
        _refuse_for_a_journal(options)
        engine, records = open_journal(find_run(path, options.data))
        return Opened(records, engine)
    source = replay.open_source(path, options.calendar)
    if source.rejected:
        sys.stderr.write(f"{path}: {source.rejected:,} rows without a sound price are left out.\n")
    return Opened(
        _file_records(source, _before(source, options), questions), session=source.last_session()
    )


def _refuse_for_a_journal(options: ReplayOptions) -> None:
    """Refuse what a journal has in itself; raises ConfigError."""
    given = {
        "--daily": options.daily is not None,
        "--reference": options.reference is not None,
        "--calendar": options.calendar != "auto",
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise ConfigError(
            f"{name} is for Parquet files, a journal brings its own: leave it out for "
            f"{options.source}."
        )


def _before(source: replay.Source, options: ReplayOptions) -> replay.Before | None:
    """Return what tells of past days; raises ConfigError where two do."""
    if options.reference is not None:
        if options.daily is not None:
            raise ConfigError("--daily and --reference both tell of past days: give one of them.")
        return Kept(options.data, options.reference).open(frozenset(source.symbols)).before
    if options.daily is not None:
        return replay.daily_before(options.daily, source.symbols, source.calendar)
    return None


def _file_records(
    source: replay.Source, before: replay.Before | None, questions: Questions | None
) -> Iterator[Record]:
    for i, record in enumerate(replay.records(source, before)):
        yield record
        if i == 0:
            yield market_curve()
            if questions is not None:
                yield questions


def replay_max(options: ReplayOptions) -> int:
    """Replay at full speed, print the answers and the verdict; return the exit code."""
    queries = [compile_query(text) for text in options.sql]
    verdict = Verdict()
    opened = open_records(options, None)
    engine = opened.engine
    began_ns = engine.last_mark_ns
    _run(engine, opened, verdict, options)
    if options.at is not None and engine.last_mark_ns == began_ns:
        raise ConfigError(f"--at {options.at} lies before the first mark of {options.source}.")
    for query in queries:
        _show(answer(query, View(engine.table)), options.json)
    return _verdict(engine, verdict, options)


def _run(engine: Engine, opened: Opened, verdict: Verdict, options: ReplayOptions) -> None:
    """Apply the records, up to --at."""
    if not options.verify:
        engine.apply(Questions({}))
    records = _shown(opened.records)
    if options.at is not None:
        records = _until(options.at, opened, records)
    for record in records:
        match record:
            case Digest() if options.verify:
                verdict.see(record, engine.digest)
            case Questions() if not options.verify:
                continue  # nobody looks at the boards: the answers are raw
        engine.apply(record)


def _until(text: str, opened: Opened, records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records up to the last mark at or before TIME, and nothing that came after it."""
    stop_ns = 0
    cycle: list[Record] = []
    for record in records:
        cycle.append(record)
        if not isinstance(record, Mark):
            continue
        if not stop_ns:
            chosen = (r.name for r in cycle if isinstance(r, CalendarChoice))
            known = calendar(next(chosen, opened.engine.table.calendar.name))
            stop_ns = opened.moment(text, known, record.ts_ns)
        if record.ts_ns > stop_ns:
            return
        yield from cycle
        cycle.clear()


def _shown(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records, and show how far they are when a person looks on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from records
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replaying")
        for i, record in enumerate(records):
            if i % 256 == 0 and isinstance(record, Mark):
                bar.update(task, description=f"replaying {iso(record.ts_ns)}")
            yield record


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
        return
    grid = Grid()
    for name in rows[0] if rows else ["no rows"]:
        grid.add_column(name, justify="right")
    for row in rows:
        grid.add_row(*(_cell(v) for v in row.values()))
    sys.stdout.writelines(segment.text for segment in Console().render(grid))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return "-" if value is None else str(value)


def _verdict(engine: Engine, verdict: Verdict, options: ReplayOptions) -> int:
    if not options.verify:
        return 0
    total = verdict.same + verdict.other
    if not total:
        raise ConfigError(f"{options.source} holds no digests to verify: record a run first.")
    summary = {"identical": verdict.same, "of": total, "digest": engine.digest}
    plain = f"{verdict.same:,}/{total:,} identical, digest {engine.digest}"
    sys.stdout.write((json.dumps(summary) if options.json else plain) + "\n")
    if verdict.other:
        at = iso(verdict.first_other_ns)
        sys.stderr.write(f"tapelight: the first answer that differs is at {at}.\n")
    return 1 if verdict.other else 0


def pace(speed: str, options: ReplayOptions) -> float:
    """Return the market seconds a second of a --speed that is not max; raises ConfigError."""
    given = {"--sql": bool(options.sql), "--at": options.at is not None, "--verify": options.verify}
    for name in (name for name, is_given in given.items() if is_given):
        raise ConfigError(f"{name} is answered at full speed alone: give --speed max with it.")
    try:
        factor = float(speed.rstrip("xX"))
    except ValueError:
        factor = math.nan
    if not (factor > 0 and math.isfinite(factor)):
        raise ConfigError(f"--speed is {speed!r}: give max or a number above 0, such as 10.")
    return factor


async def replay_paced(options: ReplayOptions, speed: float, config: Config, port: int) -> None:
    """Serve the dashboard while the records come at `speed` market seconds a second."""
    opened = open_records(options, read_questions(Path(config.questions)))
    player = Player(config, port, opened.engine)
    async with asyncio.TaskGroup() as group:
        group.create_task(player.gateway.serve(), name="gateway")
        group.create_task(player.play(opened.records, speed), name="player")


class Player:
    """Feed an engine of its own with records in real time, and publish what it answers."""

    def __init__(self, config: Config, port: int, engine: Engine) -> None:
        self.engine = engine
        self.boards = EngineBoards(self.engine)
        self.market = EngineMarket(self.engine, self.status)
        self.bus = MemoryBus()
        self.prints = PrintTape(lambda: self.engine)
        self.publisher = Publisher(self.boards, self.market, self.bus, self.status, self.prints)
        web = msgspec.structs.replace(config.web, port=port)
        self.gateway = Gateway(
            self.boards, self.market, self.bus, host=web.host, port=port,
            hosts=web.hosts, origins=web.origins, proxies=web.trusted_proxies, prints=self.prints,
        )  # fmt: skip
        self.state = FeedState(0, "replay", "live")
        self.speed = 1.0

    async def play(self, records: Iterator[Record], speed: float) -> None:
        """Apply the records, waiting before each mark until it is due."""
        self.speed = speed
        loop = asyncio.get_running_loop()
        begin, first = loop.time(), 0
        for record in records:
            if isinstance(record, FeedState):
                self.state = record
            if isinstance(record, Mark):
                first = first or record.ts_ns
                due = begin + (record.ts_ns - first) / NS / speed
                if (late := loop.time() - due) > 1.0:
                    begin += late
                await asyncio.sleep(max(due - loop.time(), 0))
            cycle = self.engine.apply(record)
            if isinstance(record, Batch):
                self.prints.note(record)
            if cycle is not None:
                self.publisher.on_cycle(cycle)
        self.state = msgspec.structs.replace(self.state, detail="the replay has ended")

    def status(self) -> dict[str, Any]:
        """Return what /health shows of a replay."""
        table = self.engine.table
        return {
            "phase": PHASES[table.phase()],
            "session": table.session.date.isoformat() if table.session else "",
            "market_time": iso(table.now_ns) if table.now_ns else "",
            "rate": self.speed,
            "feed": {
                "name": f"replay of {self.state.feed}",
                "state": "live",
                "detail": self.state.detail,
                "coverage": "recorded",
            },
            "events_s": 0.0,
            "trades_s": 0.0,
            "lag_ms": {"p50": None, "p99": None},
            "rows": table.n,
            "stale": 0,
            "gaps": 0,
            "provisional": 0,
            "journal": {"state": "replay", "detail": "", "bytes": 0, "seq": 0},
        }
