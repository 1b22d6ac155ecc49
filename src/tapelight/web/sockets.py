"""Uvicorn's protocols with the time limits that it lacks, and the listening socket."""

import asyncio
import errno
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from tapelight.errors import ConfigError
from tapelight.web.address import Crowd

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

HANDSHAKE_S = 5.0
"""A request's head must be complete within this time."""
BODY_S = 12.0
"""And its body within this time after it; the application tells a slow one a little earlier."""
CLOSE_S = 5.0
"""A client has this long to take a close frame before the connection is cut."""
SHUTDOWN_S = 0.5
BACKLOG = 2_048
MOST_PORT = 65_535
SEND_BUFFER = 256 * 1024
"""The kernel's share for one client: what hides how far behind it is."""


class Server(uvicorn.Server):
    """Leave the signals to the caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve_on(listener: socket.socket, config: uvicorn.Config, stop_s: float) -> None:
    """Serve an application until cancelled; then end within `stop_s`."""
    server = Server(config)
    serving = asyncio.create_task(server.serve([listener]), name="uvicorn")
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait({serving}, timeout=stop_s)
        serving.cancel()


class Http(H11Protocol):
    """Cut connections that don't complete a request's head or body in time (slowloris).

    An address that has too many of them gets no more.
    """

    crowd: ClassVar[Crowd | None] = None
    _head_timer: TimerHandle | None = None
    _body_timer: TimerHandle | None = None
    _upgraded = False
    _counted = ""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the clock of the first request, where there is room."""
        super().connection_made(transport)
        client = self.client[0] if self.client else ""
        if self.crowd is not None and client:
            if not self.crowd.enter(client):
                transport.abort()
                return
            self._counted = client
        self._arm()

    def _leave(self) -> None:
        if self.crowd is not None and self._counted:
            self.crowd.leave(self._counted)
            self._counted = ""

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request is being answered; start it with the next."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering or self._upgraded or self.transport.is_closing():
            self._disarm()
        elif self._head_timer is None:
            self._arm()
        self._watch_body(cycle)

    def _watch_body(self, cycle: RequestResponseCycle | None) -> None:
        """Start the clock of a body that has begun, whether it is read or was refused already."""
        coming = cycle is not None and self.conn.their_state is h11.SEND_BODY
        if not coming or self._upgraded:
            self._disarm_body()
        elif self._body_timer is None:
            self._body_timer = self.loop.call_later(BODY_S, self.transport.abort)

    def _disarm_body(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._disarm()
        self._disarm_body()
        self._leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close, and cut the connection if that doesn't happen soon."""
        super().shutdown()
        self.loop.call_later(SHUTDOWN_S, self.transport.abort)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection to the WebSocket protocol."""
        self._upgraded = True
        self._leave()
        super().handle_websocket_upgrade(event)

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(HANDSHAKE_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def counting(crowd: Crowd) -> type[Http]:
    """Return the protocol whose connections are counted."""

    class Counted(Http):
        pass

    Counted.crowd = crowd
    return Counted


@lru_cache(maxsize=8)
def _frame(text: str) -> bytes:
    """Return `text` as a server's frame: the same bytes for every client of a topic."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False, extensions=[])


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Share frames among clients, and close also a client that takes nothing.

    Without compression and masks a frame depends on its text alone. A full buffer holds no
    close frame back.
    """

    _abort_timer: TimerHandle | None = None

    async def send(self, message: "ASGISendEvent") -> None:
        """Send one ASGI message; waits while the client is behind, except for a close."""
        text = message.get("text")
        if isinstance(text, str) and self.handshake_complete:
            await self._send_text(text)
            return
        if message["type"] == "websocket.close":
            self.writable.set()
            self._abort_after(CLOSE_S)
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # else each refusal is a fault in uvicorn's log

    async def _send_text(self, text: str) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.transport.is_closing():
            raise ClientDisconnected
        self.transport.write(_frame(text))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close with 1012, and cut the connection if that doesn't happen soon."""
        super().shutdown()
        self._abort_after(SHUTDOWN_S)

    def _abort_after(self, delay_s: float) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(delay_s, self.transport.abort)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a port in use is known before anything starts.

    Raises ConfigError that names the address and the remedy.
    """
    if not 0 <= port <= MOST_PORT:
        raise ConfigError(f"Port {port} doesn't exist: choose one from 1 to {MOST_PORT}.")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _listen(socket.socket(family, kind, proto), address)
    except OSError as error:
        raise ConfigError(_remedy(host, port, error)) from error


def _listen(sock: socket.socket, address: object) -> socket.socket:
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.bind(address)  # type: ignore[arg-type]
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _remedy(host: str, port: int, error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return (
                f"Port {port} on {host} is in use: stop the program that uses it, or choose "
                "another port with --port."
            )
        case errno.EACCES:
            return f"Port {port} needs root: choose one above 1023 with --port."
        case errno.EADDRNOTAVAIL:
            return f"This machine has no address {host}: use 127.0.0.1 or 0.0.0.0 as host."
    return f"Can't listen on {host}:{port} ({error}): check host and port."
