"""The stream of trade updates: authenticate, listen, and what happened to each order."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.guard import Keys
from tapelight.feeds.simulator.alpaca.venue import Update

TRADE_UPDATES = "trade_updates"
AUTH_S = 10.0
MAX_WAITING = 10_000
GOING_AWAY, TOO_SLOW = 1001, 1008


class Request(msgspec.Struct):
    """Say what a client asks: {"action":"listen","data":{"streams":["trade_updates"]}}."""

    action: str = ""
    data: dict[str, str | list[str]] = {}
    key: str = ""
    secret: str = ""


class Listener:
    """Hold one connection: what waits to be sent, and whether it listens."""

    def __init__(self) -> None:
        self.authorized = False
        self.listens = False
        self.code = 0
        """Set once the connection is to be closed."""
        self.waiting: deque[bytes] = deque()
        self.ready = asyncio.Event()

    def put(self, message: object) -> None:
        """Queue a message; a client that does not read is sent away."""
        if len(self.waiting) >= MAX_WAITING:
            self.leave(TOO_SLOW)
            return
        self.waiting.append(msgspec.json.encode(message))
        self.ready.set()

    def leave(self, code: int) -> None:
        """Let the connection end."""
        self.code = code
        self.ready.set()


class Updates:
    """Serve connections to /stream; updates go out as binary frames, as on Alpaca's paper host."""

    def __init__(self, keys: Keys, faults: Switches, begin: Callable[[], None]) -> None:
        self._keys, self._faults, self._begin = keys, faults, begin
        self._listeners: list[Listener] = []

    def tell(self, update: Update) -> None:
        """Send an update to all who listen."""
        if self._faults.now.mute_updates:
            return
        for listener in self._listeners:
            if listener.listens:
                for _ in range(2 if self._faults.now.duplicate_updates else 1):
                    listener.put({"stream": TRADE_UPDATES, "data": update})

    def drop(self) -> int:
        """Break all connections; return how many there were."""
        for listener in self._listeners:
            listener.leave(GOING_AWAY)
        return len(self._listeners)

    async def stream(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        await socket.accept()
        listener = Listener()
        self._listeners.append(listener)
        tasks = {
            asyncio.create_task(_write(socket, listener), name="updates out"),
            asyncio.create_task(self._read(socket, listener), name="updates in"),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._listeners.remove(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: WebSocket, listener: Listener) -> None:
        try:
            while True:
                limit = None if listener.authorized else AUTH_S
                async with asyncio.timeout(limit):
                    message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                self._answer(message.get("text") or message.get("bytes") or b"", listener)
        except (TimeoutError, WebSocketDisconnect):
            return

    def _answer(self, text: str | bytes, listener: Listener) -> None:
        try:
            request = msgspec.json.decode(text, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            listener.put({"stream": "error", "data": {"error": "invalid message"}})
            return
        if request.action in ("authenticate", "auth"):
            self._authenticate(request, listener)
        elif request.action == "listen" and listener.authorized:
            wanted = request.data.get("streams") or []
            listener.listens = TRADE_UPDATES in wanted
            streams = [TRADE_UPDATES] if listener.listens else []
            listener.put({"stream": "listening", "data": {"streams": streams}})
            self._begin()
        else:
            listener.put({"stream": "authorization", "data": {"status": "unauthorized"}})

    def _authenticate(self, request: Request, listener: Listener) -> None:
        data = request.data
        key, secret = data.get("key_id") or request.key, data.get("secret_key") or request.secret
        listener.authorized = self._keys.fit(str(key), str(secret))
        status = "authorized" if listener.authorized else "unauthorized"
        answer = {"status": status, "action": "authenticate"}
        listener.put({"stream": "authorization", "data": answer})


async def _write(socket: WebSocket, listener: Listener) -> None:
    try:
        while True:
            await listener.ready.wait()
            listener.ready.clear()
            while listener.waiting and not listener.code:
                await socket.send_bytes(listener.waiting.popleft())
            if listener.code:
                await socket.close(listener.code)
                return
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a send after the peer is gone.
        return
