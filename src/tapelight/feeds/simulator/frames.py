"""Windows as Massive's JSON events.

The helpers return the inside of a frame's array: events divided by commas, at most
`FRAME_EVENTS` in a piece.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.jsonrows import Form, Kind, Words, warm
from tapelight.feeds.simulator.listing import Listing
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.totals import Totals
from tapelight.feeds.simulator.window import Banded, Window
from tapelight.model.batch import Floats, Int64s

FRAME_EVENTS = 2000
"""Events a piece at most: about a quarter of a megabyte."""
FIRST_SEQUENCE = 1_000_000
_BAND_INDICATORS = msgspec.Raw(b"[21]")
_ENCODER = msgspec.json.Encoder()


TRADE: tuple[tuple[str, Kind], ...] = (
    ('{"ev":"T","sym":', "word"), (',"x":', "number"), (',"i":"', "number"), ('","z":', "number"),
    (',"p":', "dollars"), (',"s":', "number"), (',"t":', "number"), (',"q":', "number"),
    ("", "word"), ("", "word"),
)  # fmt: skip
"""A trade; the last words are `c`, absent without conditions, and `ds`, absent without a fraction."""
QUOTE: tuple[tuple[str, Kind], ...] = (
    ('{"ev":"Q","sym":', "word"), (',"bx":', "number"), (',"bp":', "dollars"),
    (',"bs":', "number"), (',"ax":', "number"), (',"ap":', "dollars"), (',"as":', "number"),
    (',"t":', "number"), (',"q":', "number"), (',"z":', "number"), (',"c":0,"i":[604]', "word"),
)  # fmt: skip
"""A national best quote."""


class BarEvent(msgspec.Struct, gc=False):
    """Write a second (A) or minute (AM) bar."""

    ev: str
    sym: str
    v: int
    av: int
    op: float
    vw: float
    o: float
    c: float
    h: float
    l: float  # noqa: E741
    a: float
    z: int
    s: int
    e: int
    dv: str
    dav: str


class BandEvent(msgspec.Struct, gc=False, tag_field="ev", tag="LULD"):
    """Write a price band; its time is in ns, unlike all others."""

    T: str
    h: float
    l: float  # noqa: E741
    z: int
    t: int
    q: int
    i: msgspec.Raw = _BAND_INDICATORS


class Frames:
    """Write the events of one listing."""

    def __init__(self, listing: Listing) -> None:
        self._symbols = np.array(listing.symbols, object)
        self._tape = listing.tape.astype(np.int64)
        self._venue = listing.venue.astype(np.int64)
        symbols = [msgspec.json.encode(symbol) for symbol in listing.symbols]
        kinds = [_conditions(c) for c in sales.KINDS]
        words = Words([*symbols, *kinds, b""])
        self._first_kind, self._no_word = len(symbols), len(symbols) + len(kinds)
        self._trades, self._quotes = Form(TRADE, words), Form(QUOTE, words)
        warm()  # not when the first trade is due

    def trades(self, window: Window, rows: Int64s | None = None) -> list[str]:
        """Return the trades (all, or those at positions `rows`)."""
        at = np.arange(len(window.trades)) if rows is None else rows
        return [self._trade_piece(window, part) for part in _parts(at)]

    def _trade_piece(self, window: Window, at: Int64s) -> str:
        trades, number = window.trades, window.first_trade + at
        row, size = trades.row[at], trades.size[at]
        fractions = np.flatnonzero(size % 1.0)
        exact = np.full(len(at), self._no_word)
        exact[fractions] = -1 - np.arange(len(fractions))
        return self._trades.write(
            (
                row, trades.venue[at], number + 1, self._tape[row], trades.price[at], size,
                trades.ts_ms[at], number * 3 + FIRST_SEQUENCE,
                self._first_kind + trades.kind[at], exact,
            ),
            Words(b',"ds":"%a"' % each for each in size[fractions].tolist()),
        )  # fmt: skip

    def quotes(self, window: Window, rows: Int64s | None = None) -> list[str]:
        """Return the quotes (all, or those at positions `rows`)."""
        at = np.arange(len(window.quotes)) if rows is None else rows
        return [self._quote_piece(window, part) for part in _parts(at)]

    def _quote_piece(self, window: Window, at: Int64s) -> str:
        quotes = window.quotes
        row, number = quotes.row[at], window.first_quote + at
        venues = sales.VENUES[1 + number % (len(sales.VENUES) - 1)]
        return self._quotes.write((
            row, self._venue[row], quotes.bid[at], quotes.bid_size[at], venues, quotes.ask[at],
            quotes.ask_size[at], quotes.ts_ms[at], number * 2 + FIRST_SEQUENCE,
            self._tape[row], self._no_word,
        ))  # fmt: skip

    def bands(self, bands: Banded, rows: Int64s | None = None) -> list[str]:
        """Return price bands (all, or those at positions `rows`)."""
        at = np.arange(len(bands.row)) if rows is None else rows
        return [self._band_piece(bands, part) for part in _parts(at)]

    def _band_piece(self, bands: Banded, at: Int64s) -> str:
        row = bands.row[at]
        columns = (
            self._symbols[row].tolist(), dollars(bands.upper[at]).tolist(),
            dollars(bands.lower[at]).tolist(), self._tape[row].tolist(),
            [bands.ts_ms * 1_000_000] * len(at),
            (bands.ts_ms % 1_000_000_000 * 100 + at).tolist(),
        )  # fmt: skip
        return _text([BandEvent(*row) for row in zip(*columns, strict=True)])

    def bars(
        self, span_s: int, bars: Closed, totals: Totals, rows: Int64s | None = None
    ) -> list[str]:
        """Return second (A) or minute (AM) bars."""
        at = np.arange(len(bars.row)) if rows is None else rows
        return [self._bar_piece(span_s, bars.take(part), totals) for part in _parts(at)]

    def _bar_piece(self, span_s: int, bars: Closed, totals: Totals) -> str:
        row, n = bars.row, len(bars.row)
        day = totals.volume[row]
        opened = np.where(totals.official_open > 0, totals.official_open, totals.open)[row]
        vwap = bars.vwap()
        columns = (
            ["A" if span_s == 1 else "AM"] * n, self._symbols[row].tolist(),
            bars.volume.astype(np.int64).tolist(), day.astype(np.int64).tolist(),
            dollars(opened).tolist(), vwap.tolist(), dollars(bars.open).tolist(),
            dollars(bars.close).tolist(), dollars(bars.high).tolist(),
            dollars(bars.low).tolist(), _day_vwap(totals, row, vwap).tolist(),
            (bars.volume / np.maximum(bars.count, 1)).astype(np.int64).tolist(),
            [bars.start_ms] * n, [bars.start_ms + span_s * 1000] * n,
            [str(v) for v in bars.volume.tolist()], [str(v) for v in day.tolist()],
        )  # fmt: skip
        return _text([BarEvent(*row) for row in zip(*columns, strict=True)])


def _parts(at: Int64s) -> list[Int64s]:
    return [at[i : i + FRAME_EVENTS] for i in range(0, len(at), FRAME_EVENTS)]


def _text(events: Sequence[msgspec.Struct]) -> str:
    return _ENCODER.encode(events)[1:-1].decode()


def _day_vwap(totals: Totals, row: Int64s, bar_vwap: Floats) -> Floats:
    volume = totals.vwap_volume[row]
    mean = np.round(totals.amount[row] / np.where(volume > 0, volume, 1.0), 4)
    known: Floats = np.where(volume > 0, mean, bar_vwap)
    return known


def _conditions(ids: tuple[int, ...]) -> bytes:
    return f',"c":[{",".join(map(str, ids))}]'.encode() if ids else b""
