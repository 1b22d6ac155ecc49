"""The sides of price levels: where the price was when a level was first seen, over a restart."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tapelight.stores.database import Database
from tapelight.stores.outbox import METADATA

SIDES = sa.Table(
    "sides",
    METADATA,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("above", sa.Boolean, nullable=False),
)
C = SIDES.c
Row = tuple[str, str, int, bool]
"""Owner, name and version of a level, and whether the price was above it."""


class Sides:
    """Keep the sides in the file of the outbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[Row]:
        """Return what is kept."""
        asked = sa.select(C.owner, C.name, C.version, C.above)
        return await self._database.run(lambda c: [tuple(row) for row in c.execute(asked)])

    async def keep(self, sides: Sequence[Row]) -> None:
        """Write sides; a later version of a level takes the earlier one's place."""
        await self._database.run(lambda c: _keep(c, sides))


def _keep(connection: sa.Connection, sides: Sequence[Row]) -> None:
    for owner, name, version, above in sides:
        now: dict[str, Any] = {"version": version, "above": above}
        made = insert(SIDES).values(owner=owner, name=name, **now)
        connection.execute(made.on_conflict_do_update(set_=now))
