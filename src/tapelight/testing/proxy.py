"""A TCP proxy that breaks connections as networks do, for tests of what speaks over sockets.

async with Proxy("127.0.0.1", port) as proxy:
    ...                   # a client of proxy.port speaks with the server of port
    proxy.black_hole()    # both ends stay open, nothing passes
    proxy.heal()          # what waited passes, and so does what follows
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 << 10
WAITING_CHUNKS = 64
"""So much waits in a delayed direction; beyond, TCP holds the sender back."""
CONNECT_S = 5.0
NO_LINGER = struct.pack("ii", 1, 0)
"""A socket closed with it sends RST instead of FIN."""


@dataclass(slots=True)
class _Line:
    """Hold what is wrong with the line; every link reads it at each chunk."""

    delay_s: float
    passes: asyncio.Event
    refuses: bool = False


class Proxy:
    """Forward TCP connections to one server, until told to misbehave.

    A fault is in force from the call on. `cut`, `reset`, `truncate` and `half_open` end the
    connections of now: later ones are sound. `delay`, `black_hole` and `refuse` hold for later
    connections too, until `heal`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        """Where the proxy listens, on 127.0.0.1."""
        self.taken = 0
        """How many connections were taken so far, refused ones not counted."""
        self._target = host, port
        self._line = _Line(0.0, asyncio.Event())
        self._line.passes.set()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.close()
        self.reset()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def links(self) -> int:
        """How many connections stand, half-open ones included."""
        return len(self._links)

    async def until(self, links: int) -> None:
        """Return when so many connections stand."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.links == links)

    def delay(self, seconds: float) -> None:
        """Hand each chunk on so much later, in both directions, in order."""
        self._line.delay_s = seconds

    def black_hole(self) -> None:
        """Pass nothing more, not even a close; what is sent waits, as under lost packets."""
        self._line.passes.clear()

    def refuse(self) -> None:
        """Reset new connections at once."""
        self._line.refuses = True

    def cut(self) -> None:
        """Close every connection in order, towards both ends."""
        self.truncate(0)

    def truncate(self, count: int) -> None:
        """Close every connection after `count` more bytes from the server."""
        for link in tuple(self._links):
            link.end_after(count, resets=False)

    def reset(self, count: int = 0) -> None:
        """Reset every connection after `count` more bytes from the server."""
        for link in tuple(self._links):
            link.end_after(count, resets=True)

    def half_open(self) -> None:
        """Close towards the server; the client is told nothing and its bytes go nowhere."""
        for link in tuple(self._links):
            link.lose_server()

    def heal(self) -> None:
        """Pass everything again, at once, and take new connections."""
        self._line.delay_s = 0.0
        self._line.refuses = False
        self._line.passes.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._line.refuses:
            _abort(writer)
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                far = await asyncio.open_connection(*self._target)
        except OSError:
            _abort(writer)
            return
        self.taken += 1
        await self._serve(_Link(self._line, (reader, writer), far))

    async def _serve(self, link: "_Link") -> None:
        await self._count(link, stands=True)
        try:
            await link.run()
        finally:
            await self._count(link, stands=False)

    async def _count(self, link: "_Link", *, stands: bool) -> None:
        async with self._changed:
            (self._links.add if stands else self._links.discard)(link)
            self._changed.notify_all()


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """Hold one connection: its client's end (near) and its server's (far)."""

    def __init__(self, line: _Line, near: _End, far: _End) -> None:
        self._line = line
        self._near = near
        self._far = far
        self._left: int | None = None
        """How many bytes may still come from the server; None: any number."""
        self._resets = False
        self._lost = False
        self._closed = 0
        """How many ends have closed."""
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Forward until both ends have closed, or a fault ends it."""
        ways = [(self._near, self._far, False), (self._far, self._near, True)]
        pumps = {asyncio.create_task(self._pump(*way)) for way in ways}
        try:
            await self._over.wait()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for _, writer in (self._near, self._far):
                _abort(writer) if self._resets else writer.close()

    def end_after(self, count: int, *, resets: bool) -> None:
        """End the link when `count` more bytes have come from the server."""
        self._left, self._resets = count, resets
        if count == 0:
            self._over.set()

    def lose_server(self) -> None:
        """Close the server's end alone."""
        self._lost = True
        self._far[1].close()

    async def _pump(self, source: _End, target: _End, down: bool) -> None:
        """Hand on what comes from one end, each chunk when it is due."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_CHUNKS)
        handing = asyncio.create_task(self._hand_on(waiting, target[1], down))
        now_s = asyncio.get_running_loop().time
        try:
            data = b" "
            while data:
                data = await source[0].read(CHUNK_BYTES)
                await waiting.put((now_s() + self._line.delay_s, data))
            await handing
        except OSError:
            self._broken()
        finally:
            handing.cancel()
            await asyncio.wait({handing})

    async def _hand_on(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, down: bool
    ) -> None:
        now_s = asyncio.get_running_loop().time
        data = b" "
        while data:
            due_s, data = await waiting.get()
            await asyncio.sleep(max(0.0, due_s - now_s()))
            await self._line.passes.wait()
            if not self._lost:
                await self._write(data, writer, down)
        self._closed += 1
        if self._closed == 2 or (self._lost and not down):
            self._over.set()

    async def _write(self, data: bytes, writer: asyncio.StreamWriter, down: bool) -> None:
        if not data:
            writer.write_eof()
            return
        if down and self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        writer.write(data)
        await writer.drain()
        if down and self._left == 0:
            self._over.set()

    def _broken(self) -> None:
        """Reset both ends, as one was; a lost server's end is no longer of interest."""
        if not self._lost:
            self._resets = True
            self._over.set()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
