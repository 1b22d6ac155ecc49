"""How lively the market is at each moment of a session, and how wild its prices are."""

import numpy as np

from tapelight.model.batch import Floats
from tapelight.model.session import MINUTE_NS, Session

OPEN_SHARE = 0.013
"""Share of a day's volume that prints in the opening auction."""
CLOSE_SHARE = 0.07
"""Share of a day's volume that prints in the closing auction."""

# Trades by regular minute against those of the first five; the later knots follow the
# measured minute-volume curve (lunch 0.3 of the open, last minute three times it).
_REGULAR = {
    0: 1.15, 1: 1.02, 2: 0.97, 3: 0.94, 4: 0.92, 10: 0.76, 30: 0.60, 60: 0.48, 120: 0.37,
    210: 0.30, 300: 0.37, 360: 0.55, 379: 0.75, 380: 1.25, 385: 1.8, 388: 2.6, 389: 3.4,
}  # fmt: skip
_PRE = {0: 0.03, 180: 0.05, 240: 0.10, 300: 0.15, 325: 0.20, 329: 0.20}
_POST = {0: 0.5, 5: 0.25, 30: 0.08, 120: 0.03, 239: 0.015}
# Standard deviation of one-minute returns against the day's mean, by regular minute.
_WILDNESS = {0: 3.0, 4: 2.4, 15: 1.6, 60: 1.15, 180: 0.86, 360: 0.86, 389: 1.2}
_FIRST_SECONDS = {0: 2.2, 1: 1.62, 9: 1.22, 10: 1.12, 20: 1.06, 59: 1.0}


class Curve:
    """Give trades a second and volatility by time, for one session and one `rate`."""

    def __init__(self, session: Session, rate: float) -> None:
        self._start_ms = session.start_ns // 1_000_000
        self._open_minute = (session.open_ns - session.start_ns) // MINUTE_NS
        self._close_minute = (session.close_ns - session.start_ns) // MINUTE_NS
        self._first = _knots(_FIRST_SECONDS, 60)
        self.minutes = rate * self._table(session)
        """Trades a second by minute from 04:00."""
        self.wildness = self._wildness(session.minutes)

    def _table(self, session: Session) -> Floats:
        regular = _shorten(_knots(_REGULAR, 390), self._close_minute - self._open_minute)
        regular[0] = self._first.mean()
        regular[1:5] *= (5.0 - regular[0]) / regular[1:5].sum()
        pre = _knots(_PRE, self._open_minute)
        post = _knots(_POST, session.minutes - self._close_minute)
        return np.concatenate([pre, regular, post])

    def _wildness(self, minutes: int) -> Floats:
        wild = np.full(minutes, 0.4)
        regular = _shorten(_knots(_WILDNESS, 390), self._close_minute - self._open_minute)
        wild[self._open_minute : self._close_minute] = regular
        return wild

    def minute_of(self, ts_ms: int) -> int:
        """Return the minute from 04:00 at `ts_ms`, kept within the session."""
        minute = (ts_ms - self._start_ms) // 60_000
        return int(min(max(minute, 0), len(self.minutes) - 1))

    def trades_s(self, ts_ms: int) -> float:
        """Return the expected trades a second at `ts_ms`."""
        minute = self.minute_of(ts_ms)
        rate = float(self.minutes[minute])
        if minute == self._open_minute:
            second = (ts_ms - self._start_ms) // 1000 % 60
            rate *= float(self._first[second] / self._first.mean())
        return rate

    def day_trades(self) -> float:
        """Return the expected number of trades of the whole session."""
        return float(self.minutes.sum() * 60.0)


def _knots(knots: dict[int, float], length: int) -> Floats:
    return np.interp(np.arange(length), list(knots), list(knots.values()))


def _shorten(table: Floats, length: int) -> Floats:
    # A half day keeps its open and its close and loses the middle.
    head = length // 2
    return np.concatenate([table[:head], table[len(table) - (length - head) :]])
