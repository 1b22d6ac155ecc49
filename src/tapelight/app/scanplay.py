"""Chosen boards and scans over recorded days: who fires, who comes on a board, and when."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapelight.app.asof import recorded_days
from tapelight.app.runs import find_run, open_journal, without_workers
from tapelight.engine import Cycle, Engine
from tapelight.errors import ConfigError
from tapelight.model.records import Digest, Disabled, Mark, Questions, Record, Strategies
from tapelight.model.session import PHASES, clock_zone, iso, latest_session, parse_time
from tapelight.scan.board import Ranking

Watch = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Span:
    """Name a recording, and what of it is looked at: all of it when the times are empty."""

    recording: str
    begin: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Fire:
    """State that a symbol fired a scan, or came on a board."""

    scan: str
    symbol: str
    ts_ns: int
    values: Mapping[str, Any]

    @property
    def place(self) -> tuple[str, int]:
        """Return what two texts have in common when they say the same."""
        return self.symbol, self.ts_ns

    def told(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"symbol": self.symbol, "at": iso(self.ts_ns), "ts_ns": self.ts_ns}


@dataclass(slots=True)
class Played:
    """Hold what a recording brought."""

    run: str
    fires: list[Fire] = field(default_factory=list)
    rankings: dict[str, Ranking] = field(default_factory=dict)
    begin_ns: int = 0
    seconds: dict[str, int] = field(default_factory=dict)
    """Whole seconds of market time by phase."""
    members: dict[str, frozenset[str]] = field(default_factory=dict)

    def order(self, name: str) -> list[str]:
        """Return a board's last order."""
        ranking = self.rankings.get(name)
        return ranking.order if ranking else []

    def take(self, cycle: Cycle, phase: str) -> None:
        """Take what a mark brought."""
        if cycle.whole:
            self.seconds[phase] = self.seconds.get(phase, 0) + 1
        for signal in cycle.signals:
            if signal.state == "fired" and signal.kind == "entry":
                self.fires.append(Fire(signal.scan, signal.symbol, signal.mark, signal.values))
        for ranking in cycle.rankings:
            self._enter(ranking)

    def _enter(self, ranking: Ranking) -> None:
        """Count as fired who was not on the board a second ago."""
        before = self.members.get(ranking.name, frozenset())
        for symbol, cells in ranking.rows().items():
            if symbol not in before:
                self.fires.append(Fire(ranking.name, symbol, ranking.ts_ns, {"cells": cells}))
        self.members[ranking.name] = frozenset(ranking.order)
        self.rankings[ranking.name] = ranking


def play(
    span: Span,
    texts: Mapping[str, str],
    asked: Sequence[str],
    data: Path,
    watch: Watch = lambda _ts: None,
) -> Played:
    """Play a recording and ask the questions `asked` of it; `texts` are all that they may name.

    `watch` is called with the time of each whole second. Raises ConfigError for an unknown day.
    """
    folder = find_run(Path(span.recording), data)
    engine, records = open_journal(folder)
    played = Played(f"{folder.parent.name}/{folder.name}")
    engine.apply(Strategies({}))
    _ask(engine, texts, asked)
    end_ns = 0
    for record in _chosen(records):
        if isinstance(record, Mark):
            if not played.begin_ns:
                played.begin_ns, end_ns = _times(span, engine, record.ts_ns)
            if end_ns and record.ts_ns > end_ns:
                break
        cycle = engine.apply(record)
        if cycle is not None:
            played.take(cycle, PHASES[engine.table.phase()])
            if cycle.whole:
                watch(cycle.mark.ts_ns)
    return played


def _times(span: Span, engine: Engine, first_ns: int) -> tuple[int, int]:
    """Return when to begin and to end, in ns; 0 for the end of the recording."""
    calendar = engine.table.calendar
    session, zone = latest_session(calendar, first_ns), clock_zone(calendar)
    begin_ns = parse_time(span.begin, session, zone) if span.begin else first_ns
    return begin_ns, parse_time(span.end, session, zone) if span.end else 0


def _chosen(records: Iterator[Record]) -> Iterator[Record]:
    """Leave out what the day itself asked, and what workers reckoned for that."""
    for record in without_workers(records):
        if not isinstance(record, Questions | Strategies | Disabled | Digest):
            yield record


def _ask(engine: Engine, texts: Mapping[str, str], asked: Sequence[str]) -> None:
    engine.apply(Questions(dict(texts)))
    engine.boards = {n: b for n, b in engine.boards.items() if n in asked}
    engine.scans = {n: s for n, s in engine.scans.items() if n in asked}


def last_days(data: Path, days: int) -> list[str]:
    """Return the last recorded days, oldest first; raises ConfigError when there are none."""
    found = recorded_days(data)[-days:]
    if not found:
        raise ConfigError(f"No day is recorded under {data}: run `tapelight demo --data {data}`.")
    return found
