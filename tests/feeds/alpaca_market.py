"""The simulated market as Alpaca's frames, without sockets; and a table that takes them."""

from typing import Any

import msgspec
import numpy as np

from tapelight.engine import Engine
from tapelight.feeds.alpaca.decode import Decoder
from tapelight.feeds.simulator import SimulatorOptions
from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.guard import Keys
from tapelight.feeds.simulator.alpaca.side import Side
from tapelight.feeds.simulator.alpaca.stream import DataStream, Reader
from tapelight.feeds.simulator.alpaca.wishes import CHANNELS, Request
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.records import Mark, Symbols, TierGate

ALL = {channel: ["*"] for channel in CHANNELS}


class Played:
    """Play a scenario: frames as they would be sent, and the engine's table of them."""

    def __init__(self, pack: bool, side: str = "sip", **options: Any) -> None:
        given = {"symbols": 400, "rate": 6000.0, "seed": 7, "speed": 10.0, **options}
        self.market = Simulation(SimulatorOptions(port=0, **given))
        self.side = Side(self.market, side)
        self.stream = DataStream(self.side, Keys("a", "b"), Switches(), lambda: None)
        self.reader = Reader(self.market.row_of, 1 << 30, pack)
        self.reader.wishes.change(Request(action="subscribe", **ALL))
        self.stream._reader = self.reader
        self.engine = Engine()
        self.decoder = Decoder(self.engine.table.universe, pack)
        self.known = 0
        self.records: list[Any] = []
        self.apply(TierGate(where="last < 0"))
        self.frames: list[bytes] = []

    def apply(self, record: Any) -> None:
        symbols = self.engine.table.universe.symbols
        if len(symbols) > self.known:
            fresh = Symbols(self.known, list(symbols[self.known :]))
            self.known = len(symbols)
            self.records.append(fresh)
            self.engine.apply(fresh)
        self.records.append(record)
        self.engine.apply(record)

    def play(self, market_s: float) -> None:
        until = self.market.now_ms + int(market_s * 1000)
        while self.market.now_ms < until:
            self.stream.broadcast(self.side.take(self.market.advance().window))
            frames = list(self.reader.waiting)
            self.reader.waiting.clear()
            self.reader._bytes = 0
            now_ns = self.market.now_ms * MS
            if frames:
                self.frames += frames
                self.take(frames, now_ns)
            if self.market.now_ms % 100 == 0:
                self.apply(Mark(now_ns, now_ns))

    def take(self, frames: list[bytes], now_ns: int) -> None:
        found = self.decoder.decode(frames, now_ns)
        assert found.rejected == []
        for record in (found.batch, *found.halts, *found.corrections):
            if record is not None:
                self.apply(record)

    def column(self, name: str) -> "np.ndarray[Any, Any]":
        """Return a field of the table by the market's own rows; NaN where nothing came."""
        table, listing = self.engine.table, self.market.listing.symbols
        out = np.full(len(listing), np.nan)
        for at, symbol in enumerate(listing):
            row = table.universe.rows.get(symbol)
            if row is not None:
                out[at] = table.rows[name][row]
        return out


def both(event: dict[str, Any]) -> bytes:
    """Return a JSON frame of one event."""
    return msgspec.json.encode([event])
