"""The provider's own Python client, unchanged, against the simulator."""

import asyncio
from typing import Any

import pytest
from massive import RESTClient, WebSocketClient
from massive.exceptions import AuthError
from massive.websocket.models import EquityAgg, EquityQuote, EquityTrade, LimitUpLimitDown

from feeds.simulator_service import running

pytestmark = pytest.mark.integration

KINDS = {
    "T": EquityTrade, "Q": EquityQuote, "A": EquityAgg, "AM": EquityAgg, "LULD": LimitUpLimitDown,
}  # fmt: skip


async def test_the_stream_brings_all_five_channels() -> None:
    async with running(start="09:29:58", speed=10.0) as port:
        client = WebSocketClient(
            api_key="demo", feed=f"127.0.0.1:{port}", secure=False, market="stocks",
            subscriptions=["T.*", "Q.*", "A.*", "AM.*", "LULD.*"],
        )  # fmt: skip
        first: dict[str, Any] = {}
        complete = asyncio.Event()

        async def keep(messages: list[Any]) -> None:
            for message in messages:
                first.setdefault(message.event_type, message)
            if set(first) >= set(KINDS):
                complete.set()

        task = asyncio.create_task(client.connect(keep))
        try:
            async with asyncio.timeout(20):
                await complete.wait()
        finally:
            await client.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert {name: type(message) for name, message in first.items()} == KINDS
    assert first["T"].price > 0
    assert first["T"].size >= 0
    assert first["Q"].bid_price < first["Q"].ask_price
    assert first["AM"].end_timestamp - first["AM"].start_timestamp == 60_000
    assert first["A"].low <= first["A"].vwap <= first["A"].high
    assert first["LULD"].low_price < first["LULD"].high_price


async def test_a_wrong_key_is_an_auth_error_to_it() -> None:
    async with running() as port:
        client = WebSocketClient(
            api_key="wrong", feed=f"127.0.0.1:{port}", secure=False, market="stocks"
        )
        with pytest.raises(AuthError, match="authentication failed"):
            async with asyncio.timeout(10):
                await client.connect(lambda _: None)


async def test_rest_answers_it() -> None:
    async with running() as port:
        rest = RESTClient("demo", base=f"http://127.0.0.1:{port}", retries=0)

        def ask() -> tuple[list[Any], list[Any], list[Any], Any, list[Any]]:
            return (
                list(rest.get_snapshot_all("stocks")),
                list(rest.get_grouped_daily_aggs("2026-11-19")),
                list(rest.list_tickers(market="stocks", limit=50)),
                rest.get_ticker_details("AAPL"),
                list(rest.list_aggs("AAPL", 1, "minute", "2026-11-20", "2026-11-20")),
            )

        snapshots, grouped, tickers, details, minutes = await asyncio.to_thread(ask)
    by_symbol = {s.ticker: s for s in snapshots}
    assert len(by_symbol) == 120
    apple = by_symbol["AAPL"]
    assert apple.last_quote.bid_price < apple.last_quote.ask_price
    assert apple.prev_day.close == next(g.close for g in grouped if g.ticker == "AAPL")
    assert len(tickers) == 119
    assert details.name == "Apple Inc"
    assert sum(m.volume for m in minutes) == apple.min.accumulated_volume
