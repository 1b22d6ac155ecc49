"""Play many tapes over processes, with a progress bar; a process holds one session at a time."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tapelight.app.backtest.day import DayResult, Job, run_job
from tapelight.app.loop import die_with_parent
from tapelight.scan.source import Trusted, trust, trusted

POLL_S = 0.2


def default_workers() -> int:
    """Return how many processes a backtest takes when not told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def play(
    jobs: Sequence[Job], workers: int, folder: Path, sessions: int, quiet: bool = False
) -> list[DayResult]:
    """Return the results of all jobs, oldest session first."""
    with _progress(folder, sessions, quiet) as tell:
        if workers <= 1 or len(jobs) == 1:
            found = []
            for job in jobs:
                found += run_job(job)
                tell()
        else:
            found = _in_processes(jobs, min(workers, len(jobs)), tell)
    return sorted(found, key=lambda result: result.date)


def _in_processes(jobs: Sequence[Job], workers: int, tell: "Tell") -> list[DayResult]:
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin, initargs=(trusted(),))
    pending: set[Future[list[DayResult]]] = set()
    try:
        pending = {pool.submit(run_job, job) for job in jobs}
        found: list[DayResult] = []
        while pending:
            done, pending = wait(pending, POLL_S, FIRST_COMPLETED)
            for future in done:
                found += future.result()
            tell()
    finally:
        pool.shutdown(wait=not pending, cancel_futures=True)
    return found


def _begin(chosen: Trusted) -> None:
    """Set a process up: it trusts what this one does."""
    die_with_parent()
    trust(chosen)


class Tell:
    """Show how many sessions are done, by the files that they leave."""

    def __init__(self, bar: Progress | None, folder: Path, sessions: int) -> None:
        self._bar, self._folder = bar, folder
        self._task = bar.add_task("backtest", total=sessions) if bar is not None else None

    def __call__(self) -> None:
        if self._bar is not None and self._task is not None:
            done = sum(1 for _ in self._folder.glob("*.done"))
            self._bar.update(self._task, completed=done)


@contextmanager
def _progress(folder: Path, sessions: int, quiet: bool) -> Iterator[Tell]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Tell(None, folder, sessions)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("sessions"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        yield Tell(bar, folder, sessions)
