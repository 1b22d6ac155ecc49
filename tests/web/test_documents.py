"""/api/layouts and /api/watchlists over HTTP and the real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tapelight.app.control import Control
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.web import layouts
from web.conftest import HOST, Site

pytestmark = pytest.mark.integration

ONE = {"format": 1, "panels": [{"kind": "board", "name": "gainers"}]}
TWO = {"format": 1, "panels": []}


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    control = Control(tmp_path, Config(), MemoryBus())
    site.documents = control.documents
    site.gateway.close()
    site.gateway = site.open()
    transport = httpx.ASGITransport(site.gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client
    await control.close()


async def test_a_layout_lives(client: httpx.AsyncClient) -> None:
    path = "/api/layouts/day one"
    made = await client.put(path, json={"body": ONE})
    assert (made.status_code, made.json()["body"], made.json()["version"]) == (200, ONE, 1)
    assert made.headers["etag"] == '"1"'
    blind = await client.put(path, json={"body": TWO})
    assert (blind.status_code, "If-Match" in blind.json()["detail"]) == (412, True)
    changed = await client.put(path, json={"body": TWO}, headers={"if-match": '"1"'})
    assert (changed.json()["version"], changed.json()["body"]) == (2, TWO)
    late = await client.put(path, json={"body": ONE}, headers={"if-match": '"1"'})
    assert (late.status_code, "changed meanwhile" in late.json()["detail"]) == (412, True)
    (told,) = (await client.get("/api/layouts")).json()
    assert (told["name"], told["version"], told["mine"]) == ("day one", 2, True)
    assert (await client.get(path + "?version=1")).json()["body"] == ONE


async def test_undo_goes_back_step_by_step_and_a_deleted_one_comes_back(
    client: httpx.AsyncClient,
) -> None:
    path, anyone = "/api/layouts/mine", {"if-match": "*"}
    for n in (1, 2, 3):
        await client.put(path, json={"body": {"format": 1, "n": n}}, headers=anyone)
    undone = [(await client.post(path + "/undo", json={})).json() for _ in range(2)]
    assert [(u["version"], u["of"], u["body"]["n"]) for u in undone] == [(4, 2, 2), (5, 1, 1)]
    end = await client.post(path + "/undo", json={})
    assert (end.status_code, "it stays" in end.json()["detail"]) == (404, True)
    assert (await client.post(path + "/undo", json={"to": 3})).json()["body"]["n"] == 3
    assert (await client.delete(path, headers=anyone)).json() == {"name": "mine", "deleted": True}
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path, headers=anyone)).status_code == 404
    assert (await client.post(path + "/undo", json={})).json()["body"]["n"] == 3
    versions = (await client.get(path + "/history")).json()
    assert [(v["version"], v["deleted"]) for v in versions][:3] == [
        (8, False),
        (7, True),
        (6, False),
    ]


async def test_a_layout_goes_out_and_comes_in_as_a_file(client: httpx.AsyncClient) -> None:
    await client.put("/api/layouts/a", json={"body": ONE})
    file = await client.get("/api/layouts/a/export")
    assert "attachment" in file.headers["content-disposition"]
    assert file.json() == {"tapelight": "layout", "name": "a", "body": ONE}
    await client.delete("/api/layouts/a", headers={"if-match": "*"})
    taken = await client.post("/api/layouts/import", json=file.json())
    assert (taken.status_code, taken.json()["body"]) == (200, ONE)
    other = await client.post("/api/watchlists/import", json=file.json())
    assert (other.status_code, "not a watchlist" in other.json()["detail"]) == (400, True)


async def test_an_old_format_is_brought_up_and_a_newer_one_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.put("/api/layouts/old", json={"body": {"format": 1, "cols": ["last"]}})
    newer = await client.put("/api/layouts/new", json={"body": {"format": 2}})
    assert (newer.status_code, "made by a newer one" in newer.json()["detail"]) == (400, True)
    monkeypatch.setattr(layouts, "FORMAT", 2)
    monkeypatch.setattr(layouts, "MIGRATIONS", {1: lambda b: {"columns": b["cols"]}})
    assert (await client.get("/api/layouts/old")).json()["body"] == {
        "format": 2,
        "columns": ["last"],
    }


BAD = [
    ("layouts/x", {"body": {}}, "with its `format`"),
    ("layouts/x", {"body": {"format": True}}, "with its `format`"),
    ("layouts/x", {"body": []}, "Send JSON with body, shared"),
    ("layouts/x", {"body": ONE, "name": "y"}, "unknown field"),
    ("layouts/%20x", {"body": ONE}, "is no name"),
    ("layouts/a%00b", {"body": ONE}, "is no name"),
    ("layouts/import", {"body": ONE}, "can't be a name"),
    ("watchlists/x", {"symbols": ["A A"]}, "is no symbol"),
    ("watchlists/x", {"symbols": ["<script>"]}, "is no symbol"),
    ("watchlists/x", {"symbols": [str(n) for n in range(1_001)]}, "up to 1,000"),
]


@pytest.mark.parametrize(("path", "body", "words"), BAD)
async def test_what_is_wrong_is_told(
    client: httpx.AsyncClient, path: str, body: object, words: str
) -> None:
    answer = await client.put(f"/api/{path}", json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (400, True), answer.text


async def test_deep_nesting_is_refused(client: httpx.AsyncClient) -> None:
    deep: object = 1
    for _ in range(40):
        deep = [deep]
    answer = await client.put("/api/layouts/x", json={"body": {"format": 1, "deep": deep}})
    assert (answer.status_code, "32 deep" in answer.json()["detail"]) == (400, True)


async def test_a_watchlist_keeps_its_order_and_each_symbol_once(client: httpx.AsyncClient) -> None:
    made = await client.put("/api/watchlists/core", json={"symbols": ["TSLA", "AAPL", "TSLA"]})
    assert made.json()["body"] == {"symbols": ["TSLA", "AAPL"]}


async def test_a_replay_keeps_none(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/layouts")
    assert (answer.status_code, "A replay keeps no layouts" in answer.text) == (503, True)
