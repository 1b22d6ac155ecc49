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
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from tapelight.errors import ConfigError, Unavailable

_log = logging.getLogger("tapelight.websocket")
# At DEBUG the library writes every frame, and one of them holds the key.
_log.setLevel(logging.INFO)
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

    open_timeout_s: float = 10.0
    close_timeout_s: float = 1.0
    send_timeout_s: float = 5.0
    max_message_bytes: int = 16 << 20
    waiting_frames: int = 256
    """Frames taken from the socket and not yet by the reader; beyond, TCP holds them back."""
    waiting_bytes: int = 2 << 20


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

    def __init__(
        self, connection: ClientConnection, limit_s: Callable[[], float | None], limits: Limits
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(limit_s, self._loop.time())
        self._frames: list[bytes] = []
        self._bytes = 0
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._woken = False
        self._end: Unavailable | None = None
        self._reader = asyncio.create_task(self._read(), name="websocket reader")

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
        self._room.set()
        return frames

    def wake(self) -> None:
        """Let a waiting `take` return though no frame came."""
        self._woken = True
        self._ready.set()

    async def send(self, message: str) -> None:
        """Send a text message; raises Unavailable when that fails or takes too long."""
        try:
            async with asyncio.timeout(self._limits.send_timeout_s):
                await self._connection.send(message)
        except (ConnectionClosed, TimeoutError) as error:
            raise Unavailable(f"The connection broke while sending: {error}.") from error

    async def close(self) -> None:
        """Close the connection within its close time-out and end the reader."""
        self._reader.cancel()
        await asyncio.wait({self._reader})
        await self._connection.close()

    async def _wait(self) -> None:
        if self._reader.done():
            self._reader.result()
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

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._connection.recv(decode=False)
                self._frames.append(frame)
                self._bytes += len(frame)
                self._ready.set()
                if self._is_full():
                    self._room.clear()
                    await self._room.wait()
        except ConnectionClosed as error:
            self._end = _closed(error)
        except WebSocketException as error:
            self._end = Closed(f"The connection sent what no WebSocket may: {error}.", 1002)
        self._ready.set()

    def _is_full(self) -> bool:
        limits = self._limits
        return len(self._frames) >= limits.waiting_frames or self._bytes >= limits.waiting_bytes


@contextlib.asynccontextmanager
async def open_stream(
    url: str, limit_s: Callable[[], float | None], limits: Limits | None = None
) -> AsyncIterator[Stream]:
    """Connect to `url` and yield its stream; leaving closes it before anything else can open.

    `limit_s` gives the watchdog's limit in seconds, None where silence is normal. Raises
    Unavailable when the server cannot be reached, ConfigError when `url` is no address.
    """
    limits = limits or Limits()
    connection = await _connect(url, limits)
    stream = Stream(connection, limit_s, limits)
    try:
        yield stream
    finally:
        await stream.close()


async def _connect(url: str, limits: Limits) -> ClientConnection:
    host = urlsplit(url).hostname
    try:
        connection = await connect(
            url,
            compression=None,
            max_size=limits.max_message_bytes,
            max_queue=64,
            open_timeout=limits.open_timeout_s,
            close_timeout=limits.close_timeout_s,
            proxy=None if host in LOOPBACK else True,
            logger=_log,
        )
    except InvalidURI as error:
        raise ConfigError(
            f"{url!r} is no WebSocket address: write it as wss://host/path."
        ) from error
    except (OSError, TimeoutError, WebSocketException, EOFError) as error:
        raise Unavailable(
            f"Cannot connect to {host}: {str(error) or type(error).__name__}."
        ) from error
    raw = connection.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _closed(error: ConnectionClosed) -> Closed:
    code = error.rcvd.code if error.rcvd else 1006
    reason = error.rcvd.reason if error.rcvd else ""
    words = "".join(c for c in reason if c.isprintable())[:120]
    return Closed(f"The connection was closed with code {code}{words and ': ' + words}.", code)
