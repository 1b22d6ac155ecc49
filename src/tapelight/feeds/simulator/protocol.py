"""Massive's WebSocket conversation: statuses, authentication, subscriptions."""

import asyncio
import hmac

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from tapelight.feeds.simulator.hub import CHANNELS, Client, Hub

AUTH_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
_REFUSED = frozenset({"NOI", "FMV", "LV"})
"""Channels outside the plan."""


class Request(msgspec.Struct):
    """Say what a client asks: {"action":"subscribe","params":"T.AAPL,A.*"}."""

    action: str
    params: str = ""


class Door:
    """Receive connections, let the key holder in, and hand its wishes to the hub."""

    def __init__(
        self, hub: Hub, api_key: str, buffer_bytes: int, rows: dict[str, int],
        begin: asyncio.Event,
    ) -> None:  # fmt: skip
        self._hub, self._api_key = hub, api_key
        self._buffer_bytes, self._rows = buffer_bytes, rows
        self._begin = begin

    async def stream(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        await socket.accept()
        client = Client(self._buffer_bytes, self._rows)
        client.put(status("connected", "Connected Successfully"))
        tasks = {
            asyncio.create_task(_write(socket, client)),
            asyncio.create_task(self._read(socket, client)),
            asyncio.create_task(_last_words(client)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._api_key, client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            client.gone.set()

    async def _read(self, socket: WebSocket, client: Client) -> None:
        authorised = False
        while client.farewell is None:
            limit = None if authorised else AUTH_TIMEOUT_S
            try:
                async with asyncio.timeout(limit):
                    text = await socket.receive_text()
            except TimeoutError:
                client.cut(status("auth_timeout", "No authentication request received."))
            except (WebSocketDisconnect, KeyError):
                return
            else:
                authorised = self._answer(text, client, authorised)
        await asyncio.sleep(2 * CLOSE_TIMEOUT_S)

    def _answer(self, text: str, client: Client, authorised: bool) -> bool:
        try:
            request = msgspec.json.decode(text, type=Request)
        except (msgspec.DecodeError, msgspec.ValidationError):
            client.put(status("error", "invalid message"))
            return authorised
        if request.action == "auth":
            return self._authenticate(request.params, client)
        if not authorised:
            client.put(status("error", "not authorized"))
        elif request.action in ("subscribe", "unsubscribe"):
            self._change(request, client)
        else:
            client.put(status("error", f"unknown action: {request.action}"))
        return authorised

    def _authenticate(self, key: str, client: Client) -> bool:
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            client.cut(status("auth_failed", "authentication failed"))
            return False
        self._hub.admit(self._api_key, client)
        client.put(status("auth_success", "authenticated"))
        return True

    def _change(self, request: Request, client: Client) -> None:
        refused, done = [], []
        topics = set(client.topics)
        for topic in request.params.split(","):
            channel, _, symbol = topic.partition(".")
            if channel in _REFUSED:
                refused.append(("error", "not authorized"))
            elif request.action == "subscribe" and channel in CHANNELS and symbol:
                if topic not in topics:
                    topics.add(topic)
                    done.append(("success", f"subscribed to: {topic}"))
            elif request.action == "unsubscribe" and topic in topics:
                topics.discard(topic)
                done.append(("success", f"unsubscribed to: {topic}"))
        client.subscribe(topics)
        if refused or done:
            client.put(statuses(refused + done))
        if topics:
            self._begin.set()


async def _write(socket: WebSocket, client: Client) -> None:
    try:
        while True:
            frame = client.pop()
            if frame is not None:
                await socket.send_text(frame)
            elif client.farewell is not None:
                await socket.send_text(client.farewell)
                await socket.close(client.code)
                return
            else:
                await client.ready.wait()
    except (WebSocketDisconnect, RuntimeError):
        # Starlette raises RuntimeError for a send after the peer is gone.
        return


async def _last_words(client: Client) -> None:
    """End a while after the client was cut off: one that does not read would block for ever."""
    await client.cut_off.wait()
    await asyncio.sleep(CLOSE_TIMEOUT_S)


def status(name: str, message: str) -> str:
    """Return a frame with one status."""
    return statuses([(name, message)])


def statuses(found: list[tuple[str, str]]) -> str:
    """Return one frame with all statuses, each (status, message)."""
    rows = [{"ev": "status", "status": name, "message": message} for name, message in found]
    return msgspec.json.encode(rows).decode()
