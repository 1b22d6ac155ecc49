"""The trader's state as a file: what it last told of itself, also when it runs no more."""

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from tapelight.errors import Unavailable
from tapelight.model.trading import TraderReport
from tapelight.stores.lockfile import locked

FILE = "trader.json"
LOCK = "trader.lock"
"""Held, shared, by each trader that lives."""
PID = "trader.pid"
"""Its process id; left there when it ends."""
_decoder = msgspec.json.Decoder(TraderReport)


def tell(folder: Path, report: TraderReport) -> None:
    """Replace what was told; not fsynced, as the next one follows at once. Raises Unavailable."""
    path, raw = folder / FILE, msgspec.json.encode(report)
    beside = path.with_suffix(".new")
    try:
        try:
            beside.write_bytes(raw)
            beside.replace(path)
        except OSError:
            # A full disk has no place for a new file, and the old one's is ours already.
            _overwrite(path, raw)
    except OSError as error:
        raise Unavailable(f"{path} can't be written: {error.strerror}.") from error


def _overwrite(path: Path, raw: bytes) -> None:
    """Write over a file at once: blanks after it fill the place, so no reader finds half of one."""
    with path.open("r+b", buffering=0) as file:
        size = path.stat().st_size
        if file.write(raw.ljust(size)) < len(raw):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def told(folder: Path) -> TraderReport | None:
    """Return what the trader last told; None where there is none, or one that nobody can read."""
    try:
        return _decoder.decode((folder / FILE).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def stand(folder: Path) -> BinaryIO | None:
    """Say that a trader lives, until what is returned is closed or the process ends.

    Two may live for a moment, while one takes over. None where it can't be said.
    """
    try:
        handle: BinaryIO = (folder / LOCK).open("a+b")
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return None
    return handle


def stands(folder: Path) -> bool:
    """Tell whether a trader of a folder lives."""
    if not folder.is_dir():
        return False
    try:
        handle = locked(folder / LOCK)
    except OSError:
        return False
    if handle is None:
        return True
    handle.close()
    return False
