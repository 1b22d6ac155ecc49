"""Hold one WebSocket connection to a provider: connect, watchdog on data, backoff.

Pings prove only that a socket is open; an open but mute one is found by the watchdog, which
counts the time without a frame. Whatever goes wrong with the connection is `Unavailable`.
"""

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from tapelight.errors import ConfigError, Unavailable

_log = logging.getLogger("tapelight.websocket")
# What the library says of its connections is told by `Unavailable`, in words.
_log.setLevel(logging.CRITICAL)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Closed(Unavailable):
    """Say that the provider closed the connection, with its close code (1006: none came)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Silent(Unavailable):
    """Say that the connection brought no frame for longer than its watchdog allows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what a connection may hold and how long its steps may take."""

    open_timeout_s: float = 5.0
    close_timeout_s: float = 1.0
    max_message_bytes: int = 16 << 20
    waiting_frames: int = 1024
    """Frames taken from the socket and not yet by the reader; beyond, TCP holds them back.

    What one read of the socket brought besides comes on top: at most its receive buffer.
    """
    waiting_bytes: int = 2 << 20
    read_bytes: int = 256 << 10
    """The first size of the read buffer, which doubles when a read fills it."""
    ping_s: float = 20.0
    """An idle connection is pinged; without an answer for as long again it is closed."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Say how fast connections are tried again: full jitter up to base x growth^n, capped.

    No more than `budget` attempts start within any `window_s` seconds.
    """

    base_s: float = 0.25
    growth: float = 4.0
    cap_s: float = 30.0
    budget: int = 6
    window_s: float = 60.0


WINDOW_BYTES = 8 << 20
"""What may wait in the kernel: half a second of a busy market."""
LAST_LOOK_S = 0.25
"""How long a connection that seems silent may still prove that it is not."""


class Backoff:
    """Tell how long to wait before the next attempt to connect."""

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._uniform = uniform
        self._monotonic = monotonic
        self._failures = 0
        self._attempts: deque[float] = deque(maxlen=self._policy.budget)

    def attempt(self) -> None:
        """Note that an attempt starts now."""
        self._attempts.append(self._monotonic())

    def succeeded(self) -> None:
        """Note that a connection proved good: the next failure waits the least again."""
        self._failures = 0

    def delay_s(self, at_least_s: float = 0.0) -> float:
        """Return the wait after a failure, in seconds; each call lengthens the next one."""
        policy = self._policy
        ceiling = min(policy.cap_s, policy.base_s * policy.growth ** min(self._failures, 32))
        self._failures += 1
        delay = max(at_least_s, self._uniform(0.0, ceiling))
        if len(self._attempts) == policy.budget:
            delay = max(delay, self._attempts[0] + policy.window_s - self._monotonic())
        return delay


class Watchdog:
    """Count the time without a frame against a limit that may change (None: no session)."""

    def __init__(self, limit_s: Callable[[], float | None], now_s: float) -> None:
        self._limit_s = limit_s
        self._since_s = now_s

    def fed(self, now_s: float) -> None:
        """Note that a frame came."""
        self._since_s = now_s

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds left, 0 or less when overdue, None while there is no limit."""
        limit = self._limit_s()
        if limit is None:
            self._since_s = now_s
            return None
        return self._since_s + limit - now_s


class Stream:
    """Read frames of one open connection as they come, several at a time when they wait."""

    def __init__(self, limit_s: Callable[[], float | None], limits: Limits) -> None:
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(limit_s, self._loop.time())
        self._connection: WSTransport | None = None
        self._frames: list[bytes] = []
        self._bytes = 0
        self._held_back = False
        self._ready = asyncio.Event()
        self._woken = False
        self._end: Unavailable | None = None

    async def take(self) -> list[bytes]:
        """Return all frames that wait, at least one, or none after `wake`.

        Raises Silent when the watchdog's limit passes without a frame, and Closed when the
        connection has ended and every frame was taken.
        """
        while not self._frames and not self._woken and self._end is None:
            await self._wait()
        self._woken = False
        self._ready.clear()
        if not self._frames:
            if self._end is not None:
                raise self._end
            return []
        frames, self._frames, self._bytes = self._frames, [], 0
        self._watchdog.fed(self._loop.time())
        self._let_go_on()
        return frames

    def wake(self) -> None:
        """Let a waiting `take` return though no frame came."""
        self._woken = True
        self._ready.set()

    async def send(self, message: str | bytes) -> None:
        """Send a text message, or a binary one; raises Unavailable when the connection has ended."""
        connection = self._connection
        if connection is None or connection.is_disconnected:
            raise self._end or Unavailable("The connection broke while sending.")
        if isinstance(message, str):
            connection.send(WSMsgType.TEXT, message.encode())
        else:
            connection.send(WSMsgType.BINARY, message)

    async def close(self) -> None:
        """Close the connection within its close time-out."""
        connection = self._connection
        if connection is None or connection.is_disconnected:
            return
        self._let_go_on()  # the peer's answer waits behind what was held back
        connection.send_close(WSCloseCode.OK)
        with contextlib.suppress(TimeoutError, WSError):
            async with asyncio.timeout(self._limits.close_timeout_s):
                await connection.wait_disconnected()
        connection.disconnect(False)

    # What the connection calls

    def opened(self, connection: WSTransport) -> None:
        """Take the connection that has just opened."""
        self._connection = connection
        _bound_window(connection.underlying_transport.get_extra_info("socket"))

    def add(self, frame: bytes) -> None:
        """Take a message; hold the socket back when too much waits."""
        self._frames.append(frame)
        self._bytes += len(frame)
        self._ready.set()
        if self._is_full() and not self._held_back:
            self._held_back = True
            self._reading().pause_reading()

    def ended(self, error: Unavailable) -> None:
        """Note why the connection is over; the first reason counts."""
        self._end = self._end or error
        self._ready.set()

    def _let_go_on(self) -> None:
        if self._held_back:
            self._held_back = False
            self._reading().resume_reading()

    def _reading(self) -> asyncio.ReadTransport:
        assert self._connection is not None
        return self._connection.underlying_transport

    async def _wait(self) -> None:
        left = self._watchdog.left_s(self._loop.time())
        if left is not None and left <= 0:
            await self._last_look()
            return
        # At most a second, so that a session that begins meanwhile is noticed.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0 if left is None else min(left, 1.0)):
                await self._ready.wait()

    async def _last_look(self) -> None:
        """Raise Silent unless frames wait that a busy event loop had no time to read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_LOOK_S):
                await self._ready.wait()
        if not self._frames and self._end is None:
            raise Silent("The connection is open but brings no data; connecting anew.")

    def _is_full(self) -> bool:
        limits = self._limits
        return len(self._frames) >= limits.waiting_frames or self._bytes >= limits.waiting_bytes


class _Receiver(WSListener):
    """Hand each whole message to the stream, and how the connection ended."""

    def __init__(self, stream: Stream, limits: Limits) -> None:
        self._stream = stream
        self._most = limits.max_message_bytes
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._stream.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            self._stream.ended(_closed(payload))
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind in _MESSAGES and not transport.is_close_frame_sent:
            payload = frame.get_payload_as_bytes()
            if frame.fin and not self._parts:
                self._stream.add(payload)
            else:
                self._assemble(transport, payload, frame.fin)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        # The library's stub leaves out that there may be none.
        sent = getattr(transport.close_handshake, "sent", None)
        if sent is not None and sent.code in (
            WSCloseCode.PROTOCOL_ERROR,
            WSCloseCode.MESSAGE_TOO_BIG,
        ):
            words = "The connection sent what no WebSocket may, or a frame too large."
            self._stream.ended(Closed(words, sent.code.value))
        self._stream.ended(Closed("The connection was closed with code 1006.", 1006))

    def _assemble(self, transport: WSTransport, payload: bytes, last: bool) -> None:
        """Take a part of a message that comes in several frames; bounded like one frame."""
        self._parts.append(payload)
        if sum(map(len, self._parts)) > self._most:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif last:
            self._stream.add(b"".join(self._parts))
            self._parts = []


_MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)


def _bound_window(connected: socket.socket) -> None:
    """Let no more than WINDOW_BYTES wait in the kernel (Linux).

    The read buffer grows until a read does not fill it, and never shrinks: where the kernel may
    hold 32 MB, a moment's stall would cost 64 MB for good.
    """
    clamp = getattr(socket, "TCP_WINDOW_CLAMP", None)
    if clamp is not None:
        connected.setsockopt(socket.IPPROTO_TCP, clamp, WINDOW_BYTES)


@contextlib.asynccontextmanager
async def open_stream(
    url: str,
    limit_s: Callable[[], float | None],
    limits: Limits | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Connect to `url` and yield its stream; leaving closes it before anything else can open.

    `limit_s` gives the watchdog's limit in seconds, None where silence is normal. Raises
    Unavailable when the server cannot be reached, ConfigError when `url` is no address.
    """
    limits = limits or Limits()
    stream = Stream(limit_s, limits)
    await _connect(url, stream, limits, headers)
    try:
        yield stream
    finally:
        await stream.close()


async def _connect(
    url: str, stream: Stream, limits: Limits, headers: Mapping[str, str] | None = None
) -> None:
    host = _host(url)
    try:
        async with asyncio.timeout(limits.open_timeout_s):
            await ws_connect(
                lambda: _Receiver(stream, limits),
                url,
                websocket_handshake_timeout=limits.open_timeout_s,
                logger_name=_log,
                enable_auto_ping=True,
                auto_ping_idle_timeout=limits.ping_s,
                auto_ping_reply_timeout=limits.ping_s,
                max_frame_size=limits.max_message_bytes,
                read_buffer_init_size=limits.read_bytes,
                proxy=_proxy(host),
                extra_headers=dict(headers or {}),
            )
    except (OSError, WSError, EOFError) as error:
        raise Unavailable(
            f"Cannot connect to {host}: {str(error) or type(error).__name__}."
        ) from error


def _host(url: str) -> str:
    """Return the host of `url`; raises ConfigError, of which no word may be a key's: host alone."""
    shown = "What is configured"
    with contextlib.suppress(ValueError):  # brackets or a port that cannot be
        parts = urlsplit(url)
        shown = repr(f"{parts.scheme}://{parts.hostname or ''}")
        is_whole = parts.hostname and parts.port != 0 and not parts.fragment
        if is_whole and parts.scheme in ("ws", "wss"):
            return parts.hostname or ""
    raise ConfigError(f"{shown} is no WebSocket address: write it as wss://host/path.")


def _proxy(host: str) -> str | None:
    """Return the proxy that the environment names for `host`, None without one."""
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get("https")


def _closed(payload: bytes) -> Closed:
    """Return what a close frame says; its payload is a code of two bytes and a reason, or empty."""
    code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
    reason = payload[2:].decode(errors="replace")
    words = "".join(c for c in reason if c.isprintable())[:120]
    return Closed(f"The connection was closed with code {code}{words and ': ' + words}.", code)
