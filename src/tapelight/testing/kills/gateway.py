"""A gateway of two topics, `status` and `symbol:X`, over the simulated market: for a trader alone."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tapelight.testing.sim.market import Market

BEAT_S = 0.1


class PriceGateway:
    """Show a market to traders, each 100 ms; `now_ns` is its time."""

    def __init__(self, market: Market, now_ns: Callable[[], int]) -> None:
        self.market, self._now_ns = market, now_ns
        self._server: Server | None = None
        self._seq = 0

    async def start(self, port: int = 0) -> int:
        """Begin to listen, and return the port."""
        self._server = await serve(self._serve, "127.0.0.1", port)
        found: int = next(iter(self._server.sockets)).getsockname()[1]
        return found

    async def stop(self) -> None:
        """End it, and every connection with it: the scanner is dead."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        topics: set[str] = set()
        showing = asyncio.create_task(self._show(connection, topics))
        try:
            async for message in connection:
                op = json.loads(message)
                if op["op"] == "unsubscribe":
                    topics.difference_update(op["topics"])
                else:
                    topics.update(op["topics"])
                    await self._send(connection, op["topics"])
        except ConnectionClosed:
            return
        finally:
            showing.cancel()

    async def _show(self, connection: ServerConnection, topics: set[str]) -> None:
        with suppress(ConnectionClosed):
            while True:
                await self._send(connection, sorted(topics))
                await asyncio.sleep(BEAT_S)

    async def _send(self, connection: ServerConnection, topics: list[str]) -> None:
        for topic in topics:
            self._seq += 1
            message = {
                "topic": topic, "epoch": "e", "seq": self._seq, "mark": self._seq,
                "ts_ns": self._now_ns(), "kind": "snapshot", **self._state(topic),
            }  # fmt: skip
            await connection.send(json.dumps(message))

    def _state(self, topic: str) -> dict[str, Any]:
        symbol = topic.partition(":")[2]
        if not symbol:
            return {"status": {"rate": 1.0}}
        cents = self.market.bid_cents[symbol]
        values = {"bid": cents / 100, "ask": (cents + 2) / 100, "last": cents / 100, "age_ms": 50.0}
        return {"values": values}
