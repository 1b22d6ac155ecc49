"""Retention: the oldest runs go first, the running ones never."""

import re
import shutil
from pathlib import Path
from typing import Protocol

from tapelight.stores.journal.writer import is_recording

GIGABYTE = 1_000_000_000
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_RUN = re.compile(r"\d{4,}")


class Limits(Protocol):
    """Say how much is kept: by default the runs of 10 sessions, in 20 GB."""

    @property
    def sessions(self) -> int: ...

    @property
    def gigabytes(self) -> float: ...


def prune(data: Path, limits: Limits, running: Path | None = None) -> list[Path]:
    """Delete the oldest runs until both limits hold; return the folders that went.

    `running` and every run that a process records into stay, and count. Nothing but folders
    DATE/RUN under `data`/journal is looked at. Raises OSError when a folder can't be deleted.
    """
    runs = _runs(data / "journal")
    sizes = {run: _bytes(run) for run in runs}
    kept = list(runs)
    gone: list[Path] = []
    for run in runs:
        total = sum(sizes[r] for r in kept)
        sessions = len({r.parent for r in kept})
        if sessions <= limits.sessions and total <= limits.gigabytes * GIGABYTE:
            break
        if run == running or is_recording(run):
            continue
        shutil.rmtree(run)
        _drop_if_empty(run.parent)
        kept.remove(run)
        gone.append(run)
    return gone


def _runs(journal: Path) -> list[Path]:
    """Return the runs of all days, oldest first."""
    days = sorted(d for d in journal.glob("*") if d.is_dir() and _DATE.fullmatch(d.name))
    found = [r for day in days for r in day.iterdir() if r.is_dir() and _RUN.fullmatch(r.name)]
    return sorted(found, key=lambda r: (r.parent.name, int(r.name)))


def _bytes(run: Path) -> int:
    return sum(p.stat().st_size for p in run.rglob("*") if p.is_file())


def _drop_if_empty(day: Path) -> None:
    if not any(day.iterdir()):
        day.rmdir()
