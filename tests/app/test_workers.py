"""Worker processes of tier 2: the same answers as the engine's own, and a new one for a dead one."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from scan.test_tiers import play, records
from tapelight.app.worker import HEAD, unwrap, wrap
from tapelight.app.workers import COMMAND, MOST_ENDS, Workers
from tapelight.engine import Engine
from tapelight.market.bank import Work
from tapelight.market.candles import CANDLE
from tapelight.market.indicators import ask
from tapelight.model.records import Record, TierResult, TierWorkers

pytestmark = pytest.mark.slow

LIMIT_S = 30.0


class Run:
    """Journal and apply what is put, as the scanner does."""

    def __init__(self, workers: int, command: Sequence[str] = COMMAND) -> None:
        self.engine = Engine()
        self.journal: list[Record] = []
        self.workers = Workers(workers, lambda: self.engine, self.put, command)

    def put(self, record: Record) -> None:
        self.journal.append(record)
        cycle = self.engine.apply(record)
        if cycle is not None:
            self.workers.on_cycle(cycle)

    @property
    def results(self) -> int:
        return sum(isinstance(r, TierResult) for r in self.journal)

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not true():  # noqa: ASYNC110 - a process answers when it does
                await asyncio.sleep(0.002)


@asynccontextmanager
async def running(count: int, command: Sequence[str] = COMMAND) -> AsyncIterator[Run]:
    run = Run(count, command)
    task = asyncio.create_task(run.workers.run())
    try:
        yield run
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def through(run: Run, given: list[Record]) -> None:
    """Put records; wait for the results of each mark before the next."""
    for record in given:
        run.put(record)
        await run.until(lambda: not run.workers.owed)


async def begun(run: Run, first: Record, count: int) -> None:
    run.put(first)
    run.put(TierWorkers(count))
    run.workers.start()
    await run.until(lambda: len(run.workers.pids) == count)


async def test_workers_give_what_the_engine_gives_and_its_journal_replays() -> None:
    given = records(minutes=6)
    async with running(2) as run:
        await begun(run, given[0], 2)
        await through(run, given[1:])
    assert run.results > 4
    assert run.engine.digest == play(given)[0].digest
    assert play(run.journal)[0].digest == run.engine.digest


async def test_a_worker_that_dies_is_begun_anew_and_gets_all_bars() -> None:
    given = records(minutes=6)
    async with running(1) as run:
        await begun(run, given[0], 1)
        await through(run, given[1:40])
        first = run.workers.pids
        os.kill(first[0], signal.SIGKILL)
        await run.until(lambda: run.workers.pids not in ([], first))
        await through(run, given[40:])
    assert run.workers.ends == 1
    inline, _ = play(given)
    for asked in inline.table.indicators.wanted:
        mine, n = run.engine.table.indicators, inline.table.n
        np.testing.assert_array_equal(
            mine.values(asked, n), inline.table.indicators.values(asked, n)
        )
    assert play(run.journal)[0].digest == run.engine.digest


async def test_one_that_ends_again_and_again_is_given_up() -> None:
    given = records(minutes=4)
    async with running(1) as run:
        await begun(run, given[0], 1)
        for ends in range(MOST_ENDS):
            await run.until(lambda: bool(run.workers.pids))
            os.kill(run.workers.pids[0], signal.SIGKILL)
            await run.until(lambda ends=ends: run.workers.ends > ends)
        await run.until(lambda: run.engine.tiers.workers == 0)
        for record in given[1:]:
            run.put(record)
    assert run.journal[2] == TierWorkers(0)
    assert run.engine.digest == play(given)[0].digest


@pytest.mark.parametrize(
    "command",
    [
        ("/none/there",),
        ("/bin/sh", "-c", r"printf '\1\0\0\0x'; exec cat"),
        ("/bin/sh", "-c", "echo a stray line; exec cat"),
    ],
    ids=["does not start", "no result", "no length"],
)
async def test_one_that_does_not_start_or_speaks_nonsense_has_ended(command: tuple[str]) -> None:
    given = records(minutes=4)
    async with running(1, command) as run:
        run.put(given[0])
        run.put(TierWorkers(1))
        run.workers.start()
        await run.until(lambda: run.engine.tiers.workers == 0)
        assert run.workers.ends == MOST_ENDS
        for record in given[1:]:
            run.put(record)
    assert run.engine.digest == play(given)[0].digest


def test_each_worker_gets_its_own_rows_whole() -> None:
    bars = np.zeros(7, CANDLE)
    bars["row"], bars["close"] = [0, 0, 1, 2, 3, 3, 4], np.arange(7)
    rows, none = np.arange(5), np.zeros(0, np.intp)
    work = Work(5, 9, (ask("rsi"),), rows, {"1m": bars}, {"5m": bars[:1]}, none)
    parts = [unwrap(wrap(work, i, 2)[HEAD.size :]) for i in range(2)]
    assert [p.reopened.tolist() for p in parts] == [[0, 2, 4], [1, 3]]
    assert [p.whole["1m"]["close"].tolist() for p in parts] == [[0, 1, 3, 6], [2, 4, 5]]
    assert [len(p.fresh["5m"]) for p in parts] == [1, 0]
    assert all((p.cut_ns, p.due_ns, p.asks) == (5, 9, work.asks) for p in parts)
