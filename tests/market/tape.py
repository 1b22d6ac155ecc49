"""A hand-made tape: prints, quotes, bars and marks by New York time, and the columns they give."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tapelight.engine import Cycle, Engine
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.model.batch import Bars, Batch, bands_of, bars_of, quotes_of, trades_of
from tapelight.model.conditions import mask_of
from tapelight.model.records import (
    CalendarChoice,
    FeedState,
    Halt,
    History,
    Mark,
    Profile,
    Questions,
    Reference,
    References,
    Snapshot,
    Symbols,
)
from tapelight.model.session import NS, calendar, parse_time
from tapelight.scan.sql import as_cells

NAN = math.nan
DAY = dt.date(2026, 11, 20)
"""A full Friday."""
Bar = tuple[str, float, float, float, float, float]
"""start, open, high, low, close, volume"""


class Tape:
    """Feed an engine by hand. Times are HH:MM:SS[.fff] New York (UTC under 24x7) on `day`."""

    def __init__(
        self, *symbols: str, day: dt.date = DAY, cal: str = "XNYS", known: bool = True
    ) -> None:
        self.engine = Engine(cal)
        self.table = self.engine.table
        self.calendar = calendar(cal)
        self.day = day
        self.symbols = symbols or ("A",)
        self.engine.apply(CalendarChoice(cal))
        self.engine.apply(Symbols(0, list(self.symbols)))
        if known:
            self.refer(*(Reference(symbol=s, type="CS", prev_close=10.0) for s in self.symbols))

    def ns(self, time: str, days: int = 0) -> int:
        session = self.calendar.session_on(self.day + dt.timedelta(days=days))
        assert session is not None
        return parse_time(time, session, self.calendar.zone)

    def refer(self, *references: Reference, day: dt.date | None = None) -> None:
        self.engine.apply(References((day or self.day).isoformat(), list(references)))

    def trade(
        self, time: str, price: float, size: float = 100.0, *conditions: int,
        symbol: str = "A", exchange: int = 0, seq: int = 0, days: int = 0,
    ) -> None:  # fmt: skip
        ts = self.ns(time, days)
        row, mask = self.symbols.index(symbol), mask_of(conditions)
        self.engine.apply(
            Batch(ts, trades_of([row], [ts], [price], [size], [mask], [exchange], [seq]))
        )

    def trades(self, *prints: Sequence[Any]) -> None:
        for each in prints:
            self.trade(*each)

    def quote(self, time: str, bid: float, ask: float, symbol: str = "A") -> None:
        ts, row = self.ns(time), self.symbols.index(symbol)
        quotes = quotes_of([row], [ts], [bid], [ask], [100.0], [200.0], [0])
        self.engine.apply(Batch(ts, quotes=quotes))

    def bands(self, time: str, lower: float, upper: float) -> None:
        ts = self.ns(time)
        self.engine.apply(Batch(ts, bands=bands_of([0], [ts], [lower], [upper])))

    def bars(self, span_s: int, *bars: Bar, **extra: Any) -> None:
        made = self.make_bars(span_s, *bars, **extra)
        self.engine.apply(Batch(int(made.start_ns[-1]) + span_s * NS, bars=made))

    def make_bars(
        self, span_s: int, *bars: Bar, vwap: float = NAN, trades: float = NAN,
        day_volume: float = NAN, day_open: float = NAN, symbol: str = "A", days: int = 0,
    ) -> Bars:  # fmt: skip
        n = len(bars)
        prices = list(zip(*(bar[1:] for bar in bars), strict=True))
        starts = [self.ns(bar[0], days) for bar in bars]
        rest = [[v] * n for v in (vwap, trades, day_volume, day_open)]
        row = self.symbols.index(symbol)
        return bars_of([[row] * n, starts, [span_s] * n, *prices, *rest])

    def history(self, time: str, *bars: Bar, span_s: int = 60, **extra: Any) -> None:
        self.engine.apply(History(self.ns(time), self.make_bars(span_s, *bars, **extra)))

    def snapshot(
        self, time: str, updated: str | None = None, whole: bool = True, **figures: float
    ) -> None:
        names = ("last volume open high low vwap bid ask bid_size ask_size prev_close").split()
        columns = [np.array([figures.get(name, NAN)]) for name in names]
        at = np.array([self.ns(updated or time)])
        self.engine.apply(
            Snapshot(self.ns(time), np.array([0], np.int32), at, *columns, whole=whole)
        )

    def feed(self, time: str, state: str, since: str | None = None) -> None:
        hole = self.ns(since) if since else 0
        self.engine.apply(FeedState(self.ns(time), "test", state, "", since is not None, hole))

    def halt(self, time: str, halted: bool, code: str = "", resumes: str | None = None) -> None:
        resume_ns = self.ns(resumes) if resumes else 0
        self.engine.apply(Halt(self.ns(time), self.symbols[0], halted, code, resume_ns))

    def profile(self, minute: Any, volume: Any = None, sessions: int = 0) -> None:
        own = [] if volume is None else [volume]
        self.engine.apply(
            Profile(
                np.asarray(minute, np.float64),
                np.arange(len(own), dtype=np.int32),
                np.array(own, np.float32).reshape(len(own), 960),
                np.full(len(own), sessions, np.int32),
            )
        )

    def ask(self, **texts: str) -> None:
        self.engine.apply(Questions(texts))

    def mark(self, time: str, complete: str | None = None, days: int = 0) -> Cycle:
        ts = self.ns(time, days)
        cycle = self.engine.apply(Mark(ts, self.ns(complete) if complete else ts))
        assert cycle is not None
        return cycle

    def __call__(self, column: str, symbol: str = "A") -> Any:
        """Return a column's value as the outside sees it: None for null."""
        rows = np.array([self.symbols.index(symbol)], np.intp)
        return as_cells(View(self.table, rows)[column], 1, np.zeros(1, np.intp))[0]

    def all(self, symbol: str = "A") -> dict[str, Any]:
        return {name: self(name, symbol) for name in columns()}

    def many(self, names: str, symbol: str = "A") -> list[Any]:
        return [self(name, symbol) for name in names.split()]
