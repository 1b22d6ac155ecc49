"""Fetch the trades that a hole missed, symbol by symbol."""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._sip import EXCHANGES, mask_of_letters
from tapelight.feeds._standing import BEFORE_NS
from tapelight.feeds.alpaca.decode import Decoder
from tapelight.feeds.alpaca.library import Library
from tapelight.feeds.alpaca.moments import text_ns
from tapelight.feeds.alpaca.payloads import PastTrade
from tapelight.model.batch import Trades, trades_of
from tapelight.model.records import Healed
from tapelight.ports import Sink

AT_ONCE = 4
PACE_S = 0.3
"""Between two requests of each: the free plan allows 200 a minute."""
Line = tuple[int, int, float, float, int, int, int]


class Missed:
    """Fetch the trades of one hole; those that the stream brought are left out by their ids.

    What a delayed feed missed is older than the hole by its delay.
    """

    def __init__(
        self,
        library: Library,
        sink: Sink,
        decoder: Decoder,
        since_ns: int,
        until_ns: int,
        delay_ns: int = 0,
    ) -> None:
        self._library, self._sink, self._decoder = library, sink, decoder
        self._since_ns, self._until_ns = since_ns, until_ns
        self._delay_ns = delay_ns
        self._from_ns = since_ns - BEFORE_NS - delay_ns
        self._lines: list[Line] = []
        self._ids: list[int] = []
        self._missing: list[int] = []

    async def fetch(self, symbols: Sequence[str], rest: Sequence[str]) -> Healed:
        """Return what was missed; the rows of `rest`, and of what could not be had, lack theirs."""
        left = iter(symbols)
        async with asyncio.TaskGroup() as workers:
            for number in range(AT_ONCE):
                workers.create_task(self._work(left), name=f"alpaca missed trades {number}")
        self._missing += [self._sink.universe.add(symbol) for symbol in rest]
        trades = self._fresh()
        return Healed(
            self._sink.clock.now_ns(), self._since_ns, self._until_ns,
            np.array(sorted(self._missing), np.int32), trades, self._delay_ns,
        )  # fmt: skip

    def _fresh(self) -> Trades:
        """Return the trades that the stream did not bring, which are remembered from now on."""
        memory = self._decoder.memory
        brought = memory.since(self._from_ns)
        kept = [
            (line, number)
            for line, number in zip(self._lines, self._ids, strict=True)
            if (line[0], number, line[5]) not in brought
        ]
        columns = [list(c) for c in zip(*(line for line, _ in kept), strict=True)] or [[]] * 7
        trades = trades_of(*columns)
        memory.add(trades, [number for _, number in kept])
        return trades

    async def _work(self, left: Iterator[str]) -> None:
        for symbol in left:
            row = self._sink.universe.add(symbol)
            try:
                prints = await self._library.trades(
                    symbol, self._from_ns, self._until_ns - self._delay_ns
                )
                self._take(row, prints)
            except (Unavailable, Rejected, ConfigError, ValueError) as error:
                self._sink.reject("missed trades", f"{symbol}: {error}")
                self._missing.append(row)
            await asyncio.sleep(PACE_S)

    def _take(self, row: int, prints: Sequence[PastTrade]) -> None:
        lines: list[Line] = []
        ids: list[int] = []
        for one in prints:
            if not (0 < one.p <= 1e9 and 0 <= one.s <= 1e13):
                raise ValueError("a price or size cannot be")
            mask = mask_of_letters(one.c or (), one.z)
            lines.append((row, text_ns(one.t), one.p, one.s, mask, EXCHANGES.get(one.x, 0), 0))
            ids.append(one.i)
        self._lines += lines
        self._ids += ids
