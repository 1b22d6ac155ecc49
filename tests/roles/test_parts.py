"""What stands between a worker and those who read its answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from replay.tape import Tape
from roles.day import running
from tapelight.app.roles.archive import Archive
from tapelight.app.roles.boardwriter import TTL_S, BoardWriter
from tapelight.app.roles.hotboards import HotBoards
from tapelight.app.roles.outbox import Outbox, told
from tapelight.app.roles.serve import coroutine
from tapelight.app.roles.services import Services, lock
from tapelight.app.roles.trade import receive
from tapelight.app.tradechild import TradeChild
from tapelight.app.views import EngineBoards
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config, ScaleOut
from tapelight.engine import Cycle, Engine
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.signals import Signal, witness
from tapelight.ports import Lost, Message
from tapelight.queues.memory import MemoryQueue
from tapelight.stores.history import SqlHistory
from tapelight.stores.hot_memory import MemoryHot
from tapelight.stores.signals import SignalLog
from tapelight.testing.backends import until

pytestmark = pytest.mark.integration

RUN = "2026-11-20/0001@abcd"


class Shaky:
    """Be a queue whose server is away now and then."""

    def __init__(self) -> None:
        self.inner = MemoryQueue()
        self.away = 2

    async def put(self, body: bytes) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        await self.inner.put(body)

    def messages(self) -> AsyncIterator[Message]:
        return self.inner.messages()

    async def done(self, message: Message, *, ok: bool = True) -> None:
        await self.inner.done(message, ok=ok)

    def lost(self) -> AsyncIterator[Lost]:
        return self.inner.lost()


@pytest.fixture(scope="module")
def cycles() -> list[Cycle]:
    engine = Engine()
    found = [engine.apply(record) for record in Tape(seconds=4).records()]
    return [cycle for cycle in found if cycle is not None]


@pytest.fixture(scope="module")
def signals(cycles: list[Cycle]) -> list[Signal]:
    found = [s for c in cycles for s in c.signals]
    assert found
    return found


async def test_signals_wait_until_their_queue_has_them(signals: list[Signal]) -> None:
    queue = Shaky()
    outbox = Outbox([queue])
    for one in signals:
        outbox.add(RUN, [one])
    outbox.add(RUN, [])
    assert not outbox.empty
    came: list[Signal] = []

    async def take() -> None:
        async for message in queue.messages():
            came.extend(told(message.body).signals)
            await queue.done(message)

    async with running(outbox.run(), take()):
        await until(lambda: len(came) == len(signals), "every signal")
        assert outbox.empty
    assert [witness(s) for s in came] == [witness(s) for s in signals]


async def test_what_comes_twice_is_archived_and_traded_once(
    signals: list[Signal], tmp_path: Path
) -> None:
    history, log = SqlHistory(f"sqlite:///{tmp_path}/history.db"), SignalLog(tmp_path)
    archived, traded = MemoryQueue(), MemoryQueue()
    outbox = Outbox([archived, traded])
    archive = Archive(archived, history)
    for _ in range(2):
        outbox.add(RUN, signals)
    await archived.put(b"no signals")
    await traded.put(b"no signals")
    async with running(outbox.run(), archive.run(), receive(traded, log)):
        await until(lambda: sum(archive.counts.values()) == 2 * len(signals) + 1, "the archive")
        await until(lambda: log.written + log.repeated == 2 * len(signals), "the trader's log")
    assert archive.counts == {"written": len(signals), "repeated": len(signals), "refused": 1}
    assert (log.written, log.repeated) == (len(signals), len(signals))
    log.close()
    history.close()


async def test_boards_go_through_the_hot_store_and_vanish_with_their_writer() -> None:
    now_s = [0.0]
    hot, bus, engine = MemoryHot(lambda: now_s[0]), MemoryBus(), Engine()
    boards = EngineBoards(engine)
    writer, reader = BoardWriter(hot, 0, boards), HotBoards(hot, 1, bus)
    heard: list[Signal] = []
    bus.subscribe(
        lambda topic, state: heard.extend(state["signals"]) if topic == "signals" else None
    )
    last: Cycle | None = None
    for record in Tape(seconds=4).records():
        cycle = engine.apply(record)
        if cycle is not None:
            boards.keep(cycle.rankings, cycle.signals)
            last = cycle if cycle.whole else last
    assert last is not None
    mark = last.mark.ts_ns
    async with running(writer.run(), reader.run()):
        assert reader.board_names() == []
        writer.note(mark, last.rankings, [*engine.boards, *engine.scans])
        await until(lambda: reader.mark == mark, "the boards")
        assert len(reader.board_names()) == len(engine.boards) + len(engine.scans)
        for ranking in last.rankings:
            shown = reader.board(ranking.name)
            assert (shown["order"], shown["rows"]) == (ranking.order, ranking.rows())
            assert shown["columns"] == boards.board(ranking.name)["columns"]
        assert any(r.order for r in last.rankings)
        assert {s.id for s in heard} == {s.id for s in boards.newest}
        now_s[0] = TTL_S + 1.0
        await until(lambda: reader.board_names() == [], "nothing old that looks fresh")
        await until(lambda: "share 0" in reader.state, "who is missing")
        with pytest.raises(KeyError):
            reader.board(last.rankings[0].name)


def test_what_a_role_lacks_is_told(tmp_path: Path) -> None:
    services = Services(ScaleOut())
    for name, ask in (
        ("rabbitmq", services.words), ("redis", services.hot), ("postgres", services.leases),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=rf"\[scale_out\] {name}: give its url"):
            ask()
    with pytest.raises(ConfigError, match="1 or more"):
        Services(ScaleOut(shares=0))
    with pytest.raises(ConfigError, match="no role 'scanner'"):
        coroutine("scanner", Config(), tmp_path, None, TradeChild(tmp_path, 1))
    held = lock(tmp_path)
    with pytest.raises(ConfigError, match="its own --data"):
        lock(tmp_path)
    held.close()


def test_a_message_of_signals_is_read_as_it_was_written(signals: list[Signal]) -> None:
    outbox = Outbox([])
    outbox.add(RUN, signals)
    body = outbox._waiting[0]
    assert list(told(body).signals) == signals
    with pytest.raises(msgspec.MsgspecError):
        told(b"")
