"""An event loop whose time goes only when nothing is left to do, and a network inside of it."""

import asyncio
import errno
import os
import selectors
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

Accept = Callable[[], asyncio.Protocol]


class Stuck(RuntimeError):
    """Say that nothing is due and nothing can come: a task waits for ever."""


class _Pair(socket.socket):
    """Be an end of a pair: what only TCP knows is let be."""

    __slots__ = ()

    def setsockopt(self, level: int, *option: Any) -> None:
        if level != socket.IPPROTO_TCP:
            super().setsockopt(level, *option)

    def getsockopt(self, level: int, *option: Any) -> Any:
        return 0 if level == socket.IPPROTO_TCP else super().getsockopt(level, *option)


class _Selector(selectors.DefaultSelector):
    """Never wait: where no socket is ready, time goes on to the next timer."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise Stuck("nothing is due, and nobody will send anything")
        self.loop.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Run in virtual time; connections to a host lead to the protocol that `network` names.

    They are pairs of sockets of the kernel in this one process: what one end writes, the other
    reads before time goes on. Work for threads is done at once.
    """

    def __init__(self, begin_s: float = 1000.0) -> None:
        selector = _Selector()
        selector.loop = self
        self.now_s = begin_s
        self.network: Mapping[int, Accept] = {}
        """By port; a missing one refuses."""
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e6) * 1000

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:  # type: ignore[override]
        return [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", (host, port))]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Be one end of a pair in the place of `sock`."""
        near = await self._pair(address[1])
        os.dup2(near.fileno(), sock.fileno())
        near.close()
        sock.setblocking(False)
        sock.__class__ = _Pair

    async def create_connection(
        self, factory: Any, host: Any = None, port: Any = None, **more: Any
    ) -> Any:  # type: ignore[override]
        if more.get("sock") is None:
            more = {"sock": await self._pair(port)}
        return await super().create_connection(factory, **more)

    async def _pair(self, port: int) -> socket.socket:
        """Return one end of a connection; who accepts on `port` has the other."""
        accept = self.network.get(port)
        if accept is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        await super().create_connection(accept, sock=far)
        return near

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        done: Future[Any] = Future()
        try:
            done.set_result(func(*args))
        except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
            done.set_exception(error)
        return asyncio.wrap_future(done, loop=self)
