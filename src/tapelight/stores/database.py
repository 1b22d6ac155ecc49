"""A SQLite file with one writing thread; who asks awaits it and the loop goes on."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError, Unavailable

T = TypeVar("T")
BUSY_S = 5.0
OWNER_ONLY = 0o600


class Database:
    """Hold a file's tables; every question and change runs on its one thread, in order.

    The file is readable by its owner alone. A change is on the disk when `run` returns
    (WAL, synchronous=FULL). Raises ConfigError where it can't be opened. Where it is not to be
    `alone`, another process may open it too, and has to be fenced off by what is in it.
    """

    def __init__(self, path: Path, metadata: sa.MetaData, alone: bool = True) -> None:
        self.path = path
        self._held = _hold(path) if alone else None
        self._engine = writer(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._open(metadata)

    def _open(self, metadata: sa.MetaData) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(OWNER_ONLY)
            self.path.chmod(OWNER_ONLY)
            with self._engine.begin() as connection:
                metadata.create_all(connection)
        except (SQLAlchemyError, OSError) as error:
            self.close()
            raise ConfigError(
                f"{self.path} can't be opened ({reason(error)}): give a writable --data, or move "
                "the file away if it is damaged."
            ) from error

    async def run(self, act: Callable[[sa.Connection], T]) -> T:
        """Run `act` in one transaction; raises Unavailable where the disk refuses."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.at_once, act)

    def at_once(self, act: Callable[[sa.Connection], T]) -> T:
        """Run `act` in this thread: for what is asked before the loop runs."""
        try:
            with self._engine.begin() as connection:
                return act(connection)
        except SQLAlchemyError as error:
            raise Unavailable(f"{self.path.name} can't be used: {reason(error)}.") from error

    def close(self) -> None:
        """End the thread when what waits is done, and close the file."""
        self._thread.shutdown()
        self._engine.dispose()
        if self._held is not None:
            os.close(self._held)


class Foreign(Database):
    """Read a file that another process writes: every question raises Unavailable until it is there.

    `maker` is that process, in words that follow "start".
    """

    def __init__(self, path: Path, maker: str) -> None:
        self.path = path
        self._maker = maker
        self._held = None
        self._engine = reader(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)

    def at_once(self, act: Callable[[sa.Connection], T]) -> T:
        """Run `act`, which only reads, in this thread."""
        if not self.path.is_file():
            raise Unavailable(f"{self.path} is not there yet: start {self._maker}.")
        return super().at_once(act)

    async def version(self) -> int:
        """Return a number that is another one once the writer has changed something."""
        asked = "PRAGMA data_version"
        return await self.run(lambda c: int(c.exec_driver_sql(asked).scalar_one()))


def _hold(path: Path) -> int:
    """Return the descriptor of the lock file of a database: one process writes it, whoever comes second is told."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    except OSError as error:
        raise ConfigError(
            f"{path} can't be opened ({error.strerror}): give a writable --data."
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise ConfigError(
            f"{path} is in use by another Tapelight: stop that one, or give another --data."
        ) from error
    return held


def writer(path: Path) -> sa.Engine:
    """Return the engine of the one who writes: WAL, synchronous=FULL, BEGIN IMMEDIATE."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.pool.StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_S},
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> sa.Engine:
    """Return the engine of who reads what another process writes: one connection, opened when it is asked."""
    return sa.create_engine(
        f"sqlite:///file:{path.absolute()}?mode=ro&uri=true",
        poolclass=sa.pool.StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_S},
    )


def rebuildable(path: Path, busy_s: float = BUSY_S) -> sa.Engine:
    """Return the engine of what can be had again: WAL, synchronous=NORMAL, any thread.

    The last changes before a power cut may lack. A writer waits `busy_s` for another one.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": busy_s},
    )

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def reason(error: Exception) -> str:
    """Return an error's first line: the driver's own words."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]
