"""Alpaca's answers and our tickets, word for word, with no server behind them."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tapelight.brokers.alpaca import Alpaca, Config
from tapelight.errors import Unavailable
from tapelight.model.orders import OrderRequest, Report, Statement

ACCOUNT = {
    "account_number": "PA1",
    "status": "ACTIVE",
    "equity": "50000",
    "last_equity": "50000",
    "buying_power": "1",
}
STOP = OrderRequest(
    id="tl-1", cause="tl-0", purpose="stop", symbol="AAPL", side="sell", quantity=Decimal(10),
    kind="stop", stop=Decimal("19.80"), tif="gtc",
)  # fmt: skip
TAKEN = {"id": "v1", "client_order_id": "tl-1", "symbol": "AAPL", "side": "sell", "qty": "10",
         "status": "new"}  # fmt: skip


def alpaca(answer: Callable[[httpx.Request], httpx.Response]) -> Alpaca:
    broker = Alpaca(Config(key="k", secret="s"))
    broker._client = httpx.AsyncClient(
        base_url=broker.config.url, transport=httpx.MockTransport(answer)
    )
    return broker


def sent(request: OrderRequest) -> str:
    """Return the body of the order as it goes out."""
    bodies: list[str] = []

    def answer(asked: httpx.Request) -> httpx.Response:
        bodies.append(asked.content.decode())
        return httpx.Response(200, json=TAKEN)

    asyncio.run(alpaca(answer).submit(request))
    return bodies[0]


def test_what_reduces_may_close_and_not_open() -> None:
    assert '"position_intent":"sell_to_close"' in sent(STOP)
    entry = OrderRequest(
        id="tl-1", cause="s1", purpose="entry", symbol="AAPL", side="buy", quantity=Decimal(10),
        kind="limit", limit=Decimal(20),
    )  # fmt: skip
    assert "position_intent" not in sent(entry)


def submitted(refusal: dict[str, Any]) -> Report:
    def answer(asked: httpx.Request) -> httpx.Response:
        return httpx.Response(404 if asked.method == "GET" else 422, json=refusal)

    return asyncio.run(alpaca(answer).submit(STOP))


def test_a_repeated_id_that_is_not_found_yet_is_no_rejection() -> None:
    with pytest.raises(Unavailable, match="Alpaca has tl-1, and does not find it yet"):
        submitted({"code": 40010001, "message": "client_order_id must be unique"})
    assert submitted({"code": 40010001, "message": "qty must be > 0"}).state == "rejected"


def test_an_order_of_many_legs_is_a_stranger_and_no_riddle() -> None:
    legs = {"id": "v9", "client_order_id": "app", "symbol": "", "side": "", "qty": "1",
            "status": "new", "order_class": "mleg"}  # fmt: skip

    def answer(asked: httpx.Request) -> httpx.Response:
        told = {"/v2/orders": [legs], "/v2/account": ACCOUNT, "/v2/positions": []}
        return httpx.Response(200, json=told[asked.url.path])

    async def look() -> Statement:
        return await alpaca(answer).look([])

    (stranger,) = asyncio.run(look()).orders
    assert (stranger.order, stranger.state, stranger.symbol) == ("", "working", "")
