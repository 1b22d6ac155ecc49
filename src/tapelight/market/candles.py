"""Candles: the closed bars of the rows in tier 2, by timeframe, bounded and kept as they close.

A bar of n minutes begins at a multiple of n minutes from the session's regular open, so the
pre-market's bars are aligned like the day's; the first and last of a session may be shorter.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.errors import Bug
from tapelight.market.indicators import TIMEFRAMES
from tapelight.model.session import MINUTE_NS, Session

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
PRICES = ("open", "high", "low", "close", "volume")
CANDLE = np.dtype([("row", "i4"), ("minute", "i4"), *((name, "f8") for name in PRICES)])
"""A closed bar: `minute` is the one of the session at which it begins."""
WIDTH = {"1m": 400, "5m": 288, "15m": 96, "30m": 48, "60m": 24}
"""Bars kept of each row: six hours and forty minutes of 1-minute bars, else a whole session, also
of a market that trades round the clock. With all of them a row takes 41 kB."""


@dataclass(frozen=True, slots=True)
class Candles:
    """Hold the newest closed bars of rows: arrays of shape (rows, count), the last one newest.

    Where a row has fewer bars the first ones are NaN, and `minute` -1. A minute (or five) in
    which nothing traded has no bar. `minute` counts from the session's start.
    """

    minute: npt.NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


WHOLE_MARKET, SLOTS = 4_000, 2_000
"""With so many rows, slots for as many as tier 2 can hold are taken at once: 82 MB from the start on,
instead of memory that creeps up through the morning and is copied each time."""


def no_candles(rows: int, count: int) -> Candles:
    """Return candles of rows that have none."""
    nothing = [np.full((rows, count), np.nan) for _ in PRICES]
    return Candles(np.full((rows, count), -1, np.int64), *nothing)


def session_candles(bars: np.ndarray, session: Session) -> np.ndarray:
    """Return stored BARs as one-minute CANDLEs of the session, sorted by row and minute.

    A bar whose volume nobody told counts none.
    """
    made = np.zeros(len(bars), CANDLE)
    made["row"] = bars["row"]
    made["minute"] = bars["minute"] - session.start_ns // MINUTE_NS
    for name in PRICES:
        made[name] = bars[name]
    made["volume"][np.isnan(made["volume"])] = 0.0
    return made[np.lexsort((made["minute"], made["row"]))]


def open_minute(session: Session) -> int:
    """Return the minute of the session at which regular trading opens."""
    return (session.open_ns - session.start_ns) // MINUTE_NS


def span_start(minute: Any, span: int, open_minute: int) -> Any:
    """Return the minute at which the bar of `span` minutes begins that holds `minute`."""
    return (minute - open_minute) // span * span + open_minute


def resample(minutes: np.ndarray, span: int, open_minute: int, until: int) -> np.ndarray:
    """Return the bars of `span` minutes that are over at `until`, from sorted one-minute CANDLEs.

    Volumes are added minute by minute in order: the sum is the same whoever makes it.
    """
    if span == 1:
        return minutes[minutes["minute"] < until]
    begin = span_start(minutes["minute"], span, open_minute)
    closed = begin + span <= until
    minutes, begin = minutes[closed], begin[closed]
    if not len(minutes):
        return minutes
    new = np.append(True, (begin[1:] != begin[:-1]) | (minutes["row"][1:] != minutes["row"][:-1]))
    first = np.flatnonzero(new)
    bars = minutes[first].copy()
    bars["minute"] = np.maximum(begin[first], 0)
    bars["high"] = np.maximum.reduceat(minutes["high"], first)
    bars["low"] = np.minimum.reduceat(minutes["low"], first)
    bars["close"] = minutes["close"][np.append(first[1:], len(minutes)) - 1]
    bars["volume"] = 0.0
    np.add.at(bars["volume"], np.cumsum(new) - 1, minutes["volume"])
    return bars


class Ring:
    """Keep the newest `width` bars of each slot."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.total: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        """Bars ever added to each slot."""
        self.bars = np.zeros((0, width), CANDLE)

    def resize(self, slots: int) -> None:
        """Make room for `slots` slots."""
        more = slots - len(self.total)
        self.total = np.append(self.total, np.zeros(more, np.int64))
        fresh = np.zeros((more, self.width), CANDLE)
        fresh.view(np.uint8).fill(0)  # every page is touched here, not when its slot is first used
        self.bars = np.concatenate([self.bars, fresh]) if len(self.bars) else fresh

    def add(self, slots: Rows, bars: np.ndarray) -> None:
        """Add bars sorted by slot and minute; `slots` names the slot of each."""
        if not len(bars):
            return
        run = np.flatnonzero(np.append(True, slots[1:] != slots[:-1]))
        length = np.diff(np.append(run, len(slots)))
        place = self.total[slots] + np.arange(len(slots)) - np.repeat(run, length)
        kept = np.repeat(length, length) - (np.arange(len(slots)) - np.repeat(run, length))
        newest = kept <= self.width
        self.bars[slots[newest], place[newest] % self.width] = bars[newest]
        self.total[slots[run]] += length

    def last(self, slots: Rows, count: int) -> tuple[np.ndarray, npt.NDArray[np.bool_]]:
        """Return the newest `count` bars of slots, shape (slots, count), and which exist."""
        place = self.total[slots][:, None] - count + np.arange(count)
        exists = (place >= 0) & (np.arange(count) >= count - self.width)
        return self.bars[slots[:, None], place % self.width], exists


class CandleStore:
    """Keep the closed bars of the rows that have a slot: those of tier 2.

    The bars stand as of the last tier-2 time; `scan.tiers` puts them in.
    """

    def __init__(self) -> None:
        self.rings = {name: Ring(WIDTH[name]) for name in TIMEFRAMES}
        self.slot: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        """The slot of each row, -1 none."""
        self._free: list[int] = []
        self._slots = 0
        self._extremes: dict[tuple[int, int], tuple[Floats, Floats]] = {}

    def grow(self, n: int) -> None:
        """Let there be `n` rows."""
        more = n - len(self.slot)
        if more > 0:
            self.slot = np.append(self.slot, np.full(more, -1, np.int32))

    def replace(self, rows: Rows, bars: dict[str, np.ndarray]) -> None:
        """Let `bars` (by timeframe, sorted by row and minute) be all that is known of `rows`."""
        self._extremes = {}
        without = rows[self.slot[rows] < 0]
        if len(without):
            self.slot[without] = self._take_slots(len(without))
        for ring in self.rings.values():
            ring.total[self.slot[rows]] = 0
        self.add(bars)

    def add(self, bars: dict[str, np.ndarray]) -> None:
        """Add newly closed bars by timeframe, sorted by row and minute."""
        self._extremes = {}
        for name, fresh in bars.items():
            self.rings[name].add(self.slot[fresh["row"]].astype(np.intp), fresh)

    def drop(self, rows: Rows) -> None:
        """Forget rows."""
        self._extremes = {}
        self._free += self.slot[rows][self.slot[rows] >= 0].tolist()
        self.slot[rows] = -1

    def _take_slots(self, count: int) -> list[int]:
        if count > len(self._free):
            more = max(count - len(self._free), self._slots // 2)
            if len(self.slot) >= WHOLE_MARKET:
                more = max(more, SLOTS - self._slots)
            self._free += range(self._slots + more - 1, self._slots - 1, -1)
            self._slots += more
            for ring in self.rings.values():
                ring.resize(self._slots)
        return [self._free.pop() for _ in range(count)]

    def candles(self, rows: Rows, timeframe: str, count: int) -> Candles:
        """Return the newest `count` bars of `rows`; those without a slot have none."""
        if timeframe not in TIMEFRAMES:
            raise Bug(f"There are no candles of {timeframe!r}, only {', '.join(TIMEFRAMES)}.")
        if not 0 < count <= WIDTH[timeframe]:
            raise Bug(f"{count} candles of {timeframe} are not kept, only {WIDTH[timeframe]}.")
        found = no_candles(len(rows), count)
        self.grow(int(rows.max()) + 1 if len(rows) else 0)
        here = np.flatnonzero(self.slot[rows] >= 0)
        if not len(here):
            return found
        bars, exists = self.rings[timeframe].last(self.slot[rows[here]].astype(np.intp), count)
        found.minute[here] = np.where(exists, bars["minute"], -1)
        for name in PRICES:
            getattr(found, name)[here] = np.where(exists, bars[name], np.nan)
        return found

    def extremes(self, since: int, count: int, n: int) -> tuple[Floats, Floats]:
        """Return the high and low of each of `n` rows over its bars from minute `since` on.

        At most `count` bars are looked at. NaN without a bar. Kept until a bar comes or goes: it
        is asked at every mark.
        """
        self.grow(n)
        found = self._extremes.get((since, count))
        if found is None or len(found[0]) < n:
            rows = self.rows()
            found = np.full(len(self.slot), np.nan), np.full(len(self.slot), np.nan)
            bars, exists = self.rings["1m"].last(self.slot[rows].astype(np.intp), count)
            within = exists & (bars["minute"] >= since)
            highs = np.where(within, bars["high"], -np.inf).max(axis=1, initial=-np.inf)
            lows = np.where(within, bars["low"], np.inf).min(axis=1, initial=np.inf)
            found[0][rows] = np.where(np.isfinite(highs), highs, np.nan)
            found[1][rows] = np.where(np.isfinite(lows), lows, np.nan)
            self._extremes[since, count] = found
        return found[0][:n], found[1][:n]

    def window(self, rows: Rows, count: int) -> np.ndarray:
        """Return the newest `count` one-minute bars of rows with a slot, sorted, as one list."""
        bars, exists = self.rings["1m"].last(self.slot[rows].astype(np.intp), count)
        found: np.ndarray = bars[exists]
        return found

    def rows(self) -> Rows:
        """Return the rows that have a slot, ascending."""
        return np.flatnonzero(self.slot >= 0)

    def freeze(self) -> dict[str, Any]:
        """Return all bars by timeframe, and the rows that have a slot."""
        rows = self.rows()
        state: dict[str, Any] = {"candles.rows": rows}
        for name, ring in self.rings.items():
            bars, exists = ring.last(self.slot[rows].astype(np.intp), ring.width)
            state[f"candles.{name}"] = bars[exists]
        return state

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.clear()
        rows = state["candles.rows"]
        self.grow(int(rows.max()) + 1 if len(rows) else 0)
        self.replace(rows, {name: state[f"candles.{name}"] for name in self.rings})

    def clear(self) -> None:
        """Forget the session."""
        self.drop(self.rows())
