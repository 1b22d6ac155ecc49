"""The fake venue behind a socket, and the broker that reaches it: one connection a call.

A lost reply is a connection that breaks after the venue has acted, or one that stays silent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import msgspec

from tapelight.errors import Unavailable
from tapelight.model.orders import Order, OrderRequest, Report, Statement
from tapelight.testing.venue import Venue

HEAD_BYTES = 4
MOST_BYTES = 16 * 1024 * 1024


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[broker."tapelight.testing.kills.remote"]: where the venue listens, and of which kind it is."""

    path: str
    idempotent: bool = True


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Send an order."""

    request: OrderRequest


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel an order."""

    venue_id: str


class Look(msgspec.Struct, frozen=True, tag=True):
    """Ask what there is."""

    ids: tuple[str, ...]


class Listen(msgspec.Struct, frozen=True, tag=True):
    """Have every report pushed."""


Call = Submit | Cancel | Look | Listen
_call = msgspec.msgpack.Decoder(Call)
_report = msgspec.msgpack.Decoder(Report)
_statement = msgspec.msgpack.Decoder(Statement)


def open(settings: Config) -> "RemoteBroker":  # noqa: A001 - what a plug-in offers
    """Return the broker."""
    return RemoteBroker(settings)


class RemoteBroker:
    """Reach the fake venue."""

    name = "remote"
    host = ""
    live = False

    def __init__(self, settings: Config) -> None:
        self.path, self.idempotent = settings.path, settings.idempotent

    async def submit(self, request: OrderRequest) -> Report:
        """Send an order."""
        return _report.decode(await self._ask(Submit(request)))

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel."""
        await self._ask(Cancel(order.venue_id))

    async def look(self, ids: Sequence[str]) -> Statement:
        """Ask what there is."""
        return _statement.decode(await self._ask(Look(tuple(ids))))

    async def reports(self) -> AsyncIterator[Report]:
        """Yield what the venue pushes."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
            await _write(writer, Listen())
            while True:
                yield _report.decode(await _read(reader))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"The stream broke: {error}.") from error

    async def _ask(self, call: Call) -> bytes:
        writer = None
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
            await _write(writer, call)
            return await _read(reader)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"No answer came: {error}.") from error
        finally:
            if writer is not None:
                writer.close()


class VenueServer:
    """Let a venue be reached at a socket; `lost` is the share of replies that do not arrive."""

    def __init__(self, venue: Venue, path: str, rng: Random, lost: float) -> None:
        self.venue, self.path, self.lost = venue, path, lost
        self.replies = self.losses = 0
        self.saw: Callable[[OrderRequest], None] = lambda _: None
        """Called with each order that arrives, before the venue takes it."""
        self.faults: list[str] = []
        """What went wrong in the venue itself: it has to stay empty."""
        self.cancelled: Callable[[str], None] = lambda _: None
        """Called with the venue's id of each order whose cancel is asked."""
        self._rng = rng
        self._streams: set[asyncio.Queue[Report | None]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        venue.on_report = self._push

    async def start(self) -> asyncio.Server:
        """Begin to listen."""
        return await asyncio.start_unix_server(self._accept, self.path)

    async def stop(self) -> None:
        """Let go of everybody who is still connected."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.faults.append(repr(error))

    def _push(self, report: Report) -> None:
        for stream in self._streams:
            stream.put_nowait(report)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            call = _call.decode(await _read(reader))
            if isinstance(call, Listen):
                await self._stream(reader, writer)
            else:
                await self._answer(call, reader, writer)
        writer.close()

    async def _answer(
        self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answer = self._act(call)
        self.replies += 1
        if self._rng.random() >= self.lost:
            await _write(writer, answer)
            return
        self.losses += 1
        if self._rng.random() < 0.5:
            await reader.read()  # silent until the other side gives up

    def _act(self, call: Call) -> Any:
        match call:
            case Submit(request):
                self.saw(request)
                return self.venue.submit(request)
            case Cancel(venue_id):
                self.cancelled(venue_id)
                return self.venue.cancel(venue_id)
            case Look(ids):
                return self.venue.statement(self.venue.known(ids))
        return None

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream: asyncio.Queue[Report | None] = asyncio.Queue()
        self._streams.add(stream)
        left = asyncio.create_task(reader.read())
        left.add_done_callback(lambda _: stream.put_nowait(None))
        try:
            while (report := await stream.get()) is not None:
                await _write(writer, report)
        finally:
            left.cancel()
            self._streams.discard(stream)


async def _write(writer: asyncio.StreamWriter, message: object) -> None:
    data = msgspec.msgpack.encode(message)
    writer.write(len(data).to_bytes(HEAD_BYTES, "big") + data)
    await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    size = int.from_bytes(await reader.readexactly(HEAD_BYTES), "big")
    if size > MOST_BYTES:
        raise OSError("a message is too large")
    return await reader.readexactly(size)
