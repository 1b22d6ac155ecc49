"""/api/scans: the questions folder over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tapelight.app.questions import QuestionFiles
from tapelight.app.scanfiles import ScanFiles
from web.conftest import HOST, Site, Town

GOOD = "SELECT symbol, last FROM market WHERE last > 5 ORDER BY last DESC LIMIT 5"


@pytest.fixture
def changes() -> list[int]:
    return []


@pytest.fixture
async def client(
    site: Site, tmp_path: Path, changes: list[int]
) -> AsyncIterator[httpx.AsyncClient]:
    files = QuestionFiles(tmp_path)
    site.scans = ScanFiles(files, lambda: changes.append(len(files.questions.texts)))
    site.gateway.close()
    site.gateway = site.open()
    transport = httpx.ASGITransport(site.gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


async def test_a_scan_lives_over_http(client: httpx.AsyncClient, changes: list[int]) -> None:
    made = await client.put("/api/scans/mine", json={"text": GOOD})
    assert (made.status_code, made.json()["own"]) == (200, True)
    shown = await client.get("/api/scans/mine")
    assert shown.headers["etag"] == made.headers["etag"]
    assert shown.json()["text"] == GOOD
    assert "mine" in [s["name"] for s in (await client.get("/api/scans")).json()]
    tag = {"if-match": shown.headers["etag"]}
    other = await client.put("/api/scans/mine", json={"text": GOOD + "0"}, headers=tag)
    assert other.status_code == 200
    late = await client.put("/api/scans/mine", json={"text": GOOD}, headers=tag)
    assert (late.status_code, late.headers["content-type"]) == (412, "application/problem+json")
    assert "changed meanwhile" in late.json()["detail"]
    blind = await client.put("/api/scans/mine", json={"text": GOOD})
    assert (blind.status_code, "If-Match" in blind.json()["detail"]) == (412, True)
    gone = await client.delete("/api/scans/mine", headers={"if-match": other.headers["etag"]})
    assert gone.json() == {"name": "mine", "deleted": True}
    assert (await client.get("/api/scans/mine")).status_code == 404
    assert len(changes) == 3


async def test_what_is_wrong_is_told_and_changes_nothing(
    client: httpx.AsyncClient, changes: list[int]
) -> None:
    for name, body, status, words in (
        ("mine", {"text": "SELECT lst FROM market"}, 400, "did you mean last"),
        ("Mine", {"text": GOOD}, 400, "no name for a scan"),
        ("mine", {"txt": GOOD}, 400, "Send JSON with text"),
        ("mine", {"text": "x" * 70_000}, 413, "too large"),
    ):
        answer = await client.put(f"/api/scans/{name}", json=body)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert changes == []
    foreign = await client.put(
        "/api/scans/mine", json={"text": GOOD}, headers={"origin": "https://evil.example"}
    )
    assert foreign.status_code == 403


async def test_a_text_is_checked(client: httpx.AsyncClient) -> None:
    bad = (await client.post("/api/scans/check", json={"text": "SELECT lst FROM market"})).json()
    assert (bad["ok"], bad["faults"][0]["line"], bad["faults"][0]["column"]) == (False, 1, 8)
    good = (await client.post("/api/scans/check", json={"text": GOOD})).json()
    assert (good["ok"], good["faults"], good["warnings"]) == (True, [], [])


async def test_a_scan_is_changed_by_who_made_it_or_by_an_admin(town: Town, tmp_path: Path) -> None:
    files = QuestionFiles(tmp_path / "questions")
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "byhand.sql").write_text(GOOD)
    files.poll()
    town.site.scans = ScanFiles(files)
    town.site.gateway.close()
    town.site.gateway = town.site.open()
    ann, tess, root = [await town.enter(name) for name in ("ann", "tess", "root")]
    anyone = {"if-match": "*"}
    made = await ann.put("/api/scans/mine", json={"text": GOOD})
    assert (made.status_code, made.json()["owner"]) == (200, "ann")
    for name in ("mine", "byhand", "gainers"):
        for answer in (
            await tess.put(f"/api/scans/{name}", json={"text": GOOD}, headers=anyone),
            await tess.delete(f"/api/scans/{name}", headers=anyone),
        ):
            assert (answer.status_code, "another name" in answer.json()["detail"]) == (403, True)
    owners = {s["name"]: s["owner"] for s in (await tess.get("/api/scans")).json()}
    assert (owners["mine"], owners["byhand"], owners["gainers"]) == ("ann", "", "")
    changed = await root.put("/api/scans/mine", json={"text": GOOD + "0"}, headers=anyone)
    assert (changed.status_code, changed.json()["owner"]) == (200, "ann")
    assert (await ann.delete("/api/scans/mine", headers=anyone)).status_code == 200
    taken = await tess.put("/api/scans/mine", json={"text": GOOD})
    assert (taken.status_code, taken.json()["owner"]) == (200, "tess")


async def test_a_replay_has_none(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/scans")
    assert (answer.status_code, "A replay has no scans" in answer.json()["detail"]) == (503, True)
