"""The snapshot of /v2/snapshot/locale/us/markets/stocks: the day so far, between two windows."""

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.totals import Totals
from tapelight.model.batch import Floats, Int64s

CHUNK = 500
"""Rows written at once: the stream waits no longer than that takes."""


class Day(msgspec.Struct, gc=False):
    """Hold the day bar: all 0 until the bell."""

    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    vw: float
    dv: str


class Minute(msgspec.Struct, gc=False):
    """Hold the last minute bar; `av` is the day's volume from 04:00."""

    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    vw: float
    av: float
    n: int
    t: int
    dv: str
    dav: str


class PrevDay(msgspec.Struct, gc=False):
    """Hold the previous session's bar."""

    o: float
    h: float
    l: float  # noqa: E741
    c: float
    v: float
    vw: float


class LastTrade(msgspec.Struct, gc=False):
    """Hold the last eligible trade."""

    c: tuple[int, ...]
    i: str
    p: float
    s: int
    ds: str
    t: int
    x: int


class LastQuote(msgspec.Struct, gc=False):
    """Hold the national best quote: p bid, P ask."""

    p: float
    s: int
    P: float
    S: int
    t: int


class Ticker(msgspec.Struct, gc=False):
    """Hold one element of `tickers`, with Massive's names."""

    ticker: str
    todaysChange: float  # noqa: N815
    todaysChangePerc: float  # noqa: N815
    updated: int
    day: Day
    min: Minute
    prevDay: PrevDay  # noqa: N815
    lastTrade: LastTrade  # noqa: N815
    lastQuote: LastQuote  # noqa: N815


async def snapshot_bytes(simulation: Simulation, rows: Int64s) -> list[bytes]:
    """Return the encoded tickers of `rows`, all of one instant, yielding to the stream between.

    The columns are copied at once; only their writing is cut into chunks.
    """
    columns = _columns(simulation, rows)
    encoded = []
    for i in range(0, len(rows), CHUNK):
        tickers = _tickers([column[i : i + CHUNK] for column in columns])
        encoded.append(msgspec.json.encode(tickers)[1:-1])
        await asyncio.sleep(0)
    return encoded


def movers(simulation: Simulation, up: bool) -> Int64s:
    """Return the 20 rows with the greatest change, of those that traded 10,000 shares."""
    totals = simulation.totals
    change = np.where(totals.last > 0, dollars(totals.last) / totals.prev_close - 1.0, 0.0)
    change = np.where(totals.volume >= 10_000.0, change, 0.0)
    order = np.argsort(-change if up else change, kind="stable")[:20]
    moved: Int64s = order[(change[order] > 0.0) if up else (change[order] < 0.0)]
    return moved


def _columns(simulation: Simulation, rows: Int64s) -> list[list[object]]:
    totals, now_ms = simulation.totals, simulation.now_ms
    before = simulation.calendar_close_ms()
    last = np.where(totals.last > 0, dollars(totals.last), totals.prev_close)[rows]
    prev = totals.prev_close[rows]
    change = np.where(totals.last[rows] > 0, last - prev, 0.0)
    trade = (
        [sales.KINDS[k] for k in totals.last_kind[rows].tolist()],
        [str(n + 1) for n in totals.last_number[rows].tolist()],
        last.tolist(),
        np.where(totals.last > 0, totals.last_size, 100.0)[rows].tolist(),
        (np.where(totals.last > 0, totals.last_ms, before)[rows] * MS).tolist(),
        totals.last_venue[rows].tolist(),
    )
    quote = (
        dollars(totals.bid[rows]).tolist(), totals.bid_size[rows].tolist(),
        dollars(totals.ask[rows]).tolist(), totals.ask_size[rows].tolist(),
        (totals.quote_ms[rows] * MS).tolist(),
    )  # fmt: skip
    symbols = simulation.listing.symbols
    columns: Sequence[Sequence[object]] = (
        [symbols[row] for row in rows.tolist()],
        np.round(change, 4).tolist(),
        np.round(change / prev * 100.0, 4).tolist(),
        [now_ms * MS - 1] * len(rows),
        *_day_columns(totals, rows), *_minute_columns(totals, rows, now_ms),
        *_prev_columns(simulation, rows), *trade, *quote,
    )  # fmt: skip
    return [list(column) for column in columns]


def _day_columns(totals: Totals, rows: Int64s) -> list[list[float]]:
    shown = (totals.open[rows] > 0) & totals.regular
    prices = [
        np.where(shown, dollars(column[rows]), 0.0)
        for column in (totals.open, totals.high, totals.low, totals.close)
    ]
    volume = np.where(shown, totals.volume[rows], 0.0)
    vwap = np.where(shown, totals.vwap()[rows], 0.0)
    return [c.tolist() for c in (*prices, volume, vwap)]


def _minute_columns(totals: Totals, rows: Int64s, now_ms: int) -> list[list[float]]:
    forming, recent = totals.minutes, totals.recent
    live = forming.eligible[rows] > 0
    low = np.minimum(forming.low, forming.open)

    def pick(new: Floats | Int64s, old: Floats | Int64s) -> Floats:
        chosen: Floats = np.where(live, new[rows], old[rows])
        return chosen

    prices = [
        dollars(pick(new, old).astype(np.int64))
        for new, old in (
            (forming.open, recent.open), (np.maximum(forming.high, forming.open), recent.high),
            (low, recent.low), (forming.close, recent.close),
        )
    ]  # fmt: skip
    shares = pick(forming.vwap_volume, recent.vwap_volume)
    amount = pick(forming.amount, recent.amount)
    vwap = np.where(shares > 0, np.round(amount / np.where(shares > 0, shares, 1.0), 4), prices[3])
    start = np.where(live, now_ms // 60_000 * 60_000, totals.recent_ms[rows])
    return [
        *(p.tolist() for p in prices), pick(forming.volume, recent.volume).tolist(),
        vwap.tolist(), totals.volume[rows].tolist(),
        pick(forming.count, recent.count).astype(np.int64).tolist(), start.tolist(),
    ]  # fmt: skip


def _prev_columns(simulation: Simulation, rows: Int64s) -> list[list[float]]:
    daily = simulation.previous()
    columns = (daily.open, daily.high, daily.low, daily.close, daily.volume, daily.vwap)
    return [column[rows].tolist() for column in columns]


def _tickers(columns: list[list[object]]) -> list[Ticker]:
    found = []
    for row in zip(*columns, strict=True):
        symbol, change, percent, updated = row[:4]
        o, h, l, c, v, vw = row[4:10]  # noqa: E741
        mo, mh, ml, mc, mv, mvw, av, n, t = row[10:19]
        prev = PrevDay(*row[19:25])
        conditions, number, price, size, at, venue = row[25:31]
        found.append(Ticker(
            symbol, change, percent, updated,
            Day(o, h, l, c, v, vw, str(v)),
            Minute(mo, mh, ml, mc, mv, mvw, av, n, t, str(mv), str(av)),
            prev,
            LastTrade(conditions, number, price, int(size), str(size), at, venue),
            LastQuote(*row[31:36]),
        ))  # fmt: skip
    return found
