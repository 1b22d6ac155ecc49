"""Closed bars as strategies read them: when they ended, their means, and averages of bars before.

Sums go bar by bar in time order: the answer is the same whatever other rows are looked at.
"""

from dataclasses import dataclass

import numpy as np

from tapelight.market.candles import Candles
from tapelight.market.indicators import TIMEFRAMES, Ask, ask
from tapelight.scan.strategy import (
    MINUTE_NS,
    Condition,
    Flags,
    Floats,
    Int64s,
    Look,
    at_most,
    is_true,
)

NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """Hold the newest closed bars of the rows looked at, shape (rows, count), newest last."""

    timeframe: str
    bars: Candles
    ended_ns: Int64s
    """When the newest bar ended; 0 where there is none."""
    now_ns: int

    @property
    def secs(self) -> Floats:
        """Return the seconds since the newest bar ended; NaN where there is none."""
        return np.where(self.ended_ns > 0, (self.now_ns - self.ended_ns) / 1e9, NAN)

    def just(self, within_s: float) -> Condition:
        """Ask that the newest bar ended at most so long ago: what its close says is news."""
        return at_most(f"secs_since_{self.timeframe}_close", self.secs, within_s)

    def later(self, than_ns: Int64s) -> Flags:
        """Tell whether the newest bar ended after a time."""
        return self.ended_ns > than_ns

    def bars_on(self, count: float) -> Int64s:
        """Return the time `count` bars after the newest one's end."""
        return self.ended_ns + int(count * TIMEFRAMES[self.timeframe] * MINUTE_NS)


def closed(look: Look, timeframe: str, count: int) -> Closed:
    """Return the newest closed bars of the rows looked at."""
    bars, session = look.candles(timeframe, count), look.moment.session
    newest = bars.minute[:, -1]
    start_ns = session.start_ns if session else 0
    end_ns = start_ns + (newest + TIMEFRAMES[timeframe]) * MINUTE_NS
    return Closed(timeframe, bars, np.where(newest >= 0, end_ns, 0), look.now_ns)


def witness_of(timeframe: str) -> Ask:
    """Return the series by which `settled` knows of which bar the indicators are."""
    return ask("typprice", (), timeframe)


def settled(look: Look, rows: Closed) -> Condition:
    """Ask that the indicators are of the newest closed bar: workers may bring them after it.

    The strategy must name `witness_of(timeframe)` among its indicators.
    """
    bars = rows.bars
    typical = (bars.high[:, -1] + bars.low[:, -1] + bars.close[:, -1]) / 3.0
    same = np.isclose(look.indicator(witness_of(rows.timeframe)), typical, rtol=1e-12, atol=0.0)
    return is_true(f"{rows.timeframe} indicators are of the last bar", same)


def mean(values: Floats) -> Floats:
    """Return the mean of each row of (rows, count) values; NaN where one is missing."""
    total = values[:, 0].copy()
    for k in range(1, values.shape[1]):
        total += values[:, k]
    return total / values.shape[1]


def lowest(values: Floats) -> Floats:
    """Return the least of each row's known values."""
    return np.asarray(np.fmin.reduce(values, axis=1))


def highest(values: Floats) -> Floats:
    """Return the greatest of each row's known values."""
    return np.asarray(np.fmax.reduce(values, axis=1))


def average_before(average: Floats, value: Floats, weight: float) -> Floats:
    """Return an exponential average as it stood before `value` came in with `weight`.

    The recursion new = old + weight x (value - old), solved for old: what the streaming
    indicators do not keep. The weight is 2 / (n + 1) of an EMA over n bars, 1 / n of Wilder's.
    """
    return (average - weight * value) / (1.0 - weight)


def ema_weight(bars: float) -> float:
    """Return the weight of the newest bar in an EMA over `bars`."""
    return 2.0 / (bars + 1.0)
