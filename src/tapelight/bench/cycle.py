"""Measure the cycle (P3): what a mark costs over the whole market, in ms of CPU time.

The whole-second mark answers 24 boards and 100 scans with every row changed, and the scans
together ask for 80 columns, those of the boards first; beside it the same with 2,500 changed rows, as many as change
between two marks of a lively market, and the 50 ms mark, which asks the scans alone. The
baseline is msgspec decoding, between the marks as they are measured, of the trades that arrive between
two such marks at 100,000 trades a second: the least that any reader in Python pays for them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import msgspec
import numpy as np

from tapelight.app.loop import collect_seldom
from tapelight.app.questions import read_questions
from tapelight.bench import row
from tapelight.bench.decode import trade_frames
from tapelight.engine import Engine
from tapelight.market.baseline import market_curve
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.model.batch import Batch, Floats, Trades
from tapelight.model.records import (
    CalendarChoice,
    Mark,
    Questions,
    Reference,
    References,
    Symbols,
)
from tapelight.scan.questions import read_set

NS = 1_000_000_000
START_NS = 1_795_190_400 * NS
"""2026-11-20 11:00 New York: every window may be full."""
TRADES_S = 100_000
NOISE = 0.0005
"""Standard deviation of a print around its symbol's price: a calm market, in which few scans fire."""
MOVED = 0.04
"""Standard deviation of the day's changes: the boards have members."""
BOARDS, SCANS, COLUMNS = 24, 100, 80
DECODED_EACH = 8
"""So many rounds of marks follow each other: decoding takes the caches that a mark uses."""


@dataclass(frozen=True, slots=True)
class Size:
    """Say how large the market is, and how often a mark is measured."""

    symbols: int = 11_000
    changed: int = 2_500
    seconds: int = 90
    """Market seconds before the measurement: the one-minute windows are full."""
    repeats: int = 40


def run(size: Size | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; ratio = value / baseline."""
    size = size or Size()
    market = Market(size)
    market.warm()
    collect_seldom()  # as the scanner does
    whole, second, subsecond, a_trade = market.marks()
    every = market.all_columns()
    asked = len(market.engine.boards), len(market.engine.scans), len(asked_columns())
    named = "P3_mark_{}_boards_{}_scans_{}_columns".format(*asked)
    yield row(named, whole, a_trade * TRADES_S / 1e6)
    yield row(f"mark_second_{size.changed}_changed_rows", second, a_trade * TRADES_S / 1e6)
    yield row(f"mark_50ms_{size.changed}_changed_rows", subsecond, a_trade * TRADES_S / 20e6)
    yield row("derive_all_columns_of_tier_1", every, a_trade * TRADES_S / 1e6)


def decode_ns(repeats: int = 5) -> float:
    """Return the CPU time of msgspec for one trade in frames of 200, in ns."""
    frames, plain = trade_frames(200), msgspec.json.Decoder()
    events = sum(len(plain.decode(f)) for f in frames)

    def decode() -> None:
        for frame in frames:
            plain.decode(frame)

    return min(cpu_ms(decode) for _ in range(repeats)) * 1e6 / events


def cpu_ms(work: Callable[[], object]) -> float:
    """Return the CPU time of a call in ms."""
    begin = time.process_time_ns()
    work()
    return (time.process_time_ns() - begin) / 1e6


def questions(boards: int = BOARDS, scans: int = SCANS) -> Questions:
    """Return the first shipped boards, and scans that together ask for `asked_columns`."""
    shipped = read_questions(None).texts
    ranked = [n for n, text in sorted(shipped.items()) if 'kind = "events"' not in text]
    texts = {name: shipped[name] for name in ranked[:boards]}
    for i in range(boards - len(texts)):
        texts[f"bench_board_{i}"] = _board(i)
    for i in range(scans):
        names = asked_columns()
        texts[f"bench_scan_{i}"] = _scan(i, names[i % len(names)])
    return Questions(texts)


@cache
def asked_columns() -> list[str]:
    """Return the 80 columns of P3: numbers and flags of tier 1, what the boards need first."""
    every = [c.name for c in columns().values() if c.kind != "text" and not c.indicators]
    needed = _needed(questions(scans=0))
    return sorted(every, key=lambda name: name not in needed)[:COLUMNS]


def _needed(asked: Questions) -> set[str]:
    """Return the columns that questions use, and those that these are reckoned from."""
    used = [q.used for one in read_set(asked.texts).questions for q in one.queries()]
    left, found = {name for names in used for name in names}, set[str]()
    while left:
        found |= left
        left = {i for name in left for i in columns()[name].inputs if i in columns()} - found
    return found


def _board(i: int) -> str:
    return (
        f'-- title = "Bench {i}"\n'
        f"SELECT symbol, last, chg_pct, vol FROM market WHERE vol > {1000 * i} AND last > 1 "
        "ORDER BY chg_pct DESC LIMIT 100"
    )


def _scan(i: int, name: str) -> str:
    flag = columns()[name].kind == "flag"
    test = name if flag else f"{name} > {50 + i}"
    return (
        f'-- title = "Bench {i}"\n-- kind = "events"\n-- cooldown_s = 600.0\n'
        f"SELECT symbol, last, chg_pct, vol FROM market WHERE {test} AND chg_pct > {20 + i / 10}"
    )


class Market:
    """Drive an engine with a seeded market."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.engine = Engine()
        self._draw = np.random.default_rng(1)
        self._base = np.round(np.exp(self._draw.normal(3.0, 1.0, size.symbols)) + 1.0, 2)
        self._now_ns = START_NS
        self._seq = 0
        symbols = [f"S{i:05d}" for i in range(size.symbols)]
        self.engine.apply(CalendarChoice("XNYS"))
        self.engine.apply(market_curve())
        self.engine.apply(questions())
        self.engine.apply(Symbols(0, symbols))
        moved = np.exp(self._draw.normal(0, MOVED, size.symbols))
        known = references(symbols, np.round(self._base * moved, 2).tolist())
        self.engine.apply(References("2026-11-20", known))

    def warm(self) -> None:
        """Let the market run until its windows are full."""
        for _ in range(self.size.seconds):
            self._trade(self._draw.integers(0, self.size.symbols, TRADES_S // 20))
            self._mark(NS)

    def marks(self) -> tuple[float, float, float, float]:
        """Return the median CPU time in ms of three marks, and of decoding a trade in ns.

        The marks: at a whole second with every row changed, at one with some, and at 50 ms with some.
        """
        whole, second, subsecond, decode = [], [], [], []
        for repeat in range(self.size.repeats):
            self._trade(self._some())
            subsecond.append(self._mark(NS // 20))
            self._trade(self._some())
            second.append(self._mark(NS - NS // 20))
            self._trade(self._draw.permutation(self.size.symbols))
            whole.append(self._mark(NS))
            if repeat % DECODED_EACH == 0:
                decode.append(decode_ns(3))
        return median(whole), median(second), median(subsecond), median(decode)

    def second(self) -> float:
        """Let every row trade; return the CPU time in ms of the whole-second mark that follows."""
        self._trade(self._draw.permutation(self.size.symbols))
        return self._mark(NS)

    def _some(self) -> Any:
        return self._draw.permutation(self.size.symbols)[: self.size.changed]

    def all_columns(self) -> float:
        """Return the median CPU time in ms of deriving every column of tier 1 over every row."""

        def derive() -> None:
            view = View(self.engine.table)
            for name, info in columns().items():
                if not info.indicators:
                    view[name]

        return median(cpu_ms(derive) for _ in range(self.size.repeats))

    def _trade(self, rows: Any) -> None:
        n = len(rows)
        seq = np.arange(self._seq + 1, self._seq + n + 1, dtype=np.int64)
        self._seq += n
        price: Floats = np.round(self._base[rows] * np.exp(self._draw.normal(0, NOISE, n)), 2)
        size = np.asarray(self._draw.integers(1, 20, n) * 100, np.float64)
        trades = Trades(
            rows.astype(np.int32), np.full(n, self._now_ns, np.int64), price, size,
            np.zeros(n, np.uint64), np.full(n, 4, np.uint8), seq,
        )  # fmt: skip
        self.engine.apply(Batch(self._now_ns, trades=trades))

    def _mark(self, step_ns: int) -> float:
        self._now_ns += step_ns
        mark = Mark(self._now_ns, self._now_ns)
        return cpu_ms(lambda: self.engine.apply(mark))


def references(symbols: list[str], closes: list[float]) -> list[Reference]:
    """Return what is known of common stocks with these previous closes."""
    return [
        Reference(
            symbol=symbol, type="CS", prev_close=close, prev_high=close * 1.02,
            prev_low=close * 0.98, prev_volume=1e6, adv20=1e5 + 100.0 * i, adv_sessions=20,
            atr14=close * 0.03, hv20=40.0, w52_high=close * 1.5, w52_low=close * 0.5,
            shares_out=2e7 + 1e4 * i, float_shares=1e7 + 1e4 * i, sma50d=close, sma200d=close,
        )
        for i, (symbol, close) in enumerate(zip(symbols, closes, strict=True))
    ]  # fmt: skip
