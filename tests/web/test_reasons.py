"""/api/why and /api/signals over hand-made reasons."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import httpx
import pytest

from tapelight.buses.memory import MemoryBus
from tapelight.errors import ConfigError, Missing, Unavailable
from tapelight.model.signals import STATES, Hops, Leaf, Signal
from tapelight.ports import Json, Wanted
from tapelight.web.reasons import time_ns
from tapelight.web.server import Gateway
from web.by_hand import OPEN_NS, BoardsByHand, MarketByHand, signal
from web.conftest import HOST

LEAF = Leaf("rvol_tod", 2.1, ">=", 3.0, False)
FIRED = Signal(
    id="a", scan="hod", symbol="AAPL", state="fired", ts_ns=OPEN_NS, mark=OPEN_NS, values={},
    why=(LEAF,), hops=Hops(exchange_ns=1, text="142 ms (net 61, table 9, rule 64, send 8)"),
)  # fmt: skip


class ReasonsByHand:
    def __init__(self) -> None:
        self.asked: list[object] = []

    async def why(self, symbol: str, scan: str, at: str) -> Mapping[str, Json]:
        self.asked.append((symbol, scan, at))
        if symbol == "AAPX":
            raise Missing("Symbol 'AAPX' is not watched. Did you mean AAPL?")
        if at == "noon":
            raise ConfigError("'noon' is not a time")
        if at == "busy":
            raise Unavailable("8 questions about the past wait already")
        return {"symbol": symbol, "scan": scan, "true": False, "leaves": [LEAF]}

    async def near(self, scan: str, limit: int, at: str) -> Mapping[str, Json]:
        self.asked.append((scan, limit, at))
        return {"scan": scan, "armed": ["AAPL"], "misses": []}

    async def signals(self, wanted: Wanted) -> Sequence[Signal]:
        self.asked.append(wanted)
        return [FIRED]


@pytest.fixture
def reasons() -> ReasonsByHand:
    return ReasonsByHand()


@pytest.fixture
def gateway(reasons: ReasonsByHand) -> Iterator[Gateway]:
    made = Gateway(BoardsByHand(), MarketByHand(), MemoryBus(), port=0, reasons=reasons)
    yield made
    made.close()


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


async def test_why_explains_a_symbol_now_and_then(
    http: httpx.AsyncClient, reasons: ReasonsByHand
) -> None:
    told = (await http.get("/api/why?symbol=AAPL&scan=hod")).json()
    assert (told["symbol"], told["true"]) == ("AAPL", False)
    assert told["leaves"][0]["name"] == "rvol_tod"
    await http.get("/api/why?symbol=AAPL&scan=hod&at=09:41:07")
    assert reasons.asked == [("AAPL", "hod", ""), ("AAPL", "hod", "09:41:07")]


async def test_why_without_a_symbol_lists_who_comes_near(
    http: httpx.AsyncClient, reasons: ReasonsByHand
) -> None:
    assert (await http.get("/api/why?scan=hod&limit=7")).json()["armed"] == ["AAPL"]
    await http.get("/api/why?scan=hod&at=09:41:07")
    assert reasons.asked == [("hod", 7, ""), ("hod", 50, "09:41:07")]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("symbol=AAPL", 400, "Name a scan: /api/why?scan=hod_momo&symbol=AAPL"),
        ("scan=hod&symbol=AAPX", 404, "Did you mean AAPL?"),
        ("scan=hod&symbol=AAPL&at=noon", 400, "'noon' is not a time"),
        ("scan=hod&symbol=AAPL&at=busy", 503, "wait already"),
        ("scan=hod&limit=0", 400, "give a whole number from 1 to 500"),
        ("scan=hod&symbl=AAPL", 400, "Did you mean 'symbol'?"),
        (f"scan={'x' * 200}", 400, "scan is too long"),
    ],
)
async def test_bad_questions_are_problems(
    http: httpx.AsyncClient, query: str, status: int, says: str
) -> None:
    answer = await http.get(f"/api/why?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (
        status, "application/problem+json",
    )  # fmt: skip
    assert says in answer.json()["detail"]


async def test_signals_are_asked_for_by_scan_symbol_state_and_time(
    http: httpx.AsyncClient, reasons: ReasonsByHand
) -> None:
    query = f"scan=hod&symbol=AAPL&state=fired&since={OPEN_NS}&limit=3"
    (told,) = (await http.get(f"/api/signals?{query}")).json()["signals"]
    assert told["hops"]["text"] == "142 ms (net 61, table 9, rule 64, send 8)"
    assert told["why"][0] == {
        "name": "rvol_tod", "value": 2.1, "op": ">=", "bound": 3.0, "true": False,
        "within": [], "against": "",
    }  # fmt: skip
    await http.get("/api/signals")
    await http.get("/api/signals?state=fired,expired&until=2026-11-20T09:30:00-05:00")
    assert reasons.asked == [
        Wanted("hod", "AAPL", "fired", OPEN_NS, 3), Wanted(),
        Wanted(state="fired,expired", until_ns=OPEN_NS),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state=fired,maybe", f"use one of {', '.join(STATES)}"),
        ("since=yesterday", "since='yesterday' is no time: give ISO 8601"),
        ("since=2026-11-20T09:30:00", "is no time"),
        ("since=9223372036854775808", "is no time"),
        ("since=9999-12-31T00:00:00Z", "is no time"),
        ("since=0001-01-02T00:00:00Z", "is no time"),
        ("until=tomorrow", "until='tomorrow' is no time"),
        ("limit=9999", "from 1 to 1000"),
    ],
)
async def test_wrong_filters_are_problems(http: httpx.AsyncClient, query: str, says: str) -> None:
    answer = await http.get(f"/api/signals?{query}")
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_since_is_a_time_with_offset_or_ns() -> None:
    assert time_ns("since", "") == 0
    assert time_ns("since", "1795185000000000001") == 1795185000000000001
    assert time_ns("since", "9223372036854775807") == 2**63 - 1
    assert time_ns("since", "2026-11-20T09:30:00.250-05:00") == OPEN_NS + 250_000_000
    assert time_ns("since", "2026-11-20T14:30:00 00:00") == OPEN_NS


async def test_a_replay_has_its_own_signals_and_no_reasons() -> None:
    boards = BoardsByHand()
    boards.past = [signal(3), signal(2), signal(1)]
    gateway = Gateway(boards, MarketByHand(), MemoryBus(), port=0)
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        told = (await client.get("/api/signals?since=2&limit=1")).json()["signals"]
        assert [s["id"] for s in told] == ["s3"]
        told = (await client.get("/api/signals?state=fired,armed&until=2")).json()["signals"]
        assert [s["id"] for s in told] == ["s2", "s1"]
        assert (await client.get("/api/signals?state=armed")).json() == {"signals": []}
        refused = await client.get("/api/why?scan=hod&symbol=AAPL")
        assert (refused.status_code, refused.json()["detail"]) == (
            400, "A paced replay explains nothing: ask `tapelight why --journal DAY`.",
        )  # fmt: skip
    gateway.close()


async def test_who_is_armed_is_listed_by_scan_and_counted(http: httpx.AsyncClient) -> None:
    told = (await http.get("/api/armed")).json()
    assert (told["ts_ns"], told["total"]) == (OPEN_NS, 2)
    assert [(row["scan"], row["symbol"]) for row in told["armed"]] == [
        ("hod", "TSLA"), ("gap", "AAPL"),
    ]  # fmt: skip
    assert (await http.get("/api/armed?limit=1")).json() == {**told, "armed": told["armed"][:1]}
    one = (await http.get("/api/armed?scan=gap")).json()
    assert (one["total"], [row["symbol"] for row in one["armed"]]) == (1, ["AAPL"])


async def test_the_document_describes_both(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/api/openapi.json")).json()["paths"]
    for path, names in (
        ("/api/why", {"scan", "symbol", "at", "limit"}),
        ("/api/signals", {"scan", "symbol", "since", "until", "state", "limit"}),
    ):
        assert {p["name"] for p in paths[path]["get"]["parameters"]} == names
