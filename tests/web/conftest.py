"""A gateway over the hand-made market, driven in memory by ASGI messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher

from tapelight.app.control import Control
from tapelight.app.scanfiles import ScanFiles
from tapelight.buses.memory import MemoryBus
from tapelight.config import Config
from tapelight.ports import Account, Documents, OrderBooks, TradeDesk
from tapelight.web.oidc import Oidc
from tapelight.web.server import Gateway, Herald, Users
from web.by_hand import BoardsByHand, MarketByHand, PastByHand

HOST = "127.0.0.1:8787"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Site:
    """A gateway and the ports behind it."""

    def __init__(self) -> None:
        self.boards, self.market, self.bus = BoardsByHand(), MarketByHand(), MemoryBus()
        self.past = PastByHand()
        self.scans: ScanFiles | None = None
        self.documents: Documents | None = None
        self.users: Users | None = None
        self.guests = False
        self.proxies: tuple[str, ...] = ()
        self.oidc: Oidc | None = None
        self.alerting: Herald | None = None
        self.orders: OrderBooks | None = None
        self.trader: TradeDesk | None = None
        self.gateway = self.open()

    def open(self) -> Gateway:
        return Gateway(
            self.boards, self.market, self.bus, port=0, epoch="e1", past=self.past,
            scans=self.scans, documents=self.documents, users=self.users, guests=self.guests,
            code="c0de", alerting=self.alerting, oidc=self.oidc, orders=self.orders, trader=self.trader,
            proxies=self.proxies,
        )  # fmt: skip


class Socket:
    """The client's side of an in-memory WebSocket."""

    def __init__(self, app: Any, headers: dict[str, str], client: str) -> None:
        self._app = app
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._scope = {
            "type": "websocket",
            "path": "/ws",
            "raw_path": b"/ws",
            "root_path": "",
            "query_string": b"",
            "scheme": "ws",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": (client, 50_000),
            "server": ("127.0.0.1", 8787),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }

    async def open(self) -> dict[str, Any]:
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._app(self._scope, self._in.get, self._out.put))
        return await self.message()

    async def message(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self._out.get()

    def send(self, op: Any) -> None:
        text = op if isinstance(op, str) else json.dumps(op)
        self._in.put_nowait({"type": "websocket.receive", "text": text})

    def send_bytes(self, data: bytes) -> None:
        self._in.put_nowait({"type": "websocket.receive", "bytes": data})

    async def get(self) -> dict[str, Any]:
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return dict(json.loads(message["text"]))

    async def barrier(self) -> list[dict[str, Any]]:
        """Return what came before the answer to a ping."""
        self.send({"op": "ping"})
        before: list[dict[str, Any]] = []
        while (got := await self.get()).get("op") != "pong":
            before.append(got)
        return before

    async def close(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(5):
                await self.task


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.gateway.close()


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
async def connect(site: Site) -> AsyncIterator[Any]:
    sockets: list[Socket] = []

    async def open_one(**headers: str) -> Socket:
        socket = Socket(site.gateway.app, {"host": HOST, **headers}, "127.0.0.1")
        assert (await socket.open())["type"] == "websocket.accept"
        sockets.append(socket)
        return socket

    yield open_one
    for socket in sockets:
        await socket.close()


PASSWORD = "correct horse battery"
PEOPLE = {"root": "admin", "tess": "trader", "ann": "analyst", "vic": "viewer"}


class Town:
    """A gateway with accounts, and a client for each of its people and for strangers."""

    def __init__(self, site: Site, control: Control) -> None:
        self.site, self.control = site, control
        site.documents, site.users = control.documents, control.users
        site.alerting = control.alerting.desk
        site.gateway.close()
        site.gateway = site.open()
        self._clients: list[httpx.AsyncClient] = []

    async def settle(self) -> None:
        """Make the accounts."""
        for name, role in PEOPLE.items():
            await self.control.users.write(Account(name, role), PASSWORD, new=True)

    def client(self, ip: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            self.site.gateway.app, raise_app_exceptions=False, client=(ip, 50_000)
        )
        client = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers)
        self._clients.append(client)
        return client

    async def enter(self, name: str) -> httpx.AsyncClient:
        """Return a client that has logged in, as the dashboard does."""
        client = self.client(origin=f"http://{HOST}")
        answer = await client.post("/api/login", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf"]
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()
        await self.control.close()


@pytest.fixture
async def empty_town(site: Site, tmp_path: Path) -> AsyncIterator[Town]:
    """A gateway that has a place for accounts, and none yet."""
    town = Town(site, Control(tmp_path, Config(), MemoryBus(), CHEAP))
    yield town
    await town.close()


@pytest.fixture
async def town(empty_town: Town) -> Town:
    await empty_town.settle()
    return empty_town
