"""What the trader's process does where something that it needs is not there or not right."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.limits import fill, small_disk
from tapelight.app.brokerquotes import BrokerQuotes
from tapelight.app.demo import DemoOptions, demo
from tapelight.app.trader import Trader, TraderOptions
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.model.order_log import Bound, Started
from tapelight.model.orders import Picture
from tapelight.model.trading import DRY, MAIN, DeskReport
from tapelight.stores.orders import SqliteOrderLog, read
from tapelight.stores.traderstate import FILE, told

pytestmark = pytest.mark.integration

NOWHERE = "http://127.0.0.1:9"
BOUND = Bound(1, "direct", "", "fake-1")
SMALL = 2_000_000


def logged(data: Path, *bound: Bound, ts_ns: int | None = None) -> None:
    """Leave the log of a trader that ran."""
    log = SqliteOrderLog(data)
    log.begin(time.time_ns() if ts_ns is None else ts_ns)
    log.append(bound)
    log.close()


def play(
    data: Path,
    act: Callable[[Trader], Awaitable[None]],
    broker: str = "app.standin",
    **set_: object,
) -> None:
    """Run a trader without a scanner while a test acts."""

    async def main() -> None:
        config = Config(use_broker=broker, broker={broker: dict(set_)})
        trader = Trader(config, TraderOptions(data, NOWHERE))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(trader.run())
            await act(trader)
            running.cancel()

    asyncio.run(main())


async def until(data: Path, name: str, holds: Callable[[DeskReport], bool]) -> DeskReport:
    """Wait until what is told of a desk holds."""
    async with asyncio.timeout(120):
        while True:
            report = told(data)
            for desk in report.desks if report is not None else ():
                if desk.name == name and holds(desk):
                    return desk
            await asyncio.sleep(0.05)


def first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def test_without_its_state_the_trader_goes_by_its_log(tmp_path: Path) -> None:
    hour_ns = 3_600 * 10**9
    logged(tmp_path, ts_ns=time.time_ns() - hour_ns)
    (tmp_path / FILE).write_bytes(b"")

    async def act(trader: Trader) -> None:
        await until(tmp_path, MAIN, lambda desk: desk.ready)
        behind_ns = time.time_ns() - trader.clock.now_ns()
        assert abs(behind_ns - hour_ns) < 60 * 10**9

    play(tmp_path, act)


def test_a_damaged_paper_desk_leaves_the_brokers_desk_alone(tmp_path: Path) -> None:
    logged(tmp_path)
    (tmp_path / DRY).mkdir()
    (tmp_path / DRY / "paper.jsonl").write_text("{}\n")

    async def act(_: Trader) -> None:
        dry = await until(tmp_path, DRY, lambda desk: True)
        assert not dry.ready
        assert "paper.jsonl can't be read" in dry.fault
        await until(tmp_path, MAIN, lambda desk: desk.ready and not desk.fault)

    play(tmp_path, act)


def test_a_damaged_log_of_the_paper_desk_leaves_the_brokers_desk_alone(tmp_path: Path) -> None:
    logged(tmp_path)
    (tmp_path / DRY).mkdir()
    logged(tmp_path / DRY, Bound(1, "another", "", ""))

    async def act(_: Trader) -> None:
        dry = await until(tmp_path, DRY, lambda desk: bool(desk.fault))
        assert "those of another, and this is paper: nothing was sent" in dry.fault
        await until(tmp_path, MAIN, lambda desk: desk.ready and not desk.fault)

    play(tmp_path, act)


def test_refused_keys_leave_a_trader_that_has_orders_running(tmp_path: Path) -> None:
    logged(tmp_path, BOUND)

    async def act(_: Trader) -> None:
        desk = await until(tmp_path, MAIN, lambda desk: "refuses the keys" in desk.fault)
        assert not desk.ready

    play(tmp_path, act, refuses=True)


def test_keys_that_never_were_right_end_the_start(tmp_path: Path) -> None:
    logged(tmp_path)

    async def act(_: Trader) -> None:
        await asyncio.sleep(20)

    with pytest.raises(BaseExceptionGroup) as ended:
        play(tmp_path, act, refuses=True)
    assert str(first(ended.value)) == "It refuses the keys."


def test_refused_quotes_end_nothing() -> None:
    class Source:
        asked = 0

        def follow(self, symbols: frozenset[str]) -> None:
            pass

        async def pictures(self):  # type: ignore[no-untyped-def]
            self.asked += 1
            if self.asked == 1:
                raise ConfigError("The subscription has ended.")
            yield Picture(symbol="AAA", ts_ns=1)
            await asyncio.sleep(60)

    async def main() -> None:
        quotes = BrokerQuotes(Source())
        running = asyncio.create_task(quotes.run())
        async with asyncio.timeout(120):
            for _ in iter(lambda: quotes.picture("AAA"), Picture(symbol="AAA", ts_ns=1)):
                await asyncio.sleep(0.05)
        running.cancel()

    asyncio.run(main())


def test_a_full_disk_is_told_and_the_trader_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path, SMALL):
        logged(tmp_path)
        big = tmp_path / "big"
        killed: list[Trader] = []
        """Kept, so that its files stay as a kill leaves them: a clean end would make room."""

        async def act(trader: Trader) -> None:
            killed.append(trader)
            await until(tmp_path, MAIN, lambda desk: desk.ready)
            await until(tmp_path, DRY, lambda desk: desk.ready)
            fill(big)
            for seconds in range(1, 10):
                ns = trader.clock.now_ns() + seconds * 10**9
                trader._shown(Picture(symbol="AAA", ts_ns=ns, bid=1.0, ask=1.1, last=1.0), 1e5)

        play(tmp_path, act)
        fill(big)

        async def again(_: Trader) -> None:
            full = await until(tmp_path, MAIN, lambda desk: bool(desk.fault))
            assert "full" in full.fault
            assert not full.ready
            big.unlink()
            await until(tmp_path, MAIN, lambda desk: desk.ready and not desk.fault)

        play(tmp_path, again)


def test_the_log_of_another_broker_is_refused_and_fences_nobody_off(tmp_path: Path) -> None:
    logged(tmp_path, BOUND)

    async def act(_: Trader) -> None:
        await asyncio.sleep(20)

    with pytest.raises(BaseExceptionGroup) as ended:
        play(tmp_path, act, broker="paper")
    assert "those of direct (account fake-1), and this is paper" in str(first(ended.value))
    assert sum(isinstance(record, Started) for _, record in read(tmp_path)) == 1


def test_the_demo_refuses_the_folder_of_another_broker(tmp_path: Path) -> None:
    logged(tmp_path, BOUND)
    with pytest.raises(ConfigError, match="Give another --data"):
        asyncio.run(demo(DemoOptions(data=tmp_path), Config()))
    assert sorted(path.name for path in tmp_path.iterdir() if "orders" not in path.name) == []
