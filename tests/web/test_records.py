"""/api/record."""

from collections.abc import Iterator, Sequence

import httpx
import pytest

from tapelight.app.backtest.statistics import scan_record
from tapelight.errors import Missing
from tapelight.model.outcomes import HORIZONS, Outcome, ScanRecord
from tapelight.web.server import Gateway
from web.conftest import HOST, Site

FIRE = Outcome(
    id="1", scan="hod", symbol="A", ts_ns=1, session="2026-11-20", net=(1.0,) + (None,) * 4
)


class RecordsByHand:
    async def records(self) -> Sequence[ScanRecord]:
        return [await self.record("hod")]

    async def record(self, scan: str) -> ScanRecord:
        if scan != "hod":
            raise Missing(f"No scan or strategy is called {scan!r}. Did you mean hod?")
        return scan_record("hod", [FIRE])


@pytest.fixture
def client(site: Site) -> Iterator[httpx.AsyncClient]:
    gateway = Gateway(site.boards, site.market, site.bus, port=0, records=RecordsByHand())
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    yield httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")
    gateway.close()


@pytest.mark.parametrize("query", ["", "?scan=hod"])
async def test_a_record_is_told(client: httpx.AsyncClient, query: str) -> None:
    (told,) = (await client.get(f"/api/record{query}")).json()["records"]
    assert (told["scan"], told["fires"], told["since"]) == ("hod", 1, "2026-11-20")
    assert [h["horizon"] for h in told["horizons"]] == list(HORIZONS)
    assert told["horizons"][0]["median"] == {"value": 1.0, "low": None, "high": None}
    assert told["horizons"][0]["n"] == 1


async def test_an_unknown_scan_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/record?scan=hid")
    assert answer.status_code == 404
    assert "Did you mean hod?" in answer.json()["detail"]


async def test_a_replay_says_where_to_ask(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/record")
    assert answer.status_code == 400
    assert "tapelight backtest" in answer.json()["detail"]
