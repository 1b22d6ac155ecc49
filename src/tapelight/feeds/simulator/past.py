"""Past sessions' totals, drawn by (seed, date) without generating their trades."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.sales import MEAN_SIZE
from tapelight.model.batch import Floats
from tapelight.model.session import Calendar, Session, session_before

MAX_SESSIONS = 750


@dataclass(frozen=True, slots=True)
class Daily:
    """Hold one session's daily bars, one element a symbol, adjusted for splits; dollars, shares."""

    session: Session
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats
    trades: Floats

    def raw(self, listing: Listing) -> "Daily":
        """Return the bars as they were before the splits of the first session."""
        factor = np.ones(len(listing))
        for row, (split_from, split_to) in listing.splits.items():
            factor[row] = split_to / split_from

        def raw(price: Floats) -> Floats:
            return np.round(price * factor, 4)

        return Daily(
            self.session, raw(self.open), raw(self.high), raw(self.low), raw(self.close),
            np.rint(self.volume / factor), raw(self.vwap), self.trades,
        )  # fmt: skip


class Past:
    """Walk back from the first session's previous close, one session at a time."""

    def __init__(
        self, listing: Listing, adv: Floats, calendar: Calendar, first: Session, seed: int
    ) -> None:
        self._listing, self._adv, self._seed = listing, adv, seed
        self._calendar = calendar
        self._sessions = [session_before(calendar, first)]
        self._closes = [listing.price]
        self._index = {self._sessions[0].date: 0}
        self.lived: dict[dt.date, Daily] = {}
        """Sessions that were simulated: since the splits of the first."""

    def keep(self, daily: Daily) -> None:
        """Remember a session that was simulated to its end."""
        self.lived[daily.session.date] = daily

    def daily(self, date: dt.date) -> Daily | None:
        """Return the bars of `date`; None on a closed day, a future one or beyond 750 sessions."""
        if date in self.lived:
            return self.lived[date]
        while self._sessions[-1].date > date and len(self._sessions) < MAX_SESSIONS:
            self._walk_back()
        index = self._index.get(date)
        return None if index is None else self._draw(index)

    def _walk_back(self) -> None:
        session = self._sessions[-1]
        close = self._closes[-1] / np.exp(self._returns(self._rng(session)))
        self._closes.append(np.clip(close, 0.05, 50_000.0))
        self._sessions.append(session_before(self._calendar, session))
        self._index[self._sessions[-1].date] = len(self._sessions) - 1

    def _rng(self, session: Session) -> np.random.Generator:
        return np.random.default_rng([self._seed, 4, session.date.toordinal()])

    def _returns(self, rng: np.random.Generator) -> Floats:
        own = rng.standard_normal(len(self._listing)) * self._listing.day_vol
        wild = np.where(rng.random(len(own)) < 0.03, 3.0, 0.9)
        returns: Floats = own * wild + 0.004 * rng.standard_normal() * self._listing.beta
        return returns

    def _draw(self, index: int) -> Daily:
        session, listing = self._sessions[index], self._listing
        rng, close = self._rng(session), self._closes[index]
        returns = self._returns(rng)
        n = len(close)
        span = np.abs(rng.standard_normal((2, n))) * listing.day_vol * 0.5
        open_ = close / np.exp(returns * rng.uniform(0.6, 1.0, n))
        high, low = np.maximum(open_, close) * np.exp(span[0]), np.minimum(open_, close)
        low = low * np.exp(-span[1])
        busy = np.exp(rng.normal(-0.12, 0.5, n)) * (1.0 + np.abs(returns) / listing.day_vol * 0.2)
        volume = np.rint(self._adv * busy * (0.5 if session.half_day else 1.0))
        trades = np.ceil(volume / (MEAN_SIZE * listing.size_factor))
        return Daily(
            session, _cents(open_), _cents(high), _cents(low), _cents(close), volume,
            np.round((high + low + close) / 3.0, 4), trades,
        )  # fmt: skip


def _cents(price: Floats) -> Floats:
    ticks = np.rint(price * TICKS)
    step = np.where(price >= 1.0, 100.0, 1.0)
    rounded: Floats = np.maximum(np.rint(ticks / step) * step, 1.0) / TICKS
    return rounded
