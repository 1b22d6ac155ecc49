"""Runs: where the journal of a session lies, and whether an earlier one goes on."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tapelight.app.frozen import freeze, thaw
from tapelight.app.rewind import from_journal
from tapelight.engine import Engine, Share, everything
from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.healing import foreseen
from tapelight.model.records import Mark, Record, TierResult, TierWorkers
from tapelight.model.session import Calendar, latest_session, session_after
from tapelight.model.signals import Signal
from tapelight.stores.journal.segments import Corrupt, Tail, cut, end_of, read_records, segments
from tapelight.stores.journal.snapshots import drop_after, read_snapshot
from tapelight.stores.journal.writer import Writer, is_recording


@dataclass(slots=True)
class Run:
    """Hold an open run: its folder, its writer, and the engine if an earlier run goes on."""

    folder: Path
    writer: Writer
    engine: Engine | None = None
    notice: str = ""
    """Why the day's earlier run could not go on, where it should have; empty otherwise."""
    signals: list[Signal] = field(default_factory=list)
    """Those that the run gave between its last snapshot and its end, given again."""


def journal_date(calendar: Calendar, now_ns: int) -> str:
    """Return the date of the session that `now_ns` belongs to, or of the next one."""
    session = latest_session(calendar, now_ns)
    if now_ns >= session.end_ns:
        session = session_after(calendar, now_ns)
    return session.date.isoformat()


def runs_of(data: Path, date: str) -> list[Path]:
    """Return the run folders of a day, oldest first."""
    return sorted(p for p in (data / "journal" / date).glob("[0-9]*") if p.is_dir())


def open_run(data: Path, calendar: Calendar, now_ns: int, share: Share = everything) -> Run:
    """Go on with the day's last run if market time is past its last record, else begin a new one.

    A run whose journal is corrupt, or that asks what this version does not know, is left as it
    is, and `notice` tells. Raises ConfigError when the folder can't be made, Unavailable when
    another process records the day.
    """
    date = journal_date(calendar, now_ns)
    runs = runs_of(data, date)
    notice = ""
    if runs:
        if is_recording(runs[-1]):
            raise Unavailable(
                f"Another process records into {runs[-1]}: stop it, or give another --data."
            )
        try:
            going_on = _resume(runs[-1], now_ns, share)
        except (Corrupt, ConfigError, Rejected) as error:
            going_on, notice = None, f"{runs[-1]} can't go on, a new run begins: {error}"
        if going_on is not None:
            return going_on
    folder = next_run(data, calendar, now_ns)
    return Run(folder, Writer(folder), notice=notice)


def next_run(data: Path, calendar: Calendar, now_ns: int) -> Path:
    """Make the folder of a new run of the day that `now_ns` belongs to; raises ConfigError."""
    date = journal_date(calendar, now_ns)
    runs = runs_of(data, date)
    number = int(runs[-1].name) + 1 if runs else 1
    folder = data / "journal" / date / f"{number:04d}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} can't be made ({error.strerror}): give a writable --data."
        ) from error
    return folder


def roll_of(folder: Path, calendar: Calendar, after_ns: int = 0) -> int:
    """Return when the session begins that follows the one of a run's folder, and `after_ns`."""
    session = calendar.session_on(dt.date.fromisoformat(folder.parent.name))
    begun_ns = session.start_ns if session else 0
    return session_after(calendar, max(begun_ns, after_ns)).start_ns


def _resume(folder: Path, now_ns: int, share: Share) -> Run | None:
    signals: list[Signal] = []
    engine, tail = restore(folder, signals.extend, share)
    if engine.last_mark_ns == 0 or engine.last_mark_ns >= now_ns:
        return None
    cut(tail)
    drop_after(folder, tail.records)
    return Run(folder, Writer(folder, tail.records), engine, signals=signals)


def restore(
    folder: Path,
    hear: Callable[[Sequence[Signal]], object] = lambda _signals: None,
    share: Share = everything,
    begun: Callable[[Engine], object] = lambda _engine: None,
    seen: Callable[[Record], object] = lambda _record: None,
) -> tuple[Engine, Tail]:
    """Return the engine as of the journal's last record, from the newest sound snapshot on.

    `hear` is called with the signals that the records after it give again, `begun` with the engine
    before the first of them, `seen` with each.
    """
    tail = end_of(folder)
    engine, seq = _from_snapshot(folder, tail.records)
    engine.rewind = partial(from_journal, folder, share=share)
    engine.share = share
    begun(engine)
    for record in read_records(folder, seq):
        seen(record)
        cycle = engine.apply(record)
        if cycle is not None and cycle.signals:
            hear(cycle.signals)
    return engine, tail


def _from_snapshot(folder: Path, last: int) -> tuple[Engine, int]:
    """Return the newest snapshot's engine and sequence that this version reads, or a fresh one.

    Raises Rejected where the run begins with a snapshot that this version does not read.
    """
    at_most = last
    while (found := read_snapshot(folder, at_most)) is not None:
        try:
            return thaw(found[1]), found[0]
        except Rejected as error:
            if found[0] == 0:
                raise Rejected(
                    f"{folder} goes on from the session before, whose state this version does "
                    f"not read: replay it with the version that recorded it. {error}"
                ) from error
            at_most = found[0] - 1
    return Engine(), 0


def open_journal(folder: Path) -> tuple[Engine, Iterator[Record]]:
    """Return the engine as of a run's beginning, and the records that follow.

    It is a fresh one, but where the run went on over the beginning of a session. Raises Rejected
    for a beginning that this version does not read.
    """
    engine = healable(_from_snapshot(folder, 0)[0])
    return engine, foreseen(read_records(folder), engine.foresee)


def healable(engine: Engine) -> Engine:
    """Return `engine`, able to keep its state before a hole that it is told of ahead."""
    engine.store = (freeze, thaw)
    return engine


def without_workers(
    records: Iterator[Record], late: Callable[[TierResult], object] = lambda _result: None
) -> Iterator[Record]:
    """Yield the records without what workers reckoned of tier 2: the engine reckons its own.

    Theirs was for the questions that the day asked. `late` hears of each result with any value that
    stands after the mark at which it was due: it was seen later live than it is now.
    """
    yield TierWorkers(0)
    mark_ns = 0
    for record in records:
        match record:
            case TierWorkers():
                pass
            case TierResult(tier=2):
                if record.due_ns <= mark_ns and _brings(record):
                    late(record)
            case _:
                mark_ns = record.ts_ns if isinstance(record, Mark) else mark_ns
                yield record


def _brings(result: TierResult) -> bool:
    """Tell whether any value in a result is known."""
    return any(np.isfinite(np.frombuffer(part.values)).any() for part in result.parts)


def find_run(path: Path, data: Path | None) -> Path:
    """Return the run folder that PATH or DAY names; raises ConfigError."""
    if path.is_dir() and segments(path):
        return path
    if not path.exists():
        return _last_run(str(path), data)
    inner = sorted(p for p in path.glob("**/[0-9]*") if p.is_dir() and segments(p))
    if inner:
        return inner[-1]
    raise ConfigError(f"{path} holds no journal: give a run's folder, or a day with --data DIR.")


def _last_run(day: str, data: Path | None) -> Path:
    """Return the day's last run that holds anything."""
    journal = (data or Path()) / "journal"
    runs = [run for run in runs_of(journal.parent, day) if segments(run)]
    if runs:
        return runs[-1]
    days = sorted(p.name for p in journal.glob("*") if p.is_dir())
    have = f"there are {', '.join(days[-5:])}" if days else "none is recorded there"
    raise ConfigError(f"No journal of {day} under {journal.parent}: {have}.")
