"""The simulator's socket: Massive's conversation, its REST bodies, slow clients, the ledger."""

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
import pytest
from websockets.exceptions import ConnectionClosed

from feeds.simulator_service import ask, events, free_port, running, socket_to
from tapelight.errors import ConfigError
from tapelight.feeds.simulator import SimulatorOptions, serve
from tapelight.feeds.simulator.hub import FRAME_BYTES, SLOW, Client, pack
from tapelight.feeds.simulator.rest import MAX_REQUESTS_S, Quota, too_many

pytestmark = pytest.mark.integration

DAY = "2026-11-20"


def client_of(port: int, key: str = "demo") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=20
    )


async def test_the_conversation_is_massives() -> None:
    async with running() as port, socket_to(port) as ws:
        await ask(ws, "subscribe", "T.AAPL,A.*,NOI.*,XYZ.*")
        assert await events(ws) == [
            {"ev": "status", "status": "error", "message": "not authorized"},
            {"ev": "status", "status": "success", "message": "subscribed to: T.AAPL"},
            {"ev": "status", "status": "success", "message": "subscribed to: A.*"},
        ]
        # A duplicate has no reply, so the next status answers the unsubscription.
        await ask(ws, "subscribe", "T.AAPL")
        await ask(ws, "unsubscribe", "T.AAPL")
        await ask(ws, "dance", "")
        await ws.send("{")
        found: list[dict[str, Any]] = []
        while len(found) < 3:
            found += [e for e in await events(ws) if e["ev"] == "status"]
        assert [e["message"] for e in found] == [
            "unsubscribed to: T.AAPL", "unknown action: dance", "invalid message",
        ]  # fmt: skip


async def test_a_wrong_key_is_refused_and_closed() -> None:
    async with running() as port, socket_to(port, key=None) as ws:
        await ask(ws, "subscribe", "T.*")
        assert (await events(ws))[0]["message"] == "not authorized"
        await ask(ws, "auth", "wrong")
        assert await events(ws) == [
            {"ev": "status", "status": "auth_failed", "message": "authentication failed"}
        ]
        with pytest.raises(ConnectionClosed):
            await ws.recv()


async def test_the_older_connection_of_a_key_is_evicted() -> None:
    async with running() as port, socket_to(port) as older, socket_to(port) as newer:
        assert (await events(older))[0]["status"] == "max_connections"
        with pytest.raises(ConnectionClosed) as closed:
            await older.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await ask(newer, "subscribe", "Q.SPY")
        assert (await events(newer))[0]["message"] == "subscribed to: Q.SPY"
        assert {e["sym"] for e in await events(newer)} == {"SPY"}


async def test_market_time_stands_still_until_the_first_subscription() -> None:
    async with running() as port, client_of(port) as rest:
        held = (await rest.get("/simulator/clock")).json()
        assert held["now_ns"] == 1_795_184_880_000_000_000  # 09:28 New York
        assert (held["rate"], held["held"]) == (0.0, True)
        now = (await rest.get("/v1/marketstatus/now")).json()
        assert now["serverTime"] == "2026-11-20T09:28:00.000-05:00"
        assert (now["market"], now["earlyHours"]) == ("extended-hours", True)
        async with socket_to(port) as ws:
            await ask(ws, "subscribe", "Q.*")
            await events(ws)
            first = await events(ws)
            assert 0 <= first[0]["t"] - 1_795_184_880_000 < 1000
            clock = (await rest.get("/simulator/clock")).json()
            assert (clock["rate"], clock["held"]) == (1.0, False)
            assert clock["now_ns"] > held["now_ns"]


async def test_rest_refuses_without_a_key_and_beyond_the_plan() -> None:
    async with running() as port, client_of(port, "wrong") as wrong, client_of(port) as rest:
        path = "/v2/snapshot/locale/us/markets/stocks/tickers"
        unknown = await wrong.get(path)
        assert (unknown.status_code, unknown.json()["error"]) == (401, "Unknown API Key")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as bare:
            assert (await bare.get(path)).json()["error"] == "API Key was not provided"
            assert (await bare.get(path, params={"apiKey": "demo"})).status_code == 200
        refused = await rest.get("/v3/quotes/AAPL")
        assert (refused.status_code, refused.json()["status"]) == (403, "NOT_AUTHORIZED")
        assert (await rest.get(f"{path}/NOPE")).status_code == 404
        assert (await rest.get("/v2/aggs/grouped/locale/us/market/stocks/soon")).status_code == 400


async def test_rest_bodies_agree_with_one_another() -> None:
    async with running() as port, client_of(port) as rest:
        stocks = "/v2/snapshot/locale/us/markets/stocks"
        whole = (await rest.get(f"{stocks}/tickers")).json()
        assert whole["count"] == len(whole["tickers"]) == 120
        apple = next(t for t in whole["tickers"] if t["ticker"] == "AAPL")
        assert (await rest.get(f"{stocks}/tickers/AAPL")).json()["ticker"] == apple
        prev = (await rest.get("/v2/aggs/ticker/AAPL/prev")).json()["results"][0]
        assert {k: prev[k] for k in "ohlcv"} == {k: apple["prevDay"][k] for k in "ohlcv"}
        grouped = (await rest.get("/v2/aggs/grouped/locale/us/market/stocks/2026-11-19")).json()
        mine = next(b for b in grouped["results"] if b["T"] == "AAPL")
        assert mine["c"] == apple["prevDay"]["c"]
        minutes = (await rest.get(f"/v2/aggs/ticker/AAPL/range/1/minute/{DAY}/{DAY}")).json()
        assert sum(b["v"] for b in minutes["results"]) == apple["min"]["av"]
        assert minutes["results"][-1]["c"] == apple["lastTrade"]["p"]
        closed = (await rest.get("/v2/aggs/grouped/locale/us/market/stocks/2026-11-15")).json()
        assert "results" not in closed
        gainers = (await rest.get(f"{stocks}/gainers")).json()["tickers"]
        changes = [t["todaysChangePerc"] for t in gainers]
        assert changes == sorted(changes, reverse=True)


async def test_reference_data_is_paged_and_complete() -> None:
    async with running() as port, client_of(port) as rest:
        symbols: list[str] = []
        url = "/v3/reference/tickers?limit=50&market=stocks"
        while url:
            page = (await rest.get(url)).json()
            symbols += [t["ticker"] for t in page["results"]]
            url = page.get("next_url", "")
        assert len(symbols) == len(set(symbols)) == 119
        assert "ZVZZT" not in symbols
        floats = (await rest.get("/stocks/vX/float?limit=5000")).json()["results"]
        assert {f["ticker"] for f in floats} == set(symbols)
        splits = (await rest.get("/stocks/v1/splits", params={"execution_date": DAY})).json()
        assert len(splits["results"]) == 4
        assert (await rest.get("/v3/reference/splits?execution_date.lt=2026-11-20")).json()[
            "results"
        ] == []
        rules = {
            c["id"]: c["update_rules"]["consolidated"]
            for c in (await rest.get("/v3/reference/conditions")).json()["results"]
        }
        assert rules[37] == {
            "updates_high_low": False, "updates_open_close": False, "updates_volume": True,
        }  # fmt: skip
        assert not rules[15]["updates_volume"]
        holidays = (await rest.get("/v1/marketstatus/upcoming")).json()
        assert holidays[0]["date"] == "2026-11-26"
        assert holidays[0]["status"] == "closed"
        early = next(h for h in holidays if h["status"] == "early-close")
        assert (early["date"], early["close"]) == ("2026-11-27", "2026-11-27T18:00:00.000Z")


async def test_what_was_sent_is_in_the_ledger_and_in_the_trades_endpoint(tmp_path: Path) -> None:
    received: list[dict[str, Any]] = []
    async with running(ledger=tmp_path, speed=5.0, start="09:29:59") as port:
        async with socket_to(port) as ws:
            await ask(ws, "subscribe", "T.*")
            while len(received) < 1500:
                received += [e for e in await events(ws) if e["ev"] == "T"]
        async with client_of(port) as rest:
            recent = (await rest.get("/v3/trades/SPY?limit=50000&order=asc")).json()["results"]
    ledger = pl.read_parquet(tmp_path / "trades-*.parquet").sort("n")
    sent = ledger.head(len(received))
    # The first trade of the tape is the first received: the market was held.
    assert [int(e["i"]) - 1 for e in received] == sent["n"].to_list()
    assert [e["sym"] for e in received] == sent["symbol"].to_list()
    assert [e["p"] for e in received] == sent["price"].to_list()
    assert [float(e.get("ds", e["s"])) for e in received] == sent["size"].to_list()
    assert [e.get("c", []) for e in received] == sent["conditions"].to_list()
    assert [e["t"] * 1_000_000 for e in received] == sent["ts_ns"].to_list()
    spy = [(t["price"], t["sip_timestamp"]) for t in recent]
    mine = ledger.filter(pl.col("symbol") == "SPY")
    assert spy == list(zip(mine["price"], mine["ts_ns"], strict=True))[: len(spy)]


async def test_a_run_ends_after_its_duration_and_the_ledger_is_whole(tmp_path: Path) -> None:
    frames = 0
    async with running(ledger=tmp_path, speed=10.0, duration_s=3.0) as port, socket_to(port) as ws:
        await ask(ws, "subscribe", "T.*")
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames += sum(e["ev"] == "T" for e in await events(ws))
        assert ws.close_code == 1001
    ledger = pl.read_parquet(tmp_path / "trades-*.parquet")
    assert len(ledger) == frames
    assert int(ledger["ts_ns"].max()) < 1_795_184_883_000_000_000  # type: ignore[arg-type]


async def test_a_client_that_does_not_read_is_cut_off_and_delays_no_other() -> None:
    options = {"symbols": 60, "rate": 20_000.0, "speed": 20.0, "buffer_bytes": 200_000}
    async with running(**options, start="09:31") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(
            b"GET /stocks HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        for text in (
            b'{"action":"auth","params":"demo"}',
            b'{"action":"subscribe","params":"T.*"}',
        ):
            writer.write(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)
        async with client_of(port) as rest, asyncio.timeout(20):
            moved = 0
            while moved < 3_000_000_000:
                clock = (await rest.get("/simulator/clock")).json()
                moved = clock["due"]["sent_ns"] - 1_795_185_060_000_000_000
            # What lies in the kernel's buffers ends with the status, or with the connection.
            tail = b"."
            while tail and b"slow_consumer" not in tail:
                chunk = await reader.read(65_536)
                tail = tail[-100:] + chunk if chunk else b""
        writer.close()


def test_an_outbox_is_bounded() -> None:
    client = Client(100, {"SPY": 0})
    client.put("x" * 60)
    client.put("y" * 60)
    assert (client.pop(), client.farewell, client.held_bytes) == (None, SLOW, 0)


def test_frames_are_split_by_size() -> None:
    bodies = ["1" * (FRAME_BYTES // 2)] * 5
    frames = pack(bodies)
    assert [len(msgspec.json.decode(f, strict=False)) if len(f) < 9 else len(f) for f in frames] == [
        FRAME_BYTES + 3, FRAME_BYTES + 3, FRAME_BYTES // 2 + 2,
    ]  # fmt: skip
    assert pack([]) == []


async def test_a_port_in_use_is_told_in_one_sentence() -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1 is not free"):
            await serve(SimulatorOptions(port=port, symbols=10))


def test_one_request_too_many_in_a_second_is_refused_until_the_next() -> None:
    now = [7.2]
    quota = Quota(lambda: now[0])
    assert all(quota.admit() for _ in range(MAX_REQUESTS_S))
    assert not quota.admit()
    now[0] = 8.0
    assert quota.admit()
    refusal = too_many()
    assert (refusal.status_code, refusal.headers["retry-after"]) == (429, "1")
