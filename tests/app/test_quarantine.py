"""The quarantine by REST: listed, accepted, rejected; and a replay rules the same."""

import asyncio
from pathlib import Path

import httpx
import pytest

from app.test_scanner import OPEN_NS, scanner, trade
from replay.command import replay_here
from tapelight.app.quarantine import EngineQuarantine
from tapelight.app.scanner import Scanner
from tapelight.buses.memory import MemoryBus
from tapelight.model.session import NS
from tapelight.web.server import Gateway
from web.by_hand import BoardsByHand, MarketByHand

ID = f"AAA@{OPEN_NS + NS}@14.0"


def holding(data: Path) -> Scanner:
    """Return a scanner that holds two prints."""
    mine = scanner(data)
    mine.clock.set(OPEN_NS + 4 * NS, 0.0)
    row = mine.universe.add("AAA")
    for i, price in enumerate((10.0, 14.0, 10.02, 6.0)):
        mine.put(trade(row, OPEN_NS + i * NS, price, i + 1))
    return mine


async def rule(mine: Scanner) -> None:
    """Accept one of the prints by REST, reject the other, and ask what is not sound."""
    gateway = Gateway(
        BoardsByHand(), MarketByHand(), MemoryBus(), port=0, quarantine=EngineQuarantine(mine)
    )
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        path = "/api/quarantine"
        held = (await http.get(path)).json()["prints"]
        assert [(p["price"], p["reference"], p["ruling"]) for p in held] == [
            (6.0, 10.02, "held"),
            (14.0, 10.0, "held"),
        ]
        assert held[1]["id"] == ID
        told = (await http.post(path, json={"id": ID, "accept": True})).json()
        assert told == held[1] | {"ruling": "accepted"}
        again = await http.post(path, json={"id": ID, "accept": False})
        assert (again.status_code, again.json()["detail"]) == (
            412, f"The print {ID} is accepted already: read the list again."
        )  # fmt: skip
        gone = await http.post(path, json={"id": "nothing", "accept": True})
        assert gone.status_code == 404
        await http.post(path, json={"id": held[0]["id"], "accept": False})
        assert (await http.get(path)).json() == {"prints": []}
        everything = (await http.get(path, params={"ruling": "all", "limit": 1})).json()["prints"]
        assert [p["ruling"] for p in everything] == ["rejected"]
        assert (await http.get(path, params={"ruling": "open"})).status_code == 400
    gateway.close()


def test_rulings_are_listed_and_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = holding(tmp_path)
    asyncio.run(rule(mine))
    mine.clock.set(OPEN_NS + 6 * NS, 0.0)
    mine.put(trade(0, OPEN_NS + 6 * NS, 10.0, 9))
    assert mine.status()["quarantine"] == {"held": 0, "accepted": 1, "rejected": 1}
    mine.close()
    capsys.readouterr()
    (folder,) = tmp_path.glob("journal/*/0001")
    sql = "SELECT hod, lod, last, vol FROM market"
    answer = replay_here(capsys, folder, "--verify", "--json", "--sql", sql)
    assert answer.code == 0, answer.err
    assert {"hod": 14.0, "lod": 10.0, "last": 10.0, "vol": 500.0} in answer.rows


async def test_a_replay_rules_of_nothing() -> None:
    gateway = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0)
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.get("/api/quarantine")
    gateway.close()
    assert (answer.status_code, answer.json()["detail"]) == (
        400, "A replay rules of no prints: ask a scanner that runs."
    )  # fmt: skip
