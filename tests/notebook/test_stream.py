"""Topics over the real gateway and socket: snapshots and diffs applied, a break healed, refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tapelight.buses.memory import MemoryBus
from tapelight.errors import ConfigError
from tapelight.notebook.stream import Stream, Update, applied
from tapelight.web.server import Gateway, bind
from web.by_hand import BARS, GAINERS, OPEN_NS, BoardsByHand, MarketByHand, signal

pytestmark = pytest.mark.integration


class Desk:
    """A gateway over the hand-made market; it can be stopped and started on its port."""

    def __init__(self) -> None:
        self.boards, self.market, self.bus = BoardsByHand(), MarketByHand(), MemoryBus()
        self.port = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, epoch: str = "e1") -> None:
        listener = bind("127.0.0.1", self.port)
        self.bus = MemoryBus()
        gateway = Gateway(self.boards, self.market, self.bus, epoch=epoch, listener=listener)
        self.port = gateway.port
        self._task = asyncio.create_task(gateway.serve())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish_board(self, **changes: Any) -> None:
        state = {**GAINERS, **changes, "ts_ns": OPEN_NS + 5}
        self.bus.publish("board:gainers", state)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Desk]:
    desk = Desk()
    desk.start()
    try:
        yield desk
    finally:
        await desk.stop()


async def next_of(updates: AsyncIterator[Update], topic: str = "") -> Update:
    async with asyncio.timeout(20):
        async for update in updates:
            if topic in ("", update.topic):
                return update
    raise AssertionError("the stream has ended")


async def test_a_board_is_followed_by_diffs() -> None:
    async with running() as desk:
        updates = Stream(desk.url, ["board:gainers"]).updates()
        first = await next_of(updates)
        assert (first.kind, first.recovered) == ("snapshot", True)
        assert first.frame().to_dict(as_series=False) == {
            "symbol": ["TSLA", "AAPL"], "last": [250.0, 190.5], "chg_pct": [3.25, None],
        }  # fmt: skip
        rows = {"AAPL": [191.0, 1.0], "NEW": [5.0, 9.0]}
        desk.publish_board(order=["NEW", "AAPL"], rows=rows)
        second = await next_of(updates)
        assert (second.kind, second.ts_ns) == ("diff", OPEN_NS + 5)
        assert second.frame().rows() == [("NEW", 5.0, 9.0), ("AAPL", 191.0, 1.0)]
        assert set(second.view["rows"]) == {"NEW", "AAPL"}


async def test_bars_signals_and_status_are_frames_too() -> None:
    async with running() as desk:
        updates = Stream(desk.url, ["bars:AAPL:1m", "signals", "status"]).updates()
        seen = {u.topic: u for u in [await next_of(updates) for _ in range(3)]}
    assert seen["bars:AAPL:1m"].frame()["close"].to_list() == [bar[4] for bar in BARS]
    assert str(seen["bars:AAPL:1m"].frame()["start"][0]) == "2026-11-20 14:30:00+00:00"
    assert seen["signals"].frame()["id"].to_list() == ["s2", "s1"]
    assert seen["status"].view["status"]["stale"] == 3


async def test_a_break_is_told_and_healed_without_the_caller() -> None:
    async with running() as desk:
        stream = Stream(desk.url, ["board:gainers"])
        updates = stream.updates()
        await next_of(updates)
        assert stream.state == "live"
        waiting = asyncio.create_task(next_of(updates))
        await desk.stop()
        async with asyncio.timeout(20):
            while stream.state != "lost":  # noqa: ASYNC110 - a state tells no event
                await asyncio.sleep(0.01)
        assert desk.url.removeprefix("http") in stream.detail
        desk.start("e2")
        again = await waiting
    assert (again.kind, again.recovered) == ("snapshot", False)
    assert again.view["order"] == ["TSLA", "AAPL"]


async def test_other_topics_are_followed_instead() -> None:
    async with running() as desk:
        stream = Stream(desk.url, ["board:gainers"])
        updates = stream.updates()
        await next_of(updates)
        await stream.follow("board:losers", "signals")
        assert {(await next_of(updates)).topic for _ in range(2)} == {"board:losers", "signals"}


async def test_an_unknown_topic_is_refused_with_the_nearest() -> None:
    async with running() as desk:
        with pytest.raises(ConfigError, match=r"board:gainer' isn't known. Did you mean"):
            await next_of(Stream(desk.url, ["board:gainer"]).updates())


def test_diffs_of_symbols_bars_and_signals() -> None:
    view = applied("symbol:A", {"values": {"a": 1, "b": 2}, "columns": []}, {"values": {"b": 3}})
    assert view["values"] == {"a": 1, "b": 3}
    bars = applied("bars:A:1m", {"bars": [[60, 1], [120, 2]]}, {"bars": [[120, 3], [180, 4]]})
    assert bars["bars"] == [[60, 1], [120, 3], [180, 4]]
    told = [{"id": signal(i).id} for i in range(100)]
    newer = applied("signals", {"signals": told}, {"signals": [{"id": "new"}]})
    assert ([s["id"] for s in newer["signals"]][:2], len(newer["signals"])) == (["new", "s0"], 100)
    cells = {"cells": [["A", 1, 9.0]]}
    old = {"order": ["A", "B"], "rows": {"A": [1, 2], "B": [3, 4]}}
    assert applied("board:x", old, cells)["rows"] == {"A": [1, 9.0], "B": [3, 4]}
    assert old["rows"]["A"] == [1, 2]
