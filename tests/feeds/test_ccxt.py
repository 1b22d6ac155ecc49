"""The ccxt feed: a child process speaks, is renewed, dies; a stand-in for the package ccxt."""

import asyncio
import importlib.util
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from feeds.kite_service import Market
from tapelight.errors import ConfigError
from tapelight.feeds import _lines
from tapelight.feeds import ccxt as module
from tapelight.feeds._lines import Life, open_lines
from tapelight.feeds._prints import Prints
from tapelight.feeds._venue import VenueFeed
from tapelight.model.batch import Batch
from tapelight.model.records import References

pytestmark = pytest.mark.integration

PACKAGE = {
    "__init__.py": "",
    "base/__init__.py": "",
    "base/errors.py": """
class BaseError(Exception): pass
class NetworkError(BaseError): pass
class BadSymbol(BaseError): pass
""",
    "pro/__init__.py": """
import asyncio, os, time
from ccxt.base.errors import BadSymbol, NetworkError
exchanges = ["calm", "torn"]
def trade(number, symbol="BTC/USD"):
    return {"symbol": symbol, "timestamp": int(time.time() * 1000), "price": 100.0 + number,
            "amount": 2.0, "id": str(number), "info": {}}
class Exchange:
    def __init__(self, settings):
        assert settings["newUpdates"]
        self.has, self.turn = {"watchTradesForSymbols": True}, 0
    async def close(self): pass
    async def fetch_ohlcv(self, symbol, span, limit):
        day = 86_400_000
        today = int(time.time() * 1000) // day * day
        return [[today - k * day, 90.0, 110.0, 80.0, 100.0 + k, 1000.0] for k in (2, 1, 0)]
    async def watch_trades_for_symbols(self, symbols):
        self.turn += 1
        if "NO/SUCH" in symbols:
            raise BadSymbol("calm does not have market symbol NO/SUCH")
        if self.turn == 1:
            return [trade(1), trade(2), {**trade(3), "price": None}]
        if self.turn == 2:
            return [trade(2), trade(4)]
        await asyncio.sleep(3600)
class calm(Exchange): pass
class torn(Exchange):
    async def watch_trades_for_symbols(self, symbols):
        if self.turn == 2:
            raise NetworkError("ws closed by remote server")
        return await super().watch_trades_for_symbols(symbols)
""",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in PACKAGE.items():
        path = tmp_path / "ccxt" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@asynccontextmanager
async def running(feed: VenueFeed) -> AsyncIterator[Market]:
    market = Market("24x7")
    task = asyncio.create_task(feed.run(market))
    try:
        async with asyncio.timeout(60):
            yield market
    finally:
        task.cancel()
        await asyncio.wait({task})


def prints(market: Market) -> list[float]:
    batches = [r for r in market.records if isinstance(r, Batch)]
    return [p for b in batches if b.trades is not None for p in b.trades.price.tolist()]


@pytest.mark.slow
async def test_an_exchange_becomes_a_market(package: Path) -> None:
    feed = module.open(module.Config("calm", ("BTC/USD",)))
    async with running(feed) as market:
        await market.until(lambda m: len(prints(m)) == 3, 60)
    assert prints(market) == [101.0, 102.0, 104.0]
    (references,) = [r for r in market.records if isinstance(r, References)]
    (reference,) = references.references
    assert (reference.symbol, reference.prev_close) == ("BTC-USD.CALM", 101.0)
    counts = feed.counts()
    assert (counts["superseded"], counts["rejected"], counts["trades"]) == (1, 1, 3)
    assert counts["events"] == 5 + counts["ignored"]
    assert [s.state for s in market.states] == ["connecting", "live", "closed"]


@pytest.mark.slow
async def test_a_broken_stream_is_a_hole_with_the_childs_words(package: Path) -> None:
    feed = module.open(module.Config("torn", ("BTC/USD",)))
    async with running(feed) as market:
        await market.until(lambda m: any(s.state == "gap" for s in m.states), 60)
    gap = next(s for s in market.states if s.state == "gap")
    assert gap.detail == (
        "The child process ended: torn: NetworkError ws closed by remote server. "
        "Check the network; trying again."
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exchange", "symbol", "words"),
    [
        ("nosuch", "BTC/USD", "ccxt knows no exchange 'nosuch' with a stream: see feed.ccxt"),
        ("calm", "NO/SUCH", "calm: BadSymbol calm does not have market symbol NO/SUCH: see feed"),
    ],
)
async def test_what_the_user_must_mend_is_told(
    package: Path, exchange: str, symbol: str, words: str
) -> None:
    feed = module.open(module.Config(exchange, (symbol,)))
    with pytest.raises(ConfigError, match=words):
        async with asyncio.timeout(60):
            await feed.run(Market("24x7"))


def test_without_the_package_the_feed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as told:
        module.open(module.Config())
    assert str(told.value) == (
        "The feed ccxt needs a package that is not installed: pip install 'tapelight[ccxt]'."
    )


def test_a_trade_that_comes_again_is_counted_once() -> None:
    venue, found = module.Ccxt(module.Config("calm", ("BTC/USD",))), Prints()
    line = b'{"trades":[["BTC/USD",1795185300000,100.0,1.0,"7"],["BTC/USD",1795185300000,1,1,"7"]]}'
    venue.decode(line, found)
    venue.decode(line, found)
    assert (len(found.trades), found.repeated) == (1, 3)


CHATTER = "import sys,time\nfor k in range(10**9): print(k, flush=True); time.sleep(0.01)"


async def test_a_spent_child_is_replaced_after_the_new_one_has_spoken() -> None:
    async with asyncio.timeout(60), open_lines(("-c", CHATTER), Life(seconds=0.5)) as lines:
        found: list[int] = []
        while lines.renewed < 2:
            found += map(int, await lines.take())
    # Each child counts from 0; the old one goes on until the new one has begun.
    assert found.count(0) == 3
    assert found[: found.index(0, 1)] == list(range(found.index(0, 1)))


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + CHATTER


async def test_leaving_while_a_child_is_replaced_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_lines, "STOP_S", 0.1)
    async with asyncio.timeout(60), open_lines(("-c", STUBBORN), Life(seconds=0.5)) as lines:
        while lines.renewed < 1:
            await lines.take()
        replaced = {child._process for child in lines._children}
        assert len(replaced) == 2
    assert {process.returncode for process in replaced} == {-signal.SIGKILL}


async def test_leaving_that_is_cancelled_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lines, "STOP_S", 0.2)
    used: set[asyncio.subprocess.Process] = set()
    left = asyncio.Event()

    async def use() -> None:
        async with open_lines(("-c", STUBBORN), Life()) as lines:
            await lines.take()
            used.update(child._process for child in lines._children)
            left.set()

    using = asyncio.create_task(use())
    async with asyncio.timeout(60):
        await left.wait()
        while not using.done():
            using.cancel()
            await asyncio.sleep(0)
    assert {process.returncode for process in used} == {-signal.SIGKILL}
    assert using.cancelled()


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    begun: list[asyncio.subprocess.Process] = []

    class Noted(_lines.Lines):
        async def _process(self) -> asyncio.subprocess.Process:
            begun.append(await super()._process())
            return begun[-1]

    start = asyncio.create_task(Noted(("-c", CHATTER), Life()).begin())
    await asyncio.sleep(0)
    start.cancel()
    await asyncio.wait({start})
    assert start.cancelled()
    assert [process.returncode for process in begun] == [-signal.SIGTERM]


async def test_days_that_nobody_waits_for_are_not_fetched_on(package: Path) -> None:
    venue = module.Ccxt(module.Config("calm", ("BTC/USD",)))
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(venue.days(client, "BTC-USD.CALM"))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
    assert venue._days is not None
    assert venue._days.cancelled()


TURNS = """
import pathlib, sys, time
path = pathlib.Path(sys.argv[1])
turn = len(path.read_text())
path.write_text("x" * (turn + 1))
if turn == 1: sys.exit("no network")
if turn == 2: print("fatal", flush=True); sys.exit(1)
if turn == 3: time.sleep(3600)
while True: print(turn, flush=True); time.sleep(0.01)
"""


async def test_a_new_child_that_dies_or_is_mute_leaves_the_old_one_be(tmp_path: Path) -> None:
    turns = tmp_path / "turns"
    turns.write_text("")
    life = Life(seconds=0.3, first_s=3.0)
    found: list[bytes] = []
    async with asyncio.timeout(100), open_lines(("-S", "-c", TURNS, str(turns)), life) as lines:
        while lines.renewed < 1:
            found += await lines.take()
        found += await lines.take()
    first = found.count(b"0")
    assert first > 0
    assert found[:first] == [b"0"] * first
    assert set(found[first:]) == {str(len(turns.read_text()) - 1).encode()}
    assert len(turns.read_text()) > 4


async def test_a_child_ends_when_its_parents_hand_is_gone(package: Path) -> None:
    """The child of a scanner that was killed does not stay behind."""
    arguments = module.Ccxt(module.Config("calm", ("BTC/USD",))).arguments("trades")
    async with asyncio.timeout(60), open_lines(arguments, Life()) as lines:
        assert b"trades" in (await lines.take())[0]
        child = lines._child
        assert child is not None
        process = child._process
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
