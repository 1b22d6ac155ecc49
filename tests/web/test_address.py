"""Addresses: behind trusted proxies, in networks, and how many connections each may have."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvicorn

from tapelight.errors import ConfigError
from tapelight.web.address import Crowd, Proxies, network_of
from tapelight.web.sockets import bind, counting, serve_on
from web.conftest import HOST, Town

PROXIES = Proxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6", "203.0.113.9,10.1.2.3"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9:5678"], "203.0.113.9"),
        ("127.0.0.1", ["[2001:db8::1]:5678"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ("127.0.0.1", ["6.6.6.6, unknown, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("203.0.113.1", ["6.6.6.6"], "203.0.113.1"),
    ],
)
def test_who_asks_is_the_last_address_that_no_trusted_proxy_has(
    peer: str, lines: list[str], client: str
) -> None:
    assert PROXIES.client(peer, lines) == client
    assert Proxies().client(peer, lines) == peer


def test_a_wrong_proxy_is_told() -> None:
    with pytest.raises(ConfigError, match=r"trusted_proxies under \[web\]: 'nginx'"):
        Proxies(["nginx"])


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_quotas_count_by_network(client: str, network: str) -> None:
    assert network_of(client) == network


def test_an_address_has_so_many_connections_and_this_machine_any() -> None:
    crowd = Crowd(PROXIES, 2)
    ours = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2::3"]
    assert [crowd.enter(client) for client in ours] == [True, True, False]
    assert crowd.enter("2001:db8:1:3::1")
    crowd.leave(ours[0])
    assert crowd.enter(ours[2])
    assert all(crowd.enter("127.0.0.1") and crowd.enter("10.0.0.7") for _ in range(5))
    assert crowd.refused == 1


class Everybody(Crowd):
    """Counts this machine too."""

    def _is_free(self, client: str) -> bool:
        return False


@pytest.mark.integration
async def test_a_connection_too_many_is_cut_and_one_that_ends_makes_room() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    http = counting(Everybody(Proxies(), 2))
    config = uvicorn.Config(app, http=http, lifespan="off", log_config=None)
    serving = asyncio.create_task(serve_on(listener, config, 1.0))

    async def answer(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> bytes:
        with suppress(ConnectionError):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(5):
                return await reader.readline()
        return b""

    made = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    said = [await answer(writer, reader) for reader, writer in made]
    assert [line[:12] for line in said] == [b"HTTP/1.1 204", b"HTTP/1.1 204", b""]
    made[0][1].close()
    async with asyncio.timeout(5):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if await answer(writer, reader):
                break
            writer.close()
    for _, each in (*made, (reader, writer)):
        each.close()
    serving.cancel()
    await asyncio.wait({serving})


async def test_behind_a_trusted_proxy_log_ins_are_slowed_by_who_asks(town: Town) -> None:
    town.site.proxies = ("127.0.0.1",)
    town.site.gateway.close()
    town.site.gateway = town.site.open()

    async def enter(forwarded: str, password: str) -> int:
        client = town.client("127.0.0.1", **{"x-forwarded-for": forwarded})
        answer = await client.post("/api/login", json={"name": "vic", "password": password})
        return answer.status_code

    wrong = [await enter("6.6.6.6, 203.0.113.9", "wrong wrong") for _ in range(7)]
    assert wrong == [400] * 5 + [429] * 2
    assert await enter("203.0.113.10", "vic's own long words") in (200, 400)
    transport = httpx.ASGITransport(town.site.gateway.app, client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as direct:
        told = await direct.get("/api/me", headers={"x-forwarded-for": "127.0.0.1"})
        assert told.json()["via"] == "nobody"
