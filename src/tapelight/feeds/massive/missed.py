"""Fetch the trades that a hole missed, symbol by symbol."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._rest import NotServed
from tapelight.feeds._standing import BEFORE_NS
from tapelight.feeds.massive.columns import trade_columns
from tapelight.feeds.massive.events import TradeEvent
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.payloads import PastTrade
from tapelight.model.batch import MAX_AHEAD_NS, Trades, trades_of
from tapelight.model.conditions import mask_of
from tapelight.model.records import Healed
from tapelight.ports import Sink

AT_ONCE = 16
PACE_S = 0.18
"""Between two requests of each: some 90 a second, as many as the service likes to see."""
TAKEN_BACK = frozenset({7, 8, 10, 11})
"""Values of `correction` of a print in error or cancelled, and of the record that says so.
Source: the consolidated tape's correction indicators; not verified against the service."""


class Missed:
    """Fetch the trades of one hole: `symbols` in this order, 16 at a time.

    What a delayed feed missed is older than the hole by its delay.
    """

    def __init__(
        self, library: Library, sink: Sink, since_ns: int, until_ns: int, delay_ns: int = 0
    ) -> None:
        self._library = library
        self._sink = sink
        self._since_ns = since_ns
        self._until_ns = until_ns
        self._delay_ns = delay_ns
        self._found: list[Trades] = []
        self._missing: list[int] = []
        self.refused = ""
        """Why the service gives no trades at all; empty while it does."""

    async def fetch(self, symbols: Sequence[str], rest: Sequence[str]) -> Healed:
        """Return what was missed; the rows of `rest`, and of what could not be had, lack theirs."""
        left = iter(symbols)
        async with asyncio.TaskGroup() as workers:
            for number in range(AT_ONCE):
                workers.create_task(self._work(left), name=f"missed trades {number}")
        missing = [*self._missing, *(self._row(s) for s in rest), *(self._row(s) for s in left)]
        return Healed(
            self._sink.clock.now_ns(), self._since_ns, self._until_ns,
            np.array(sorted(missing), np.int32), _joined(self._found), self._delay_ns,
        )  # fmt: skip

    async def _work(self, left: Iterator[str]) -> None:
        for symbol in left:
            if self.refused:
                self._missing.append(self._row(symbol))
                return
            await self._fetch(symbol)
            await asyncio.sleep(PACE_S)

    async def _fetch(self, symbol: str) -> None:
        from_ns, to_ns = self._since_ns - BEFORE_NS, self._until_ns
        try:
            prints = await self._library.trades(
                symbol, from_ns - self._delay_ns, to_ns - self._delay_ns
            )
            self._found.append(self._columns(symbol, prints))
        except NotServed as error:
            if not self._found:
                self.refused = str(error)
            self._missing.append(self._row(symbol))
        except (Unavailable, Rejected, ValueError, OverflowError) as error:
            self._sink.reject("missed trades", f"{symbol}: {error}")
            self._missing.append(self._row(symbol))

    def _columns(self, symbol: str, prints: Sequence[PastTrade]) -> Trades:
        """Return the columns of the prints; raises ValueError where one cannot be."""
        events = [
            TradeEvent(
                sym=symbol, x=p.exchange, p=p.price, s=p.size, c=p.conditions,
                t=p.sip_timestamp, q=p.sequence_number, ds=p.decimal_size,
            )
            for p in prints
            if p.correction not in TAKEN_BACK
            and (p.sequence_number or p.sip_timestamp > self._since_ns - self._delay_ns)
        ]  # fmt: skip
        if not events:
            return NO_TRADES
        if any(not (0 < e.p <= 1e9 and 0 <= e.s <= 1e13) for e in events):
            raise ValueError("a price or size cannot be")
        latest_ns = self._sink.clock.now_ns() + MAX_AHEAD_NS
        return trade_columns(events, self._row, mask_of, latest_ns)

    def _row(self, symbol: str) -> int:
        return self._sink.universe.add(symbol)


NO_TRADES = trades_of([], [], [], [], [], [], [])


def _joined(parts: Sequence[Trades]) -> Trades:
    pieces = [NO_TRADES, *parts]
    return Trades(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(Trades)))
