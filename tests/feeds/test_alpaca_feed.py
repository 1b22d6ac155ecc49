"""The Alpaca feed against the simulated service: handshake, day, holes, refusals."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from feeds.simulator_service import free_port, running
from tapelight.errors import ConfigError
from tapelight.feeds import alpaca
from tapelight.feeds._websocket import Backoff, RetryPolicy
from tapelight.feeds.alpaca import AlpacaConfig, AlpacaFeed, AlpacaPoller
from tapelight.feeds.alpaca.almanac import type_of
from tapelight.feeds.alpaca.payloads import Asset
from tapelight.model.batch import Batch
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, Halt, Healed, History, Record, References, Snapshot
from tapelight.model.universe import Universe

pytestmark = pytest.mark.slow
QUICK = RetryPolicy(base_s=0.01, cap_s=0.05, budget=1000)


class Sheet:
    """A sink that keeps what comes, and tells when something has."""

    def __init__(self) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.records: list[Record] = []
        self.rejected: list[tuple[str, str]] = []
        self.complete_ns = 0
        self.came = asyncio.Event()

    def put(self, record: Record) -> None:
        self.records.append(record)
        self.came.set()

    def alive(self, complete_ns: int) -> None:
        self.complete_ns = complete_ns
        self.came.set()

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append((kind, str(sample)))

    def raw(self, frames: Sequence[bytes]) -> None: ...

    def of(self, kind: type[Any]) -> list[Any]:
        return [r for r in self.records if isinstance(r, kind)]

    def states(self) -> list[str]:
        return [r.state for r in self.of(FeedState)]

    def prints(self) -> int:
        return sum(len(b.trades.row) for b in self.of(Batch) if b.trades is not None)

    async def until(self, done: Callable[[], object]) -> None:
        async with asyncio.timeout(100):
            while not done():
                self.came.clear()
                await self.came.wait()


def config(port: int, **given: Any) -> AlpacaConfig:
    base = f"127.0.0.1:{port}"
    addresses = {"url": f"ws://{base}", "rest": f"http://{base}", "broker": f"http://{base}"}
    return AlpacaConfig(**{"key": "demo", "secret": "demo", "feed": "sip", **addresses, **given})


@contextlib.asynccontextmanager
async def fed(
    port: int, kind: type[AlpacaFeed] = AlpacaFeed, **given: Any
) -> AsyncIterator[tuple[AlpacaFeed, Sheet]]:
    sheet = Sheet()
    feed = kind(config(port, **given), Backoff(QUICK))
    task = asyncio.create_task(feed.run(sheet))
    task.add_done_callback(lambda _: sheet.came.set())
    waiting = sheet.until

    async def until(done: Callable[[], object]) -> None:
        def told() -> object:
            if task.done() and not task.cancelled():
                task.result()
            return done()

        await waiting(told)

    sheet.until = until  # type: ignore[method-assign]
    try:
        yield feed, sheet
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fault(port: int, **faults: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        done = await client.put(f"http://127.0.0.1:{port}/simulator/faults", json=faults)
        assert done.status_code == 200, done.text


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_the_day_and_the_stream_of_the_whole_market(encoding: str) -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        async with fed(port, encoding=encoding) as (feed, sheet):
            await sheet.until(lambda: sheet.prints() > 50 and len(sheet.of(History)) > 20)
            counts = feed.counts()
            await feed.history("AAPL")
        assert sheet.states() == ["connecting", "live", "closed"]
        assert sheet.rejected == []
        (snapshot,) = sheet.of(Snapshot)
        assert len(snapshot.row) == 119
        assert feed.coverage == "synthetic"
        references = {r.symbol: r for x in sheet.of(References) for r in x.references}
        apple = references["AAPL"]
        assert (apple.exchange, apple.exchange_id, apple.type) == ("XNAS", 12, "CS")
        assert references["SPY"].type == "ETF"
        assert apple.adv_sessions == 20
        row = sheet.universe.rows["AAPL"]
        at = int(np.flatnonzero(snapshot.row == row)[0])
        assert apple.prev_close == pytest.approx(snapshot.prev_close[at], abs=0.01)
        assert snapshot.low[at] <= snapshot.vwap[at] <= snapshot.high[at]
        assert counts["rejected"] == 0
        assert counts["connections"] == 1
        assert sheet.clock.now_ns() - sheet.complete_ns < 5_000_000_000


async def test_the_free_feed_gives_minute_bars_of_all_or_the_trades_of_a_few() -> None:
    async with running(protocol="alpaca", start="10:59:50", hold=False, speed=5.0) as port:
        async with fed(port, feed="iex") as (_, sheet):
            await sheet.until(lambda: any(b.bars is not None for b in sheet.of(Batch)))
            assert "minute bars alone" in sheet.of(FeedState)[-1].detail
            assert sheet.prints() == 0
        async with fed(port, feed="iex", symbols=("AAPL", "TSLA")) as (_, sheet):
            await sheet.until(lambda: any(b.quotes is not None for b in sheet.of(Batch)))
            assert set(sheet.universe.symbols) == {"AAPL", "TSLA", "SPY"}
            assert sheet.states()[-1] == "live"
        many = tuple(f"S{i}" for i in range(40))
        with pytest.raises(ConfigError, match=r"30 symbols .* shorten feed\.alpaca\.symbols"):
            await alpaca.open(config(port, feed="iex", symbols=many)).run(Sheet())


async def test_the_test_stream_plays_at_any_hour() -> None:
    async with running(protocol="alpaca", start="02:00", hold=False) as port:
        async with fed(port, feed="test") as (feed, sheet):
            await sheet.until(lambda: sheet.prints() >= 2)
        assert sheet.universe.symbols == ["FAKEPACA"]
        assert feed.calendar == "24x7"


async def test_halts_come_with_their_codes() -> None:
    given = {"scenario": "halts", "start": "09:58", "speed": 30.0, "rate": 1500.0}
    async with running(protocol="alpaca", hold=False, **given) as port:
        async with fed(port, channels=("trades", "statuses", "lulds")) as (_, sheet):
            await sheet.until(lambda: any(h.halted for h in sheet.of(Halt)))
        (halt, *_) = (h for h in sheet.of(Halt) if h.halted)
        assert (halt.code, halt.source) in (("LUDP", "alpaca"), ("M", "alpaca"))


async def test_a_broken_stream_is_healed_with_the_trades_it_missed() -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False, rate=2000.0) as port:
        async with fed(port) as (feed, sheet):
            await sheet.until(lambda: sheet.prints() > 50)
            assert feed._decoder is not None
            feed._backoff._policy = RetryPolicy(base_s=0.01, cap_s=0.05, budget=1000)
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.delete(f"http://127.0.0.1:{port}/simulator/streams")
            await sheet.until(lambda: sheet.of(Healed))
            await sheet.until(lambda: sheet.states()[-1] == "live")
        assert sheet.states()[:4] == ["connecting", "live", "gap", "healing"]
        (healed,) = sheet.of(Healed)
        assert len(healed.trades.row) > 0
        assert len(healed.missing) == 0
        assert (healed.trades.ts_ns >= healed.since_ns - 2_000_000_000).all()
        ring = feed._decoder.memory._ring
        known = ring[: feed._decoder.memory._count][["row", "exchange", "id"]]
        assert len(np.unique(known)) == len(known) > len(healed.trades.row)


async def test_the_poller_brings_the_day_again_and_again() -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        async with fed(port, AlpacaPoller, poll_s=0.05) as (_, sheet):
            await sheet.until(lambda: len(sheet.of(Snapshot)) >= 3)
        first, last = sheet.of(Snapshot)[0], sheet.of(Snapshot)[-1]
        assert sheet.states() == ["connecting", "live", "closed"]
        assert np.nansum(last.volume) >= np.nansum(first.volume)
        assert isinstance(alpaca.poller(config(port)), AlpacaPoller)


async def test_what_cannot_be_is_told_in_one_sentence() -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        with pytest.raises(ConfigError, match=r"refuses the keys: check feed\.alpaca\.key"):
            await alpaca.open(config(port, secret="old")).run(Sheet())
        await fault(port, no_sip=True)
        with pytest.raises(ConfigError, match=r"no real-time SIP data: set feed\.alpaca\.feed"):
            await alpaca.open(config(port)).run(Sheet())
        await fault(port)
        async with fed(port) as (_, first):
            await first.until(lambda: "live" in first.states())
            async with fed(port) as (_, second):
                await second.until(lambda: len(second.of(FeedState)) > 1)
                told = second.of(FeedState)[-1]
                assert told.state == "connecting"
                assert "Another program uses these Alpaca keys" in told.detail
            assert first.states() == ["connecting", "live"]
    async with fed(free_port()) as (_, sheet):
        await sheet.until(lambda: len(sheet.of(FeedState)) > 1)
        assert "gives no answer" in sheet.of(FeedState)[-1].detail
        assert "Check the network" in sheet.of(FeedState)[-1].detail


async def test_the_command_ends_with_the_sentence(tmp_path: Path) -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        settings = "\n".join([
            "[feed.alpaca]", 'key = "demo"', 'secret = "of last year"', 'feed = "sip"',
            f'url = "ws://127.0.0.1:{port}"', f'rest = "http://127.0.0.1:{port}"',
            f'broker = "http://127.0.0.1:{port}"',
        ])  # fmt: skip
        (tmp_path / "t.toml").write_text(f"workers = 0\n[web]\nport = {free_port()}\n{settings}\n")
        command = ["run", "--feed", "alpaca", "--config", "t.toml", "--data", "data"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tapelight", *command, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(90):
            _, said = await process.communicate()
    last = said.decode().strip().splitlines()[-1]
    assert process.returncode == 2, said.decode()
    assert last.startswith("tapelight: Alpaca refuses the keys: check feed.alpaca.key")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"key": ""}, "key or feed.alpaca.secret is empty"),
        ({"feed": "sipp"}, "use one of sip, iex"),
        ({"channels": ("news",)}, "use some of trades"),
        ({"channels": ("quotes",)}, "needs trades or bars"),
        ({"url": "http://x"}, "must begin with wss://"),
        ({"encoding": "xml"}, "use msgpack or json"),
        ({"symbols": ()}, "is empty"),
        ({"poll_s": 0.0}, "must be above 0"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        alpaca.open(config(1, **given))


def test_keys_are_not_shown() -> None:
    assert "s3cret" not in repr(config(1, key="s3cret", secret="s3cret"))


@pytest.mark.parametrize(
    ("name", "exchange", "kind"),
    [
        ("Apple Inc. Common Stock", "NASDAQ", "CS"),
        ("SPDR S&P 500 ETF Trust", "ARCA", "ETF"),
        ("Some Fund", "BATS", "ETF"),
        ("Alibaba Group Holding Limited American Depositary Shares", "NYSE", "ADR"),
        ("Acme Corp. Warrant", "NASDAQ", "WARRANT"),
        ("Acme Acquisition Units, each consisting of", "NASDAQ", "UNIT"),
        ("Bank Corp Depositary Shares each representing Series L", "NYSE", "PFD"),
        (None, "NYSE", "CS"),
    ],
)
def test_the_type_is_read_from_the_name(name: str | None, exchange: str, kind: str) -> None:
    assert type_of(Asset("X", name, exchange)) == kind
