"""Progress bars and lines of `tapelight data`."""

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

from tapelight.app.data.imports import Imported
from tapelight.app.data.status import AsOf, as_of_now, as_of_session
from tapelight.errors import ConfigError

NAME = TextColumn("{task.description:<32}")


def line_of(found: Imported) -> dict[str, Any]:
    """Return what a file brought as a row."""
    return {
        "file": found.path.name, "kind": found.kind, "date": found.date, "text": found.text,
        "rows": found.rows, "rejected": found.rejected,
    }  # fmt: skip


@contextlib.contextmanager
def bars_of_files() -> Iterator[Callable[[Path, int, int], None]]:
    """Yield what shows a bar a file, in bytes; on standard error, and only on a terminal."""
    with Progress(
        NAME, BarColumn(), DownloadColumn(), console=_console(), disable=_mute()
    ) as progress:
        tasks: dict[Path, Any] = {}

        def tell(path: Path, read: int, size: int) -> None:
            if path not in tasks:
                tasks[path] = progress.add_task(path.name[-32:], total=size)
            progress.update(tasks[path], completed=read)

        yield tell


@contextlib.contextmanager
def bars_of_steps() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows a bar a kind of step."""
    with Progress(
        NAME, BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
    ) as progress:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of)
            progress.update(tasks[what], completed=done, total=of)

        yield tell


def _console() -> Console:
    return Console(stderr=True)


def _mute() -> bool:
    return not sys.stderr.isatty()


def moment(date: str | None) -> AsOf:
    """Return the session of --at, or the present one; raises ConfigError."""
    if date is None:
        return as_of_now(time.time_ns())
    try:
        return as_of_session(dt.date.fromisoformat(date))
    except ValueError as error:
        raise ConfigError(f"--at is {date!r}: give a session's date, as in 2026-11-20.") from error
