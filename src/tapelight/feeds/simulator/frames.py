"""Windows as Massive's JSON: one format string repeated over flat columns, no object an event.

A frame is an array of events; the helpers return its inside, events divided by commas.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.listing import Listing
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.totals import Totals
from tapelight.feeds.simulator.window import Banded, Window
from tapelight.model.batch import Floats, Int64s

FRAME_EVENTS = 2000
"""Events a frame at most: about a quarter of a megabyte."""
FIRST_SEQUENCE = 1_000_000

_TRADE = '%s%d,"i":"%d","p":%s,"s":%d,%s"t":%d,"q":%d}'
_QUOTE = '%s%s,"bs":%d,"ax":%d,"ap":%s,"as":%d,"c":0,"i":[604],"t":%d,"q":%d%s'
_BAND = '{"ev":"LULD","T":"%s","h":%s,"l":%s,"i":[21],"z":%d,"t":%d,"q":%d}'
_BAR = (
    '{"ev":"%s","sym":"%s","v":%d,"av":%d,"op":%s,"vw":%s,"o":%s,"c":%s,"h":%s,"l":%s,'
    '"a":%s,"z":%d,"s":%d,"e":%d,"dv":"%s","dav":"%s"}'
)


def rows_of(form: str, columns: Sequence[Sequence[Any]], divider: str = ",") -> str:
    """Format n rows of equally long `columns` by `form`, divided by `divider`."""
    n, width = len(columns[0]), len(columns)
    if n == 0:
        return ""
    flat: list[Any] = [None] * (n * width)
    for i, column in enumerate(columns):
        flat[i::width] = column
    return ((form + divider) * (n - 1) + form) % tuple(flat)


class Frames:
    """Write the events of one listing."""

    def __init__(self, listing: Listing) -> None:
        symbols, tapes = listing.symbols, listing.tape.tolist()
        self._symbols = np.array(symbols, object)
        self._tape = listing.tape.astype(np.int64)
        heads = [
            f'{{"ev":"T","sym":"{s}","z":{z},"x":' for s, z in zip(symbols, tapes, strict=True)
        ]
        self._trade_head = np.array(heads, object)
        heads = [
            f'{{"ev":"Q","sym":"{s}","bx":{x},"bp":'
            for s, x in zip(symbols, listing.venue.tolist(), strict=True)
        ]
        self._quote_head = np.array(heads, object)
        self._quote_tail = np.array([f',"z":{z}}}' for z in tapes], object)
        self._kinds = np.array([_conditions(c) for c in sales.KINDS], object)

    def trades(self, window: Window, rows: Int64s | None = None) -> list[str]:
        """Return the trades (all, or those at positions `rows`) in chunks of a frame."""
        at = np.arange(len(window.trades)) if rows is None else rows
        return [
            self._trade_chunk(window, at[i : i + FRAME_EVENTS])
            for i in range(0, len(at), FRAME_EVENTS)
        ]

    def _trade_chunk(self, window: Window, at: Int64s) -> str:
        trades, number = window.trades, window.first_trade + at
        size = trades.size[at]
        tails: list[str] = self._kinds[trades.kind[at]].tolist()
        for i in np.flatnonzero(size % 1.0).tolist():
            tails[i] = f'"ds":"{float(size[i])!r}",{tails[i]}'
        return rows_of(_TRADE, (
            self._trade_head[trades.row[at]].tolist(), trades.venue[at].tolist(),
            (number + 1).tolist(), dollars(trades.price[at]).tolist(), size.tolist(), tails,
            trades.ts_ms[at].tolist(), (number * 3 + FIRST_SEQUENCE).tolist(),
        ))  # fmt: skip

    def quotes(self, window: Window, rows: Int64s | None = None) -> list[str]:
        """Return the quotes (all, or those at positions `rows`) in chunks of a frame."""
        at = np.arange(len(window.quotes)) if rows is None else rows
        return [
            self._quote_chunk(window, at[i : i + FRAME_EVENTS])
            for i in range(0, len(at), FRAME_EVENTS)
        ]

    def _quote_chunk(self, window: Window, at: Int64s) -> str:
        quotes = window.quotes
        row, number = quotes.row[at], window.first_quote + at
        venues = sales.VENUES[1 + (number % (len(sales.VENUES) - 1))]
        return rows_of(_QUOTE, (
            self._quote_head[row].tolist(), dollars(quotes.bid[at]).tolist(),
            quotes.bid_size[at].tolist(), venues.tolist(), dollars(quotes.ask[at]).tolist(),
            quotes.ask_size[at].tolist(), quotes.ts_ms[at].tolist(),
            (number * 2 + FIRST_SEQUENCE).tolist(), self._quote_tail[row].tolist(),
        ))  # fmt: skip

    def bands(self, bands: Banded, rows: Int64s | None = None) -> list[str]:
        """Return price bands in chunks of a frame; their times are in ns, unlike all others."""
        at = np.arange(len(bands.row)) if rows is None else rows
        return [
            self._band_chunk(bands, at[i : i + FRAME_EVENTS])
            for i in range(0, len(at), FRAME_EVENTS)
        ]

    def _band_chunk(self, bands: Banded, at: Int64s) -> str:
        row, n = bands.row[at], len(at)
        sequence = bands.ts_ms % 1_000_000_000 * 100 + at
        return rows_of(_BAND, (
            self._symbols[row].tolist(), dollars(bands.upper[at]).tolist(),
            dollars(bands.lower[at]).tolist(), self._tape[row].tolist(),
            [bands.ts_ms * 1_000_000] * n, sequence.tolist(),
        ))  # fmt: skip

    def bars(
        self, span_s: int, bars: Closed, totals: Totals, rows: Int64s | None = None
    ) -> list[str]:
        """Return second (A) or minute (AM) bars in chunks of a frame."""
        picked = bars if rows is None else bars.take(rows)
        return [
            self._bar_chunk(span_s, picked.take(np.arange(i, min(i + 1000, len(picked.row)))), totals)
            for i in range(0, len(picked.row), 1000)
        ]

    def _bar_chunk(self, span_s: int, bars: Closed, totals: Totals) -> str:
        row, n = bars.row, len(bars.row)
        day = totals.volume[row]
        opened = np.where(totals.official_open[row] > 0, totals.official_open[row], totals.open[row])
        vwap = bars.vwap()
        return rows_of(_BAR, (
            ["A" if span_s == 1 else "AM"] * n, self._symbols[row].tolist(),
            bars.volume.tolist(), day.tolist(), dollars(opened).tolist(), vwap.tolist(),
            dollars(bars.open).tolist(), dollars(bars.close).tolist(),
            dollars(bars.high).tolist(), dollars(bars.low).tolist(),
            _day_vwap(totals, row, vwap).tolist(),
            (bars.volume / np.maximum(bars.count, 1)).tolist(),
            [bars.start_ms] * n, [bars.start_ms + span_s * 1000] * n,
            bars.volume.tolist(), day.tolist(),
        ))  # fmt: skip


def _day_vwap(totals: Totals, row: Int64s, bar_vwap: Floats) -> Floats:
    volume = totals.vwap_volume[row]
    mean = np.round(totals.amount[row] / np.where(volume > 0, volume, 1.0), 4)
    known: Floats = np.where(volume > 0, mean, bar_vwap)
    return known


def _conditions(ids: tuple[int, ...]) -> str:
    return f'"c":[{",".join(map(str, ids))}],' if ids else ""
