"""The WebSocket stream: back-off and watchdog in virtual time, a real socket for the rest."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._websocket import (
    Backoff,
    Closed,
    Limits,
    RetryPolicy,
    Silent,
    Stream,
    Watchdog,
    open_stream,
)

pytestmark = pytest.mark.integration


class VirtualTime:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_backoff_doubles_its_ceiling_up_to_the_cap() -> None:
    ceilings: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0.0
        ceilings.append(high)
        return high

    backoff = Backoff(RetryPolicy(growth=2.0), uniform, VirtualTime())
    for _ in range(9):
        backoff.delay_s()
    assert ceilings == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    backoff.succeeded()
    assert backoff.delay_s() == 0.25
    assert backoff.delay_s(at_least_s=60.0) == 60.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_more_than_six_attempts_start_within_a_minute(share: float) -> None:
    clock = VirtualTime()
    backoff = Backoff(None, lambda low, high: low + share * (high - low), clock)
    starts: list[float] = []
    for _ in range(60):
        starts.append(clock.now_s)
        backoff.attempt()
        clock.now_s += backoff.delay_s()
    assert all(late - early >= 60.0 for early, late in zip(starts, starts[6:], strict=False))
    assert max(late - early for early, late in itertools.pairwise(starts)) <= 60.0


def test_jitter_is_drawn_over_the_whole_range() -> None:
    delays = [Backoff().delay_s() for _ in range(2000)]
    assert min(delays) < 0.02
    assert max(delays) > 0.23
    assert max(delays) <= 0.25


def test_the_watchdog_counts_only_while_there_is_a_limit() -> None:
    limit: list[float | None] = [5.0]
    dog = Watchdog(lambda: limit[0], 100.0)
    assert dog.left_s(101.0) == 4.0
    dog.fed(103.0)
    assert dog.left_s(104.0) == 4.0
    assert dog.left_s(108.5) == -0.5
    limit[0] = None
    assert dog.left_s(5000.0) is None
    limit[0] = 15.0
    assert dog.left_s(5001.0) == 14.0


Talk = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    async with serve(talk, "127.0.0.1", 0, close_timeout=0.2) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/stocks"


async def taken(stream: Stream, count: int) -> list[bytes]:
    frames: list[bytes] = []
    async with asyncio.timeout(10):
        while len(frames) < count:
            frames += await stream.take()
    return frames


async def test_frames_come_in_order_and_together_when_they_wait() -> None:
    sent = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        for n in range(1000):
            await connection.send(str(n))
        sent.set()
        await connection.wait_closed()

    async with server(talk) as url, open_stream(url, lambda: None) as stream:
        first = await stream.take()
        await sent.wait()
        frames = first + await taken(stream, 1000 - len(first))
        assert frames == [str(n).encode() for n in range(1000)]


async def test_what_waits_is_bounded_and_nothing_is_lost() -> None:
    held_back = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        for n in range(400):
            sending = asyncio.ensure_future(connection.send(f"{n:04d}" * 25_000))
            done, _ = await asyncio.wait({sending}, timeout=None if held_back.is_set() else 0.3)
            if not done:
                held_back.set()
            await sending
        await connection.wait_closed()

    limits = Limits(waiting_frames=8, waiting_bytes=1 << 20)
    async with server(talk) as url, open_stream(url, lambda: None, limits) as stream:
        async with asyncio.timeout(20):
            await held_back.wait()  # 40 MB are on offer, and nobody takes them
        frames = await taken(stream, 400)
        assert [int(f[:4]) for f in frames] == list(range(400))


async def test_a_mute_connection_is_found_though_it_answers_pings() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.wait_closed()

    loop = asyncio.get_running_loop()
    async with server(talk) as url, open_stream(url, lambda: 0.2) as stream:
        assert await stream.take() == [b"one"]
        began = loop.time()
        with pytest.raises(Silent):
            await stream.take()
        assert loop.time() - began >= 0.19


async def test_a_busy_loop_is_not_taken_for_a_mute_connection() -> None:
    go = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        await go.wait()
        await connection.send("late")
        # The loop stands still past the limit while the frame lies in the socket.
        time.sleep(0.4)  # noqa: ASYNC251 - the fault under test
        await connection.wait_closed()

    async with server(talk) as url, open_stream(url, lambda: 0.2) as stream:
        go.set()
        assert await stream.take() == [b"late"]


async def test_waking_brings_no_frame() -> None:
    async with (
        server(lambda connection: connection.wait_closed()) as url,
        open_stream(url, lambda: None) as stream,
    ):
        asyncio.get_running_loop().call_soon(stream.wake)
        assert await stream.take() == []


async def test_a_close_comes_after_the_last_frame_with_its_code() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.close(1008, "one\x07 connection only")

    async with server(talk) as url, open_stream(url, lambda: None) as stream:
        assert await stream.take() == [b"last"]
        with pytest.raises(Closed, match="code 1008: one connection only") as caught:
            await stream.take()
        assert caught.value.code == 1008


async def test_a_message_in_several_frames_is_one() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(["one ", "message ", "in parts"])
        await connection.send("two")
        await connection.wait_closed()

    async with server(talk) as url, open_stream(url, lambda: None) as stream:
        assert await taken(stream, 2) == [b"one message in parts", b"two"]


async def test_a_message_in_several_frames_is_bounded_too() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(["x" * 600] * 50)
        await connection.wait_closed()

    limits = Limits(max_message_bytes=1000)
    async with server(talk) as url, open_stream(url, lambda: None, limits) as stream:
        with pytest.raises(Closed, match="too large"):
            await stream.take()


async def test_a_message_above_the_limit_ends_the_connection() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("x" * 5000)
        await connection.wait_closed()

    limits = Limits(max_message_bytes=1000)
    async with server(talk) as url, open_stream(url, lambda: None, limits) as stream:
        with pytest.raises(Closed):
            await stream.take()


async def test_closing_does_not_wait_for_a_dead_peer() -> None:

    async def talk(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # type: ignore[attr-defined]
        await connection.wait_closed()

    loop = asyncio.get_running_loop()
    async with server(talk) as url:
        async with open_stream(url, lambda: None, Limits(close_timeout_s=0.3)):
            began = loop.time()
        assert loop.time() - began < 3.0


async def test_nobody_listening_is_unavailable() -> None:
    async with server(lambda connection: connection.wait_closed()) as url:
        pass
    with pytest.raises(Unavailable, match=r"Cannot connect to 127\.0\.0\.1"):
        async with open_stream(url, lambda: None):
            pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:KEY@example.invalid/?k=KEY", "'https://example.invalid'"),
        ("wss://?access_token=KEY", "'wss://'"),
        ("wss://example.invalid:99999?k=KEY", "'wss://example.invalid'"),
        ("wss://example.invalid/#KEY?k=KEY", "'wss://example.invalid'"),
        ("wss://[example?k=KEY", "What is configured"),
    ],
)
async def test_an_address_that_is_none_is_told_without_its_key(url: str, shown: str) -> None:
    with pytest.raises(ConfigError) as told:
        async with open_stream(url, lambda: None):
            pass
    assert str(told.value) == f"{shown} is no WebSocket address: write it as wss://host/path."
