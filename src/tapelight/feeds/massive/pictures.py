"""Ask for the whole market by one REST call: what serves while a stream is gone."""

import asyncio
from dataclasses import replace

import numpy as np

from tapelight.feeds._symbols import Rows
from tapelight.feeds.massive.config import MassiveConfig, Secret, check
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.payloads import TickerSnapshot
from tapelight.feeds.massive.rest import Rest
from tapelight.feeds.massive.snapshot import lines_of, snapshot_of
from tapelight.feeds.massive.sound import normal_one_ns
from tapelight.model.conditions import US_RULES
from tapelight.model.records import Snapshot
from tapelight.model.session import calendar, session_at
from tapelight.ports import Sink


class MassivePictures:
    """Bring the provider's picture of the day, one call at a time; it holds no stream."""

    name = "massive snapshot"

    def __init__(self, config: MassiveConfig) -> None:
        self._config = check(config)
        self._rest: Rest | None = None
        self._calendar = calendar("XNYS")
        self.newest_ns = 0
        """Time of the newest print that the last picture knew."""

    async def poll(self, sink: Sink) -> Snapshot:
        """Return the day so far of all symbols; previous closes are left to the stream's feed."""
        if self._rest is None:
            self._rest = Rest(self._config.rest, Secret(self._config.api_key))
        tickers = await Library(self._rest).snapshot(self._config.symbols)
        session = session_at(self._calendar, sink.clock.now_ns())
        lines = await asyncio.to_thread(lines_of, tickers, session, US_RULES, {})
        self.newest_ns = max((_traded_ns(t) for t in tickers), default=0)
        rows = Rows(sink.universe)
        found = snapshot_of(tickers, lines, rows.of, sink.clock.now_ns())
        return replace(found, prev_close=np.full(len(found.row), np.nan))

    async def close(self) -> None:
        """Close the HTTP connections."""
        if self._rest is not None:
            await self._rest.close()
            self._rest = None


def _traded_ns(ticker: TickerSnapshot) -> int:
    """Return the time of a symbol's last trade, of its last event where the plan names none."""
    trade = ticker.last_trade
    return normal_one_ns(trade.t if trade is not None and trade.t else ticker.updated)
