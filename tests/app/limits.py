"""What a machine may refuse a process: open files, room on the disk."""

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let nothing more be opened, so that neither pipe nor process can be made (EMFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of some bytes, where root may; skip the test elsewhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tapelight", os.fsencode(folder), b"tmpfs", 0, f"size={size}".encode()):
        pytest.skip("a small file system can't be mounted here")
    try:
        yield
    finally:
        assert libc.umount2(os.fsencode(folder), 2) == 0


def fill(path: Path) -> None:
    """Leave no room on the disk of a path."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let no file grow above some bytes: what goes beyond is written in part, then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
