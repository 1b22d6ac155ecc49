"""The outbox: each delivery is on the disk before it is sent, and stays until its receipt is.

A kill between sending and writing the receipt sends again, with the same id: at least once.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tapelight.model.alerts import Alert, Delivery
from tapelight.stores.database import Database

KEPT_NS = 7 * 86_400 * 10**9
KEPT = 50_000
PRUNE_EVERY = 1_000

METADATA = sa.MetaData()
DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_ns", sa.BigInteger, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("alert", sa.Text, nullable=False),
    sa.Index("deliveries_due", "state", "due_ns"),
)
C = DELIVERIES.c


class Outbox:
    """Keep deliveries; `now_ns` is the wall clock, UTC."""

    def __init__(self, database: Database, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._now_ns = now_ns
        self._added = 0

    async def add(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Write deliveries; return those that were not known yet."""
        return await self._database.run(lambda c: self._add(c, deliveries))

    async def due(
        self, now_ns: int, most: int, without: Collection[str], busy: Collection[str]
    ) -> Sequence[Delivery]:
        """Return what waits to be sent, the oldest first.

        Left out are the ids in `without` and the channels (OWNER/NAME) in `busy`.
        """
        asked = sa.select(DELIVERIES).where(C.state == "waiting", C.due_ns <= now_ns)
        if busy:
            asked = asked.where((C.owner + "/" + C.channel).not_in(busy))
        asked = asked.order_by(C.due_ns, C.seq).limit(most + len(without))
        found = await self._find(asked)
        return [delivery for delivery in found if delivery.id not in without][:most]

    async def next_due_ns(self) -> int | None:
        """Return when something is to be sent next; None where nothing waits."""
        asked = sa.select(sa.func.min(C.due_ns)).where(C.state == "waiting")
        return await self._database.run(lambda c: c.execute(asked).scalar())

    async def note(self, deliveries: Sequence[Delivery]) -> None:
        """Write what has become of deliveries."""
        await self._database.run(lambda c: _note(c, deliveries))

    async def newest(self, owner: str, most: int) -> Sequence[Delivery]:
        """Return a person's deliveries, the newest first."""
        asked = sa.select(DELIVERIES).where(C.owner == owner).order_by(C.seq.desc())
        return await self._find(asked.limit(most))

    async def told(self, channel: str, most: int, after: int = 0) -> Sequence[tuple[int, Alert]]:
        """Return the newest alerts through a channel, everybody's, the oldest first, with their numbers.

        They are those with a number above `after`.
        """
        mine = (C.channel == channel, C.seq > after)
        asked = sa.select(C.seq, C.alert).where(*mine).order_by(C.seq.desc()).limit(most)
        rows = await self._database.run(lambda c: c.execute(asked).all())
        return [(seq, msgspec.json.decode(text, type=Alert)) for seq, text in reversed(rows)]

    async def _find(self, asked: Any) -> Sequence[Delivery]:
        return await self._database.run(lambda c: [_delivery(row) for row in c.execute(asked)])

    def _add(self, connection: sa.Connection, deliveries: Sequence[Delivery]) -> list[Delivery]:
        fresh = [
            delivery
            for delivery in deliveries
            if connection.execute(
                insert(DELIVERIES).values(_row(delivery)).on_conflict_do_nothing()
            ).rowcount
        ]
        self._added += len(fresh)
        if self._added >= PRUNE_EVERY:
            self._added = 0
            _prune(connection, self._now_ns())
        return fresh


def _note(connection: sa.Connection, deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        row = _row(delivery)
        changed = {n: row[n] for n in ("state", "attempts", "due_ns", "changed_ns", "answer")}
        connection.execute(sa.update(DELIVERIES).where(C.id == delivery.id).values(changed))


def _prune(connection: sa.Connection, now_ns: int) -> None:
    """Drop what is done and old, or beyond the bound."""
    newest = connection.execute(sa.select(sa.func.max(C.seq))).scalar() or 0
    old = sa.or_(C.created_ns < now_ns - KEPT_NS, C.seq <= newest - KEPT)
    connection.execute(sa.delete(DELIVERIES).where(C.state != "waiting", old))


def _row(delivery: Delivery) -> dict[str, Any]:
    fields = {name: getattr(delivery, name) for name in delivery.__struct_fields__}
    alert = msgspec.json.encode(delivery.alert).decode()
    return {**fields, "alert": alert, "owner": delivery.alert.owner}


def _delivery(row: Any) -> Delivery:
    fields = {name: getattr(row, name) for name in Delivery.__struct_fields__}
    return Delivery(**{**fields, "alert": msgspec.json.decode(row.alert, type=Alert)})
