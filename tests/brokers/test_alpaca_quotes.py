"""Alpaca's own quotes against the simulated stream, and when they stand in for the scanner's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from feeds.simulator_service import running
from tapelight.app.brokerquotes import BrokerQuotes, SharedPrices
from tapelight.app.gatewayprices import GatewayPrices
from tapelight.brokers._alpaca_quotes import Event
from tapelight.brokers.alpaca import AlpacaQuotes, Config, quotes
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.clock import MarketClock
from tapelight.model.orders import Picture

OPTIONS: dict[str, Any] = {"protocol": "alpaca", "start": "10:00", "hold": False}


@pytest.mark.slow
async def test_quotes_come_for_what_is_followed_until_the_stream_breaks() -> None:
    async with running(**OPTIONS) as port:
        source = AlpacaQuotes(f"ws://127.0.0.1:{port}/v2/sip", "demo", "demo")
        source.follow(frozenset({"AAPL"}))
        seen: dict[str, Picture] = {}

        def whole(symbol: str) -> bool:
            found = seen.get(symbol)
            return found is not None and None not in (found.bid, found.ask)

        async def follow() -> None:
            async for picture in source.pictures():
                seen[picture.symbol] = picture
                if whole("AAPL") and "MSFT" not in seen:
                    source.follow(frozenset({"AAPL", "MSFT"}))
                if whole("MSFT"):
                    await asyncio.to_thread(
                        httpx.delete, f"http://127.0.0.1:{port}/simulator/streams"
                    )

        with pytest.raises(Unavailable, match=r"broke|ended"):
            async with asyncio.timeout(60):
                await follow()
        for picture in seen.values():
            assert picture.bid is not None
            assert picture.ask is not None
            assert 0 < picture.bid < picture.ask
        assert set(seen) == {"AAPL", "MSFT"}


@pytest.mark.slow
async def test_wrong_keys_are_told() -> None:
    async with running(**OPTIONS) as port:
        source = AlpacaQuotes(f"ws://127.0.0.1:{port}/v2/sip", "demo", "wrong")
        with pytest.raises(ConfigError, match="refuses the keys"):
            async for _ in source.pictures():
                pass


@pytest.mark.parametrize(
    ("tape", "codes", "states"),
    [
        ("C", "HQT", ["HALTED", "HALTED", "LIVE"]),
        ("C", "PQ", ["HALTED", "HALTED"]),
        ("A", "253", ["HALTED", "HALTED", "LIVE"]),
        ("B", "5H", ["LIVE", "LIVE"]),
    ],
)
def test_a_halt_holds_until_trading_resumes(tape: str, codes: str, states: list[str]) -> None:
    """Quotations that resume (Q) and price indications (5) in a halt are no end of it."""
    source = AlpacaQuotes("ws://127.0.0.1:1", "k", "s")
    source.follow(frozenset({"AAPL"}))
    told = []
    for code in codes:
        event = Event(T="s", S="AAPL", t="2026-11-20T15:00:00Z", sc=code, z=tape)
        picture = source._taken(event)
        assert picture is not None
        told.append(picture.state)
    assert told == states


def test_without_an_endpoint_there_are_none() -> None:
    assert quotes(Config(key="k", secret="s")) is None


class Told:
    """A source that tells one picture and waits."""

    def __init__(self, picture: Picture) -> None:
        self.picture, self.followed = picture, frozenset[str]()

    def follow(self, symbols: frozenset[str]) -> None:
        self.followed = symbols

    async def pictures(self) -> AsyncIterator[Picture]:
        yield self.picture
        await asyncio.Event().wait()


async def test_the_brokers_quotes_serve_while_the_gateway_is_not_heard(tmp_path: Path) -> None:
    source = Told(Picture(symbol="AAPL", ts_ns=7, bid=9.0, ask=9.1))
    own = BrokerQuotes(source)
    gateway = GatewayPrices("http://127.0.0.1:1", str, MarketClock(), lambda *_: None)
    prices = SharedPrices(gateway, {}, own)
    prices.watch(frozenset({"AAPL"}))
    assert source.followed == {"AAPL"}
    following = asyncio.create_task(own.run())
    async with asyncio.timeout(5):
        while True:
            if own.picture("AAPL") is not None:
                break
            await asyncio.sleep(0.01)
    old = Picture(symbol="AAPL", ts_ns=5, bid=8.0, ask=8.1)
    gateway._pictures["AAPL"] = old
    assert prices.picture("AAPL") == source.picture
    gateway._pictures["AAPL"] = new = Picture(symbol="AAPL", ts_ns=9, bid=8.0, ask=8.1)
    assert prices.picture("AAPL") == new, "the newer one, though nobody beats"
    gateway._pictures["AAPL"], gateway._beat_s = old, float("inf")
    assert prices.picture("AAPL") == old, "the scanner is heard: its data alone count"
    following.cancel()
    await asyncio.wait((following,))
