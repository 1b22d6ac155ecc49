"""The proxy that breaks connections: each fault as a client and as a server sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tapelight.errors import Unavailable
from tapelight.feeds._websocket import Silent, open_stream
from tapelight.testing.proxy import Proxy

pytestmark = pytest.mark.integration

LIMIT_S = 5.0
SHORT_S = 0.1
"""So long nothing comes where nothing may come."""


class Echo:
    """A server that sends back what it gets, and remembers how its connections ended."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            self.ends.put_nowait("closed")
        except ConnectionResetError:
            self.ends.put_nowait("reset")
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    async with asyncio.timeout(LIMIT_S), Proxy("127.0.0.1", echo.port) as proxy:
        yield proxy


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hears(self, data: bytes) -> None:
        async with asyncio.timeout(LIMIT_S):
            assert await self.reader.readexactly(len(data)) == data

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await self.reader.read(1)


@contextlib.asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    found = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
    try:
        yield found
    finally:
        found.writer.close()


async def test_a_sound_line_passes_bytes_and_closes(proxy: Proxy, echo: Echo) -> None:
    large = bytes(range(256)) * 8192
    async with client(proxy) as c:
        writing = asyncio.create_task(c.says(large))
        await c.hears(large)
        await writing
        assert (proxy.taken, proxy.links) == (1, 1)
    assert await echo.ends.get() == "closed"
    await proxy.until(links=0)


async def test_a_servers_last_words_pass_after_the_client_has_closed_its_side(proxy: Proxy) -> None:
    async with client(proxy) as c:
        await c.says(b"last")
        c.writer.write_eof()
        await c.hears(b"last")
        assert await c.reader.read() == b""


async def test_delay_holds_each_chunk_and_keeps_the_order(proxy: Proxy) -> None:
    proxy.delay(SHORT_S)
    loop = asyncio.get_running_loop()
    async with client(proxy) as c:
        begun = loop.time()
        await c.says(b"one")
        await c.says(b"two")
        await c.hears(b"onetwo")
        # There and back again.
        assert loop.time() - begun >= 2 * SHORT_S
        proxy.heal()
        await c.says(b"three")
        await c.hears(b"three")


async def test_cut_closes_both_ends_in_order_and_later_ones_are_sound(
    proxy: Proxy, echo: Echo
) -> None:
    async with client(proxy) as c:
        await c.says(b"a")
        await c.hears(b"a")
        proxy.cut()
        assert await c.reader.read() == b""
        assert await echo.ends.get() == "closed"
    async with client(proxy) as again:
        await again.says(b"b")
        await again.hears(b"b")
    assert proxy.taken == 2


async def test_truncate_closes_after_so_many_bytes_of_the_server(proxy: Proxy) -> None:
    async with client(proxy) as c:
        await c.says(b"abc")
        await c.hears(b"abc")
        proxy.truncate(4)
        await c.says(b"0123456789")
        assert await c.reader.read() == b"0123"


async def test_reset_is_seen_as_such_at_both_ends(proxy: Proxy, echo: Echo) -> None:
    async with client(proxy) as c:
        await c.says(b"abc")
        await c.hears(b"abc")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await c.reader.read()
        assert await echo.ends.get() == "reset"


async def test_reset_in_the_middle_of_what_a_server_sends(proxy: Proxy) -> None:
    async with client(proxy) as c:
        await proxy.until(links=1)
        proxy.reset(3)
        await c.says(b"0123456789")
        with pytest.raises(ConnectionResetError):
            await c.reader.readexactly(10)


async def test_half_open_leaves_the_client_in_the_belief_that_it_is_connected(
    proxy: Proxy, echo: Echo
) -> None:
    async with client(proxy) as c:
        await c.says(b"a")
        await c.hears(b"a")
        proxy.half_open()
        assert await echo.ends.get() == "closed"
        await c.says(b"into the void")
        await c.hears_nothing()
        assert proxy.links == 1
    await proxy.until(links=0)


async def test_a_black_hole_keeps_what_is_sent_until_it_is_healed(proxy: Proxy, echo: Echo) -> None:
    async with client(proxy) as c:
        await c.says(b"a")
        await c.hears(b"a")
        proxy.black_hole()
        await c.says(b"waits")
        await c.hears_nothing()
        async with client(proxy) as late:
            await late.says(b"so does this")
            await late.hears_nothing()
            proxy.heal()
            await c.hears(b"waits")
            await late.hears(b"so does this")


async def test_a_close_does_not_pass_a_black_hole(proxy: Proxy, echo: Echo) -> None:
    async with client(proxy) as c:
        await c.says(b"a")
        await c.hears(b"a")
        proxy.black_hole()
    assert echo.ends.empty()
    proxy.heal()
    assert await echo.ends.get() == "closed"


async def test_refuse_resets_new_connections_and_leaves_the_others(proxy: Proxy) -> None:
    async with client(proxy) as c:
        await c.says(b"a")
        await c.hears(b"a")
        proxy.refuse()
        async with client(proxy) as refused:
            with pytest.raises(ConnectionResetError):
                await refused.reader.read()
        await c.says(b"b")
        await c.hears(b"b")
        proxy.heal()
        async with client(proxy) as late:
            await late.says(b"c")
            await late.hears(b"c")


async def test_a_server_that_is_not_there_resets() -> None:
    async with Proxy("127.0.0.1", 1) as proxy, client(proxy) as c:
        with pytest.raises(ConnectionResetError):
            await c.reader.read()
        assert proxy.taken == 0


@pytest.mark.parametrize(
    ("fault", "error"), [("black_hole", Silent), ("half_open", Silent), ("reset", Unavailable)]
)
async def test_our_stream_through_the_proxy_says_what_happened(
    fault: str, error: type[Unavailable]
) -> None:
    """A mute line is found by the watchdog, a broken one at once."""

    async def say(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(say, "127.0.0.1", 0))
        port = server.sockets[0].getsockname()[1]
        proxy = await stack.enter_async_context(Proxy("127.0.0.1", port))
        url = f"ws://127.0.0.1:{proxy.port}/"
        stream = await stack.enter_async_context(open_stream(url, lambda: SHORT_S))
        assert await stream.take() == [b"hello"]
        getattr(proxy, fault)()
        with pytest.raises(error):
            await stream.take()
