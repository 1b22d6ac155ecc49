"""Alpaca's own Python client, unchanged, against the simulated market data."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from alpaca.data.enums import DataFeed
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.live.stock import StockDataStream
from alpaca.data.models import Bar, Quote, Trade, TradeCancel, TradeCorrection, TradingStatus
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame

from feeds.simulator_service import running

pytestmark = pytest.mark.slow
DAY = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


class Watch:
    """Hold the official stream and the first of each kind that it brought."""

    def __init__(self, port: int, path: str) -> None:
        self.stream = StockDataStream("demo", "demo", url_override=f"ws://127.0.0.1:{port}/{path}")
        self.first: dict[str, Any] = {}
        self.came = asyncio.Event()

    async def keep(self, event: Any) -> None:
        self.first.setdefault(type(event).__name__, event)
        self.came.set()

    async def until(self, *kinds: str) -> None:
        async with asyncio.timeout(100):
            while not set(kinds) <= set(self.first):
                self.came.clear()
                await self.came.wait()


@contextlib.asynccontextmanager
async def watching(port: int, path: str, *symbols: str) -> AsyncIterator[Watch]:
    watch = Watch(port, path)
    stream = watch.stream
    for subscribe in (stream.subscribe_trades, stream.subscribe_quotes, stream.subscribe_bars):
        subscribe(watch.keep, *symbols)
    stream.subscribe_trading_statuses(watch.keep, "*")
    stream.register_trade_corrections(watch.keep)
    stream.register_trade_cancels(watch.keep)
    task = asyncio.create_task(stream._run_forever())
    try:
        yield watch
    finally:
        await stream.stop_ws()
        await stream.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_stream_brings_every_kind() -> None:
    given = {"scenario": "halts", "start": "09:58:50", "speed": 20.0, "rate": 150.0}
    async with running(protocol="alpaca", **given) as port, watching(port, "v2/sip", "*") as watch:
        await watch.until("Trade", "Quote", "Bar", "TradingStatus")
    trade, quote, bar = (watch.first[k] for k in ("Trade", "Quote", "Bar"))
    assert isinstance(trade, Trade)
    assert isinstance(quote, Quote)
    assert isinstance(bar, Bar)
    assert isinstance(watch.first["TradingStatus"], TradingStatus)
    assert trade.timestamp.date() == DAY.date()
    assert quote.bid_price < quote.ask_price
    assert (bar.timestamp.second, bar.low <= bar.vwap <= bar.high) == (0, True)
    assert watch.first["TradingStatus"].reason_code in ("LUDP", "M")


async def test_spoiled_prints_are_cancelled_and_corrected() -> None:
    given = {"scenario": "badprints", "start": "10:00", "speed": 10.0, "rate": 300.0}
    async with running(protocol="alpaca", **given) as port, watching(port, "v2/sip", "*") as watch:
        await watch.until("TradeCancel", "TradeCorrection")
    cancel, correction = watch.first["TradeCancel"], watch.first["TradeCorrection"]
    assert isinstance(cancel, TradeCancel)
    assert isinstance(correction, TradeCorrection)
    assert correction.original_price != correction.corrected_price


async def test_iex_is_a_small_part_and_the_test_stream_plays() -> None:
    async with running(protocol="alpaca", hold=False, scenario="calm", speed=10.0) as port:
        async with watching(port, "v2/iex", "SPY", "QQQ", "AAPL") as watch:
            await watch.until("Trade")
        assert watch.first["Trade"].exchange == "V"
        async with watching(port, "v2/test", "FAKEPACA") as watch:
            await watch.until("Trade", "Quote")
        assert watch.first["Trade"].symbol == "FAKEPACA"


async def test_rest_answers_it() -> None:
    async with running(protocol="alpaca", hold=False, scenario="calm", speed=10.0) as port:
        base = f"http://127.0.0.1:{port}"
        client = StockHistoricalDataClient("demo", "demo", url_override=base)
        wanted = ["AAPL", "SPY"]

        def ask() -> tuple[Any, ...]:
            return (
                client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=wanted)),
                client.get_stock_bars(
                    StockBarsRequest(
                        symbol_or_symbols=wanted, timeframe=TimeFrame.Minute,
                        start=DAY + dt.timedelta(hours=14, minutes=30),
                    )
                ),
                client.get_stock_bars(
                    StockBarsRequest(
                        symbol_or_symbols="AAPL", timeframe=TimeFrame.Day,
                        start=DAY - dt.timedelta(days=30), end=DAY,
                    )
                ),
                client.get_stock_trades(
                    StockTradesRequest(
                        symbol_or_symbols="SPY", start=DAY + dt.timedelta(hours=9), feed=DataFeed.SIP
                    )
                ),
                client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL")),
                client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL")),
            )  # fmt: skip

        async with asyncio.timeout(60):
            trades: Any = {}
            while not trades or "SPY" not in trades.data:
                answers = await asyncio.to_thread(ask)
                snapshots, minutes, days, trades, trade, quote = answers
        async with httpx.AsyncClient(trust_env=False) as http:
            wrong = await http.get(f"{base}/v2/stocks/snapshots?symbols=AAPL")
    apple = snapshots["AAPL"]
    assert apple.latest_quote.bid_price < apple.latest_quote.ask_price
    assert apple.previous_daily_bar.close > 0
    assert apple.daily_bar.high >= apple.daily_bar.low
    assert len(minutes["SPY"]) >= 29
    assert len(days["AAPL"]) >= 18
    assert len(trades["SPY"]) > 0
    assert trade["AAPL"].price == pytest.approx(apple.latest_trade.price, rel=0.05)
    assert quote["AAPL"].ask_price > 0
    assert wrong.status_code == 401
