"""The signal queue as the trader reads it: `signals.db`, by a cursor of its own."""

from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import Unavailable
from tapelight.model.signals import Signal
from tapelight.stores.database import reason
from tapelight.stores.signals import FILE, SIGNALS, open_log

MOST = 200
"""Signals read at once."""


class SignalQueue:
    """Read what the scanner appends; a log that is not there yet is an empty one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine: sa.Engine | None = None

    def read(self, after: int) -> list[tuple[int, Signal]]:
        """Return the next (sequence, signal) after a cursor, in order; raises Unavailable."""
        c = SIGNALS.c
        asked = sa.select(c.seq, c.payload).where(c.seq > after).order_by(c.seq).limit(MOST)
        rows = self._rows(asked)
        return [(seq, msgspec.json.decode(payload, type=Signal)) for seq, payload in rows]

    def before(self, ts_ns: int) -> int:
        """Return the cursor after all signals older than a market time; raises Unavailable."""
        newest = sa.select(sa.func.coalesce(sa.func.max(SIGNALS.c.seq), 0), sa.literal(""))
        return self._rows(newest.where(SIGNALS.c.mark < ts_ns))[0][0] if self._there() else 0

    def close(self) -> None:
        """Close the file."""
        if self._engine is not None:
            self._engine.dispose()

    def _there(self) -> bool:
        return (self._folder / FILE).is_file()

    def _rows(self, asked: sa.Select[Any]) -> list[tuple[int, str]]:
        if self._engine is None:
            if not self._there():
                return []
            self._engine = open_log(self._folder)
        try:
            with self._engine.connect() as connection:
                return [(int(row[0]), str(row[1])) for row in connection.execute(asked)]
        except SQLAlchemyError as error:
            raise Unavailable(f"The signal log can't be read: {reason(error)}.") from error
