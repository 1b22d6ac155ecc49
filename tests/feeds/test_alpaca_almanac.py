"""References of Alpaca are read anew for each session, by what the service says then."""

import asyncio
import json
import time
from collections.abc import Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tapelight.feeds._symbols import Rows
from tapelight.feeds.alpaca.almanac import Almanac
from tapelight.feeds.alpaca.config import AlpacaConfig
from tapelight.feeds.alpaca.library import Library
from tapelight.model.clock import MarketClock
from tapelight.model.records import Record, References
from tapelight.model.session import calendar, latest_session, session_after
from tapelight.model.universe import Universe

pytestmark = pytest.mark.integration

NS = 1_000_000_000
PACE = 2_000
"""Market seconds a real one."""


class Sheet:
    """A sink that keeps references and rejects; its clock begins half an hour before a session."""

    def __init__(self) -> None:
        self.universe = Universe()
        self.records: list[References] = []
        self.rejected: list[str] = []
        self.came = asyncio.Event()
        days, begin_ns = calendar("XNYS"), time.monotonic_ns()
        self.session = latest_session(days, 1_795_200_000 * NS)
        self.coming = session_after(days, self.session.start_ns)
        self.clock = MarketClock(
            self.coming.start_ns - 1800 * NS, 1.0, lambda: PACE * (time.monotonic_ns() - begin_ns)
        )

    def put(self, record: Record) -> None:
        assert isinstance(record, References)
        self.records.append(record)
        self.came.set()

    def alive(self, complete_ns: int) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append(f"{kind}: {sample!r}")

    def raw(self, frames: Sequence[bytes]) -> None: ...


async def test_a_split_over_night_is_in_the_next_sessions_previous_close() -> None:
    sheet = Sheet()
    answers = [(200, 100.0), (404, 0.0), (200, 10.0)]

    def rest(connection: ServerConnection, request: Request) -> Response:
        status, body = 200, json.dumps([{"symbol": "A", "exchange": "NYSE", "name": "A Inc"}])
        if "/v2/stocks/bars" in request.path:
            status, close = answers.pop(0)
            bar = {"t": f"{sheet.session.date}T04:00:00Z", "o": close, "h": close, "l": close,
                   "c": close, "v": 1000}  # fmt: skip
            if len(answers) == 2:
                bar["t"] = "2026-10-01T04:00:00Z"
            body = json.dumps({"bars": {"A": [bar]}})
        return connection.respond(status, body)

    async with serve(lambda c: c.wait_closed(), "127.0.0.1", 0, process_request=rest) as server:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = AlpacaConfig(
            key="k", secret="s", rest=base, broker=base, symbols=("A",), canary=""
        )
        library = Library(config)
        almanac = Almanac(config, sheet, library, calendar("XNYS"), Rows(sheet.universe))
        await almanac.open(sheet.session)
        keeping = asyncio.create_task(almanac.keep(sheet.session))
        async with asyncio.timeout(60):
            while len(sheet.records) < 2:
                sheet.came.clear()
                await sheet.came.wait()
        keeping.cancel()
        await asyncio.wait({keeping})
        await library.close()
    first, second = sheet.records
    assert (first.session, second.session) == (str(sheet.session.date), str(sheet.coming.date))
    assert [r.references[0].prev_close for r in sheet.records] == [100.0, 10.0]
    assert len(sheet.rejected) == 1
    assert sheet.rejected[0].startswith("references: ")
