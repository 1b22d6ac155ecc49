"""A file that one process holds at a time."""

import fcntl
from pathlib import Path
from typing import BinaryIO


def locked(path: Path) -> BinaryIO | None:
    """Return the file, locked until it is closed or the process ends; None where another has it."""
    handle: BinaryIO = path.open("a+b")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    return handle
