"""The signal log: every record of every signal, append-only, each row's hash over the one before.

One process writes it, on a thread of its own; what asks is read by other connections. The schema
is the same for SQLite and PostgreSQL.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.signals import Signal
from tapelight.ports import Wanted
from tapelight.stores.database import reason, writer

FILE = "signals.db"
WAITING = 20_000
"""Records that may wait for the disk; what comes beyond is counted as lost."""
BATCH = 500
RETRY_S = 1.0
CLOSE_S = 5.0
FIRST_HASH = ""
"""What the first row is chained to."""

_metadata = sa.MetaData()
SIGNALS = sa.Table(
    "signals",
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("run", sa.String(40), nullable=False),
    sa.Column("mark", sa.BigInteger, nullable=False, index=True),
    sa.Column("scan", sa.String(120), nullable=False, index=True),
    sa.Column("symbol", sa.String(40), nullable=False, index=True),
    sa.Column("id", sa.String(40), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("run", "mark", "scan", "symbol", "id", "state"),
)
"""`payload` is the signal as JSON, its hops included."""

Key = tuple[str, int, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Chain:
    """Hold what a walk along the chain found: how many rows are sound, and the first that is not."""

    rows: int
    fault: str = ""


def chained(prev_hash: str, seq: int, key: Key, payload: str) -> str:
    """Return the hash of a row: BLAKE2b over its fields and the hash of the row before."""
    fields = msgspec.msgpack.encode((prev_hash, seq, *key, payload))
    return hashlib.blake2b(fields, digest_size=32).hexdigest()


class SignalLog:
    """Append signals to `signals.db`; `append` never waits for the disk.

    A record that the log has already is left out: a run that goes on after a restart repeats
    some. What can't be written is tried again each second, counted, and told by `status`.
    """

    def __init__(self, folder: Path, waiting: int = WAITING) -> None:
        self.path = folder / FILE
        self.state = "ok"
        """ok, or `failed: ` and the reason."""
        self.written = 0
        self.repeated = 0
        self.lost = 0
        self.head = FIRST_HASH
        """The hash of the last row."""
        self._queue: queue.Queue[tuple[str, Signal] | None] = queue.Queue(waiting)
        self._closing = threading.Event()
        self._engine = writer(self.path)
        self._reader = _reader(self.path)
        self._open()
        self._thread = threading.Thread(target=self._run, name="signal log", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
                self.head = _last(connection)[1]
        except (SQLAlchemyError, OSError) as error:
            raise ConfigError(
                f"{self.path} can't be opened ({reason(error)}): give a writable --data, or move "
                "the file away if it is damaged."
            ) from error

    def append(self, run: str, signals: Iterable[Signal]) -> None:
        """Let the records of a run (DATE/NUMBER) be written, in order."""
        for signal in signals:
            try:
                self._queue.put_nowait((run, signal))
            except queue.Full:
                self.lost += 1

    def close(self) -> None:
        """Write what waits, for 5 s at the most, and end the thread."""
        self._closing.set()
        try:
            self._queue.put(None, timeout=CLOSE_S)
        except queue.Full:
            self.lost += self._queue.qsize()
        self._thread.join(CLOSE_S)
        self._engine.dispose()
        self._reader.dispose()

    def wait(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until nothing waits to be written; tell whether that came about."""
        end = time.monotonic() + timeout_s
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)
        return not self._queue.unfinished_tasks

    def status(self) -> dict[str, Any]:
        """Return what /health shows."""
        ended = not self._thread.is_alive() and not self._closing.is_set()
        told = "failed: its thread has ended, restart the scanner" if ended else self.state
        state, _, detail = told.partition(": ")
        return {
            "state": state,
            "detail": detail,
            "head": self.head[:16],
            "waiting": self._queue.qsize(),
            "counters": {"written": self.written, "repeated": self.repeated, "lost": self.lost},
        }

    def find(self, wanted: Wanted) -> list[Signal]:
        """Return records, the newest first; raises Unavailable where the file can't be read."""
        return find(self._reader, wanted)

    def newest(self, run: str, limit: int) -> list[Signal]:
        """Return the newest records of one run, the newest first; raises Unavailable."""
        return find(self._reader, Wanted(limit=limit), run)

    def verify(self) -> Chain:
        """Walk the whole chain."""
        return verify(self._reader)

    def _run(self) -> None:
        while True:
            batch, goes_on = self._gather()
            if batch:
                self._keep_trying(batch)
            for _ in range(len(batch) + (not goes_on)):
                self._queue.task_done()
            if not goes_on:
                return

    def _gather(self) -> tuple[list[tuple[str, Signal]], bool]:
        """Return what waits, at least one and at most `BATCH`, and whether more may come."""
        batch: list[tuple[str, Signal]] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH:
                return batch, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _keep_trying(self, batch: Sequence[tuple[str, Signal]]) -> None:
        """Write a batch; where the disk refuses it, again each second until the log is closed."""
        while True:
            try:
                self._store(batch)
            except (SQLAlchemyError, OSError) as error:
                self.state = f"failed: {reason(error)}"
                if self._closing.wait(RETRY_S):
                    self.lost += len(batch)
                    return
            else:
                self.state = "ok"
                return

    def _store(self, batch: Sequence[tuple[str, Signal]]) -> None:
        with self._engine.begin() as connection:
            known = _known(connection, batch)
            seq, prev_hash = _last(connection)
            rows: list[dict[str, Any]] = []
            for run, signal in batch:
                key = _key(run, signal)
                if key in known:
                    continue
                known.add(key)
                seq += 1
                row = _row(seq, prev_hash, key, signal)
                prev_hash = row["hash"]
                rows.append(row)
            if rows:
                connection.execute(sa.insert(SIGNALS), rows)
        self.head = prev_hash
        self.written += len(rows)
        self.repeated += len(batch) - len(rows)


def _key(run: str, signal: Signal) -> Key:
    return run, signal.mark, signal.scan, signal.symbol, signal.id, signal.state


def _row(seq: int, prev_hash: str, key: Key, signal: Signal) -> dict[str, Any]:
    payload = msgspec.json.encode(signal).decode()
    names = ("run", "mark", "scan", "symbol", "id", "state")
    return {
        "seq": seq,
        **dict(zip(names, key, strict=True)),
        "payload": payload,
        "prev_hash": prev_hash,
        "hash": chained(prev_hash, seq, key, payload),
    }


def _known(connection: sa.Connection, batch: Sequence[tuple[str, Signal]]) -> set[Key]:
    """Return the keys that the log has of the batch's marks."""
    c = SIGNALS.c
    marks, runs = {s.mark for _, s in batch}, {run for run, _ in batch}
    asked = sa.select(c.run, c.mark, c.scan, c.symbol, c.id, c.state)
    found = connection.execute(asked.where(c.mark.in_(marks), c.run.in_(runs)))
    return {(run, mark, scan, symbol, id_, state) for run, mark, scan, symbol, id_, state in found}


def _last(connection: sa.Connection) -> tuple[int, str]:
    """Return the last row's number and hash."""
    c = SIGNALS.c
    row = connection.execute(sa.select(c.seq, c.hash).order_by(c.seq.desc()).limit(1)).first()
    return (row.seq, row.hash) if row is not None else (0, FIRST_HASH)


def find(engine: sa.Engine, wanted: Wanted, run: str = "") -> list[Signal]:
    """Return the records that are wanted (of one run), the newest first; raises Unavailable."""
    c = SIGNALS.c
    asked = sa.select(c.payload).order_by(c.seq.desc()).limit(wanted.limit)
    equal: Mapping[str, str] = {"scan": wanted.scan, "symbol": wanted.symbol, "run": run}
    for name, value in equal.items():
        if value:
            asked = asked.where(c[name] == value)
    if wanted.states:
        asked = asked.where(c.state.in_(wanted.states))
    if wanted.since_ns:
        asked = asked.where(c.mark >= wanted.since_ns)
    if wanted.until_ns:
        asked = asked.where(c.mark <= wanted.until_ns)
    try:
        with engine.connect() as connection:
            payloads = connection.execute(asked).scalars().all()
    except SQLAlchemyError as error:
        raise Unavailable(f"The signal log can't be read: {reason(error)}.") from error
    return [msgspec.json.decode(payload, type=Signal) for payload in payloads]


def verify(engine: sa.Engine) -> Chain:
    """Walk the chain from its beginning; the first row that does not fit is named."""
    prev_hash, count = FIRST_HASH, 0
    for row in _rows(engine):
        key = (row.run, row.mark, row.scan, row.symbol, row.id, row.state)
        fault = ""
        if row.seq != count + 1:
            fault = f"rows {count + 1} to {row.seq - 1} are missing"
        elif row.prev_hash != prev_hash:
            fault = "it is not chained to the row before"
        elif row.hash != chained(prev_hash, row.seq, key, row.payload):
            fault = "its content does not give its hash"
        if fault:
            return Chain(count, f"Row {row.seq} ({row.scan} {row.symbol} {row.state}): {fault}.")
        prev_hash, count = row.hash, count + 1
    return Chain(count)


def _rows(engine: sa.Engine) -> Iterator[Any]:
    with engine.connect() as connection:
        asked = sa.select(SIGNALS).order_by(SIGNALS.c.seq)
        yield from connection.execution_options(yield_per=BATCH).execute(asked)


def open_log(folder: Path) -> sa.Engine:
    """Return an engine that reads a folder's log; raises ConfigError where there is none."""
    path = folder / FILE
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {FILE}: give --data with the folder of a run.")
    return _reader(path)


def _reader(path: Path) -> sa.Engine:
    place = f"file:{quote(str(path.absolute()))}"
    url = sa.URL.create("sqlite", database=place, query={"mode": "ro", "uri": "true"})
    return sa.create_engine(url, connect_args={"check_same_thread": False})
