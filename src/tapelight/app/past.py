"""Questions about the past, answered by a process of their own: the live loop never waits."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from tapelight.app.asof import AsOf, Stopped, Then, of_tiers
from tapelight.app.loop import die_with_parent
from tapelight.app.trust import Trust
from tapelight.app.views import EngineMarket
from tapelight.errors import ConfigError, Missing, Unavailable
from tapelight.model.session import calendar, clock_zone, iso, latest_session, parse_time
from tapelight.ports import Json, Row
from tapelight.scan.source import trust
from tapelight.scan.sql import compile_query
from tapelight.stores.journal.writer import Writer

log = structlog.get_logger()
T = TypeVar("T")
LIMIT_S = 30.0
"""How long one question may take."""
WAITING = 8
"""Questions that may wait for the process; one more is told to come again."""
IDLE_S = 600.0
"""After so long without a question the process gives the memory of its engines back."""
FLUSH_S = 2.0
RECENT_NS = 10_000_000_000
"""What is older than this has reached its file long ago."""
NICE = 5
SLOTS = 16


@dataclass(frozen=True, slots=True)
class Live:
    """Tell of the running recording: the market time, and the writer whose records may wait."""

    now_ns: int
    writer: Writer | None = None


class Past:
    """Answer questions about any recorded second, the running day's included.

    Questions are functions `answer(then, *arguments)` of a module's top level: they run in the
    worker process, on the market as of the time asked for. At most `WAITING` wait; one whose
    asker is gone is given up.
    """

    def __init__(
        self, data: Path, calendar_name: str, live: Callable[[], Live], limit_s: float = LIMIT_S
    ) -> None:
        self._data = data
        self._calendar = calendar(calendar_name)
        self._live = live
        self._limit_s = limit_s
        self._context = multiprocessing.get_context("spawn")
        self._given_up = self._context.Array("Q", SLOTS)
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0
        self._ticket = 0
        self._idle: asyncio.TimerHandle | None = None

    async def board(self, name: str, at: str) -> Mapping[str, Json]:
        """Return a board as the gateway gave it at the last whole second at or before `at`."""
        return await self.ask(at, board_then, name, asked=frozenset([name]), tiers=False)

    async def query(self, sql: str, at: str) -> Mapping[str, Json]:
        """Answer a SELECT over the market as of `at`."""
        return await self.ask(at, _rows_then, sql, tiers=_looks_at_tiers(sql))

    async def symbol(self, symbol: str, at: str) -> Row:
        """Return every column of a symbol as of `at`; raises Missing when it was not watched."""
        return await self.ask(at, _row_then, symbol)

    async def ask(
        self,
        at: str,
        answer: Callable[..., T],
        *arguments: Any,
        asked: frozenset[str] = frozenset(),
        tiers: bool = True,
    ) -> T:
        """Return `answer(then, *arguments)` with the market as of the time `at`.

        `asked` names the boards, scans and strategies that are evaluated up to then; without
        `tiers` the answer looks at nothing else that depends on tier 2. Raises
        ConfigError for what is no past time, Missing for what isn't recorded, Unavailable when
        too many questions wait or this one takes too long.
        """
        if self._waiting >= WAITING:
            raise Unavailable(
                f"{WAITING} questions about the past wait already: ask again in a few seconds."
            )
        at_ns = self.moment(at)
        self._waiting += 1
        self._ticket += 1
        task = Task(self._ticket, at_ns, asked, tiers, self._limit_s)
        try:
            await self._flushed(at_ns)
            return await self._run(task, answer, arguments)
        finally:
            self._waiting -= 1
            self._rest()

    def moment(self, at: str) -> int:
        """Return the past time that `at` names, ns; raises ConfigError for one to come."""
        now_ns = self._live().now_ns
        # A + that was not escaped reaches the server as a blank.
        session, zone = latest_session(self._calendar, now_ns), clock_zone(self._calendar)
        at_ns = parse_time(at.replace(" ", "+"), session, zone)
        if at_ns > now_ns:
            raise ConfigError(f"at={at} lies in the future: it is {iso(now_ns)}.")
        return at_ns

    async def _flushed(self, at_ns: int) -> None:
        """Let the journal's thread write what the running day has up to now."""
        live = self._live()
        if live.writer is None or live.now_ns - at_ns > RECENT_NS:
            return
        live.writer.tick(force=True)
        await asyncio.to_thread(live.writer.wait_for, live.writer.seq, FLUSH_S)

    async def _run(self, task: "Task", answer: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        answered = self._submit(work, task, answer, arguments)
        try:
            return await asyncio.wrap_future(answered)
        except asyncio.CancelledError:
            self._given_up[task.ticket % SLOTS] = task.ticket
            raise
        except BrokenProcessPool as error:
            raise self._broken(error) from error

    async def warm(self) -> None:
        """Start the process, so that the first question need not wait for it.

        One that does not start, or ends, is told: the next question starts another.
        """
        try:
            await asyncio.wrap_future(self._submit(forget))
        except (Unavailable, BrokenProcessPool) as error:
            self._broken(error)
            log.warning("no process answers for the past yet", reason=str(error))

    def _submit(self, function: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Hand work to the process, started if need be; raises Unavailable where none starts."""
        try:
            return self._open().submit(function, *arguments)
        except (BrokenProcessPool, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Unavailable:
        """Give the process up, so that the next question starts another; return what to tell."""
        if self._pool is not None:
            self._close(self._pool)
        return Unavailable(f"The process that answers for the past has ended ({error}): ask again.")

    def _open(self) -> ProcessPoolExecutor:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._pool is None:
            settings = (str(self._data), self._calendar.name, self._given_up)
            self._pool = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=begin, initargs=settings
            )
        return self._pool

    def _rest(self) -> None:
        """Let the process forget its engines when nobody asks for a while."""
        if self._pool is not None and not self._waiting:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._let_forget)

    def _let_forget(self) -> None:
        with contextlib.suppress(Unavailable):
            self._submit(forget)

    def _close(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        if self._pool is not None:
            self._given_up[:] = [2**63] * SLOTS
            self._close(self._pool)


@dataclass(frozen=True, slots=True)
class Task:
    """Say what the worker is asked: a ticket, the time, the questions to evaluate, its limit."""

    ticket: int
    at_ns: int
    asked: frozenset[str]
    tiers: bool
    limit_s: float


class _Worker:
    """Hold what the worker process keeps between questions."""

    def __init__(self, data: Path, calendar_name: str, given_up: Any) -> None:
        self.past = AsOf(data, calendar(calendar_name))
        self.given_up = given_up


_worker: _Worker | None = None


def begin(data: str, calendar_name: str, given_up: Any) -> None:
    """Set the worker process up."""
    global _worker  # noqa: PLW0603 - the state of a process is its module's
    die_with_parent()
    os.nice(NICE)
    trust(Trust(Path(data)))
    gc.freeze()
    _worker = _Worker(Path(data), calendar_name, given_up)


def forget() -> None:
    """Give the memory of the kept engines back."""
    assert _worker is not None
    _worker.past.forget()


def work(task: Task, answer: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    """Answer one question in the worker process."""
    assert _worker is not None
    given_up = _worker.given_up
    deadline = time.monotonic() + task.limit_s

    def check() -> None:
        if given_up[task.ticket % SLOTS] >= task.ticket:
            raise Stopped("Nobody waits for this answer any more.")
        if time.monotonic() > deadline:
            raise Stopped(
                f"The answer takes more than {task.limit_s:g} s: ask again, the work goes on "
                "from where it stands."
            )

    check()
    then = _worker.past.at(task.at_ns, task.asked, check, task.tiers)
    return answer(then, *arguments)


def _looks_at_tiers(sql: str) -> bool:
    """Tell whether a query may look at tier 2; one that does not compile here may."""
    try:
        return of_tiers(compile_query(sql))
    except ConfigError:
        return True


def board_then(then: Then, name: str) -> Mapping[str, Json]:
    """Return a board's state in the gateway's form."""
    known = {**then.engine.boards, **then.engine.scans}
    if name not in known:
        raise Missing(f"There was no board {name!r} at {iso(then.mark_ns)}.")
    return {**then.boards.board(name), **_place(then)}


def query_then(then: Then, sql: str) -> list[dict[str, Json]]:
    """Answer a SELECT."""
    return [dict(row) for row in EngineMarket(then.engine, dict).query(sql)]


def _rows_then(then: Then, sql: str) -> dict[str, Json]:
    """Answer a SELECT, and tell which mark of which run answered."""
    return {**_place(then), "rows": query_then(then, sql)}


def _row_then(then: Then, symbol: str) -> dict[str, Json]:
    """Return every column of a symbol, and tell which mark of which run they are of."""
    return {**symbol_then(then, symbol), **_place(then)}


def _place(then: Then) -> dict[str, Json]:
    return {"run": then.run, "as_of_ns": then.mark_ns}


def symbol_then(then: Then, symbol: str) -> dict[str, Json]:
    """Return every column of a symbol."""
    try:
        return dict(EngineMarket(then.engine, dict).symbol(symbol))
    except KeyError:
        raise Missing(f"{symbol!r} was not watched at {iso(then.mark_ns)}.") from None
