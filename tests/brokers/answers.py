"""A broker's machine that gives the answers it is told to."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

ACCOUNT: dict[str, Any] = {
    "account_number": "PA0TEST", "status": "ACTIVE", "equity": "100000", "last_equity": "100000",
    "buying_power": "200000", "multiplier": "4", "shorting_enabled": True, "daytrade_count": 0,
}  # fmt: skip
NOTHING: dict[str, Any] = {"/v2/orders": [], "/v2/account": ACCOUNT, "/v2/positions": []}


@contextlib.asynccontextmanager
async def answering(answers: Mapping[str, Any]) -> AsyncIterator[str]:
    """Answer each path with its JSON, the others with 404; yield the machine's address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1].partition("?")[0]
        body = json.dumps(answers.get(path, {})).encode()
        status = "200 OK" if path in answers else "404 Not Found"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
