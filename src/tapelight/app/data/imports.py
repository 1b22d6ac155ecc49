"""`tapelight data import`: flat files, Parquet and our own recordings into the cold store."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapelight.app.baselines import session_volumes, whole_session
from tapelight.app.data.origin import origin_of
from tapelight.app.runs import find_run, open_journal
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.feeds._parquet import kind_of_parquet, read_sessions, read_told
from tapelight.feeds._sessions import SessionDay
from tapelight.feeds.massive.flatfiles import ORIGIN, is_flat_file, read_flat_file
from tapelight.model.records import FeedState, Mark, Questions, Strategies
from tapelight.model.session import Session, iso
from tapelight.stores.cold.store import ColdStore, check_origin

Progress = Callable[[Path, int, int], object]
"""Called with a file, the bytes read so far and its size."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Say what one file brought of one session, or as a whole."""

    path: Path
    kind: str
    date: str
    text: str
    rows: int = 0
    rejected: int = 0


def import_files(
    paths: Sequence[Path], data: Path, origin: str | None, progress: Progress
) -> Iterator[Imported]:
    """Yield what each file brought; raises ConfigError at the first that can't be taken."""
    if origin is not None:
        check_origin(origin)
    for path in paths:
        if not path.exists():
            raise ConfigError(
                f"{path} is not there: name a Parquet file, a flat file or a run's folder."
            )
    store = ColdStore(data)
    try:
        for path in paths:
            yield from _import(path, store, origin, progress)
    finally:
        store.close()


def _import(
    path: Path, store: ColdStore, origin: str | None, progress: Progress
) -> Iterator[Imported]:
    if path.is_dir():
        yield _recording(path, store, origin)
        return
    size = path.stat().st_size
    if is_flat_file(path):
        yield _flat_file(path, store, origin, lambda read: progress(path, read, size))
        return
    kind, now_ns = kind_of_parquet(path), time.time_ns()
    if kind in ("splits", "facts"):
        facts, splits = store.keep(read_told(path, kind, now_ns), now_ns)
        text = f"{facts:,} facts and {splits:,} splits that were not known"
        yield Imported(path, kind, "", text)
        return
    if origin is None:
        raise ConfigError(
            f"{path} doesn't say who counted its shares: add --origin, a feed and its coverage, as "
            "in massive-sip or alpaca-iex."
        )
    for day in read_sessions(path, kind):
        yield _kept(path, store, origin, day)


def _flat_file(
    path: Path, store: ColdStore, origin: str | None, progress: Callable[[int], object]
) -> Imported:
    if origin not in (None, ORIGIN):
        raise ConfigError(
            f"{path} is a flat file of Massive, which counts the whole market's shares: it can't be "
            f"a baseline of {origin}. Volumes of different feeds are not mixed; leave --origin out."
        )
    return _kept(path, store, ORIGIN, read_flat_file(path, progress))


def _kept(path: Path, store: ColdStore, origin: str, day: SessionDay) -> Imported:
    """Keep the day, and the minutes where the session is a full one."""
    now_ns, session = time.time_ns(), day.session
    kept = store.keep_day(
        origin, session, day.bars, path.name, now_ns, derived=day.kind != "days"
    )  # fmt: skip
    text = f"day: {kept.words}"
    if day.minutes is not None and not session.half_day:
        shares = store.keep_minutes(origin, session, day.symbols, day.minutes, path.name, now_ns)
        text += f"; minute volumes: {shares.words}"
    elif day.minutes is not None:
        text += "; a half day makes no volume profile"
    return Imported(path, day.kind, session.date.isoformat(), text, day.rows, day.rejected)


def _recording(path: Path, store: ColdStore, origin: str | None) -> Imported:
    """Play a recorded run to its end and keep its session, if it saw all of it."""
    run = find_run(path, path)
    engine, first_ns, hole_ns = _played(run)
    session = engine.table.session
    if session is None or engine.last_mark_ns < session.end_ns or first_ns == 0:
        raise ConfigError(f"{run} doesn't reach the end of a session: only whole ones are kept.")
    if not whole_session(session, first_ns):
        raise ConfigError(
            f"{run} begins after its session did, or is a half day: it is no baseline."
        )
    if hole_ns >= session.start_ns:
        raise ConfigError(f"{run} has a hole at {iso(hole_ns)}: it is no baseline.")
    named = origin or _origin_in(engine, run)
    return _kept_recording(run, store, named, engine, session)


def _played(run: Path) -> tuple[Engine, int, int]:
    """Return a run's engine at its end, the time of its first mark, and of its last hole or 0."""
    engine, records = open_journal(run)
    first_ns, hole_ns = engine.last_mark_ns, 0
    engine.apply(Questions({}))
    engine.apply(Strategies({}))
    for record in records:
        match record:
            case Questions() | Strategies():
                continue
            case Mark():
                first_ns = first_ns or record.ts_ns
            case FeedState() if record.provisional:
                hole_ns = record.ts_ns
        engine.apply(record)
    return engine, first_ns, hole_ns


def _kept_recording(
    run: Path, store: ColdStore, origin: str, engine: Engine, session: Session
) -> Imported:
    volumes = session_volumes(engine, session)
    if volumes is None:
        raise ConfigError(f"{run} holds no trade: there is nothing to keep.")
    day = SessionDay("minutes", session, volumes.bars, volumes.symbols, volumes.minutes, 0, 0)
    return _kept(run, store, origin, day)


def _origin_in(engine: Engine, run: Path) -> str:
    raise ConfigError(
        f"{run} is of the feed {engine.table.feed or 'that nobody named'}: add --origin, with its "
        f"coverage, as in {origin_of(engine.table.feed or 'massive', 'SIP')}."
    )
