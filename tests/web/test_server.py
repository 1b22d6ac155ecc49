import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import websockets

from tapelight.errors import ConfigError
from tapelight.web import sockets
from tapelight.web.sockets import bind
from web.conftest import Site

pytestmark = pytest.mark.integration

STATUS = {"op": "subscribe", "topics": ["status"]}


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[int]:
    task = asyncio.create_task(site.gateway.serve())
    try:
        yield site.gateway.port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def publish(site: Site, n: int, pad: int = 0) -> None:
    status = {"n": n, "pad": "x" * pad}
    site.bus.publish("status", {"mark": n, "ts_ns": n, "status": status})


async def test_rest_and_stream_share_one_port(site: Site) -> None:
    async with serving(site) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            answer = await http.get("/api/boards/gainers")
            assert answer.json()["rows"][0]["symbol"] == "TSLA"
            assert "server" not in answer.headers
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as client:
            assert client.response is not None
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            await client.send(json.dumps(STATUS))
            assert json.loads(await client.recv())["kind"] == "snapshot"
            publish(site, 1)
            assert json.loads(await client.recv())["status"]["n"] == 1


async def test_a_foreign_page_gets_403_and_no_line_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(site) as port:
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await websockets.connect(f"ws://127.0.0.1:{port}/ws", origin="http://evil.example")  # type: ignore[arg-type]
        assert refusal.value.response.status_code == 403
        assert b"origins under [web]" in refusal.value.response.body
    assert caplog.messages == []


async def test_a_large_message_closes_with_1009(site: Site) -> None:
    async with (
        serving(site) as port,
        websockets.connect(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        await client.send("x" * (64 * 1024 + 1))
        with pytest.raises(websockets.ConnectionClosed):
            await client.recv()
        assert client.close_code == 1009


async def test_stopping_closes_clients_and_frees_the_port_in_time(site: Site) -> None:
    loop = asyncio.get_running_loop()
    async with serving(site) as port:
        client = await websockets.connect(f"ws://127.0.0.1:{port}/ws")
        await client.send(json.dumps(STATUS))
        await client.recv()
        stuck = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
        before_s = loop.time()
    assert loop.time() - before_s < 2.5
    with pytest.raises(websockets.ConnectionClosed):
        await client.recv()
    assert client.close_code == 1012
    assert site.gateway.stream.clients == {}
    stuck.close()
    bind("127.0.0.1", port).close()


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(ConfigError, match=rf"Port {port} on 127.0.0.1 is in use.*--port"):
        bind("127.0.0.1", port)
    first.close()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("192.0.2.1", 0, "no address 192.0.2.1"),
        ("127.0.0.1", 70_000, "choose one from 1 to 65535"),
        ("no-such-host.invalid", 0, "check host and port"),
    ],
)
def test_a_bad_address_is_named(host: str, port: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bind(host, port)


async def test_a_request_that_never_ends_is_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_S", 0.2)
    async with serving(site) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("limits", "head", "said"),
    [
        ({"endpoints.BODY_S": 0.2}, "POST /api/login", b"HTTP/1.1 408 "),
        ({"sockets.BODY_S": 0.2}, "POST /api/login", b""),
        ({"sockets.BODY_S": 0.2}, "POST /api/boards", b"HTTP/1.1 405 "),
    ],
)
async def test_a_body_that_never_ends_is_told_or_cut(
    site: Site, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], head: str, said: bytes
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(f"tapelight.web.{name}", value)
    async with serving(site) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        kind = "Content-Type: application/json\r\nContent-Length: 60000"
        writer.write(f"{head} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n\r\n{{".encode())
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                if said:
                    assert (await reader.readline()).startswith(said)
                while not said.endswith(b"408 ") and await reader.read(1_000):
                    pass
        writer.close()


async def _read_until(raw: socket.socket, mark: bytes) -> None:
    loop, taken = asyncio.get_running_loop(), b""
    async with asyncio.timeout(10):
        while mark not in taken:
            chunk = await loop.sock_recv(raw, 65_536)
            assert chunk, f"closed before {mark!r} came"
            taken = taken[-len(mark) :] + chunk


async def _stuck(port: int) -> socket.socket:
    """Open a WebSocket by hand, subscribe, and read no more than the snapshot's beginning."""
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", port))
    payload = json.dumps(STATUS).encode()
    await loop.sock_sendall(
        raw,
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    await _read_until(raw, b"\r\n\r\n")
    await loop.sock_sendall(raw, bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
    await _read_until(raw, b'"snapshot"')
    return raw


async def test_a_stuck_client_is_conflated_then_closed_and_delays_nobody(site: Site) -> None:
    now_s = 0.0
    stream = site.gateway.stream
    stream.clock = lambda: now_s
    async with (
        serving(site) as port,
        websockets.connect(f"ws://127.0.0.1:{port}/ws") as healthy,
    ):
        await healthy.send(json.dumps(STATUS))
        assert json.loads(await healthy.recv())["kind"] == "snapshot"
        raw = await _stuck(port)
        slow = next(reversed(stream.clients))
        n = 0
        while slow.conflated == 0:
            n += 1
            publish(site, n, pad=50_000)
            message: dict[str, Any] = json.loads(await healthy.recv())
            assert (message["kind"], message["status"]["n"]) == ("diff", n)
            assert n < 200, "the stuck client's outbox is not bounded"
        assert slow._bytes <= 1 << 20
        stream.tidy()
        assert stream.counters.closed_slow == 0
        now_s = 10.5
        stream.tidy()
        assert stream.counters.closed_slow == 1
        publish(site, n + 1)
        assert json.loads(await healthy.recv())["status"]["n"] == n + 1
        await _read_until(raw, b"\x0f\xa8more than 10 s behind: reconnect and resume")
        assert slow not in stream.clients
        raw.close()
