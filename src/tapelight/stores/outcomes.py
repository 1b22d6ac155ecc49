"""The outcome store: what followed each live signal, one row a signal, amended as horizons pass.

One process writes it, on a thread of its own, into outcomes.db beside the signal log.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError
from tapelight.model.outcomes import Outcome
from tapelight.stores.database import reason, rebuildable

FILE = "outcomes.db"
WAITING = 20_000
"""Outcomes that may wait for a disk that refuses them; the oldest beyond are counted as lost."""
CLOSE_S = 5.0

_metadata = sa.MetaData()
OUTCOMES = sa.Table(
    "outcomes",
    _metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("scan", sa.String(120), nullable=False, index=True),
    sa.Column("session", sa.String(10), nullable=False),
    sa.Column("ts_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("payload", sa.Text, nullable=False),
)
"""`payload` is the outcome as JSON."""


class OutcomeStore:
    """Keep outcomes; `put` never waits for the disk. Raises ConfigError where it can't be opened."""

    def __init__(self, folder: Path, waiting: int = WAITING) -> None:
        self.path = folder / FILE
        self.state = "ok"
        """ok, or `failed: ` and the reason."""
        self.written = 0
        self.lost = 0
        self._most = waiting
        self._due: dict[str, Outcome] = {}
        self._engine = rebuildable(self.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
        except (SQLAlchemyError, OSError) as error:
            raise ConfigError(
                f"{self.path} can't be opened ({reason(error)}): give a writable --data, or move "
                "the file away if it is damaged."
            ) from error
        self._thread = ThreadPoolExecutor(1, "outcomes")
        self._writing: Future[dict[str, Outcome]] | None = None

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """Let outcomes be written; a later one of the same signal replaces the earlier.

        What a refused write left goes with the next.
        """
        self._take_back()
        for outcome in outcomes:
            self._due.pop(outcome.id, None)
            self._due[outcome.id] = outcome
        while len(self._due) > self._most:
            self._due.pop(next(iter(self._due)))
            self.lost += 1
        if self._due and self._writing is None:
            batch, self._due = self._due, {}
            self._writing = self._thread.submit(self._write, batch)

    def newest(self, limit: int) -> list[Outcome]:
        """Return the newest outcomes, the oldest of them first."""
        c = OUTCOMES.c
        asked = sa.select(c.payload).order_by(c.ts_ns.desc(), c.id).limit(limit)
        with self._engine.connect() as connection:
            payloads = connection.execute(asked).scalars().all()
        return [msgspec.json.decode(payload, type=Outcome) for payload in reversed(payloads)]

    def close(self) -> None:
        """Write what waits, and end the thread."""
        wait([self._writing] if self._writing is not None else [], CLOSE_S)
        self._take_back()
        if self._writing is not None:
            self.state = "failed: the disk is too slow for the outcomes"
            self.lost += len(self._due)
        elif self._due:
            wait([self._thread.submit(self._write, self._due)], CLOSE_S)
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _take_back(self) -> None:
        """Let what a finished write was refused be due again; a later one of a signal stands.

        The loop alone touches what is due: the thread hands back what it could not write.
        """
        if self._writing is None or not self._writing.done():
            return
        done, self._writing = self._writing, None
        fault = done.exception()
        if fault is not None:
            self.state = f"failed: {fault!r}"
        else:
            self._due = done.result() | self._due

    def _write(self, batch: dict[str, Outcome]) -> dict[str, Outcome]:
        """Write outcomes; return those that the disk refused."""
        fresh = insert(OUTCOMES)
        amended = fresh.on_conflict_do_update(
            index_elements=["id"], set_={"payload": fresh.excluded.payload}
        )
        try:
            with self._engine.begin() as connection:
                connection.execute(amended, [_row(outcome) for outcome in batch.values()])
        except (SQLAlchemyError, OSError) as error:
            self.state = f"failed: {reason(error)}"
            return batch
        self.state = "ok"
        self.written += len(batch)
        return {}


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "scan": outcome.scan,
        "session": outcome.session,
        "ts_ns": outcome.ts_ns,
        "payload": msgspec.json.encode(outcome).decode(),
    }
