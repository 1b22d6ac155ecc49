"""Alpaca's broker against the simulated one: the kit, lost replies, an OCO, refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from feeds.simulator_service import running
from tapelight.brokers.alpaca import Alpaca, Config
from tapelight.brokers.alpaca import open as open_alpaca
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.orders import Order, OrderRequest, Statement, derived_id, price_of
from tapelight.testing.brokers import Desk, check_broker

pytestmark = pytest.mark.slow
HEADERS = {"APCA-API-KEY-ID": "demo", "APCA-API-SECRET-KEY": "demo"}


class Simulated:
    """Hold the broker, and ask the simulator beside it."""

    def __init__(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        self.broker = Alpaca(Config(key="demo", secret="demo", url=url))
        self.http = httpx.AsyncClient(base_url=url, headers=HEADERS, trust_env=False)

    async def quote(self) -> tuple[float, float]:
        told = await self.http.get("/v2/stocks/quotes/latest", params={"symbols": "AAPL"})
        found = told.json()["quotes"]["AAPL"]
        return found["bp"], found["ap"]

    async def fault(self, **faults: Any) -> None:
        (await self.http.put("/simulator/faults", json=faults)).raise_for_status()

    async def until(self, holds: Callable[[Statement], bool], *ids: str) -> None:
        async with asyncio.timeout(20):
            while True:
                if holds(await self.broker.look(ids)):
                    return
                await asyncio.sleep(0.1)

    async def order(self, cause: str, **kinds: Any) -> OrderRequest:
        bid, _ = await self.quote()
        values: dict[str, Any] = {
            "side": "buy", "kind": "limit", "limit": price_of(bid * 0.9), "quantity": Decimal(10),
        }  # fmt: skip
        return OrderRequest(
            id=derived_id(cause), cause=cause, purpose="entry", symbol="AAPL",
            **(values | kinds),
        )  # fmt: skip


@contextlib.asynccontextmanager
async def simulated() -> AsyncIterator[Simulated]:
    options: dict[str, Any] = {"protocol": "alpaca", "start": "10:00", "hold": False}
    async with running(**options) as port:
        made = Simulated(port)
        yield made
        await made.broker.close()
        await made.http.aclose()


def test_the_kit() -> None:
    async def run() -> None:
        async with simulated() as at:
            await check_broker(Desk(at.broker, "AAPL", at.quote))

    asyncio.run(run())


def test_an_order_whose_reply_is_lost_is_found_by_its_id() -> None:
    async def run() -> None:
        async with simulated() as at:
            request = await at.order("lost reply")
            await at.fault(lose_reply=1)
            with pytest.raises(Unavailable):
                await at.broker.submit(request)
            (found,) = (await at.broker.look([request.id])).orders
            assert (found.order, found.state) == (request.id, "working")
            again = await at.broker.submit(request)
            assert again.venue_id == found.venue_id
            lost = await at.order("lost request")
            await at.fault(lose_request=1)
            with pytest.raises(Unavailable):
                await at.broker.submit(lost)
            assert lost.id not in {o.order for o in (await at.broker.look([lost.id])).orders}

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["timeout_504", "too_many", "server_error"])
def test_an_unclear_answer_is_no_rejection(fault: str) -> None:
    async def run() -> None:
        async with simulated() as at:
            request = await at.order(fault)
            await at.fault(**{fault: 1})
            with pytest.raises(Unavailable):
                await at.broker.submit(request)

    asyncio.run(run())


def test_a_refusal_is_a_report() -> None:
    async def run() -> None:
        async with simulated() as at:
            dear = await at.order("dear", quantity=Decimal(1_000_000))
            told = await at.broker.submit(dear)
            assert told.state == "rejected"
            assert told.reason != ""

    asyncio.run(run())


def test_an_oco_is_one_order() -> None:
    async def run() -> None:
        async with simulated() as at:
            bid, ask = await at.quote()
            await at.broker.submit(await at.order("in", limit=price_of(ask * 1.005)))
            await at.until(lambda told: told.holdings != ())
            request = await at.order(
                "oco", side="sell", kind="oco", limit=price_of(bid * 1.1), stop=price_of(bid * 0.9)
            )
            told = await at.broker.submit(request)
            assert (told.order, told.state, told.quantity) == (request.id, "working", 10)
            working = (await at.broker.look([])).orders
            assert [o.order for o in working] == [request.id]
            await at.broker.cancel(Order(request=request, state="working", venue_id=told.venue_id))
            await at.until(lambda told: told.orders[0].state == "cancelled", request.id)

    asyncio.run(run())


def test_without_keys_it_says_what_to_set_and_a_real_account_is_live() -> None:
    with pytest.raises(ConfigError, match=r"\[broker.alpaca\]"):
        open_alpaca(Config())
    assert open_alpaca(Config("k", "s", "https://api.alpaca.markets")).live
    assert not open_alpaca(Config("k", "s")).live
