"""Clients of a gateway, a process of their own: each watches one board, and times what comes.

    python -m tapelight.bench._clients PORT MARKET_PORT CLIENTS SECONDS BOARD...

`ready` goes to stdout when every client has its board, and at the end one JSON object.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Sequence

import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

NS = 1_000_000_000
ASKED = 20
READY_S = 60.0


class Came(msgspec.Struct, frozen=True):
    """Be what is read of a message: its market time."""

    ts_ns: int = 0


class Watching:
    """Hold the clients, and what came to them."""

    def __init__(self, port: int, boards: Sequence[str]) -> None:
        self.lags_ms: list[float] = []
        self.bytes = 0
        self.cut = 0
        """Clients that the gateway has ended."""
        self._port, self._boards = port, boards
        self._came = msgspec.json.Decoder(Came)
        self._clients: list[ClientConnection] = []

    async def open(self, clients: int) -> None:
        """Let each client watch a board, and have its snapshot."""
        for number in range(clients):
            address = f"ws://127.0.0.1:{self._port}/ws"
            client = await connect(address, compression=None, max_size=None, ping_interval=None)
            topic = f"board:{self._boards[number % len(self._boards)]}"
            await client.send(json.dumps({"op": "subscribe", "topics": [topic]}))
            await client.recv()
            self._clients.append(client)

    async def run(self, seconds: float, offset_ns: int) -> None:
        """Take what comes, for so long."""
        end_s = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._take(client, end_s, offset_ns))

    async def _take(self, client: ClientConnection, end_s: float, offset_ns: int) -> None:
        try:
            async with asyncio.timeout_at(end_s):
                while True:
                    body = await client.recv(decode=False)
                    now_ns = time.monotonic_ns() + offset_ns
                    self.bytes += len(body)
                    self.lags_ms.append((now_ns - self._came.decode(body).ts_ns) / 1e6)
        except TimeoutError:
            return
        except ConnectionClosed:
            self.cut += 1

    def told(self) -> dict[str, float]:
        """Return the figures."""
        p50, p99 = np.quantile(self.lags_ms or [0.0], (0.5, 0.99)).tolist()
        came = len(self.lags_ms)
        return {
            "messages": came,
            "bytes": self.bytes,
            "cut": self.cut,
            "p50_ms": p50,
            "p99_ms": p99,
        }


def offset_ns(market_port: int) -> int:
    """Return market time less monotonic time, by the quickest of some answers; at speed 1."""
    best, offset = NS, 0
    for _ in range(ASKED):
        begin = time.monotonic_ns()
        url = f"http://127.0.0.1:{market_port}/simulator/clock"
        with urllib.request.urlopen(url, timeout=5) as answer:
            now_ns = json.loads(answer.read())["now_ns"]
        took = time.monotonic_ns() - begin
        if took < best:
            best, offset = took, now_ns - begin - took // 2
    return offset


async def watch(
    port: int, market_port: int, clients: int, seconds: float, boards: list[str]
) -> None:
    """Watch for so long, and tell."""
    watching = Watching(port, boards)
    offset = await asyncio.to_thread(offset_ns, market_port)
    async with asyncio.timeout(READY_S):
        await watching.open(clients)
    print("ready", flush=True)
    await watching.run(seconds, offset)
    print(json.dumps(watching.told()), flush=True)


if __name__ == "__main__":
    _port, _market, _count, _seconds, *_boards = sys.argv[1:]
    asyncio.run(watch(int(_port), int(_market), int(_count), float(_seconds), _boards))
