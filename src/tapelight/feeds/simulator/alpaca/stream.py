"""Alpaca's market-data stream: one connection an endpoint, JSON or MessagePack."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.forms import Event, Forms, Time, packed, stamp
from tapelight.feeds.simulator.alpaca.guard import Keys
from tapelight.feeds.simulator.alpaca.playground import Playground
from tapelight.feeds.simulator.alpaca.side import Seen, Side
from tapelight.feeds.simulator.alpaca.wishes import Request, Wishes

AUTH_S = 10.0
FRAME_EVENTS = 500
WORDS = {
    400: "invalid syntax", 401: "not authenticated", 402: "auth failed",
    403: "already authenticated", 404: "auth timeout", 405: "symbol limit exceeded",
    406: "connection limit exceeded", 407: "slow client", 409: "insufficient subscription",
}  # fmt: skip
PLAYED = {"t": "trades", "q": "quotes", "b": "bars"}
LAST = frozenset({402, 404, 406, 407, 409})
"""After these the connection ends."""
_json, _msgpack = msgspec.json.Encoder(), msgspec.msgpack.Encoder()


class Reader:
    """Hold one connection: what it asked for, and what waits to be sent."""

    def __init__(self, rows: dict[str, int], limit_bytes: int, pack: bool) -> None:
        self.wishes = Wishes(rows)
        self.authenticated = False
        self.time: Time = packed if pack else stamp
        self.pack = pack
        self.ended = False
        """Whether the connection is to be closed once all is sent."""
        self.waiting: deque[bytes] = deque()
        self.ready = asyncio.Event()
        self._limit, self._bytes = limit_bytes, 0

    def put(self, events: list[Event]) -> None:
        """Queue events as one frame; a client that holds too much is cut off."""
        if self.ended:
            return
        frame = (_msgpack if self.pack else _json).encode(events)
        if self._bytes + len(frame) > self._limit:
            self.waiting.clear()
            self._bytes = 0
            self.fail(407)
            return
        self.waiting.append(frame)
        self._bytes += len(frame)
        self.ready.set()

    def pop(self) -> bytes | None:
        """Take the next frame."""
        if not self.waiting:
            return None
        frame = self.waiting.popleft()
        self._bytes -= len(frame)
        return frame

    def say(self, message: str) -> None:
        """Queue a success."""
        self.put([{"T": "success", "msg": message}])

    def fail(self, code: int) -> None:
        """Queue an error, after which the connection may end."""
        self.put([{"T": "error", "code": code, "msg": WORDS[code]}])
        self.ended = code in LAST
        self.ready.set()


class DataStream:
    """Serve one endpoint, such as v2/sip; one with a playground brings what that makes."""

    def __init__(
        self, side: Side, keys: Keys, faults: Switches, begin: Callable[[], None],
        playground: Playground | None = None,
    ) -> None:  # fmt: skip
        self._side, self._keys, self._faults, self._begin = side, keys, faults, begin
        self._playground = playground
        simulation = side.simulation
        self._rows, self._limit = simulation.row_of, simulation.options.buffer_bytes
        self._forms = Forms(simulation.listing)
        self._trading = simulation.tape.day.luld.trading.copy()
        self._reader: Reader | None = None

    def broadcast(self, seen: Seen) -> None:
        """Send a window to the reader, if there is one."""
        if self._playground is not None:
            self._play(self._playground, seen)
            return
        now = self._side.simulation.tape.day.luld.trading
        changed = np.flatnonzero(now != self._trading)
        self._trading = now.copy()
        reader = self._reader
        if reader is None:
            return
        found = self._events(reader, seen)
        for row in reader.wishes.pick("statuses", changed):
            at = int(changed[row])
            halted = not bool(now[at])
            found.append(self._forms.status(at, halted, seen.window.end_ms, reader.time))
        for i in range(0, len(found), FRAME_EVENTS):
            reader.put(found[i : i + FRAME_EVENTS])

    def _play(self, playground: Playground, seen: Seen) -> None:
        reader = self._reader
        time = reader.time if reader is not None else stamp
        found = playground.events(seen.window.start_ms, seen.window.end_ms, time)
        if reader is not None and found:
            wants = reader.wishes.wants
            kept = [e for e in found if wants(PLAYED[str(e["T"])], str(e["S"]))]
            if kept:
                reader.put(kept)

    def _events(self, reader: Reader, seen: Seen) -> list[Event]:
        forms, pick, time, window = self._forms, reader.wishes.pick, reader.time, seen.window
        venue = "V" if self._side.name == "iex" else ""
        found = [
            forms.quote(window.quotes, at, time, venue) for at in pick("quotes", window.quotes.row)
        ]
        found += [
            forms.trade(window.trades, at, int(seen.numbers[at]), time)
            for at in pick("trades", window.trades.row)
        ]
        found += self._amended(reader, seen)
        if window.bands is not None:
            bands = window.bands
            found += [forms.band(bands, at, time) for at in pick("lulds", bands.row)]
        for kind, channel, closed in (("b", "bars", seen.bars), ("u", "updatedBars", seen.updated)):
            for bars in closed:
                found += [forms.bar(kind, bars, at, time) for at in pick(channel, bars.row)]
        return found

    def _amended(self, reader: Reader, seen: Seen) -> list[Event]:
        found, now_ms = [], seen.window.end_ms
        for one in seen.amended:
            if not reader.wishes.pick("trades", np.array([one.row])):
                continue
            what = (one.trades, one.at, one.number)
            if one.price:
                found.append(self._forms.correction(*what, one.price, now_ms, reader.time))
            else:
                found.append(self._forms.cancel(*what, now_ms, reader.time))
        return found

    def close(self) -> None:
        """End the connection after what waits."""
        if self._reader is not None:
            self._reader.ended = True
            self._reader.ready.set()

    async def stream(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        await socket.accept()
        given = socket.headers
        reader = Reader(self._rows, self._limit, "msgpack" in given.get("content-type", ""))
        reader.say("connected")
        if "apca-api-key-id" in given:
            keys = (given["apca-api-key-id"], given.get("apca-api-secret-key", ""))
            self._authenticate(reader, *keys)
        tasks = {
            asyncio.create_task(_write(socket, reader), name="data out"),
            asyncio.create_task(self._read(socket, reader), name="data in"),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reader.ended:
                await asyncio.wait(tasks, timeout=1.0)
        finally:
            if self._reader is reader:
                self._reader = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: WebSocket, reader: Reader) -> None:
        while not reader.ended:
            try:
                limit = None if reader.authenticated else AUTH_S
                async with asyncio.timeout(limit):
                    message = await socket.receive()
            except TimeoutError:
                reader.fail(404)
                return
            except WebSocketDisconnect:
                return
            if message["type"] == "websocket.disconnect":
                return
            self._answer(message.get("text") or message.get("bytes") or b"", reader)

    def _answer(self, text: str | bytes, reader: Reader) -> None:
        try:
            if reader.pack and isinstance(text, bytes):
                request = msgspec.msgpack.decode(text, type=Request)
            else:
                request = msgspec.json.decode(text, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            reader.fail(400)
            return
        if request.action == "auth":
            self._authenticate(reader, request.key, request.secret)
        elif not reader.authenticated:
            reader.fail(401)
        elif request.action in ("subscribe", "unsubscribe"):
            self._change(request, reader)
        else:
            reader.fail(400)

    def _authenticate(self, reader: Reader, key: str, secret: str) -> None:
        if reader.authenticated:
            reader.fail(403)
        elif not self._keys.fit(key, secret):
            reader.fail(402)
        elif self._faults.now.no_sip and self._side.name == "sip" and not self._playground:
            reader.fail(409)
        elif self._reader is not None:
            reader.fail(406)
        else:
            reader.authenticated = True
            self._reader = reader
            reader.say("authenticated")

    def _change(self, request: Request, reader: Reader) -> None:
        free = self._side.name == "iex" and self._faults.now.free_limit
        if request.action == "subscribe" and free and not reader.wishes.fit(request):
            reader.fail(405)
            return
        reader.wishes.change(request)
        reader.put([reader.wishes.form()])
        self._begin()


async def _write(socket: WebSocket, reader: Reader) -> None:
    # Starlette raises RuntimeError for a send after the peer is gone.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            frame = reader.pop()
            if frame is not None and reader.pack:
                await socket.send_bytes(frame)
            elif frame is not None:
                await socket.send_text(frame.decode())
            elif reader.ended:
                await socket.close()
                return
            else:
                reader.ready.clear()
                await reader.ready.wait()
