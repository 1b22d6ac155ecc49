"""A local web server that answers as told, and a sink that remembers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tapelight.model.clock import MarketClock
from tapelight.model.records import Record
from tapelight.model.universe import Universe

RECORDED = Path(__file__).parent / "recorded"
R = TypeVar("R")
Answer = tuple[int, bytes] | Callable[[str], tuple[int, bytes]]


@dataclass
class Site:
    """Answer each path as `answers` says; with an etag, what has not changed is 304."""

    answers: dict[str, Answer] = field(default_factory=dict)
    etags: bool = False
    asked: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    unchanged: int = 0
    port: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_asked(self, more: int) -> None:
        """Wait until so many more requests have come."""
        wanted = len(self.asked) + more
        async with asyncio.timeout(20):
            while len(self.asked) < wanted:
                self._news.clear()
                await self._news.wait()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                writer.write(self._reply(head))
                await writer.drain()
        writer.close()

    def _reply(self, head: str) -> bytes:
        path = head.split(" ")[1]
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value for name, value in lines}
        self.asked.append(path)
        self._news.set()
        self.agents.append(headers.get("user-agent", ""))
        answer = self.answers.get(path.partition("?")[0], (404, b""))
        status, body = answer(path) if callable(answer) else answer
        tag = f'"{hash(body)}"'
        if self.etags and headers.get("if-none-match") == tag:
            self.unchanged += 1
            status, body = 304, b""
        told = f"etag: {tag}\r\n" if self.etags else ""
        return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{told}\r\n".encode() + body


@contextlib.asynccontextmanager
async def site(**settings: object) -> AsyncIterator[Site]:
    made = Site(**settings)  # type: ignore[arg-type]
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


class Tape:
    """A sink that remembers what it was given."""

    def __init__(self, now_ns: int, *symbols: str, rate: float = 0.0) -> None:
        self.universe = Universe()
        for symbol in symbols:
            self.universe.add(symbol)
        self.clock = MarketClock(now_ns, rate)
        self.records: list[Record] = []
        self.rejected: list[tuple[str, str]] = []
        self._news = asyncio.Event()

    def put(self, record: Record) -> None:
        self.records.append(record)
        self._news.set()

    def alive(self, complete_ns: int) -> None: ...

    def raw(self, frames: Sequence[bytes]) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append((kind, str(sample)))
        self._news.set()

    def of(self, kind: type[R]) -> list[R]:
        return [r for r in self.records if isinstance(r, kind)]

    async def until(self, true: Callable[["Tape"], bool]) -> None:
        async with asyncio.timeout(20):
            while not true(self):
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running(source: object, tape: Tape) -> AsyncIterator[None]:
    task = asyncio.create_task(source.run(tape))  # type: ignore[attr-defined]
    task.add_done_callback(lambda _: tape._news.set())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
