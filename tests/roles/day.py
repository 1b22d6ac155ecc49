"""A recorded day as it travels: the feed's folder, its stream, and the embedded answers to compare with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tapelight.app.roles.follower import Follower
from tapelight.app.roles.senders import Senders
from tapelight.app.roles.services import share_of
from tapelight.app.runs import open_journal
from tapelight.engine import Cycle, Share, everything
from tapelight.model.signals import Signal, witness
from tapelight.ports import Queue
from tapelight.queues.memory import MemoryQueue


@dataclass
class Answers:
    """Gather what cycles brought, so that it can be compared."""

    boards: dict[tuple[int, str], tuple[list[str], dict[str, object]]] = field(default_factory=dict)
    signals: dict[tuple[str, str, int], object] = field(default_factory=dict)
    times: int = 0

    def hear(self, cycle: Cycle) -> None:
        for r in cycle.rankings:
            self.boards[r.ts_ns, r.name] = (list(r.order), dict(r.rows()))
        self.hear_signals(cycle.signals)

    def hear_signals(self, signals: Iterable[Signal]) -> None:
        for s in signals:
            self.times += 1
            self.signals[s.id, s.state, s.mark] = witness(s)

    def added(self, others: "Iterable[Answers]") -> "Answers":
        for other in others:
            self.boards |= other.boards
            self.signals |= other.signals
            self.times += other.times
        return self


def embedded(folder: Path) -> Answers:
    """Return what one engine answers to a run's journal."""
    answers = Answers()
    engine, records = open_journal(folder)
    for record in records:
        cycle = engine.apply(record)
        if cycle is not None:
            answers.hear(cycle)
    return answers


@dataclass
class Wire:
    """Be the queues between a feed and its readers."""

    words: Queue = field(default_factory=MemoryQueue)
    streams: dict[str, MemoryQueue] = field(default_factory=dict)

    def stream(self, reader: str) -> Queue:
        return self.streams.setdefault(reader, MemoryQueue())


class Worker:
    """Follow as one share, and keep the answers."""

    def __init__(self, data: Path, wire: Wire, number: int, shares: int, name: str = "") -> None:
        self.answers = Answers()
        reader = name or f"scan.{number}"
        share: Share = share_of(number, shares) if shares else everything
        self.follower = Follower(
            data / reader, reader, wire.stream(reader), wire.words, share,
            self.answers.hear, self.answers.hear_signals,
        )  # fmt: skip

    async def run(self) -> None:
        await self.follower.open()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.follower.run_words())
                group.create_task(self.follower.run_stream())
        finally:
            await self.follower.close()

    @property
    def seq(self) -> int:
        return self.follower.replica.seq if self.follower.replica is not None else 0


@asynccontextmanager
async def running(*work: object) -> AsyncIterator[None]:
    """Run coroutines beside what is inside; a fault of theirs is raised."""
    tasks = [asyncio.get_running_loop().create_task(one) for one in work]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done


def senders(data: Path, wire: Wire, running: Path, token: Callable[[], int] = lambda: 1) -> Senders:
    return Senders(data, lambda: running, token, wire.stream, wire.words)
