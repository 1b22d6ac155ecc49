"""Bring today's minute bars that the stream did not: for active symbols, and on demand."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._minutes import PUBLISHED_NS, Cut, Minute, begin_of, minute_columns
from tapelight.feeds._timing import until
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.payloads import Details, MinuteBar
from tapelight.model.records import History
from tapelight.model.session import MINUTE_NS, Session
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
        self._cuts: Mapping[str, Cut] = {}
        self._asked: set[str] = set()
        self._filled: dict[str, None] = {}
        """Symbols whose day so far has come."""
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(
        self, symbols: Iterable[str], known: Iterable[str], cuts: Mapping[str, Cut]
    ) -> None:
        """Fetch the bars of `symbols`, and the ticker pages of those not `known`.

        `cuts` stand in for the minute in which the snapshot was taken, while that goes on.
        """
        self._cuts = cuts
        left, told = iter(list(symbols)), frozenset(known)
        async with asyncio.TaskGroup() as workers:
            for number in range(AT_ONCE):
                workers.create_task(self._work(left, told), name=f"backfill {number}")

    async def complete(self, ts_ns: int, delay_ns: int) -> None:
        """Once the minute of `ts_ns` has been published, fetch it for all that have their day so far.

        The minute before comes with it: it may have been published too late for the first time.
        """
        begin_ns = begin_of(ts_ns)
        await until(self._sink.clock, begin_ns + MINUTE_NS + PUBLISHED_NS + delay_ns)
        from_ns = max(begin_ns - MINUTE_NS, self._session.start_ns)
        for symbol in list(self._filled):
            await self._fetch(symbol, from_ns)
            await asyncio.sleep(PACE_S / AT_ONCE)

    async def symbol(self, symbol: str) -> None:
        """Put today's minute bars of `symbol` as History, unless they were asked for before."""
        if symbol in self._asked:
            return
        self._asked.add(symbol)
        if await self._fetch(symbol, self._session.start_ns):
            self._filled[symbol] = None
        else:
            self._asked.discard(symbol)

    async def _fetch(self, symbol: str, from_ns: int) -> bool:
        """Put the minute bars of `symbol` from a time on; return whether they could be had."""
        async with self._slots:
            try:
                now_ns = self._sink.clock.now_ns()
                bars = await self._library.minutes_between(symbol, from_ns, now_ns)
            except (Unavailable, Rejected) as error:
                self._sink.reject("history", f"{symbol}: {error}")
                return False
        row = self._sink.universe.add(symbol)
        columns = minute_columns(_lines(bars), row, from_ns, now_ns, self._cuts.get(symbol))
        if columns is not None:
            self._sink.put(History(self._sink.clock.now_ns(), columns))
        return True

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
