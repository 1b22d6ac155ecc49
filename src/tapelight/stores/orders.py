"""The order log: the trader's records, append-only, each row's hash over the one before.

The trader alone writes it, and only the newest epoch: SQLite in WAL with synchronous=FULL, so a
record is on the disk when `append` returns. Who asks reads by a connection of its own.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError, Conflict, Unavailable
from tapelight.model.order_log import Bound, OrderRecord, Started
from tapelight.stores.database import Database, reason

T = TypeVar("T")
FILE = "orders.db"
FIRST_HASH = ""
"""What the first row is chained to."""
BATCH = 1_000
BOUND = '{"type":"bound"'
"""How the row begins that says whose orders a log holds; it is among the first."""

_metadata = sa.MetaData()
ORDERS = sa.Table(
    "order_log",
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
"""`payload` is the record as JSON, Decimals as text."""
_decoder = msgspec.json.Decoder(OrderRecord)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a record as it stands in the log."""

    seq: int
    epoch: int
    payload: str
    prev_hash: str
    hash: str


def chained(prev_hash: str, seq: int, epoch: int, payload: str) -> str:
    """Return the hash of a row: BLAKE2b over its fields and the hash of the row before."""
    fields = msgspec.msgpack.encode((prev_hash, seq, epoch, payload))
    return hashlib.blake2b(fields, digest_size=32).hexdigest()


def rows_of(records: Iterable[OrderRecord], seq: int, prev_hash: str, epoch: int) -> list[Row]:
    """Return the rows that go after row `seq`, whose hash is `prev_hash`."""
    rows: list[Row] = []
    for record in records:
        seq += 1
        payload = msgspec.json.encode(record).decode()
        row = Row(seq, epoch, payload, prev_hash, chained(prev_hash, seq, epoch, payload))
        prev_hash = row.hash
        rows.append(row)
    return rows


def records_of(rows: Iterable[Row], name: str) -> Iterator[OrderRecord]:
    """Yield the records of rows from the first on; raises ConfigError where the chain is broken."""
    prev_hash, count = FIRST_HASH, 0
    for row in rows:
        sound = (
            row.seq == count + 1
            and row.prev_hash == prev_hash
            and row.hash == chained(prev_hash, row.seq, row.epoch, row.payload)
        )
        if not sound:
            raise ConfigError(
                f"{name} was changed or damaged at row {row.seq}, after {count} sound ones: no order "
                "is sent on it. Put back a sound copy, or move it away with the account flat."
            )
        prev_hash, count = row.hash, row.seq
        yield _decoder.decode(row.payload)


class SqliteOrderLog:
    """Keep an account's records in a file; raises ConfigError where it can't be opened."""

    def __init__(self, folder: Path, name: str = FILE) -> None:
        self.path = folder / name
        self._database = Database(self.path, _metadata, alone=False)
        self._epoch = 0

    def append(self, records: Sequence[OrderRecord]) -> None:
        """Write records, all or none; durable on return. Raises Unavailable and Conflict."""
        self._act(lambda connection: self._append(connection, records))

    def begin(self, ts_ns: int) -> int:
        """Begin an epoch; who wrote before can't any more. Raises Unavailable."""

        def act(connection: sa.Connection) -> int:
            epoch = _newest(connection).epoch + 1
            _insert(connection, [Started(ts_ns, epoch)], epoch)
            return epoch

        self._epoch = self._act(act)
        return self._epoch

    def held(self) -> bool:
        """Tell whether no newer epoch has begun; False too where the file can't be asked."""
        try:
            return self._act(lambda connection: _newest(connection).epoch) == self._epoch
        except Unavailable:
            return False

    def records(self) -> Iterator[OrderRecord]:
        """Yield every record from the first; raises ConfigError where the chain is broken."""
        return records_of(self._act(lambda connection: list(_all(connection))), str(self.path))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _append(self, connection: sa.Connection, records: Sequence[OrderRecord]) -> None:
        if _newest(connection).epoch != self._epoch:
            raise Conflict(f"Another trader has begun to write {self.path}: this one ends.")
        _insert(connection, records, self._epoch)

    def _act(self, act: Callable[[sa.Connection], T]) -> T:
        return self._database.at_once(act)


class OrderReader:
    """Read a folder's log by a connection of its own, while the trader writes or none does.

    The chain is not walked. A log that is not there yet is an empty one.
    """

    def __init__(self, folder: Path, name: str = FILE) -> None:
        self.path = folder / name
        self._engine: sa.Engine | None = None

    def there(self) -> bool:
        """Tell whether there is a log."""
        return self.path.is_file()

    def read(self, after: int = 0) -> list[tuple[int, OrderRecord]]:
        """Return (sequence, record) after a row; raises Unavailable."""
        if not self.there():
            return []
        return self._ask(
            lambda connection: [
                (r.seq, _decoder.decode(r.payload)) for r in _all(connection, after)
            ]
        )

    def bound(self) -> Bound | None:
        """Return whose orders the log holds; None = nobody's yet. Raises Unavailable."""
        asked = sa.select(ORDERS.c.payload).where(ORDERS.c.payload.like(f"{BOUND}%")).limit(1)
        found = self._ask(lambda c: c.execute(asked).scalar()) if self.there() else None
        return msgspec.json.decode(found, type=Bound) if found is not None else None

    def newest(self) -> OrderRecord | None:
        """Return the newest record; raises Unavailable."""
        row = self._ask(_newest) if self.there() else None
        return _decoder.decode(row.payload) if row is not None and row.seq else None

    def close(self) -> None:
        """Close the file."""
        if self._engine is not None:
            self._engine.dispose()

    def _ask(self, act: Callable[[sa.Connection], T]) -> T:
        if self._engine is None:
            self._engine = _reading(self.path)
        try:
            with self._engine.connect() as connection:
                return act(connection)
        except SQLAlchemyError as error:
            raise Unavailable(f"{self.path} can't be read: {reason(error)}.") from error


def read(folder: Path, name: str = FILE, after: int = 0) -> list[tuple[int, OrderRecord]]:
    """Return (sequence, record) of a folder's log after a row, once.

    Raises ConfigError where there is no log, Unavailable where it can't be read.
    """
    reader = OrderReader(folder, name)
    if not reader.there():
        raise ConfigError(f"{folder} holds no {name}: no trader has run there yet.")
    try:
        return reader.read(after)
    finally:
        reader.close()


def bound(folder: Path) -> Bound | None:
    """Return whose orders a folder's log holds; None = nobody's yet. Raises Unavailable."""
    reader = OrderReader(folder)
    try:
        return reader.bound()
    finally:
        reader.close()


def last_written(folder: Path) -> tuple[int, float] | None:
    """Return market time and wall clock, s, of a log's newest record; None = there is none to read."""
    reader = OrderReader(folder)
    try:
        at_s = max(_written_s(reader.path), _written_s(Path(f"{reader.path}-wal")))
        record = reader.newest()
    except Unavailable:
        return None
    finally:
        reader.close()
    return (record.ts_ns, at_s) if record is not None else None


def _written_s(path: Path) -> float:
    """Return when a file was last written, s; 0 where it is not there, or empty: only opened."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0.0
    return found.st_mtime if found.st_size else 0.0


def _reading(path: Path) -> sa.Engine:
    place = f"file:{quote(str(path.absolute()))}"
    url = sa.URL.create("sqlite", database=place, query={"mode": "ro", "uri": "true"})
    return sa.create_engine(url)


def _newest(connection: sa.Connection) -> Row:
    row = connection.execute(sa.select(ORDERS).order_by(ORDERS.c.seq.desc()).limit(1)).first()
    return Row(*row) if row is not None else Row(0, 0, "", "", FIRST_HASH)


def _insert(connection: sa.Connection, records: Sequence[OrderRecord], epoch: int) -> None:
    last = _newest(connection)
    rows = [
        {"seq": r.seq, "epoch": r.epoch, "payload": r.payload, "prev_hash": r.prev_hash,
         "hash": r.hash}
        for r in rows_of(records, last.seq, last.hash, epoch)
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(ORDERS), rows)


def _all(connection: sa.Connection, after: int = 0) -> Iterator[Row]:
    asked = sa.select(ORDERS).where(ORDERS.c.seq > after).order_by(ORDERS.c.seq)
    for row in connection.execution_options(yield_per=BATCH).execute(asked):
        yield Row(*row)
