"""Runs: where the journal of a session lies, and whether an earlier one goes on."""

import os
from dataclasses import dataclass
from pathlib import Path

from tapelight.app.frozen import thaw
from tapelight.engine import Engine
from tapelight.errors import ConfigError, Rejected
from tapelight.model.session import Calendar, latest_session, session_after
from tapelight.stores.journal.segments import Tail, read_records, segments
from tapelight.stores.journal.snapshots import read_snapshot
from tapelight.stores.journal.writer import Writer


@dataclass(slots=True)
class Run:
    """Hold an open run: its folder, its writer, and the engine if an earlier run goes on."""

    folder: Path
    writer: Writer
    engine: Engine | None = None


def journal_date(calendar: Calendar, now_ns: int) -> str:
    """Return the date of the session that `now_ns` belongs to, or of the next one."""
    session = latest_session(calendar, now_ns)
    if now_ns >= session.end_ns:
        session = session_after(calendar, now_ns)
    return session.date.isoformat()


def runs_of(data: Path, date: str) -> list[Path]:
    """Return the run folders of a day, oldest first."""
    return sorted(p for p in (data / "journal" / date).glob("[0-9]*") if p.is_dir())


def open_run(data: Path, calendar: Calendar, now_ns: int) -> Run:
    """Go on with the day's last run if market time is past its last record, else begin a new one."""
    date = journal_date(calendar, now_ns)
    runs = runs_of(data, date)
    if runs:
        going_on = _resume(runs[-1], now_ns)
        if going_on is not None:
            return going_on
    folder = data / "journal" / date / f"{len(runs) + 1:04d}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} can't be made ({error.strerror}): give a writable --data."
        ) from error
    return Run(folder, Writer(folder))


def _resume(folder: Path, now_ns: int) -> Run | None:
    engine, tail = restore(folder)
    if engine.last_mark_ns == 0 or engine.last_mark_ns >= now_ns:
        return None
    if tail.torn_bytes and tail.path is not None:
        os.truncate(tail.path, tail.length)
    return Run(folder, Writer(folder, tail.records), engine)


def restore(folder: Path) -> tuple[Engine, Tail]:
    """Return the engine as of the journal's last record, from the newest snapshot on."""
    tail = Tail()
    engine, seq = Engine(), 0
    found = read_snapshot(folder) if segments(folder) else None
    if found is not None:
        try:
            engine, seq = thaw(found[1]), found[0]
        except Rejected:
            engine, seq = Engine(), 0
    for record in read_records(folder, seq, tail):
        engine.apply(record)
    return engine, tail


def find_run(path: Path, data: Path | None) -> Path:
    """Return the run folder that PATH or DAY names; raises ConfigError."""
    if path.is_dir() and segments(path):
        return path
    if data is not None and not path.exists():
        runs = runs_of(data, str(path))
        if runs:
            return runs[-1]
        days = sorted(p.name for p in (data / "journal").glob("*") if p.is_dir())
        have = f"there are {', '.join(days[-5:])}" if days else "none is recorded there"
        raise ConfigError(f"No journal of {path} under {data}: {have}.")
    inner = sorted(p for p in path.glob("**/[0-9]*") if p.is_dir() and segments(p))
    if inner:
        return inner[-1]
    raise ConfigError(f"{path} holds no journal: give a run's folder, or a day with --data DIR.")
