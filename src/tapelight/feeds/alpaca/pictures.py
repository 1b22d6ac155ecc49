"""Alpaca's pictures: snapshots of up to 600 symbols, for while another stream is gone."""

from tapelight.feeds._symbols import Rows
from tapelight.feeds.alpaca.config import AlpacaConfig, check
from tapelight.feeds.alpaca.library import SYMBOLS_A_REQUEST, Library
from tapelight.feeds.alpaca.picture import day_of, snapshot_of
from tapelight.model.records import Snapshot
from tapelight.model.session import calendar, latest_session
from tapelight.ports import Sink

MOST_SYMBOLS = 3 * SYMBOLS_A_REQUEST
"""Three requests a second are what a plan of 200 a minute bears for the time of a break."""


class AlpacaPictures:
    """Bring the day so far of the symbols of the settings, or of the first that are watched."""

    name = "alpaca snapshot"

    def __init__(self, config: AlpacaConfig) -> None:
        self._config = check(config)
        self._library: Library | None = None
        self._calendar = calendar("XNYS")
        self.newest_ns = 0
        """Time of the newest print that the last picture knew."""

    async def poll(self, sink: Sink) -> Snapshot:
        """Return the day so far; previous closes are left to the stream's feed."""
        if self._library is None:
            self._library = Library(self._config)
        symbols = list(self._config.symbols or sink.universe.symbols)[:MOST_SYMBOLS]
        found = await self._library.snapshots(symbols)
        now_ns = sink.clock.now_ns()
        session = latest_session(self._calendar, now_ns)
        days = {symbol: day_of(snapshot, session) for symbol, snapshot in found.items()}
        known = {symbol: day for symbol, day in days.items() if day is not None}
        self.newest_ns = max((day.updated_ns for day in known.values()), default=0)
        return snapshot_of(known, {}, Rows(sink.universe).__getitem__, now_ns)

    async def close(self) -> None:
        """Close the HTTP connections."""
        if self._library is not None:
            await self._library.close()
            self._library = None
