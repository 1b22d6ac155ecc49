"""The simulator's faults on demand, as a client of the stream and of REST meets them."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from feeds.simulator_service import ask, running, socket_to

pytestmark = pytest.mark.integration

SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
PATH = "/simulator/line"


@contextlib.asynccontextmanager
async def market() -> AsyncIterator[tuple[httpx.AsyncClient, ClientConnection]]:
    """Yield REST and a stream on which all trades and quotes come, four times as fast as time."""
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(running(speed=4.0))
        stream = await stack.enter_async_context(socket_to(port))
        rest = await stack.enter_async_context(client_of(port))
        await ask(stream, "subscribe", "T.*,Q.*")
        yield rest, stream


def client_of(port: int) -> httpx.AsyncClient:
    key = {"Authorization": "Bearer demo"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=key, timeout=20)


async def set_faults(rest: httpx.AsyncClient, **faults: Any) -> None:
    assert (await rest.put(PATH, json=faults)).status_code == 200


async def data(stream: ClientConnection, count: int) -> list[str]:
    """Return the next data frames."""
    found: list[str] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            frame = str(await stream.recv())
            if '"ev":"status"' not in frame[:40]:
                found.append(frame)
    return found


async def counts(rest: httpx.AsyncClient) -> dict[str, int]:
    found: dict[str, int] = (await rest.get(PATH)).json()["counts"]
    return found


async def until(rest: httpx.AsyncClient, name: str, at_least: int) -> None:
    async with asyncio.timeout(20):
        while (await counts(rest)).get(name, 0) < at_least:
            pass  # each look is a round trip


def times(frames: list[str]) -> list[int]:
    return [max(e["t"] for e in msgspec.json.decode(f)) for f in frames]


async def test_mute_sends_no_data_and_still_answers() -> None:
    async with market() as (rest, stream):
        await data(stream, 2)
        await set_faults(rest, mute=True)
        await until(rest, "mute", 5)
        await ask(stream, "subscribe", "T.AAPL")
        async with asyncio.timeout(10):
            while "subscribed to: T.AAPL" not in str(await stream.recv()):
                pass  # sent before it was mute
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await stream.recv()
        await rest.delete(PATH)
        assert len(await data(stream, 3)) == 3


async def test_duplicate_and_flood_send_a_frame_again() -> None:
    async with market() as (rest, stream):
        await set_faults(rest, duplicate=1.0)
        await until(rest, "duplicate", 1)
        frames = await data(stream, 40)
        pairs = sum(a == b for a, b in itertools.pairwise(frames))
        assert pairs >= 15
        await set_faults(rest, flood=4)
        frames = await data(stream, 100)
        assert max(frames.count(f) for f in frames) == 5


async def test_reorder_and_late_send_older_frames_after_newer_ones() -> None:
    async with market() as (rest, stream):
        assert times(found := await data(stream, 20)) == sorted(times(found))
        await set_faults(rest, reorder=0.5)
        await until(rest, "reorder", 5)
        swapped = times(await data(stream, 40))
        assert swapped != sorted(swapped)
        await set_faults(rest, late=0.2, late_s=0.1)
        await until(rest, "late", 5)
        mixed = times(await data(stream, 40))
        assert mixed != sorted(mixed)


async def test_corrupt_frames_are_no_longer_what_was_said() -> None:
    async with market() as (rest, stream):
        await set_faults(rest, corrupt=1.0)
        await until(rest, "corrupt", 1)
        broken = 0
        for frame in await data(stream, 60):
            try:
                msgspec.json.decode(frame)
            except msgspec.DecodeError:
                broken += 1
        assert broken >= 10


@pytest.mark.parametrize("status", [429, 500])
async def test_requests_are_refused_with_a_status(status: int) -> None:
    async with market() as (rest, _):
        await set_faults(rest, status=status, retry_after_s=7, under="/v2/snapshot")
        refused = await rest.get(SNAPSHOT)
        assert refused.status_code == status
        assert refused.headers.get("retry-after") == ("7" if status == 429 else None)
        assert (await rest.get("/v3/reference/exchanges")).status_code == 200
        assert (await rest.get("/simulator/clock")).status_code == 200
        assert await counts(rest) == {"status": 1}
        await rest.delete(PATH)
        assert (await rest.get(SNAPSHOT)).status_code == 200


async def test_a_share_of_requests_is_refused_the_same_with_the_same_seed() -> None:
    async with market() as (rest, _):
        runs = []
        for _ in range(2):
            await set_faults(rest, status=500, status_share=0.5, seed=3)
            answers = [(await rest.get("/v3/reference/exchanges")).status_code for _ in range(12)]
            runs.append(answers)
        assert runs[0] == runs[1]
        assert set(runs[0]) == {200, 500}


async def test_a_slow_body_takes_its_time_and_is_whole() -> None:
    async with market() as (rest, _):
        loop = asyncio.get_running_loop()
        await set_faults(rest, slow_s=0.3)
        begun = loop.time()
        body = (await rest.get("/v3/reference/exchanges")).json()
        assert loop.time() - begun >= 0.3
        assert body["status"] == "OK"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"mut":true}', "unknown field `mut`"),
        ('{"corrupt":2}', "<= 1.0"),
        ("{", "truncated"),
    ],
)
async def test_what_is_no_fault_is_refused(body: str, words: str) -> None:
    async with market() as (rest, _):
        refused = await rest.put(PATH, content=body)
        assert refused.status_code == 400
        assert words in refused.json()["error"]
        assert (await rest.post(PATH)).status_code == 405
