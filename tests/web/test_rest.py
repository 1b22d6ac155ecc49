import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tapelight.errors import Unavailable
from tapelight.web.problems import Problem
from web.by_hand import BARS, OPEN_NS, OPEN_S
from web.conftest import Site


async def test_a_board_comes_as_objects_in_rank_order(http: httpx.AsyncClient) -> None:
    body = (await http.get("/api/boards/gainers")).json()
    assert [body[k] for k in ("name", "title", "kind", "mark", "ts_ns")] == [
        "gainers",
        "Top gainers",
        "list",
        7,
        OPEN_NS,
    ]
    assert [column["name"] for column in body["columns"]] == ["last", "chg_pct"]
    assert body["order"] == ["TSLA", "AAPL"]
    assert body["rows"] == [
        {"symbol": "TSLA", "last": 250.0, "chg_pct": 3.25},
        {"symbol": "AAPL", "last": 190.5, "chg_pct": None},
    ]


async def test_boards_are_listed(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/boards")
    assert [board["name"] for board in answer.json()] == ["gainers", "losers"]
    assert answer.headers["cache-control"] == "no-store"


async def test_the_market_is_asked_in_one_select(site: Site, http: httpx.AsyncClient) -> None:
    params = {"where": "last > 1 OR last < 0", "order": "last DESC", "limit": "2"}
    answer = await http.get("/api/market", params={**params, "columns": "last,chg_pct"})
    assert site.market.asked == [
        "SELECT symbol, last,chg_pct FROM market WHERE (last > 1 OR last < 0) "
        "ORDER BY last DESC LIMIT 2"
    ]
    assert [row["symbol"] for row in answer.json()["rows"]] == ["AAPL", "TSLA"]
    await http.get("/api/market")
    assert site.market.asked[-1] == "SELECT * FROM market LIMIT 100"


async def test_a_symbol_shows_every_column(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/symbols/AAPL")).json() == {
        "symbol": "AAPL",
        "last": 190.5,
        "chg_pct": None,
        "halted": False,
    }
    assert (await http.get("/api/symbols/BTC/USD")).json()["last"] == 90_000.0


async def test_bars_are_joined_into_longer_spans(http: httpx.AsyncClient) -> None:
    minute = (await http.get("/api/bars/AAPL")).json()
    assert minute["bars"] == BARS
    assert minute["columns"] == ["start_s", "open", "high", "low", "close", "volume"]
    five = (await http.get("/api/bars/AAPL?span=5m")).json()
    assert five["bars"] == [
        [OPEN_S, 10.0, 15.0, 9.0, 14.5, 1_500.0],
        [OPEN_S + 300, 15.0, 17.0, 14.0, 16.5, 1_300.0],
    ]


async def test_signals_come_newest_first(http: httpx.AsyncClient) -> None:
    signals = (await http.get("/api/signals?limit=1")).json()["signals"]
    assert [s["id"] for s in signals] == ["s2"]
    assert signals[0]["values"] == {"last": 192.0, "rvol": None}


async def test_health_is_ok_when_live(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert answer.json()["lag_ms"] == {"p50": 1.5, "p99": 20.25}


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        (
            "feed",
            {"name": "massive", "state": "gap", "detail": "no frame for 5 s"},
            "The feed massive is gap: no frame for 5 s.",
        ),
        (
            "feed",
            {"name": "massive", "state": "closed"},
            "The feed massive is closed: no market data is coming in.",
        ),
        (
            "journal",
            {"state": "failed", "detail": "No space left on device"},
            "The journal is failed: No space left on device.",
        ),
    ],
)
async def test_health_says_why_it_is_not(
    site: Site, http: httpx.AsyncClient, part: str, value: object, reason: str
) -> None:
    site.market.report[part] = value
    answer = await http.get("/health")
    assert answer.status_code == 503
    assert (answer.json()["ok"], answer.json()["reason"]) == (False, reason)


async def test_metrics_are_in_prometheus_words(http: httpx.AsyncClient) -> None:
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.labels
    }
    assert all(name.startswith("tapelight_") for name in samples)
    assert samples["tapelight_clients"] == 0
    assert samples["tapelight_client_behind_seconds"] == 0
    assert 'tapelight_client_messages_total{fate="conflated"} 0.0' in answer.text
    assert 'tapelight_client_refusals_total{why="slow"} 0.0' in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/boards/ganers", 404, "Did you mean 'gainers'?"),
        ("/api/market?wehre=last>1", 400, "Did you mean 'where'?"),
        ("/api/market?limit=0", 400, "from 1 to 5000"),
        ("/api/market?limit=5001", 400, "from 1 to 5000"),
        ("/api/market?limit=ten", 400, "whole number"),
        ("/api/market?limit=1&limit=2", 400, "give it once"),
        ("/api/market?where=nope>1", 400, "did you mean 'last'?"),
        ("/api/market?where=last>1)--", 400, "leave comments and semicolons out"),
        ("/api/market?order=last;DROP", 400, "leave comments and semicolons out"),
        ("/api/market?where=" + "x" * 4_001, 400, "within 4,000 characters"),
        (f"/api/market?where={'x' * 3_000}&order={'y' * 3_000}", 400, "within 4,000 characters"),
        ("/api/symbols/NOPE", 404, "/api/market?columns=symbol"),
        ("/api/bars/NOPE", 404, "isn't watched"),
        ("/api/bars/AAPL?span=2m", 400, "use one of 1m, 5m, 15m, 1h"),
        ("/api/signals?limit=1001", 400, "from 1 to 1000"),
        ("/api/sgnals", 404, "Did you mean '/api/signals'?"),
        ("/nothing.js", 404, "/api/boards"),
        ("/api/symbols/%00%1b%3Cscript%3E", 404, r"'\x00\x1b<script>'"),
    ],
)
async def test_a_bad_request_gets_a_problem_document(
    http: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    answer = await http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.content, type=Problem, strict=True)
    assert (answer.status_code, problem.status) == (status, status)
    assert words in problem.detail
    assert problem.instance == answer.request.url.path.encode().decode()


async def test_another_method_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/boards")
    assert answer.status_code == 405
    assert answer.json()["detail"] == "Use GET for '/api/boards'."


async def test_an_unavailable_part_is_503(site: Site, http: httpx.AsyncClient) -> None:
    def query(_sql: str) -> list[dict[str, float]]:
        raise Unavailable("The table is being restored: try again in a second.")

    site.market.query = query  # type: ignore[method-assign, assignment]
    answer = await http.get("/api/market")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The table is being restored: try again in a second."


async def test_a_fault_of_our_own_shows_nothing_of_its_inside(
    site: Site, http: httpx.AsyncClient
) -> None:
    site.boards.states["gainers"] = {"name": "gainers", "title": "", "kind": "secret-detail"}
    answer = await http.get("/api/boards/gainers")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "mark" not in answer.json()["detail"]
