"""A scripted Massive service for tests: its stream and its REST answers on one port."""

import asyncio
import contextlib
import http
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

KEY = "canary-key-7741"
NOW_NS = 1_795_185_300_000_000_000
"""2026-11-20 09:35:00 New York."""
Answer = Any


def status(name: str, message: str = "") -> dict[str, str]:
    return {"ev": "status", "status": name, "message": message}


@dataclass
class Service:
    """Answer as told; a test changes the fields before or while it runs."""

    refused: frozenset[str] = frozenset()
    """Channels outside the plan."""
    auth: str = "auth_success"
    mute: bool = False
    """Connections stay open and bring nothing after the subscriptions."""
    rate: float = 1.0
    answers: dict[str, Answer] = field(default_factory=dict)
    """By path: a JSON body, (status, body, headers), or a function of the query."""
    prefixes: dict[str, Answer] = field(default_factory=dict)
    """The same for all paths that begin so."""
    on_live: Callable[["Service", ServerConnection], Any] | None = None
    """Called after the first granted subscription of each connection."""
    open: int = 0
    most_open: int = 0
    connections: int = 0
    live: list[ServerConnection] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)
    port: int = 0

    async def send(self, *events: dict[str, Any]) -> None:
        """Send one frame of events to the newest live connection."""
        await self.live[-1].send(json.dumps(events))

    async def stream(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        self.open += 1
        self.connections += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with contextlib.suppress(ConnectionClosed):
                await self._talk(connection)
        finally:
            self.open -= 1

    async def _talk(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps([status("connected", "Connected Successfully")]))
        asked = json.loads(await connection.recv())
        name = self.auth if asked["params"] == KEY else "auth_failed"
        words = "authenticated" if name == "auth_success" else "authentication failed"
        await connection.send(json.dumps([status(name, words)]))
        async for message in connection:
            await self._subscribe(connection, json.loads(message))

    async def _subscribe(self, connection: ServerConnection, asked: dict[str, str]) -> None:
        topics = asked["params"].split(",")
        self.subscriptions += topics
        refused = [t for t in topics if t.partition(".")[0] in self.refused]
        granted = [t for t in topics if t not in refused]
        reply = [status("error", "not authorized") for _ in refused]
        reply += [status("success", f"subscribed to: {t}") for t in granted]
        await connection.send(json.dumps(reply))
        if granted and connection not in self.live:
            self.live.append(connection)
            if self.on_live is not None:
                await self.on_live(self, connection)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a REST request; None lets a WebSocket handshake go on."""
        if "Upgrade" in request.headers:
            return None
        url = urlsplit(request.path)
        self.requests.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _response(401, {"status": "ERROR", "error": "Unknown API Key"}, {})
        begun = [answer for path, answer in self.prefixes.items() if url.path.startswith(path)]
        found = self.answers.get(url.path, *begun[:1] or [(404, {"status": "NOT_FOUND"}, {})])
        if callable(found):
            found = found(parse_qs(url.query))
        if not isinstance(found, tuple):
            found = (200, found, {})
        return _response(*found)


def _response(code: int, body: Answer, headers: dict[str, str]) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = Headers({"Content-Length": str(len(raw)), "Connection": "close", **headers})
    return Response(code, http.HTTPStatus(code).phrase, told, raw)


@contextlib.asynccontextmanager
async def massive_service(**told: Any) -> AsyncIterator[Service]:
    """Run the service on a free port."""
    service = Service(**told)
    service.answers = {**_defaults(service), **service.answers}
    server: Server
    async with serve(
        service.stream, "127.0.0.1", 0, process_request=service.answer, close_timeout=0.2
    ) as server:
        service.port = server.sockets[0].getsockname()[1]
        yield service
        await asyncio.sleep(0)


def ticker(symbol: str, price: float, volume: float, updated_ns: int = NOW_NS) -> dict[str, Any]:
    """Return one symbol of the full snapshot."""
    return {
        "ticker": symbol,
        "updated": updated_ns,
        "day": {"o": price, "h": price + 1, "l": price - 1, "c": price, "v": volume, "vw": price},
        "min": {"av": volume, "c": price, "t": NOW_NS // 1_000_000},
        "prevDay": {"c": price - 2},
        "lastTrade": {"p": price, "s": 100, "c": [14], "t": updated_ns, "x": 4},
        "lastQuote": {"p": price - 0.01, "s": 200, "P": price + 0.01, "S": 300, "t": updated_ns},
    }


def day(symbol: str, close: float, volume: float = 1000.0) -> dict[str, Any]:
    """Return one symbol of a grouped daily."""
    return {"T": symbol, "o": close, "h": close + 1, "l": close - 1, "c": close, "v": volume}


def trade(symbol: str, price: float, seq: int, ns: int = NOW_NS, **more: Any) -> dict[str, Any]:
    """Return a T event."""
    t = ns // 1_000_000
    return {"ev": "T", "sym": symbol, "x": 4, "p": price, "s": 100, "t": t, "q": seq, **more}


def quote(symbol: str, bid: float, seq: int, ns: int = NOW_NS) -> dict[str, Any]:
    """Return a Q event."""
    t, ask = ns // 1_000_000, bid + 0.02
    return {"ev": "Q", "sym": symbol, "bp": bid, "bs": 100, "ap": ask, "as": 200, "t": t, "q": seq}


def _defaults(service: Service) -> dict[str, Answer]:
    tickers = [{"ticker": s, "primary_exchange": "XNAS", "type": "CS"} for s in ("AAPL", "MSFT")]
    return {
        "/v1/marketstatus/now": {"market": "open"},
        "/simulator/clock": lambda _: {"now_ns": NOW_NS, "rate": service.rate, "held": False},
        "/v3/reference/conditions": {"results": []},
        "/v3/reference/tickers": {"results": tickers},
        "/v2/snapshot/locale/us/markets/stocks/tickers": {
            "tickers": [ticker("AAPL", 100.0, 5000.0), ticker("MSFT", 300.0, 9000.0)]
        },
        "/v2/aggs/grouped/locale/us/market/stocks/2026-11-19": {
            "results": [day("AAPL", 98.0), day("MSFT", 298.0)]
        },
        "/v2/aggs/grouped/locale/us/market/stocks/2026-11-18": {
            "results": [day("AAPL", 97.0, 3000.0), day("MSFT", 297.0)]
        },
    }
