"""The session change of a whole market: how long the loop stands still at the bell."""

import asyncio
import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tapelight.app.scanner import Scanner
from tapelight.bench import Row, row
from tapelight.market.baseline import ENOUGH_SESSIONS
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import Questions, Reference, References
from tapelight.model.session import NS, Session, calendar, session_after, session_before
from tapelight.scan.warm import compile_loops
from tapelight.stores.cold.store import ColdStore

SYMBOLS = 11_000
OPENS = 25
A_RECORD = 500
FIRST = dt.date(2026, 3, 2)
"""So that summer time begins among them."""


def run() -> Iterable[Row]:
    """Yield the pause at the bell, the cost of what is told ahead, and the rows left blank."""
    compile_loops()
    yield from opens(SYMBOLS, OPENS)


@dataclass(slots=True)
class Pauses:
    """Collect how long the loop was held up, ms."""

    bell: list[float] = field(default_factory=list)
    bell_cpu: list[float] = field(default_factory=list)
    mark: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    blank: int = 0


def opens(symbols: int, count: int) -> Iterator[Row]:
    """Yield the figures of `count` session changes with `symbols` rows."""
    with tempfile.TemporaryDirectory() as folder:
        pauses = asyncio.run(_opens(Path(folder), symbols, count))
    usual = statistics.median(pauses.mark)
    yield row("opens: pause at the bell, median", statistics.median(pauses.bell), usual)
    yield row("opens: pause at the bell, longest", max(pauses.bell), usual)
    yield row("opens: pause at the bell, longest, CPU time", max(pauses.bell_cpu), usual)
    yield row("opens: a record of 500 references told ahead, longest", max(pauses.told), usual)
    yield row("opens: rows without a previous close or volume", float(pauses.blank), 0.0, "rows")


async def _opens(data: Path, symbols: int, count: int) -> Pauses:
    scanner = Scanner(data, Questions({}), "XNYS")
    names = [f"S{i:05d}" for i in range(symbols)]
    session = calendar("XNYS").session_on(FIRST)
    assert session is not None
    _keep_volumes(data, scanner.origin(), session, names)
    scanner.clock.set(session.start_ns, 0.0)
    pauses = Pauses()
    _tell(scanner, session, names, [])
    for _ in range(count):
        _trade(scanner, session, names)
        session = session_after(calendar("XNYS"), session.start_ns)
        await _until(scanner, session.start_ns - 300 * NS)
        _tell(scanner, session, names, pauses.told)
        await _until(scanner, session.start_ns - NS)
        begin = time.perf_counter(), time.thread_time()
        _reach(scanner, session.start_ns - NS // 2)
        pauses.mark.append((time.perf_counter() - begin[0]) * 1e3)
        begin = time.perf_counter(), time.thread_time()
        _reach(scanner, session.start_ns)
        pauses.bell.append((time.perf_counter() - begin[0]) * 1e3)
        pauses.bell_cpu.append((time.thread_time() - begin[1]) * 1e3)
        pauses.blank += _blank(scanner, symbols)
    scanner.close()
    return pauses


def _keep_volumes(data: Path, origin: str, session: Session, names: list[str]) -> None:
    """Let there be five sessions from which every symbol has a profile."""
    store, at = ColdStore(data), session
    matrix = np.full((len(names), 960), 1000.0, np.float32)
    for _ in range(ENOUGH_SESSIONS):
        at = session_before(calendar("XNYS"), at)
        store.keep_minutes(origin, at, names, matrix, "bench", at.end_ns)
    store.close()


def _reach(scanner: Scanner, ts_ns: int) -> None:
    """Let market time be `ts_ns` and make the marks due."""
    scanner.clock.set(ts_ns - 1, 0.0)
    scanner.clock.set(ts_ns, 0.0)
    scanner.alive(ts_ns)
    scanner.make_marks()


async def _until(scanner: Scanner, ts_ns: int) -> None:
    """Reach a time, and let what is done beside the loop be done."""
    _reach(scanner, ts_ns)
    await scanner.ahead.settled()


def _tell(scanner: Scanner, session: Session, names: list[str], told: list[float]) -> None:
    """Tell the references of a session, in records as a feed does."""
    figures = [
        Reference(
            symbol=name, name=name, type="CS", exchange="XNAS", exchange_id=12, sector="Energy",
            prev_close=10.0 + session.date.day, prev_high=50.0, prev_low=5.0, prev_volume=1e6,
            adv20=1e6, adv_sessions=20, atr14=1.0, w52_high=60.0, w52_low=4.0, float_shares=1e7,
        )
        for name in names
    ]  # fmt: skip
    for i in range(0, len(figures), A_RECORD):
        begin = time.perf_counter()
        scanner.put(References(session.date.isoformat(), figures[i : i + A_RECORD]))
        told.append((time.perf_counter() - begin) * 1e3)


def _trade(scanner: Scanner, session: Session, names: list[str]) -> None:
    """Let every second symbol trade once in the regular session."""
    at = session.open_ns + 60 * NS
    _reach(scanner, at)
    n = len(range(0, len(names), 2))
    rows = list(range(0, len(names), 2))
    nothing = [0] * n
    trades = trades_of(rows, [at] * n, [20.0] * n, [100.0] * n, nothing, nothing, nothing)
    for i in range(0, n, 2000):
        part = slice(i, i + 2000)
        columns = (getattr(trades, name)[part] for name in trades.__dataclass_fields__)
        scanner.put(Batch(at, trades=type(trades)(*columns)))
    _reach(scanner, at + NS)


def _blank(scanner: Scanner, symbols: int) -> int:
    """Return how many rows lack what every row had."""
    table = scanner.engine.table
    known = np.isfinite(table.live["prev_close"])
    known &= np.isfinite(table.reference.numbers["adv20"][: table.n])
    return symbols - int(known.sum())
