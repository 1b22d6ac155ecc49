"""Turn samples of an instrument's state into prints, best quotes and the day's figures.

Kite sends no trades but a sample of each instrument up to a few times a second. Its volume is
the day's, so what traded between two samples is one print at the last price; a high or low that
no sample showed is taken from the day's own figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tapelight.errors import Rejected
from tapelight.feeds.kite.packets import NAN, Tick
from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import Snapshot

NS = 1_000_000_000
NEAR_NS = 60 * NS
"""A time of the exchange's further than this from ours is not believed."""
DAY_NS = 24 * 3600 * NS
KOLKATA_NS = (5 * 60 + 30) * 60 * NS
"""The exchange's time is so far ahead of UTC, summer and winter."""


@dataclass(slots=True)
class _Course:
    """Remember of one instrument what was handed on."""

    row: int
    volume: int = -1
    day: int = 0
    """Which day the volume is of."""
    last: float = NAN
    high: float = NAN
    low: float = NAN
    ts_ns: int = 0
    """Of the last print or picture: each later one is above it."""
    best: tuple[float, ...] = ()


@dataclass(slots=True)
class Counts:
    """Count samples by what became of them: in = prints + superseded + rejected."""

    samples: int = 0
    prints: int = 0
    superseded: int = 0
    """Samples after which nothing new had traded; they may have moved the quote or an extreme."""


@dataclass(slots=True)
class Samples:
    """Hold the course of each instrument, and what the samples since the last batch brought."""

    counts: Counts = field(default_factory=Counts)
    _courses: dict[int, _Course] = field(default_factory=dict)
    _trades: list[tuple[int, int, float, float]] = field(default_factory=list)
    _quotes: list[tuple[int, int, float, float, float, float, int]] = field(default_factory=list)
    _pictures: dict[int, tuple[int, Tick]] = field(default_factory=dict)

    def follow(self, rows: Mapping[int, int]) -> None:
        """Follow the instruments {token: row} from now on; what is known of the others is lost."""
        known = self._courses
        self._courses = {t: known.get(t) or _Course(row) for t, row in rows.items()}

    def forget(self) -> None:
        """Forget what was handed on: a hole lies before the next picture."""
        for course in self._courses.values():
            course.volume = -1
        self._trades, self._quotes, self._pictures = [], [], {}

    def picture(self, tick: Tick, now_ns: int) -> None:
        """Take an instrument's day so far as it is; raises Rejected for an unknown one."""
        course = self._course(tick)
        course.volume, course.last = max(tick.volume, 0), tick.last
        course.day = _day(tick.traded_ns or tick.stamped_ns or now_ns)
        course.high, course.low = tick.high, tick.low
        course.ts_ns = max(now_ns, course.ts_ns + 1)
        self._pictures[tick.token] = course.ts_ns, tick

    def take(self, tick: Tick, now_ns: int) -> None:
        """Take a sample; raises Rejected for an instrument that nobody asked for.

        One of less volume than is known is older than the picture, unless a day has begun.
        """
        course = self._course(tick)
        self.counts.samples += 1
        if tick.volume >= 0 and (course.volume < 0 or tick.volume < course.volume):
            if course.volume >= 0 and course.day == _day(now_ns):
                self.counts.superseded += 1
                return
            self._begin(course, tick, now_ns)
        elif not self._print(course, tick, now_ns):
            self.counts.superseded += 1
        self._best(course, tick, now_ns)
        if tick.high > course.high or tick.low < course.low:
            course.ts_ns += 1
            course.high, course.low = tick.high, tick.low
            self._pictures[tick.token] = course.ts_ns, tick

    def records(self, now_ns: int) -> tuple[Batch | None, Snapshot | None]:
        """Return what came since the last call: prints and quotes, and figures of the day."""
        batch = None
        if self._trades or self._quotes:
            rows, times, prices, sizes = zip(*self._trades, strict=True) if self._trades else _NONE
            none = [0] * len(rows)
            trades = trades_of(rows, times, prices, sizes, none, none, none)
            quotes = quotes_of(*(zip(*self._quotes, strict=True) if self._quotes else [()] * 7))
            batch = Batch(now_ns, trades if rows else None, quotes if self._quotes else None)
        found = list(self._pictures.values())
        snapshot = snapshot_of([(self._courses[t.token].row, ns, t) for ns, t in found], now_ns)
        self._trades, self._quotes, self._pictures = [], [], {}
        return batch, snapshot if found else None

    def _course(self, tick: Tick) -> _Course:
        course = self._courses.get(tick.token)
        if course is None:
            raise Rejected(f"instrument {tick.token} was not asked for")
        return course

    def _begin(self, course: _Course, tick: Tick, now_ns: int) -> None:
        """Begin anew: the day's figures so far, of which no print is known."""
        self.counts.superseded += 1
        self.picture(tick, now_ns)
        course.day = _day(now_ns)

    def _print(self, course: _Course, tick: Tick, now_ns: int) -> bool:
        """Hand on what traded since the last sample as one print; tell whether anything did."""
        size = tick.volume - course.volume if tick.volume >= 0 else 0
        if not tick.last > 0 or (size == 0 and (tick.volume >= 0 or tick.last == course.last)):
            return False
        stamp = tick.traded_ns or tick.stamped_ns
        at_ns = stamp if abs(stamp - now_ns) < NEAR_NS else now_ns
        course.ts_ns = max(at_ns, course.ts_ns + 1)
        course.volume, course.last = max(tick.volume, course.volume), tick.last
        course.day = _day(now_ns)
        course.high, course.low = np.fmax(course.high, tick.last), np.fmin(course.low, tick.last)
        self._trades.append((course.row, course.ts_ns, tick.last, float(size)))
        self.counts.prints += 1
        return True

    def _best(self, course: _Course, tick: Tick, now_ns: int) -> None:
        best = (tick.bid, tick.ask, tick.bid_size, tick.ask_size)
        if best == course.best or not (tick.bid > 0 or tick.ask > 0):
            return
        course.best = best
        at_ns = tick.stamped_ns if abs(tick.stamped_ns - now_ns) < NEAR_NS else now_ns
        self._quotes.append((course.row, at_ns, *best, len(self._trades)))


def _day(ts_ns: int) -> int:
    """Return the number of the exchange's day."""
    return (ts_ns + KOLKATA_NS) // DAY_NS


_NONE: tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...], tuple[float, ...]]
_NONE = (), (), (), ()


def of_today(tick: Tick, now_ns: int) -> Tick:
    """Return a sample as of today's session; what is of an earlier day is unknown.

    Until the exchange resets them before the open, all figures are those of the day before, the
    previous close too; of what has not traded today after it, the previous close alone holds.
    """
    if not tick.traded_ns or _day(tick.traded_ns) >= _day(now_ns):
        return tick
    close = NAN if tick.volume > 0 else tick.prev_close
    return Tick(tick.token, NAN, min(tick.volume, 0), prev_close=close, stamped_ns=tick.stamped_ns)


def snapshot_of(pictures: list[tuple[int, int, Tick]], now_ns: int) -> Snapshot:
    """Return (row, time, sample) as the picture of the day so far."""
    ticks = [of_today(t, now_ns) for _, _, t in pictures]

    def column(*names: str) -> list[np.ndarray]:
        return [np.array([getattr(t, name) for t in ticks], np.float64) for name in names]

    volume = np.array([t.volume if t.volume >= 0 else NAN for t in ticks], np.float64)
    last = np.array([t.last or NAN for t in ticks], np.float64)
    return Snapshot(
        now_ns,
        np.array([row for row, _, _ in pictures], np.int32),
        np.array([ns for _, ns, _ in pictures], np.int64),
        last,
        volume,
        *column("open", "high", "low", "average", "bid", "ask", "bid_size", "ask_size"),
        *column("prev_close"),
    )
