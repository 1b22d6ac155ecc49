"""Start the simulator on a free port inside a test's own loop, and talk to it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tapelight.feeds.simulator import SimulatorOptions, serve


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(**given: Any) -> AsyncIterator[int]:
    """Yield the port of a simulator that accepts connections."""
    port = given.pop("port", 0) or free_port()
    options = {"symbols": 120, "rate": 400.0, "seed": 5, "hold": True, **given}
    task = asyncio.create_task(serve(SimulatorOptions(port=port, **options)))
    try:
        await _answering(port, task)
        yield port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answering(port: int, task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(20):
        while True:
            if task.done():
                task.result()
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def socket_to(port: int, key: str | None = "demo") -> AsyncIterator[ClientConnection]:
    """Yield a connection that has read `connected` and, with a key, `auth_success`."""
    url = f"ws://127.0.0.1:{port}/stocks"
    async with connect(url, max_size=None, compression=None, close_timeout=1) as ws:
        assert (await events(ws))[0]["status"] == "connected"
        if key is not None:
            await ask(ws, "auth", key)
            assert await events(ws) == [
                {"ev": "status", "status": "auth_success", "message": "authenticated"}
            ]
        yield ws


async def ask(ws: ClientConnection, action: str, params: str) -> None:
    await ws.send(msgspec.json.encode({"action": action, "params": params}).decode())


async def events(ws: ClientConnection) -> list[dict[str, Any]]:
    """Return the events of the next frame."""
    async with asyncio.timeout(10):
        found = msgspec.json.decode(await ws.recv())
    assert isinstance(found, list)
    return found
