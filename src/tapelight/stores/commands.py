"""Commands to the trader: what a person asked for through command line or gateway, in order."""

from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa

from tapelight.stores.database import Database

FILE = "commands.db"
_metadata = sa.MetaData()
COMMANDS = sa.Table(
    "commands",
    _metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=True),
)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Ask the trader for something."""

    what: Literal["approve", "decline", "close"]
    subject: str
    """An order's id; close: a symbol."""
    by: str
    ts_s: float = 0.0
    """When it was asked, s of the wall clock: an old one is not carried out."""


class Commands:
    """Hold commands until the trader has answered them; durable when `put` returns."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, _metadata, alone=False)

    def put(self, command: Command) -> int:
        """Append a command and return its number; raises Unavailable."""
        payload = msgspec.json.encode(command).decode()

        def act(connection: sa.Connection) -> int:
            found = connection.execute(sa.insert(COMMANDS).values(payload=payload))
            return int(found.lastrowid)

        return self._database.at_once(act)

    def waiting(self) -> list[tuple[int, Command]]:
        """Return what is not answered yet, in order; raises Unavailable."""
        c = COMMANDS.c
        asked = sa.select(c.seq, c.payload).where(c.answer.is_(None)).order_by(c.seq)
        rows = self._database.at_once(lambda connection: list(connection.execute(asked)))
        return [(seq, msgspec.json.decode(text, type=Command)) for seq, text in rows]

    def answer(self, seq: int, text: str) -> None:
        """Say what came of a command; raises Unavailable."""
        change = sa.update(COMMANDS).where(COMMANDS.c.seq == seq).values(answer=text)
        self._database.at_once(lambda connection: connection.execute(change))

    def answered(self, seq: int) -> str | None:
        """Return what came of a command; None = nothing yet. Raises Unavailable."""
        asked = sa.select(COMMANDS.c.answer).where(COMMANDS.c.seq == seq)
        return self._database.at_once(lambda connection: connection.execute(asked).scalar())

    def close(self) -> None:
        """Close the file."""
        self._database.close()
