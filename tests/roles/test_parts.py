"""What stands between a worker and those who read its answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from replay.tape import Tape
from roles.day import running
from tapelight.app.roles import hotboards
from tapelight.app.roles.archive import Archive
from tapelight.app.roles.boardwriter import BoardWriter
from tapelight.app.roles.hotboards import TTL_S, HotBoards
from tapelight.app.roles.outbox import SETTLED_S, STUCK_S, Outbox, told
from tapelight.app.roles.serve import coroutine
from tapelight.app.roles.services import Services, lock
from tapelight.app.roles.sieve import Sieve
from tapelight.app.roles.trade import Receiver
from tapelight.app.tradechild import TradeChild
from tapelight.app.views import EngineBoards
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config, ScaleOut
from tapelight.engine import Cycle, Engine
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.signals import Signal, witness
from tapelight.ports import Lost, Message, QueueLimits, Ranked
from tapelight.queues.memory import MemoryQueue
from tapelight.scan.board import Ranking
from tapelight.stores.history import SqlHistory
from tapelight.stores.hot_memory import MemoryHot
from tapelight.stores.signals import SignalLog
from tapelight.testing.backends import until

pytestmark = pytest.mark.integration

TRIES = 3
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
    queue, now_s = Shaky(), [0.0]
    outbox = Outbox({"archive": queue}, lambda: now_s[0])
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
        assert not outbox.empty, "a queue that may be gone again with its server"
        now_s[0] = SETTLED_S
        await until(lambda: outbox.empty, "the queue to be there to stay")
    assert [witness(s) for s in came] == [witness(s) for s in signals]


async def test_a_queue_that_takes_nothing_holds_up_no_other(signals: list[Signal]) -> None:
    trade, archive, now_s = Shaky(), MemoryQueue(), [0.0]
    trade.away = 10**9
    outbox = Outbox({"trade": trade, "archive": archive}, lambda: now_s[0])
    came: list[Signal] = []

    async def take() -> None:
        async for message in archive.messages():
            came.extend(told(message.body).signals)
            await archive.done(message)

    for one in signals:
        outbox.add(RUN, [one])
    async with running(outbox.run(), take()):
        await until(lambda: len(came) == len(signals), "every signal in the archive's queue")
        await until(lambda: outbox.lanes[0].reason, "a refusal")
        assert outbox.fault() is None
        now_s[0] = STUCK_S + 1.0
        assert outbox.fault() == "Signals wait for trade: away"
        assert not outbox.empty
        figures = {(m.name, m.labels["queue"]): m.value for m in outbox.measures()}
        assert figures["outbox_waiting", "trade"] == len(signals) + 1
        assert figures["outbox_sent_total", "archive"] == len(signals)
        trade.away = 0
        await until(lambda: outbox.lanes[0].sent == len(signals), "the rest")
        assert outbox.fault() is None


async def test_what_a_young_queue_confirmed_is_put_again_after_a_fault(
    signals: list[Signal],
) -> None:
    """It may have come back without what it had."""
    queue, now_s = Shaky(), [0.0]
    queue.away = 0
    outbox = Outbox({"archive": queue}, lambda: now_s[0])
    lane = outbox.lanes[0]
    async with running(outbox.run()):
        outbox.add(RUN, signals[:1])
        await until(lambda: lane.sent == 1, "the first")
        queue.inner, queue.away = MemoryQueue(), 1
        now_s[0] = SETTLED_S / 2
        outbox.add(RUN, signals[1:2])
        await until(lambda: lane.sent == 3, "all of it in the new queue")
        now_s[0] += SETTLED_S
        await until(lambda: outbox.empty, "the end of its youth")
        queue.away = 1
        outbox.add(RUN, signals[2:3])
        await until(lambda: lane.sent == 4, "one more")
    found = [told(item.body).signals for item in queue.inner._ready]
    assert [s for one in found for s in one] == signals[:3]


async def test_what_comes_twice_is_archived_and_traded_once(
    signals: list[Signal], tmp_path: Path
) -> None:
    history, log = SqlHistory(f"sqlite:///{tmp_path}/history.db"), SignalLog(tmp_path)
    limits = QueueLimits(tries=TRIES)
    archived, traded = MemoryQueue(limits), MemoryQueue(limits)
    outbox = Outbox({"archive": archived, "trade": traded})
    archive = Archive(archived, history)
    for _ in range(2):
        outbox.add(RUN, signals)
    receiver = Receiver(traded, log)
    await archived.put(b"no signals")
    await traded.put(b"no signals")
    async with running(outbox.run(), archive.run(), receiver.run()):
        await until(lambda: archive.counts["repeated"] == len(signals), "the archive")
        await until(lambda: receiver.counts["received"] == 2 * len(signals), "the trader's log")
        await until(lambda: archive.counts["lost"] == receiver.counts["lost"] == 1, "what was lost")
    assert archive.counts == {
        "written": len(signals), "repeated": len(signals), "refused": TRIES + 2, "lost": 1,
    }  # fmt: skip
    assert (log.written, log.repeated) == (len(signals), len(signals))
    assert receiver.counts == {"received": 2 * len(signals), "refused": TRIES + 1, "lost": 1}
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


async def test_a_board_that_was_emptied_is_not_shown_as_empty_before(cycles: list[Cycle]) -> None:
    """The gateway has read the share's row of a second when the worker writes the next one."""
    hot, bus, engine = MemoryHot(), MemoryBus(), Engine()
    for record in Tape(seconds=4).records():
        engine.apply(record)
    ranking = next(r for c in cycles if c.whole for r in c.rankings if r.order)
    writer, reader = BoardWriter(hot, 0, EngineBoards(engine)), HotBoards(hot, 1, bus)
    mark, writer._mine = ranking.ts_ns, [ranking.name]
    await writer._write(mark, [ranking])
    await reader._read(0)
    assert reader.board(ranking.name)["order"] == ranking.order
    row = await hot.row("share:0")
    await hot.put_top(ranking.name, "0", [], 60.0)  # of the next second; its row is not there yet
    await hot.put_rows({"share:0": row | {"mark": mark + 1}}, 60.0)  # as if this one were new
    await reader._read(0)
    shown = reader.board(ranking.name)
    assert (shown["mark"], shown["order"]) == (mark, ranking.order), "empty under another mark"
    empty = Ranking(ranking.name, mark + 10**9, [], [])
    await writer._write(mark + 10**9, [empty])
    await reader._read(0)
    shown = reader.board(ranking.name)
    assert (shown["mark"], shown["order"]) == (mark + 10**9, [])


async def test_signals_are_shown_as_they_come_and_once(signals: list[Signal]) -> None:
    bus = MemoryBus()
    reader = HotBoards(MemoryHot(), 1, bus)
    sieve, heard = Sieve(bus, reader), []
    bus.subscribe(lambda topic, state: heard.append((topic, [s.id for s in state["signals"]])))
    packed = msgspec.json.decode(msgspec.json.encode({"mark": 7, "signals": signals}))
    sieve.hear("signals:0:1", packed)
    sieve.hear("signals:0:2", packed)
    assert heard == [("signals", [s.id for s in sorted(signals, key=lambda s: s.ts_ns)])]
    assert [witness(s) for s in reader.signals(1000)] == [
        witness(s) for s in sorted(signals, key=lambda s: -s.ts_ns)
    ]


async def test_what_another_version_or_a_stranger_tells_is_counted_and_ends_nothing(
    signals: list[Signal],
) -> None:
    hot, bus = MemoryHot(), MemoryBus()
    reader = HotBoards(hot, 1, bus)
    sieve, heard = Sieve(bus, reader), []
    bus.subscribe(lambda topic, _state: heard.append(topic))
    told = {"name": "x", "kind": "board"}
    rows = (
        7, [], {"mark": "x"}, {"mark": 1, "boards": [{}], "signals": []},
        {"mark": 1, "boards": [{"told": {}, "head": {}, "rows": 0}], "signals": []},
        {"mark": 2, "boards": [{"told": told, "head": told, "rows": 1}], "signals": [{"id": 1}]},
    )  # fmt: skip
    for row in rows[:-1]:
        await hot.put_rows({"share:0": row}, 60.0)
        await reader._read(0)
    assert reader.refused == len(rows) - 1
    assert reader.board_names() == []
    await hot.put_top("x", "0", [Ranked("AAA", 1.0, [2, 1.5])], 60.0)
    await hot.put_rows({"share:0": rows[-1]}, 60.0)
    await reader._read(0)
    assert reader.board("x")["rows"] == {"AAA": [1.5]}, "boards go with signals that can't be read"
    assert reader.refused == len(rows)
    good = {"mark": 1, "ts_ns": 1, "order": ["AAA"], "rows": {"AAA": [1.0]}}
    for topic, state in (
        ("signals:0:1", {}), ("signals:0:2", {"mark": 1, "signals": [{"id": 1}]}),
        ("signals:0:3", {"mark": None, "signals": []}), ("board:x", {}), ("nothing", {}),
        ("board:x", good | {"rows": 1}), ("symbol:A", {"mark": 1}), ("bars:A:1m", {"bars": 7}),
    ):  # fmt: skip
        sieve.hear(topic, state)
    assert heard == []
    assert (reader.refused, sieve.refused) == (len(rows) + 3, 5)
    sieve.hear("board:x", good)
    assert heard == ["board:x"]


class Gone:
    """Be a hot store whose server is away."""

    async def row(self, _symbol: str) -> None:
        raise Unavailable("away")


async def test_boards_are_forgotten_where_the_hot_store_is_away_for_long(
    cycles: list[Cycle], monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, engine = MemoryHot(), Engine()
    for record in Tape(seconds=4).records():
        engine.apply(record)
    ranking = next(r for c in cycles if c.whole for r in c.rankings if r.order)
    writer, reader = BoardWriter(hot, 0, EngineBoards(engine)), HotBoards(hot, 1, MemoryBus())
    writer._mine = [ranking.name]
    await writer._write(ranking.ts_ns, [ranking])
    monkeypatch.setattr(hotboards, "TTL_S", 0.5)
    async with running(reader.run()):
        await until(reader.board_names, "the boards")
        reader._hot = Gone()  # type: ignore[assignment]
        await until(lambda: reader.state == "away", "that it is away")
        assert reader.board_names()
        await until(lambda: not reader.board_names(), "nothing old that looks fresh")


async def test_services_that_are_away_are_told_and_no_end() -> None:
    services = Services(
        ScaleOut(rabbitmq="amqp://guest@127.0.0.1:1/", redis="redis://127.0.0.1:1/0")
    )
    assert services.fault() is None
    await services.check("redis", "rabbitmq")
    fault = services.fault() or ""
    assert "rabbitmq is away" in fault
    assert "redis is away" in fault
    up = [m for m in services.measures() if m.name == "service_up"]
    assert {m.labels["service"]: m.value for m in up} == {"redis": 0, "rabbitmq": 0}
    hot = services.hot()
    hot.state = "ok"
    assert "redis" not in (services.fault() or ""), "what used it last has the word"


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
    outbox = Outbox({"archive": MemoryQueue()})
    outbox.add(RUN, signals)
    body = outbox.lanes[0].waiting[-1]
    assert list(told(body).signals) == signals
    with pytest.raises(msgspec.MsgspecError):
        told(b"")
