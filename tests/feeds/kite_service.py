"""A small Kite: login, instruments, quotes, minute bars, and the binary stream."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tapelight.engine import Engine
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, Mark, Record, References, Symbols
from tapelight.model.universe import Universe

NS = 1_000_000_000
KEY, TOKEN = "key", "today"
INFY, TCS, NIFTY = 408065, 2953217, 256265
HEADER = "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"
INSTRUMENTS = f"""{HEADER}
{INFY},1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE
{TCS},11536,TCS,TATA CONSULTANCY SERV LT,0,,0,0.05,1,EQ,NSE,NSE
4267265,16669,BAJAJ-AUTO,BAJAJ AUTO,0,,0,0.05,1,EQ,NSE,NSE
5001,19,OLDSHARE-BE,OLD SHARE,0,,0,0.05,1,EQ,NSE,NSE
{NIFTY},1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
"""


@dataclass(slots=True)
class Share:
    """The state of one instrument; prices in rupees."""

    token: int
    name: str
    last: float
    volume: int = 0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    average: float = 0.0
    traded_s: int = 0
    bid: tuple[int, float] = (0, 0.0)
    ask: tuple[int, float] = (0, 0.0)

    def trade(self, price: float, size: int, at_s: int) -> None:
        self.last, self.volume, self.traded_s = price, self.volume + size, at_s
        self.high, self.low = max(self.high, price), min(self.low, price)

    def packet(self, mode: str) -> bytes:
        p = [round(x * 100) for x in (self.last, self.average, self.open, self.high, self.low, self.close)]  # fmt: skip
        if mode == "ltp":
            return struct.pack(">2I", self.token, p[0])
        if self.token & 0xFF == 9:
            body = struct.pack(">7I", self.token, p[0], p[3], p[4], p[2], p[5], 0)
            return body + (struct.pack(">I", self.traded_s) if mode == "full" else b"")
        body = struct.pack(
            ">11I", self.token, p[0], 1, p[1], self.volume, 0, 0, p[2], p[3], p[4], p[5]
        )
        if mode == "quote":
            return body
        levels = [self.bid, *[(0, 0.0)] * 4, self.ask, *[(0, 0.0)] * 4]
        depth = b"".join(struct.pack(">2IHH", q, round(x * 100), 1, 0) for q, x in levels)
        return body + struct.pack(">5I", self.traded_s, 0, 0, 0, self.traded_s) + depth

    def quote(self) -> dict[str, object]:
        return {
            "instrument_token": self.token, "last_price": self.last, "volume": self.volume,
            "average_price": self.average, "last_trade_time": None,
            "ohlc": {"open": self.open, "high": self.high, "low": self.low, "close": self.close},
            "depth": {"buy": [{"price": self.bid[1], "quantity": self.bid[0], "orders": 1}],
                      "sell": [{"price": self.ask[1], "quantity": self.ask[0], "orders": 1}]},
        }  # fmt: skip


def frame(*packets: bytes) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(
        struct.pack(">H", len(p)) + p for p in packets
    )


@dataclass(slots=True)
class Kite:
    """The service: shares by token, who is connected, what they asked."""

    shares: dict[int, Share]
    port: int = 0
    token: str = TOKEN
    shut: bool = False
    """Whether streams are closed at once."""
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)
    """path: (status, message) of the next answers"""
    asked: list[str] = field(default_factory=list)
    connections: list[ServerConnection] = field(default_factory=list)
    modes: dict[int, str] = field(default_factory=dict)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    quotes: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while /quote answers at once; it answers with what is known then."""

    def __post_init__(self) -> None:
        self.quotes.set()

    async def rest(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        if url.path == "/" and "access_token" in url.query:
            return None
        self.asked.append(url.path)
        if url.path == "/quote":
            await self.quotes.wait()
        status, body = self._answer(url.path, parse_qs(url.query), request)
        response = connection.respond(status, body)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def _answer(self, path: str, query: dict[str, list[str]], request: Request) -> tuple[int, str]:
        if request.headers.get("Authorization") != f"token {KEY}:{self.token}":
            return 403, error("TokenException", "Incorrect `api_key` or `access_token`.")
        if path in self.failures:
            status, message = self.failures[path]
            return status, error("NetworkException", message)
        if path.startswith("/instruments/historical/"):
            candles = [["2026-11-20T09:15:00+0530", 10, 12, 9, 11, 500],
                       ["2026-11-20T09:16:00+0530", 11, 13, 10, 12, 700]]  # fmt: skip
            return 200, json.dumps({"status": "success", "data": {"candles": candles}})
        if path.startswith("/instruments/"):
            return 200, INSTRUMENTS
        if path == "/quote":
            by_name = {s.name: s for s in self.shares.values()}
            found = {n: by_name[n].quote() for n in query["i"] if n in by_name}
            return 200, json.dumps({"status": "success", "data": found})
        return 200, json.dumps({"status": "success", "data": {"user_id": "AB1234"}})

    async def stream(self, connection: ServerConnection) -> None:
        query = parse_qs(urlsplit(connection.request.path).query)  # type: ignore[union-attr]
        if query != {"api_key": [KEY], "access_token": [self.token]}:
            await connection.close(1008)
            return
        if self.shut:
            await connection.close(1011)
            return
        self.connections.append(connection)
        await connection.send(b"\x00")
        with contextlib.suppress(Exception):
            async for message in connection:
                wish = json.loads(message)
                if wish["a"] == "mode":
                    mode, tokens = wish["v"]
                    self.modes |= dict.fromkeys(tokens, mode)
                    self.subscribed.set()

    async def send(self, *tokens: int) -> None:
        """Send the packets of instruments to the newest connection, as it asked for them."""
        packets = [self.shares[t].packet(self.modes[t]) for t in tokens]
        await self.connections[-1].send(frame(*packets))

    async def again(self) -> None:
        """Close the newest connection and wait for the next to subscribe."""
        self.subscribed.clear()
        await self.connections[-1].close()
        await self.subscribed.wait()


def error(kind: str, message: str) -> str:
    return json.dumps({"status": "error", "error_type": kind, "message": message})


@contextlib.asynccontextmanager
async def service(*shares: Share) -> AsyncIterator[Kite]:
    kite = Kite({s.token: s for s in shares})
    async with serve(kite.stream, "127.0.0.1", 0, process_request=kite.rest) as server:
        kite.port = server.sockets[0].getsockname()[1]
        yield kite


class Market:
    """A sink that applies what it is given to an engine, with a mark after each record."""

    def __init__(self, calendar: str) -> None:
        self.engine = Engine(calendar)
        self.universe = Universe()
        self.clock = MarketClock()
        self.records: list[Record] = []
        self.rejected: list[str] = []
        self._news = asyncio.Event()

    def put(self, record: Record) -> None:
        if isinstance(record, References):
            for reference in record.references:
                self.universe.add(reference.symbol)
        known = self.engine.table.n
        if len(self.universe) > known:
            self.engine.apply(Symbols(known, self.universe.symbols[known:]))
        self.engine.apply(record)
        self.records.append(record)
        now_ns = self.clock.now_ns()
        if self.engine.table.session is not None or not isinstance(record, FeedState):
            self.engine.apply(Mark(now_ns, now_ns))
        self._news.set()

    def alive(self, complete_ns: int) -> None:
        pass

    def raw(self, frames: Sequence[bytes]) -> None:
        self._news.set()

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append(f"{kind}: {sample!r}")
        self._news.set()

    def row(self, symbol: str) -> dict[str, float]:
        row = self.engine.table.row(self.universe.rows[symbol])
        return {name: row[name] for name in row.dtype.names}

    @property
    def states(self) -> list[FeedState]:
        return [r for r in self.records if isinstance(r, FeedState)]

    async def until(self, true: Callable[["Market"], bool], limit_s: float = 10.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true(self):
                self._news.clear()
                await self._news.wait()
