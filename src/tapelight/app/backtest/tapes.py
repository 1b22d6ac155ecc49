"""Tapes: recorded sessions, and sessions of a Parquet file, as an engine and its records."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapelight.app.backtest.files import TapeFile, survey, tape_records
from tapelight.app.data.kept import Kept
from tapelight.app.runs import open_journal, runs_of, without_workers
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.model.records import (
    Digest,
    Disabled,
    Mark,
    Questions,
    Record,
    Strategies,
    StrategyChoice,
    TierResult,
)
from tapelight.model.session import Session
from tapelight.stores.journal.segments import segments

Late = Callable[[TierResult], object]


def unheard(_result: TierResult) -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Hold the questions and strategies that a backtest asks, instead of those of the day."""

    texts: Mapping[str, str]
    chosen: Mapping[str, StrategyChoice]

    def records(self) -> tuple[Questions, Strategies]:
        """Return them as records."""
        return Questions(dict(self.texts)), Strategies(dict(self.chosen))


@dataclass(frozen=True, slots=True)
class Journal:
    """Name one recorded session: the last run of its day."""

    date: str
    folder: Path

    @property
    def name(self) -> str:
        """Return what the tape is called."""
        return self.date

    def play(
        self, asking: Asking | None, until_ns: int | None = None, late: Late = unheard
    ) -> tuple[Engine, Iterator[Record]]:
        """Return the engine as of the session's beginning, and its records up to `until_ns`.

        Without `asking` it is asked what it was asked live; with it, `late` hears of what workers
        had ready too late that day.
        """
        engine, records = open_journal(self.folder)
        if asking is None:
            return engine, _until(records, until_ns)
        if engine.last_mark_ns:
            for record in asking.records():
                engine.apply(record)
        ours = _asked_instead(without_workers(records, late), asking)
        return engine, _until(ours, until_ns)


@dataclass(frozen=True, slots=True)
class FileSessions:
    """Name consecutive sessions of a Parquet file."""

    tape: TapeFile
    sessions: tuple[Session, ...]

    @property
    def name(self) -> str:
        """Return what the tape is called."""
        return f"{self.tape.path.name} {self.sessions[0].date}..{self.sessions[-1].date}"

    def play(
        self,
        asking: Asking | None,
        until_ns: int | None = None,
        late: Late = unheard,  # noqa: ARG002 - a file holds nothing of workers
    ) -> tuple[Engine, Iterator[Record]]:
        """Return a fresh engine and the records known by `until_ns`."""
        questions = asking.records() if asking is not None else ()
        records = tape_records(self.tape, self.sessions, questions, until_ns)
        return Engine(), records


Tape = Journal | FileSessions


def _asked_instead(records: Iterator[Record], asking: Asking) -> Iterator[Record]:
    """Yield the records with our questions in place of the journal's own.

    A strategy that was switched off on the day is off in the backtest too.
    """
    told = False
    for record in records:
        match record:
            case Questions() | Strategies():
                if not told:
                    yield from asking.records()
                told = True
            case Digest():
                pass
            case Disabled() if record.name not in asking.chosen:
                pass
            case Mark() if not told:
                yield from asking.records()
                told = True
                yield record
            case _:
                yield record


def _until(records: Iterator[Record], until_ns: int | None) -> Iterator[Record]:
    for record in records:
        if until_ns is not None and isinstance(record, Mark) and record.ts_ns > until_ns:
            return
        yield record


def journals(data: Path, span: "Span") -> list[Journal]:
    """Return the recorded sessions of `span`, oldest first; raises ConfigError when there are none."""
    days = sorted(p.name for p in (data / "journal").glob("????-??-??") if p.is_dir())
    found = []
    for day in span.of(days):
        runs = [run for run in runs_of(data, day) if segments(run)]
        if runs:
            found.append(Journal(day, runs[-1]))
    if not found:
        have = f"there are {', '.join(days[-5:])}" if days else "nothing is recorded there"
        raise ConfigError(f"No recorded session of {span.text} under {data}: {have}.")
    return found


def file_tapes(
    path: Path, daily: Path | None, span: "Span", parts: int, kept: Kept | None = None
) -> list[FileSessions]:
    """Return a file's sessions of `span` in at most `parts` runs of consecutive ones."""
    tape = survey(path, daily, kept)
    by_date = {s.date.isoformat(): s for s in tape.sessions}
    chosen = [by_date[d] for d in span.of(sorted(by_date))]
    if not chosen:
        first, last = min(by_date), max(by_date)
        raise ConfigError(f"{path} has no session of {span.text}: it goes from {first} to {last}.")
    if tape.kind == "trades":
        # Which prints counted on the days before is the table's to say: one engine sees them all.
        parts = 1
    size = -(-len(chosen) // max(parts, 1))
    runs = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    return [FileSessions(tape, tuple(run)) for run in runs]


@dataclass(frozen=True, slots=True)
class Span:
    """Choose days: A..B inclusive, the last n, or all."""

    first: str = ""
    last: str = ""
    newest: int = 0

    @property
    def text(self) -> str:
        """Return the span in words."""
        if self.newest:
            return f"the last {self.newest}"
        return f"{self.first}..{self.last}" if self.first or self.last else "any day"

    def of(self, days: Sequence[str]) -> list[str]:
        """Return the chosen ones of `days` (ISO, ascending)."""
        inside = [d for d in days if d >= self.first and (not self.last or d <= self.last)]
        return inside[-self.newest :] if self.newest else inside


def read_span(days: str | None, last: int | None) -> Span:
    """Read --days A..B (or one day) and --last N; raises ConfigError."""
    if last is not None:
        if days is not None:
            raise ConfigError("--days and --last both choose the days: give one of them.")
        if last < 1:
            raise ConfigError(f"--last is {last}: give 1 or more sessions.")
        return Span(newest=last)
    if days is None:
        return Span()
    first, dots, until = days.partition("..")
    until = until if dots else first
    for part in (first, until):
        try:
            if part:
                dt.date.fromisoformat(part)
        except ValueError as error:
            raise ConfigError(
                f"--days has {part!r}: give dates as in 2026-11-02..2026-11-20."
            ) from error
    if until and first > until:
        raise ConfigError(f"--days ends before it begins: {days}.")
    return Span(first, until)
