"""What users keep: layouts, watchlists and the like, each change a new version."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from tapelight.errors import Conflict, Missing, Rejected
from tapelight.ports import Document
from tapelight.stores.database import Database

KEPT_NS = 30 * 86_400 * 10**9
"""How long a version that was replaced is kept."""
KEPT = 200
"""Versions of one document, at the most."""
MOST = 500
"""Documents of one kind and owner."""

METADATA = sa.MetaData()
DOCUMENTS = sa.Table(
    "documents",
    METADATA,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("newest", sa.Boolean, nullable=False, index=True),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("of", sa.Integer, nullable=False),
    sa.Column("body", sa.Text),
)
"""`body` is JSON; null where the document was deleted."""
C = DOCUMENTS.c
FIELDS = (C.kind, C.owner, C.name, C.version, C.body, C.shared, C.changed_ns, C.of)


class DocumentStore:
    """Keep documents in a database; `now_ns` is the wall clock, UTC."""

    def __init__(self, database: Database, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now_ns = now_ns
        self.changes = 0
        """Rises with each write: who has read them all knows when to read again."""

    async def list(self, kind: str, reader: str) -> Sequence[Document]:
        """Return the newest version of each of the reader's own and of the others' shared ones."""
        seen = sa.or_(C.owner == reader, C.shared)
        asked = _newest(kind).where(seen).order_by(C.name, C.owner)
        return await self._find(asked)

    async def all(self, kind: str) -> Sequence[Document]:
        """Return the newest version of everybody's."""
        return await self._find(_newest(kind).order_by(C.owner, C.name))

    async def show(self, kind: str, owner: str, name: str, version: int = 0) -> Document:
        """Return a version (0: the newest that is not deleted); raises Missing."""
        which = C.version == version if version else C.newest
        found = await self._find(_of(kind, owner, name).where(which, C.body.is_not(None)))
        if not found:
            told = f" in version {version}" if version else ""
            raise Missing(f"{owner} has no {kind} {name!r}{told}: list them, or write it first.")
        return found[0]

    async def history(self, kind: str, owner: str, name: str) -> Sequence[Document]:
        """Return the versions, the newest first; raises Missing."""
        found = await self._find(_of(kind, owner, name).order_by(C.version.desc()))
        if not found:
            raise Missing(f"{owner} has had no {kind} {name!r} in the last 30 days: list them.")
        return found

    async def write(self, document: Document, expected: str) -> Document:
        """Write the next version where the newest one is still `expected`."""
        written = await self._database.run(lambda c: self._write(c, document, expected))
        self.changes += 1
        return written

    def touch(self) -> None:
        """Note that others have changed the documents."""
        self.changes += 1

    async def _find(self, asked: Any) -> Sequence[Document]:
        return await self._database.run(lambda c: [_document(row) for row in c.execute(asked)])

    def _write(self, connection: sa.Connection, given: Document, expected: str) -> Document:
        mine = (C.kind == given.kind, C.owner == given.owner, C.name == given.name)
        row = connection.execute(
            sa.select(C.version, C.body.is_not(None)).where(*mine, C.newest)
        ).first()
        version, alive = (row[0], bool(row[1])) if row is not None else (0, False)
        _check(given, expected, version, alive=alive)
        if not alive and _count(connection, given) >= MOST:
            raise Rejected(f"{given.owner} keeps {MOST} of kind {given.kind}: delete some first.")
        now = self._now_ns()
        written = Document(
            given.kind, given.owner, given.name, version + 1, given.body, given.shared, now,
            given.of or version + 1,
        )  # fmt: skip
        connection.execute(sa.update(DOCUMENTS).where(*mine, C.newest).values(newest=False))
        connection.execute(sa.insert(DOCUMENTS), [_row(written)])
        old = sa.or_(C.changed_ns < now - KEPT_NS, C.version <= version + 1 - KEPT)
        connection.execute(sa.delete(DOCUMENTS).where(*mine, ~C.newest, old))
        return written


def _check(given: Document, expected: str, version: int, *, alive: bool) -> None:
    """Raise where the document is not what the writer has seen."""
    what = f"{given.kind} {given.name!r}"
    if given.body is None and not alive:
        raise Missing(f"{given.owner} has no {what}: nothing is deleted.")
    if expected == "*" or (expected == "" and not alive):
        return
    if expected == "":
        raise Conflict(f"There is a {what} already: send its ETag as If-Match to replace it.")
    if expected != str(version) or not alive:
        raise Conflict(f"The {what} was changed meanwhile: read it again, then write.")


def _newest(kind: str) -> "sa.Select[Any]":
    return sa.select(*FIELDS).where(C.kind == kind, C.newest, C.body.is_not(None))


def _of(kind: str, owner: str, name: str) -> "sa.Select[Any]":
    return sa.select(*FIELDS).where(C.kind == kind, C.owner == owner, C.name == name)


def _count(connection: sa.Connection, given: Document) -> int:
    mine = (C.kind == given.kind, C.owner == given.owner, C.newest, C.body.is_not(None))
    return connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one()


def _document(row: Any) -> Document:
    body = None if row.body is None else msgspec.json.decode(row.body)
    return Document(
        row.kind, row.owner, row.name, row.version, body, row.shared, row.changed_ns, row.of
    )


def _row(document: Document) -> dict[str, Any]:
    fields = {name: getattr(document, name) for name in Document.__dataclass_fields__}
    body = None if document.body is None else msgspec.json.encode(document.body).decode()
    return {**fields, "body": body, "newest": True}
