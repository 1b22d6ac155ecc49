"""Every feed keeps the same contract; a feed that does not is found out."""

import asyncio
from typing import Any

import numpy as np
import pytest

from feeds import kite_service
from feeds.simulator_service import running
from feeds.test_alpaca_feed import config as alpaca_config
from feeds.test_kite import TEN_NS, from_ten, shares
from feeds.test_kite import settings as kite_settings
from tapelight.feeds import alpaca
from tapelight.feeds.kite.feed import KiteFeed
from tapelight.feeds.kite.poller import KitePoller
from tapelight.feeds.massive import MassiveFeed
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import FeedState, Snapshot
from tapelight.testing.feeds import check_feed


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_alpaca(encoding: str) -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        feed = alpaca.open(alpaca_config(port, encoding=encoding))
        sheet = await check_feed(feed, lambda s: s.trades > 50 and s.quotes > 50)
    assert sheet.rejected == []


@pytest.mark.slow
async def test_the_alpaca_poller() -> None:
    async with running(protocol="alpaca", scenario="calm", hold=False) as port:
        feed = alpaca.poller(alpaca_config(port, poll_s=0.05))
        await check_feed(feed, lambda s: sum(isinstance(r, Snapshot) for r in s.records) > 2)


@pytest.mark.slow
async def test_massive() -> None:
    async with running(scenario="calm", hold=False) as port:
        base = f"127.0.0.1:{port}"
        feed = MassiveFeed(f"ws://{base}/stocks", f"http://{base}", "demo")
        sheet = await check_feed(feed, lambda s: s.trades > 50 and s.quotes > 50)
    assert sheet.rejected == []


@pytest.mark.integration
@pytest.mark.parametrize("make", [KiteFeed, KitePoller])
async def test_kite(make: type[KiteFeed]) -> None:
    async with kite_service.service(*shares()) as kite:
        config = kite_settings(kite, poll_s=0.02)
        feed = make(config, now_ns=from_ten())
        trading = asyncio.create_task(_trade(kite))
        sheet = await check_feed(feed, lambda s: s.trades > 3)
        trading.cancel()
    assert sheet.rejected == []


async def _trade(kite: kite_service.Kite) -> None:
    """Let a share trade once it is followed, by the stream where there is one."""
    while True:
        await asyncio.sleep(0.03)
        kite.shares[kite_service.INFY].trade(1601.0, 10, TEN_NS // kite_service.NS)
        if kite.subscribed.is_set():
            await kite.send(kite_service.INFY)


class Bad:
    """A feed that does as it is told."""

    name, calendar, coverage = "bad", "24x7", "one venue"

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.total = 5

    async def run(self, sink: Any) -> None:
        if self.fault != "clock":
            sink.clock.set(2_000_000_000_000_000_000)
        sink.put(FeedState(1, "bad", "live" if self.fault == "first" else "connecting"))
        sink.put(FeedState(1, "bad", "live"))
        row = sink.universe.add("A") + (self.fault == "row")
        ahead = 60_000_000_000 if self.fault == "ahead" else 0
        now_ns = 2_000_000_000_000_000_000
        trades = trades_of([row], [now_ns + ahead], [5.0], [1.0], [0], [0], [0])
        if self.fault == "dtype":
            object.__setattr__(trades, "price", np.array([5], np.int64))
        sink.put(Batch(now_ns, trades))
        self.total -= self.fault == "counts"
        try:
            await asyncio.Event().wait()
        finally:
            if self.fault != "closed":
                sink.put(FeedState(1, "bad", "closed"))

    async def history(self, symbol: str) -> None:
        self.total -= self.fault == "counts"

    def counts(self) -> dict[str, int]:
        return {"trades": self.total}


async def test_a_feed_that_keeps_the_contract_passes() -> None:
    assert (await check_feed(Bad(""), lambda s: s.trades == 1)).states == [
        "connecting", "live", "closed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("clock", "before the clock was set"),
        ("first", "first"),
        ("row", "a row that no symbol has"),
        ("ahead", "ahead of market time"),
        ("dtype", "price is int64, not float64"),
        ("closed", "did not say that it is closed"),
        ("counts", "trades went back"),
    ],
)
async def test_a_feed_that_does_not_is_found_out(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        await check_feed(Bad(fault), lambda s: len(s.records) >= 3)
