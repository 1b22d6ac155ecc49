"""Bring today's minute bars that the stream did not: for active symbols, and on demand."""

import asyncio
from collections.abc import Iterable, Iterator

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._minutes import Minute, minute_columns
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.payloads import Details, MinuteBar
from tapelight.model.records import History
from tapelight.model.session import Session
from tapelight.ports import Sink

MS = 1_000_000
AT_ONCE = 8
PACE_S = 0.25
"""What each of them rests between two symbols: some 30 symbols a second, beside the stream."""


class Backfill:
    """Fetch minute bars, once a symbol and connection, at most eight at a time."""

    def __init__(self, library: Library, sink: Sink, session: Session) -> None:
        self.details: dict[str, Details] = {}
        """The ticker pages read beside the bars."""
        self._library = library
        self._sink = sink
        self._session = session
        self._asked: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, symbols: Iterable[str], known: Iterable[str]) -> None:
        """Fetch the bars of `symbols`, and the ticker pages of those not `known`."""
        left, told = iter(list(symbols)), frozenset(known)
        async with asyncio.TaskGroup() as workers:
            for number in range(AT_ONCE):
                workers.create_task(self._work(left, told), name=f"backfill {number}")

    async def symbol(self, symbol: str) -> None:
        """Put today's minute bars of `symbol` as History, unless they were asked for before."""
        if symbol in self._asked:
            return
        self._asked.add(symbol)
        async with self._slots:
            try:
                now_ns = self._sink.clock.now_ns()
                bars = await self._library.minutes(symbol, self._session, now_ns)
            except (Unavailable, Rejected) as error:
                self._asked.discard(symbol)
                self._sink.reject("history", f"{symbol}: {error}")
                return
        row = self._sink.universe.add(symbol)
        columns = minute_columns(_lines(bars), row, self._session.start_ns, now_ns)
        if columns is not None:
            self._sink.put(History(self._sink.clock.now_ns(), columns))

    async def _work(self, left: Iterator[str], told: frozenset[str]) -> None:
        for symbol in left:
            await self.symbol(symbol)
            if symbol not in told:
                await self._read_page(symbol)
            await asyncio.sleep(PACE_S)

    async def _read_page(self, symbol: str) -> None:
        try:
            async with self._slots:
                page = await self._library.details(symbol)
        except (Unavailable, Rejected):
            return  # its columns stay null
        if page is not None:
            self.details[symbol] = page


def _lines(bars: Iterable[MinuteBar]) -> Iterator[Minute]:
    return ((b.t * MS, b.o, b.h, b.l, b.c, b.v, b.vw or 0.0, b.n) for b in bars)
