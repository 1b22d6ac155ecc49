"""Alpaca's own Python client, unchanged, against the simulated broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order, TradeUpdate
from alpaca.trading.requests import (
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from feeds.simulator_service import running

pytestmark = pytest.mark.slow
LOST = r"Connection|IncompleteRead|aborted"


class Desk:
    """Hold the official clients, and the updates that came."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.client = TradingClient("demo", "demo", paper=True, url_override=self.base)
        self.client._retry_wait = 0
        self.stream = TradingStream("demo", "demo", url_override=f"ws://127.0.0.1:{port}/stream")
        self.updates: list[TradeUpdate] = []
        self.came = asyncio.Event()

    async def keep(self, update: TradeUpdate) -> None:
        self.updates.append(update)
        self.came.set()

    async def event(self, order: Any, *events: str) -> TradeUpdate:
        """Return the first update of an order that is one of `events`, waiting for it."""
        async with asyncio.timeout(60):
            while True:
                for update in self.updates:
                    if update.order.id == order.id and update.event in events:
                        return update
                self.came.clear()
                await self.came.wait()

    async def ask(self, call: Any, *given: Any) -> Any:
        return await asyncio.to_thread(call, *given)

    async def fault(self, **faults: Any) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            done = await client.put(f"{self.base}/simulator/faults", json=faults)
            assert done.status_code == 200, done.text


@contextlib.asynccontextmanager
async def desk(**given: Any) -> AsyncIterator[Desk]:
    options = {"protocol": "alpaca", "start": "10:00", "hold": False, **given}
    async with running(**options) as port:
        found = Desk(port)
        found.stream.subscribe_trade_updates(found.keep)
        task = asyncio.create_task(found.stream._run_forever())
        try:
            async with asyncio.timeout(60):
                while not found.stream._running:  # noqa: ASYNC110 - it has no event of its own
                    await asyncio.sleep(0.01)
            yield found
        finally:
            await found.stream.stop_ws()
            await found.stream.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def market(qty: float = 10, **more: Any) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol="AAPL", qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, **more
    )


def limit(price: float, qty: float = 10) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="AAPL", qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY,
        limit_price=price,
    )  # fmt: skip


async def test_order_fill_position_and_account() -> None:
    async with desk() as d:
        order: Order = await d.ask(d.client.submit_order, market(client_order_id="first"))
        assert order.client_order_id == "first"
        fill = await d.event(order, "fill")
        assert (fill.qty, fill.position_qty) == (10.0, 10.0)
        position = await d.ask(d.client.get_open_position, "AAPL")
        account = await d.ask(d.client.get_account)
        assert position.qty == "10"
        assert float(account.cash) == pytest.approx(100_000 - 10 * fill.price)
        again = await d.ask(d.client.get_order_by_client_id, "first")
        assert (again.id, again.status.value) == (order.id, "filled")
        closing = await d.ask(d.client.close_position, "AAPL")
        await d.event(closing, "fill")
        assert await d.ask(d.client.get_all_positions) == []
        found = await d.ask(d.client.get_orders, GetOrdersRequest(status=QueryOrderStatus.CLOSED))
        assert [o.id for o in found] == [closing.id, order.id]


async def test_partial_fill_replace_and_cancel() -> None:
    async with desk() as d:
        await d.fault(max_fill=3)
        order = await d.ask(d.client.submit_order, market(qty=10))
        part = await d.event(order, "partial_fill")
        assert 0 < part.qty <= 3
        await d.event(order, "fill")
        resting = await d.ask(d.client.submit_order, limit(1.0))
        await d.event(resting, "new")
        fresh = await d.ask(
            d.client.replace_order_by_id, str(resting.id), ReplaceOrderRequest(limit_price=1.5)
        )
        replaced = await d.event(resting, "replaced")
        assert (fresh.replaces, replaced.order.replaced_by) == (resting.id, fresh.id)
        await d.event(fresh, "new")
        await d.ask(d.client.cancel_order_by_id, str(fresh.id))
        await d.event(fresh, "canceled")
        with pytest.raises(APIError) as caught:
            await d.ask(d.client.cancel_order_by_id, str(fresh.id))
        assert (caught.value.status_code, caught.value.code) == (422, 42210000)


async def test_a_bracket_has_its_legs() -> None:
    async with desk() as d:
        order = await d.ask(
            d.client.submit_order,
            market(
                order_class=OrderClass.BRACKET,
                take_profit=TakeProfitRequest(limit_price=9000.0),
                stop_loss=StopLossRequest(stop_price=1.0),
            ),
        )
        assert [leg.status.value for leg in order.legs] == ["held", "held"]
        await d.event(order, "fill")
        nested = await d.ask(
            d.client.get_orders, GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True)
        )
        assert [leg.status.value for leg in nested[0].legs] == ["new", "new"]
        await d.ask(d.client.cancel_order_by_id, str(nested[0].legs[0].id))
        await d.event(nested[0].legs[1], "canceled")


async def test_a_lost_reply_is_found_by_the_clients_own_id() -> None:
    async with desk() as d:
        await d.fault(lose_reply=1)
        with pytest.raises(Exception, match=LOST):
            await d.ask(d.client.submit_order, market(client_order_id="lost"))
        found = await d.ask(d.client.get_order_by_client_id, "lost")
        assert found.qty == "10"
        with pytest.raises(APIError) as caught:
            await d.ask(d.client.submit_order, market(client_order_id="lost"))
        assert (caught.value.status_code, caught.value.code) == (422, 40010001)
        await d.fault(lose_request=1)
        with pytest.raises(Exception, match=LOST):
            await d.ask(d.client.submit_order, market(client_order_id="never"))
        with pytest.raises(APIError) as caught:
            await d.ask(d.client.get_order_by_client_id, "never")
        assert (caught.value.status_code, caught.value.code) == (404, 40410000)


async def test_refusals_limits_and_wrong_keys() -> None:
    async with desk() as d:
        await d.fault(too_many=1)
        assert (await d.ask(d.client.get_account)).status.value == "ACTIVE"
        await d.fault(limit_a_minute=1)
        with pytest.raises(APIError) as caught:
            await d.ask(d.client.get_account)
        assert caught.value.status_code == 429
        await d.fault(reject=1)
        order = await d.ask(d.client.submit_order, market())
        assert (await d.event(order, "rejected")).order.failed_at is not None
        stranger = TradingClient("demo", "wrong", url_override=d.base)
        with pytest.raises(APIError) as caught:
            await d.ask(stranger.get_account)
        assert caught.value.status_code == 403


async def test_clock_calendar_and_assets() -> None:
    async with desk() as d:
        clock = await d.ask(d.client.get_clock)
        assert clock.is_open
        assert clock.next_close.isoformat() == "2026-11-20T16:00:00-05:00"
        days = await d.ask(
            d.client.get_calendar, GetCalendarRequest(start="2026-11-25", end="2026-11-27")
        )
        assert [(str(x.date), x.close.hour) for x in days] == [
            ("2026-11-25", 16),
            ("2026-11-27", 13),
        ]
        assert (await d.ask(d.client.get_asset, "AAPL")).exchange.value == "NASDAQ"
        assert len(await d.ask(d.client.get_all_assets)) == 120
