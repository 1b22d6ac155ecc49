"""A provider in virtual time: its stream and its REST service, and what may go wrong with them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tapelight.model.batch import Floats, Int64s

MS = 1_000_000
KEY = "key"
STREAM, REST = 1, 2
"""Ports."""
MINUTE_MS = 60_000
BAR_MS = 500
"""So long after its end a minute's bars are sent."""
STOCKS = "/v2/snapshot/locale/us/markets/stocks/tickers"


@dataclass(frozen=True)
class Market:
    """Hold the prints of a market in the order sent: each is sent at its own time."""

    symbols: tuple[str, ...]
    ts_ms: Int64s
    row: Int64s
    price: Floats
    size: Int64s

    def until(self, now_ms: float) -> int:
        """Return how many prints there have been."""
        return int(np.searchsorted(self.ts_ms, now_ms, "right"))


def event(market: Market, i: int, delay_ms: int = 0) -> dict[str, Any]:
    """Return a print as the stream sends it, `delay_ms` after it was made."""
    return {
        "ev": "T", "sym": market.symbols[market.row[i]], "x": 4, "i": str(i), "z": 3,
        "p": float(market.price[i]), "s": int(market.size[i]), "c": [14],
        "t": int(market.ts_ms[i]) - delay_ms, "q": 10 * i + 1000,
    }  # fmt: skip


def bars(market: Market, minute: int) -> list[dict[str, Any]]:
    """Return the bars of a minute as the stream sends them."""
    begin, end = (int(np.searchsorted(market.ts_ms, m * MINUTE_MS)) for m in (minute, minute + 1))
    found = []
    for row in np.unique(market.row[begin:end]).tolist():
        at = begin + np.flatnonzero(market.row[begin:end] == row)
        price, size = market.price[at], market.size[at]
        so_far = market.size[:end][market.row[:end] == row].sum()
        found.append({
            "ev": "AM", "sym": market.symbols[row], "v": int(size.sum()), "av": int(so_far),
            "o": price[0], "h": price.max(), "l": price.min(), "c": price[-1],
            "vw": float((price * size).sum() / size.sum()), "z": 100,
            "s": minute * MINUTE_MS, "e": (minute + 1) * MINUTE_MS,
        })  # fmt: skip
    return found


@dataclass
class Provider:
    """Serve a market; a trial breaks it by calling its methods."""

    market: Market
    now_ms: Callable[[], float]
    delay_ms: int = 0
    """How old all is that stream and REST tell."""
    streams: list["Stream"] = field(default_factory=list)
    down: bool = False
    """New connections are cut at once."""
    rest_fault: str = ""
    """429 or 500: what REST answers; slow: only after three seconds; hole: nothing at all."""
    open: int = 0
    most_open: int = 0
    connections: int = 0
    polls: int = 0
    delivered_ms: float = 0.0
    """Until when the stream has brought all."""
    mute: bool = False
    """New connections bring nothing, for ever; those of before are mute already."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def subscribed(self, after: int = 0) -> None:
        """Return when somebody listens to a sound stream that is not one of the first `after`."""
        while not any(
            s.subscribed and not s.mute and not s.deaf and s.number > after for s in self.streams
        ):
            self.changed.clear()
            await self.changed.wait()

    async def run(self) -> None:
        """Send prints and minute bars to whoever asked for them."""
        await asyncio.gather(self._prints(), self._bars())

    async def _bars(self) -> None:
        """Send the bars of each minute soon after its end."""
        begin, end = (int(self.market.ts_ms[i]) // MINUTE_MS for i in (0, -1))
        for minute in range(begin, end + 1):
            due_ms = (minute + 1) * MINUTE_MS + BAR_MS
            await asyncio.sleep((due_ms - self.now_ms()) / 1000.0)
            frame = json.dumps(bars(self.market, minute))
            for stream in list(self.streams):
                if "AM" in stream.channels and stream.send(frame):
                    self.delivered_ms = self.now_ms()

    async def _prints(self) -> None:
        """Send each print at its time, those of one time in one frame."""
        loop, market = asyncio.get_running_loop(), self.market
        times, first = np.unique(market.ts_ms, return_index=True)
        ends = [*first[1:].tolist(), len(market.ts_ms)]
        for ts, begin, end in zip(times.tolist(), first.tolist(), ends, strict=True):
            if (wait_s := (ts - self.now_ms()) / 1000.0) > 0:
                await asyncio.sleep(wait_s)
            frame = json.dumps([event(market, i, self.delay_ms) for i in range(begin, end)])
            heard = [stream.send(frame) for stream in self.streams if "T" in stream.channels]
            if any(heard):
                self.delivered_ms = self.now_ms()
        await loop.create_future()

    def snapshot(self) -> dict[str, Any]:
        """Return the day so far."""
        market, n = self.market, self.market.until(self.now_ms())
        rows, price, size = market.row[:n], market.price[:n], market.size[:n]
        volume = np.bincount(rows, size, len(market.symbols))
        tickers = []
        for row in np.flatnonzero(volume).tolist():
            at = np.flatnonzero(rows == row)
            mine, last = price[at], int(at[-1])
            vwap = float((mine * size[at]).sum() / size[at].sum())
            last_ns = (int(market.ts_ms[last]) - self.delay_ms) * MS
            tickers.append({
                "ticker": market.symbols[row], "updated": last_ns,
                "day": {"o": mine[0], "h": mine.max(), "l": mine.min(), "c": mine[-1],
                        "v": volume[row], "vw": vwap},
                "min": {"av": volume[row], "c": mine[-1]}, "prevDay": {"c": 10.0},
                "lastTrade": {"p": mine[-1], "c": [14], "t": last_ns},
            })  # fmt: skip
        return {"tickers": tickers}

    def trades(self, symbol: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return past prints of one symbol, oldest first."""
        market, n = self.market, self.market.until(self.now_ms())
        row = market.symbols.index(symbol)
        low, high = (int(query[f"timestamp.{k}"][0]) for k in ("gte", "lte"))
        stamps = (market.ts_ms[:n] - self.delay_ms) * MS
        at = np.flatnonzero((market.row[:n] == row) & (stamps >= low) & (stamps <= high))
        return {"results": [
            {"price": float(market.price[i]), "size": int(market.size[i]), "conditions": [14],
             "sip_timestamp": int(stamps[i]), "sequence_number": 10 * i + 1000, "exchange": 4}
            for i in at.tolist()
        ]}  # fmt: skip

    def answer(self, path: str) -> tuple[int, Any]:
        """Return status and body of a request."""
        url = urlsplit(path)
        if url.path == "/simulator/clock":
            return 200, {"now_ns": round(self.now_ms() * MS), "rate": 1.0, "held": False}
        if url.path == "/v1/marketstatus/now":
            return 200, {"market": "open"}
        if url.path == STOCKS:
            self.polls += 1
            return 200, self.snapshot()
        if url.path.startswith("/v3/trades/"):
            return 200, self.trades(url.path.rpartition("/")[2], parse_qs(url.query))
        return 404, {"status": "NOT_FOUND"}


class Stream(asyncio.Protocol):
    """Be the provider's end of one stream."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._protocol = ServerProtocol()
        self.number = 0
        self.subscribed = False
        self.channels: set[str] = set()
        self.deaf = False
        """Half-open: nothing is read or sent any more, and nothing is closed."""
        self.mute = provider.mute

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        provider = self._provider
        provider.connections += 1
        self.number = provider.connections
        if provider.down:
            transport.abort()
            return
        provider.open += 1
        provider.most_open = max(provider.most_open, provider.open)
        provider.streams.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._provider.streams:
            self._provider.streams.remove(self)
            self._provider.open -= 1

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        self._protocol.receive_data(data)
        for received in self._protocol.events_received():
            if isinstance(received, Request):
                self._protocol.send_response(self._protocol.accept(received))
                self._say("connected")
            elif isinstance(received, Frame) and received.opcode is Opcode.TEXT:
                self._listen(json.loads(bytes(received.data)))
        self._flush()

    def _listen(self, asked: dict[str, str]) -> None:
        if asked["action"] == "auth":
            self._say("auth_success")
            return
        for topic in asked["params"].split(","):
            self._say("success", f"subscribed to: {topic}")
            self.channels.add(topic.partition(".")[0])
        self.subscribed = True
        self._provider.changed.set()

    def _say(self, status: str, message: str = "") -> None:
        text = json.dumps([{"ev": "status", "status": status, "message": message}])
        self._protocol.send_text(text.encode())

    def send(self, frame: str | bytes) -> bool:
        """Send a frame; tell whether it went out."""
        if self.deaf or self.mute or self.transport.is_closing():
            return False
        self._protocol.send_text(frame.encode() if isinstance(frame, str) else frame)
        self._flush()
        return True

    def cut(self) -> None:
        """Close the connection in order."""
        self.transport.close()

    def reset(self) -> None:
        """Break the connection in the middle of a frame."""
        self.transport.write(b'\x81\x7e\x10\x00[{"ev":"T","sym"')
        asyncio.get_running_loop().call_soon(self.transport.abort)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                self.transport.close()


class Rest(asyncio.Protocol):
    """Be the provider's end of one HTTP connection."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            path = self._data.split(b" ", 2)[1].decode()
            self._data = self._data[end + 4 :]
            self._answer(path)

    def _answer(self, path: str) -> None:
        provider = self._provider
        if provider.rest_fault in ("429", "500"):
            self._send(int(provider.rest_fault), {"status": "ERROR"})
        elif provider.rest_fault == "hole":
            pass
        elif provider.rest_fault == "slow":
            loop = asyncio.get_running_loop()
            loop.call_later(3.0, lambda: self._send(*provider.answer(path)))
        else:
            self._send(*provider.answer(path))

    def _send(self, code: int, body: Any) -> None:
        if self.transport.is_closing():
            return
        raw = json.dumps(body).encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(raw)}\r\n\r\n"
        self.transport.write(head.encode() + raw)
