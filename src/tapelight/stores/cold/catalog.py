"""The catalogue of the cold store: which files there are, facts and splits; one SQLite file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError
from tapelight.model.past import Fact, Split
from tapelight.stores.database import reason, rebuildable

FILE = "catalog.db"
BUSY_S = 15.0
"""How long a writer waits for another one: an import beside a running scanner."""

_metadata = sa.MetaData()
FILES = sa.Table(
    "files",
    _metadata,
    sa.Column("origin", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("date", sa.String(10), primary_key=True),
    sa.Column("known_ns", sa.BigInteger, primary_key=True),
    sa.Column("path", sa.String(200), nullable=False),
    sa.Column("symbols", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(40), nullable=False),
    sa.Column("source", sa.String(120), nullable=False),
    sa.Column("derived", sa.Boolean, nullable=False),
)
FACTS = sa.Table(
    "facts",
    _metadata,
    sa.Column("symbol", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("valid_from", sa.String(10), primary_key=True),
    sa.Column("known_ns", sa.BigInteger, primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("source", sa.String(120), nullable=False),
)
SPLITS = sa.Table(
    "splits",
    _metadata,
    sa.Column("symbol", sa.String(40), primary_key=True),
    sa.Column("date", sa.String(10), primary_key=True),
    sa.Column("known_ns", sa.BigInteger, primary_key=True),
    sa.Column("split_from", sa.Float, nullable=False),
    sa.Column("split_to", sa.Float, nullable=False),
    sa.Column("source", sa.String(120), nullable=False),
)


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """Name one Parquet file of one session, and since when its content is known."""

    origin: str
    kind: str
    """days or minutes."""
    date: str
    known_ns: int
    path: str
    symbols: int
    digest: str
    source: str
    derived: bool
    """Whether we reckoned it from minutes or trades: the provider's own days replace it."""


class Catalog:
    """Read and write the catalogue; raises ConfigError where it can't be opened or written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._engine = rebuildable(self.path, BUSY_S)
        self._newest: dict[tuple[str, str], str] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
        except (SQLAlchemyError, OSError) as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def files(
        self, kind: str, origin: str = "", date: str = "", known_ns: int | None = None
    ) -> list[FileRow]:
        """Return the files of a kind by date; of one date those known later come later."""
        c = FILES.c
        asked = sa.select(FILES).where(c.kind == kind).order_by(c.origin, c.date, c.known_ns)
        if origin:
            asked = asked.where(c.origin == origin)
        if date:
            asked = asked.where(c.date == date)
        if known_ns is not None:
            asked = asked.where(c.known_ns <= known_ns)
        return [FileRow(**row) for row in self._rows(asked)]

    def put_file(self, row: FileRow) -> None:
        """Note a file; one of the same origin, kind, date and time is replaced."""
        c = FILES.c
        same = sa.and_(
            c.origin == row.origin,
            c.kind == row.kind,
            c.date == row.date,
            c.known_ns == row.known_ns,
        )
        self._write(sa.delete(FILES).where(same), None)
        self._write(sa.insert(FILES), [msgspec.structs.asdict(row)])

    def facts(self, session: str, known_ns: int, symbol: str = "") -> list[Fact]:
        """Return for each symbol and kind the fact that held on a date, as known at a time."""
        c = FACTS.c
        last = sa.func.row_number().over(
            partition_by=[c.symbol, c.kind], order_by=[c.valid_from.desc(), c.known_ns.desc()]
        )
        held = sa.select(FACTS, last.label("place")).where(
            c.known_ns <= known_ns, c.valid_from <= session
        )
        if symbol:
            held = held.where(c.symbol == symbol)
        inner = held.subquery()
        rows = self._rows(sa.select(inner).where(inner.c.place == 1).order_by("symbol", "kind"))
        return [_fact(row) for row in rows]

    def put_facts(self, facts: Iterable[Fact]) -> int:
        """Write the facts that differ from the newest of their symbol and kind; say how many."""
        newest = self._newest_payloads()
        fresh: dict[tuple[str, str, str, int], dict[str, Any]] = {}
        for fact in facts:
            payload = msgspec.json.encode(fact.values, order="sorted").decode()
            if newest.get((fact.symbol, fact.kind)) == payload:
                continue
            newest[fact.symbol, fact.kind] = payload
            key = (fact.symbol, fact.kind, fact.valid_from, fact.known_ns)
            fresh[key] = {
                "symbol": fact.symbol, "kind": fact.kind, "valid_from": fact.valid_from,
                "known_ns": fact.known_ns, "payload": payload, "source": fact.source,
            }  # fmt: skip
        self._insert_new(FACTS, list(fresh.values()))
        return len(fresh)

    def splits(self, until: str, known_ns: int, symbol: str = "") -> list[Split]:
        """Return the splits effective up to a date, as known at a time."""
        c = SPLITS.c
        asked = sa.select(SPLITS).where(c.date <= until, c.known_ns <= known_ns)
        if symbol:
            asked = asked.where(c.symbol == symbol)
        found = {
            (row["symbol"], row["date"]): Split(
                row["symbol"], row["date"], row["split_from"], row["split_to"], row["source"]
            )
            for row in self._rows(asked.order_by(c.date, c.symbol, c.known_ns))
        }
        return list(found.values())

    def put_splits(self, splits: Iterable[tuple[Split, int]]) -> int:
        """Write splits with since when they are known; those known already are left out."""
        known = {(s.symbol, s.date): (s.split_from, s.split_to) for s in self._all_splits()}
        fresh = [
            {**msgspec.structs.asdict(split), "known_ns": known_ns}
            for split, known_ns in splits
            if known.get((split.symbol, split.date)) != (split.split_from, split.split_to)
        ]
        self._insert_new(SPLITS, fresh)
        return len(fresh)

    def _all_splits(self) -> list[Split]:
        return self.splits("9999-12-31", 2**62)

    def _newest_payloads(self) -> dict[tuple[str, str], str]:
        if self._newest is None:
            c = FACTS.c
            asked = sa.select(c.symbol, c.kind, c.payload).order_by(c.valid_from, c.known_ns)
            rows = self._rows(asked)
            self._newest = {(r["symbol"], r["kind"]): r["payload"] for r in rows}
        return self._newest

    def _insert_new(self, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows; one that another process has written meanwhile is replaced."""
        if rows:
            self._write(sa.insert(table).prefix_with("OR REPLACE", dialect="sqlite"), rows)

    def _rows(self, asked: Any) -> list[dict[str, Any]]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(asked).mappings()]
        except SQLAlchemyError as error:
            raise self._fault(error) from error

    def _write(self, statement: Any, rows: Sequence[dict[str, Any]] | None) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(statement, rows)
        except SQLAlchemyError as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"{self.path} can't be used ({reason(error)}): give a writable --data, or move the folder "
            "away if it is damaged; what was pulled or recorded can be had again."
        )


def _fact(row: dict[str, Any]) -> Fact:
    values = msgspec.json.decode(row["payload"], type=dict[str, str | float | int | None])
    return Fact(
        symbol=row["symbol"], kind=row["kind"], values=values, valid_from=row["valid_from"],
        known_ns=row["known_ns"], source=row["source"],
    )  # fmt: skip
