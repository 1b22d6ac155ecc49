"""?at= on the REST interface: the same questions, asked of a past second."""

import asyncio
from typing import Any

import httpx

from web.by_hand import OPEN_NS, THEN
from web.conftest import HOST, Site

AT = "2026-11-20T09:35:10-05:00"


async def test_boards_queries_and_symbols_are_asked_of_the_past(
    site: Site, http: httpx.AsyncClient
) -> None:
    board = (await http.get("/api/boards/gainers", params={"at": AT})).json()
    assert (board["run"], board["as_of_ns"]) == ("2026-11-20/0001", OPEN_NS + 1)
    assert board["rows"][0] == {"symbol": "TSLA", "last": 250.0, "chg_pct": 3.25}
    query = {"where": "last > 5", "limit": "3", "at": AT}
    market = (await http.get("/api/market", params=query)).json()
    assert market["rows"] == [{"symbol": "AAPL", "last": 1.0}]
    assert (market["run"], market["as_of_ns"]) == ("2026-11-20/0001", OPEN_NS + 1)
    symbol = (await http.get("/api/symbols/AAPL", params={"at": AT})).json()
    assert symbol == {"symbol": "AAPL", "last": 2.0, **THEN}
    sql = "SELECT * FROM market WHERE (last > 5) LIMIT 3"
    assert site.past.asked == [("gainers", AT), (sql, AT), ("AAPL", AT)]
    assert site.market.asked == []


async def test_what_is_not_there_is_told_as_a_problem(http: httpx.AsyncClient) -> None:
    for path, words in (
        ("/api/boards/gainers?at=never", "Recorded are 2026-11-20."),
        (f"/api/symbols/NOBODY?at={AT}", "was not watched then"),
    ):
        answer = await http.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert words in answer.json()["detail"]
    refused = await http.get("/api/boards?at=now")
    assert (refused.status_code, "isn't known" in refused.json()["detail"]) == (400, True)


async def test_a_client_that_goes_ends_its_question(site: Site) -> None:
    site.past.slow = asyncio.Event()
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/api/boards/gainers", "raw_path": b"",
        "query_string": b"at=09:35:10", "scheme": "http", "http_version": "1.1",
        "headers": [(b"host", HOST.encode())], "client": ("127.0.0.1", 1), "root_path": "",
        "server": ("127.0.0.1", 8787),
    }  # fmt: skip
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    answer = asyncio.create_task(site.gateway.app(scope, incoming.get, send))  # type: ignore[arg-type]
    await site.past.begun.wait()
    incoming.put_nowait({"type": "http.disconnect"})
    async with asyncio.timeout(5):
        await site.past.slow.wait()
        await answer
    assert sent[0]["status"] == 400
