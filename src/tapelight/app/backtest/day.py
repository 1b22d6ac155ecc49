"""One tape through the engine: its signals, what followed them, and the market by the minute."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.app.asof import of_tiers
from tapelight.app.backtest.follow import FOLLOWED, LONG, Follower, is_fire
from tapelight.app.backtest.grid import GridPen
from tapelight.app.backtest.tapes import Asking, Tape
from tapelight.engine import Cycle, Engine
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.model.records import Questions, TierResult
from tapelight.model.session import PHASES, Session
from tapelight.model.signals import Signal
from tapelight.scan.sql import Query, cells, compile_query


@dataclass(frozen=True, slots=True)
class Job:
    """Say what one process does: play a tape, ask the questions, follow the signals."""

    tape: Tape
    asking: Asking | None
    """None asks what the journal asked live."""
    name: str = ""
    """The scan or strategy whose condition a control must not meet; empty draws no grid."""
    by: tuple[str, ...] = ()
    """What is noted for each fire: columns, expressions of them, or values that signals bear."""
    borne: frozenset[str] = frozenset()
    """Those of `by` that the signals bear."""
    side: int = LONG
    folder: Path = Path()
    """Where grids, and a file for each session done, are written."""


@dataclass(slots=True)
class DayResult:
    """Hold what one session brought."""

    date: str
    signals: list[Signal] = field(default_factory=list)
    """Entries that fired, in the order of `followed`."""
    later: list[Signal] = field(default_factory=list)
    """What became of them: later states, and a strategy's exits."""
    followed: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, FOLLOWED))
    noted: dict[str, list[Any]] = field(default_factory=dict)
    """By the id of a fire: phase, then the values of `Job.by`."""
    grid: Path | None = None
    session: Session | None = None
    calendar: str = "XNYS"
    marks: int = 0
    late: int = 0
    """Indicators of a minute that were seen late live: workers had them ready after their time."""


def run_job(job: Job) -> list[DayResult]:
    """Play the job's tape; return a result for each session in which the scan was asked."""
    late: list[TierResult] = []
    engine, records = job.tape.play(job.asking, late=late.append)
    watch = Watch(job, engine, late)
    if job.asking is not None:
        engine.tiers.still = watch.ignores_tiers()
    for record in records:
        cycle = engine.apply(record)
        if cycle is not None:
            watch.on_cycle(cycle)
        elif isinstance(record, Questions) and job.asking is not None:
            engine.tiers.still = watch.ignores_tiers()
    watch.end_session()
    return watch.results


class Watch:
    """Look on while an engine plays: it changes nothing there."""

    def __init__(self, job: Job, engine: Engine, late: Sequence[TierResult] = ()) -> None:
        self._late = late
        self.results: list[DayResult] = []
        self._job = job
        self._engine = engine
        self._follower = Follower(job.side)
        self._pen = GridPen()
        self._result: DayResult | None = None
        asked = [text for text in job.by if text not in job.borne]
        self._noted = noted_query(asked) if asked else None

    def ignores_tiers(self) -> bool:
        """Tell whether nothing that is asked or noted looks at tier 2: it can then stand still."""
        asking = self._job.asking
        scans = self._engine.scans.values()
        queries = [query for scan in scans for query in scan.question.queries()]
        queries += [self._noted] if self._noted is not None else []
        return not (asking and asking.chosen) and not any(of_tiers(q) for q in queries)

    def on_cycle(self, cycle: Cycle) -> None:
        """Take what a mark brought."""
        table, job = self._engine.table, self._job
        session = table.session
        if session is None or not (self._engine.scans or self._engine.strategies):
            return
        if self._result is None or self._result.session != session:
            self.end_session()
            self._result = DayResult(session.date.isoformat(), session=session)
            self._result.calendar = table.calendar.name
        self._result.marks += 1
        mine = [s for s in cycle.signals if not job.name or s.scan == job.name]
        fires = [s for s in mine if is_fire(s)]
        if fires:
            self._note(fires, self._result)
        if len(fires) < len(mine):
            self._result.later += [s for s in mine if not is_fire(s) and s.state != "armed"]
        self._follower.on_mark(cycle.mark.ts_ns, mine, table)
        if job.name:
            rows = [table.universe.rows[s.symbol] for s in fires]
            held = held_rows(self._engine, job.name)
            self._pen.on_mark(cycle.mark.ts_ns, table, held, rows)

    def _note(self, fires: list[Signal], result: DayResult) -> None:
        table = self._engine.table
        rows = np.array([table.universe.rows[s.symbol] for s in fires], np.intp)
        view = View(table, rows)
        phase = PHASES[view.moment.phase]
        columns: dict[str, list[Any]] = {}
        if self._noted is not None:
            names = [text for text in self._job.by if text not in self._job.borne]
            found = cells(self._noted, view, np.arange(len(rows)))
            columns = dict(zip(names, found, strict=True))
        for i, signal in enumerate(fires):
            by = (
                columns[text][i] if text in columns else signal.values.get(text)
                for text in self._job.by
            )  # fmt: skip
            result.noted[signal.id] = [phase, *by]

    def end_session(self) -> None:
        """Close the running session's result."""
        result = self._result
        if result is None or result.session is None:
            return
        self._follower.end()
        result.signals, result.followed = self._follower.take()
        if self._job.name:
            grid = self._pen.grid(self._engine.table, result.session)
            result.grid = grid.save(self._job.folder)
        if self._job.folder != Path():
            (self._job.folder / f"{result.date}.done").touch()
        if not self._engine.tiers.still:
            begin, end = result.session.start_ns, result.session.end_ns
            result.late = sum(begin <= one.cut_ns < end for one in self._late)
        self.results.append(result)
        self._result = None


def noted_query(texts: Sequence[str]) -> Query:
    """Compile what is noted of each fire; raises ConfigError for what needs memory of its own."""
    named = ", ".join(f"({text}) AS by{i}" for i, text in enumerate(texts))
    query = compile_query(f"SELECT {named} FROM market", kept=True)
    if query.indicators or query.kept:
        raise ConfigError(
            f"--by {', '.join(texts)}: indicators, deltas and ranks are kept for the scan alone: "
            "name it in the scan's SELECT, as in rsi(14, '5m') AS heat, and give --by heat."
        )
    return query


def held_rows(engine: Engine, name: str) -> npt.NDArray[np.bool_]:
    """Return for each row whether the condition of a scan or strategy held when last asked."""
    n = engine.table.n
    rule = engine.strategies.get(name)
    if rule is not None:
        rule.held_rows(n)
        held: npt.NDArray[np.bool_] = rule.course["held"][:n]
        return held
    scan = engine.scans[name]
    scan.held_rows(n)
    return scan.held[:n]
