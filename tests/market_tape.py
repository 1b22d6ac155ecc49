"""A seeded tape of trades, quotes and marks, and the ways in which a feed might cut it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from tapelight.engine import Engine
from tapelight.model.batch import Batch, Quotes, Trades
from tapelight.model.conditions import mask_of
from tapelight.model.records import (
    Mark,
    Profile,
    Questions,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import NS, Session

Part = TypeVar("Part", Trades, Quotes)
CONDITIONS = [
    mask_of(c) for c in ((), (), (), (37,), (14,), (12,), (32,), (30,), (2,), (17,), (99,))
]
QUESTIONS = Questions({
    "gainers": '-- title = "g"\n-- gate = "none"\nSELECT symbol, last, chg_pct, vwap, vwap_sd, '
    "dollar_vol, rvol_5m, buy_pct_1m, limit_s FROM market WHERE chg_pct >= -50 ORDER BY chg_pct DESC",
    "active": '-- title = "a"\n-- gate = "none"\nSELECT symbol, vol_1m, vol_5m, trade_rate, '
    "trade_rate_10s, chg_1m, streak_1m, quiet_s FROM market ORDER BY vol_5m DESC, symbol LIMIT 20",
    "hod": '-- title = "h"\n-- kind = "events"\n-- gate = "none"\n'
    "SELECT symbol, last, vol, hod FROM market WHERE new_hod AND vol_1m > 300",
    "fast": '-- title = "f"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 5\n'
    "SELECT symbol, trade_rate_10s FROM market WHERE trade_rate_10s >= 1",
})  # fmt: skip
"""Boards and scans over sums, windows, tape, quotes and pulses."""


@dataclass(frozen=True)
class Day:
    """Hold trades, quotes (arriving after `before` trades) and marks after so many trades."""

    symbols: list[str]
    trades: Trades
    quotes: Quotes
    marks: list[tuple[int, int]]
    """(trades before it, market time ns)"""


def make_day(
    session: Session, begin_ns: int, seed: int, n: int, symbols: int = 40, span_s: float = 120.0
) -> Day:
    """Return a seeded day: bursts, late and ahead stamps, all kinds of conditions, bad prints."""
    g = np.random.default_rng(seed)
    names = [f"S{g.integers(0, 10**6):06d}{i}" for i in range(symbols)]
    arrival = np.sort(begin_ns + (g.random(n) * span_s * NS).astype(np.int64))
    row = np.minimum(g.geometric(0.08, n) - 1, symbols - 1).astype(np.int32)
    lag = np.where(g.random(n) < 0.03, g.integers(0, 90 * NS, n), 0)
    ahead = np.where(g.random(n) < 0.02, g.integers(0, 20 * NS, n), 0)
    walk = 50.0 * np.exp(np.cumsum(g.normal(0, 3e-4, n)))
    price = np.round(walk * (1 + row / 100) * np.where(g.random(n) < 0.004, 1.5, 1.0), 2)
    size = np.where(g.random(n) < 0.5, 100.0 * g.integers(1, 9, n), g.random(n) * 99)
    masks = np.array(CONDITIONS, np.uint64)[g.integers(0, len(CONDITIONS), n)]
    exchange = g.integers(1, 5, n).astype(np.uint8)
    seq = np.where(g.random(n) < 0.5, 0, _numbers(row, g))
    trades = Trades(row, arrival - lag + ahead, price, size, masks, exchange, seq)
    m = n // 2
    before = np.sort(g.integers(0, n + 1, m)).astype(np.int32)
    at = np.clip(before - 1, 0, n - 1)
    q_row = np.where(g.random(m) < 0.6, row[at], g.integers(0, symbols, m)).astype(np.int32)
    mid = price[at] * (1 + g.normal(0, 1e-4, m))
    quotes = Quotes(
        q_row, arrival[at], mid - 0.01, mid + 0.01, np.full(m, 3.0), np.full(m, 4.0), before
    )
    return Day(names, trades, quotes, list(_marks(arrival, begin_ns)))


def _numbers(row: Any, g: np.random.Generator) -> Any:
    """Return rising numbers with holes for the prints of each row: some overtaken, some repeated."""
    order = np.argsort(row, kind="stable")
    numbers = np.arange(2, 2 * len(row) + 2, 2)
    for i in np.flatnonzero(g.random(len(row)) < 0.05)[1:]:
        if g.random() < 0.5:
            numbers[i] = numbers[i - 1]
        else:
            numbers[[i - 1, i]] = numbers[[i, i - 1]]
    found = np.empty(len(row), np.int64)
    found[order] = numbers
    return found


def _marks(arrival: Any, begin_ns: int) -> Iterator[tuple[int, int]]:
    cycle = 50_000_000
    ts = (begin_ns // cycle + 1) * cycle
    while ts <= int(arrival[-1]) + NS:
        yield int(np.searchsorted(arrival, ts)), ts
        ts += cycle


def cut(part: Part, begin: int, end: int) -> Part:
    return type(part)(*(getattr(part, f.name)[begin:end] for f in fields(part)))


def batches(day: Day, size: int, begin: int, end: int, conflate: Any = None) -> Iterator[Batch]:
    """Yield the trades [begin, end) in batches of at most `size`, quotes in arrival order."""
    for at in range(begin, end, size):
        to = min(at + size, end)
        trades = cut(day.trades, at, to)
        q0 = int(np.searchsorted(day.quotes.before, at, "right")) if at else 0
        q1 = int(np.searchsorted(day.quotes.before, to, "right"))
        quotes = cut(day.quotes, q0, q1)
        quotes = Quotes(
            *(getattr(quotes, f.name) for f in fields(Quotes)[:-1]), quotes.before - np.int32(at)
        )
        if conflate is not None:
            keep = conflate(quotes, trades)
            quotes = Quotes(*(getattr(quotes, f.name)[keep] for f in fields(Quotes)))
        yield Batch(int(day.trades.ts_ns[at:to].max()), trades, quotes)


def begin_engine(day: Day, date: str, order: Sequence[int] | None = None) -> Engine:
    """Return an engine that knows the symbols, in the row `order`, with references and questions."""
    engine = Engine()
    names = day.symbols if order is None else [day.symbols[i] for i in order]
    engine.apply(Symbols(0, names))
    known = [Reference(symbol=s, type="CS", prev_close=50.0, adv20=1e6) for s in day.symbols]
    engine.apply(References(date, known))
    none = np.zeros(0, np.int32)
    engine.apply(Profile(np.full(960, 1 / 960), none, np.zeros((0, 960), np.float32), none))
    engine.apply(QUESTIONS)
    return engine


def play(
    engine: Engine, day: Day, size: int, conflate: Any = None, marks: slice = slice(None)
) -> list[str]:
    """Apply the day in batches of `size` between its marks; return the digest after each mark."""
    digests = []
    begin = day.marks[marks.start - 1][0] if marks.start else 0
    for end, ts in day.marks[marks]:
        for batch in batches(day, size, begin, end, conflate):
            engine.apply(batch)
        engine.apply(Mark(ts, ts))
        digests.append(engine.digest)
        begin = end
    return digests
