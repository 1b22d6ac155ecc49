"""The lease: one process alone uses a provider's key; another one waits until it is free.

A provider that allows one connection a key closes the older one for the newer one, so that two
processes would cut each other off for ever. The lease is a lock on a file, which the system lets
go when its holder ends, however it ends. It holds for one machine and user.
"""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from tapelight.errors import ConfigError
from tapelight.stores.lockfile import locked

LOOK_S = 1.0
"""Between two tries of a process that waits."""


def leases() -> Path:
    """Return the folder of the leases of this machine and user."""
    return Path(tempfile.gettempdir()) / f"tapelight-{os.getuid()}"


@contextlib.asynccontextmanager
async def owning(
    what: str, waits: Callable[[int], object], folder: Path | None = None
) -> AsyncIterator[None]:
    """Hold the lease of `what`, which is hashed: it may name a key. Empty holds none.

    While another process has it, `waits` is called with its process id, each time it changes.
    Raises ConfigError where no lease can be written.
    """
    if not what:
        yield
        return
    folder = folder or leases()
    _make(folder)
    name = hashlib.blake2b(what.encode(), digest_size=12).hexdigest()
    holder, told = _held(folder / name), -1
    while holder is None:
        other = _pid(folder / name)
        if other != told:
            told = other
            waits(other)
        await asyncio.sleep(LOOK_S)
        holder = _held(folder / name)
    try:
        yield
    finally:
        holder.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mine = folder.stat().st_uid == os.getuid()
    except OSError as error:
        raise ConfigError(f"{folder} can't be made ({error.strerror}): give a TMPDIR.") from error
    if not mine:
        raise ConfigError(f"{folder} belongs to another user: remove it, or give a TMPDIR.")


def _held(path: Path) -> BinaryIO | None:
    """Return the locked file with our process id in it; None where another one has it."""
    handle = locked(path)
    if handle is None:
        return None
    handle.truncate(0)
    handle.write(str(os.getpid()).encode())
    handle.flush()
    return handle


def _pid(path: Path) -> int:
    """Return the process that has the lease, 0 where it can't be told."""
    try:
        return int(path.read_bytes() or b"0")
    except (OSError, ValueError):
        return 0
