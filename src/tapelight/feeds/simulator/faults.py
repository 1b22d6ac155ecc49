"""Faults on demand: the simulator's stream and REST misbehave as `/simulator/line` says.

    curl -X PUT http://127.0.0.1:PORT/simulator/line -d '{"mute": true}'
    curl -X DELETE http://127.0.0.1:PORT/simulator/line

They stand between the protocol and the socket, so that every protocol has them; what the market
truly did is in the ledger. Paths under /simulator are never touched.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Share = Annotated[float, Meta(ge=0, le=1)]
_HEAD_BYTES = 48
_CONTROL = (b"status", b"success", b"subscription", b"error", b"authorization", b"listening")
"""A frame with one of these in its head is conversation, not data: no fault touches it."""
_DRIPS = 20
_MOST_HELD = 10_000
PATH = "/simulator/line"
TEXT, BINARY = "text", "bytes"


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say what goes wrong; shares are of the frames or requests."""

    mute: bool = False
    """Data frames are not sent; the connection stays open and answers pings."""
    duplicate: Share = 0.0
    """Sent twice."""
    reorder: Share = 0.0
    """Sent after the frame that follows."""
    late: Share = 0.0
    """Sent `late_s` later than the others."""
    late_s: Annotated[float, Meta(ge=0, le=600)] = 2.0
    corrupt: Share = 0.0
    """Some bytes are replaced."""
    flood: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Each frame is sent so many times more."""
    status: Annotated[int, Meta(ge=0, le=599)] = 0
    """Requests are answered with this HTTP status, 429 or 500 say; 0: as they should be."""
    status_share: Share = 1.0
    retry_after_s: Annotated[int, Meta(ge=0)] = 1
    """What a 429 says."""
    slow_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    """A body takes so long, a twentieth at a time."""
    under: str = "/"
    """Only requests whose path begins so."""
    seed: int = 1


class Unreliable:
    """Wrap the simulator's application; `faults` may be changed at any time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.faults = Faults()
        self.counts: dict[str, int] = {}
        """How often each fault was done since it was set."""
        self._dice = random.Random(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection or a request, with its faults."""
        if scope["type"] == "websocket":
            line = _Line(self, send)
            try:
                await self._app(scope, receive, line.send)
            finally:
                await line.close()
        elif scope["type"] == "http" and scope["path"] == PATH:
            await (await self._control(Request(scope, receive)))(scope, receive, send)
        elif scope["type"] == "http" and self._applies(scope["path"]):
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def happens(self, name: str, share: float) -> bool:
        """Throw the dice for a fault, and count it."""
        if share <= 0.0 or (share < 1.0 and self._dice.random() >= share):
            return False
        self.counts[name] = self.counts.get(name, 0) + 1
        return True

    def corrupted(self, data: bytes) -> bytes:
        """Return `data` with some bytes replaced."""
        found = bytearray(data)
        for _ in range(min(len(found), self._dice.randrange(1, 5))):
            found[self._dice.randrange(len(found))] = self._dice.randrange(32, 127)
        return bytes(found)

    def _applies(self, path: str) -> bool:
        faults = self.faults
        return not path.startswith("/simulator/") and path.startswith(faults.under)

    async def _control(self, request: Request) -> Response:
        """Answer GET, PUT and DELETE of the faults."""
        if request.method == "PUT":
            try:
                self._set(msgspec.json.decode(await request.body(), type=Faults))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                return _json({"status": "ERROR", "error": f"These are no faults: {error}."}, 400)
        elif request.method == "DELETE":
            self._set(Faults())
        elif request.method != "GET":
            return _json({"status": "ERROR", "error": "Use GET, PUT or DELETE."}, 405)
        return _json({"faults": self.faults, "counts": self.counts})

    def _set(self, faults: Faults) -> None:
        self.faults, self.counts, self._dice = faults, {}, random.Random(faults.seed)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.faults
        if faults.status and self.happens("status", faults.status_share):
            await _refusal(faults)(scope, receive, send)
        elif faults.slow_s > 0.0:
            self.happens("slow", 1.0)
            await self._app(scope, receive, _dripping(send, faults.slow_s))
        else:
            await self._app(scope, receive, send)


class _Line:
    """Do what is to be done to the frames of one connection."""

    def __init__(self, faulty: Unreliable, send: Send) -> None:
        self._faulty = faulty
        self._send = send
        self._one_at_a_time = asyncio.Lock()
        self._behind: Message | None = None
        """A frame that waits for the one after it."""
        self._late: set[asyncio.Task[None]] = set()

    async def send(self, message: Message) -> None:
        """Send a message, or what the faults make of it."""
        if message["type"] != "websocket.send" or _is_control(message):
            await self._out(message)
            return
        faulty, faults = self._faulty, self._faulty.faults
        if faults.mute and faulty.happens("mute", 1.0):
            return
        if faulty.happens("corrupt", faults.corrupt):
            message = _corrupt(message, faulty.corrupted)
        if len(self._late) < _MOST_HELD and faulty.happens("late", faults.late):
            self._later(message, faults.late_s)
            return
        if self._behind is None and faulty.happens("reorder", faults.reorder):
            self._behind = message
            return
        await self._out(message)
        behind, self._behind = self._behind, None
        if behind is not None:
            await self._out(behind)
        for _ in range(faults.flood + faulty.happens("duplicate", faults.duplicate)):
            await self._out(message)

    async def close(self) -> None:
        """Forget what was to come late."""
        for task in self._late:
            task.cancel()
        if self._late:
            await asyncio.wait(self._late)

    def _later(self, message: Message, after_s: float) -> None:
        async def send() -> None:
            await asyncio.sleep(after_s)
            # The connection may have ended meanwhile.
            with contextlib.suppress(RuntimeError, OSError):
                await self._out(message)

        task = asyncio.create_task(send(), name="a late frame")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _out(self, message: Message) -> None:
        async with self._one_at_a_time:
            await self._send(message)


def _is_control(message: Message) -> bool:
    text, data = message.get(TEXT), message.get(BINARY)
    head = (text[:_HEAD_BYTES].encode() if text is not None else data or b"")[:_HEAD_BYTES]
    return any(word in head for word in _CONTROL)


def _corrupt(message: Message, corrupted: Callable[[bytes], bytes]) -> Message:
    text = message.get(TEXT)
    if text is None:
        return {**message, BINARY: corrupted(message[BINARY])}
    return {**message, TEXT: corrupted(text.encode()).decode(errors="replace")}


def _refusal(faults: Faults) -> Response:
    headers = {"Retry-After": str(faults.retry_after_s)} if faults.status == 429 else {}
    body = {"status": "ERROR", "error": f"A fault was asked for: {faults.status}."}
    return _json(body, faults.status, headers)


def _dripping(send: Send, seconds: float) -> Callable[[Message], Awaitable[None]]:
    """Return a send that takes `seconds` for a body."""

    async def drip(message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await send(message)
            return
        size = -(-len(body) // _DRIPS)
        for at in range(0, len(body), size):
            await asyncio.sleep(seconds / _DRIPS)
            last = at + size >= len(body)
            more = bool(message.get("more_body")) or not last
            await send({**message, "body": body[at : at + size], "more_body": more})

    return drip


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(body)
    return Response(content, status, headers, media_type="application/json")
