"""Time and sales by REST and as a topic."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tapelight.buses.memory import MemoryBus
from tapelight.ports import Json
from tapelight.web.server import Gateway
from tapelight.web.views import Change, kind_of
from web.by_hand import OPEN_NS, BoardsByHand, MarketByHand


def one(n: int) -> dict[str, Any]:
    return {"n": n, "ts_ns": OPEN_NS + n, "price": 10.0 + n, "size": 100.0, "moves": True,
            "conditions": []}  # fmt: skip


class PrintsByHand:
    def prints(self, symbol: str, limit: int) -> Sequence[Mapping[str, Json]]:
        return {"AAPL": [one(2), one(1)]}[symbol][:limit]


async def ask(path: str, prints: PrintsByHand | None) -> httpx.Response:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0, prints=prints)
    gateway.close()
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        return await http.get(path)


async def test_prints_are_listed_newest_first() -> None:
    found = await ask("/api/prints/AAPL?limit=1", PrintsByHand())
    assert found.json() == {"symbol": "AAPL", "prints": [one(2)]}
    gone = await ask("/api/prints/NOPE", PrintsByHand())
    assert (gone.status_code, "isn't watched" in gone.json()["detail"]) == (404, True)
    none = await ask("/api/prints/AAPL", None)
    assert (none.status_code, "keeps no prints" in none.json()["detail"]) == (400, True)


def test_the_topic_tells_what_came_and_all_where_some_fell_out() -> None:
    kind = kind_of("prints")
    old = kind.view({"prints": [one(2), one(1)]}, None)
    assert kind.change(old, old, old) is None
    new = {"prints": [one(4), one(2)]}
    assert kind.change(old, new, new) == Change("diff", {"prints": [one(4)]})
    later = {"prints": [one(9), one(8)]}
    assert kind.change(old, later, later) == Change("snapshot", later)


def test_a_gateway_without_prints_has_no_such_topic() -> None:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0, prints=PrintsByHand())
    assert gateway.stream.address("prints:AAPL").source == "prints:AAPL"
    gateway.close()
