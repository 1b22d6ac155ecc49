"""Fold daily bars, oldest session first, into what is known of each symbol before a session."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Floats
from tapelight.model.returns import (
    BETA_DAYS,
    CORRELATION_DAYS,
    LEAST_SHARE,
    beta,
    correlation,
    log_returns,
)
from tapelight.model.sectors import SECTOR_FUNDS

FULL_SESSIONS = 20
"""Sessions of adv20 and hv20."""
ATR_SPAN = 14
RETURNS_A_YEAR = 252
BENCHMARK = "SPY"


class DayBar(Protocol):
    """Be one symbol's bar of one session."""

    ticker: str
    h: float
    l: float  # noqa: E741 - the field's usual name
    c: float
    v: float


@dataclass(slots=True)
class Day:
    """Be a DayBar that no provider's own type stands for."""

    ticker: str
    h: float
    l: float  # noqa: E741 - the field's usual name
    c: float
    v: float


class DailyFold:
    """Keep running figures of up to n symbols while sessions are added from the oldest on.

    Prices and volumes are taken as they come: adjusted for splits by the provider. `deep` also
    keeps what needs more than a month: ATR, 52-week extremes and moving averages.
    """

    def __init__(self, year_from: dt.date, *, deep: bool) -> None:
        self.index: dict[str, int] = {}
        self.deep = deep
        self._year_from = year_from
        self._ring = 200 if deep else FULL_SESSIONS + 1
        self._full = 0
        self.bars = np.zeros(0, np.int64)
        """Sessions in which each symbol traded."""
        self._closes = np.zeros((0, self._ring))
        self._volumes = np.zeros((0, FULL_SESSIONS))
        self._sessions = 0
        self._by_session = np.zeros((0, BETA_DAYS + 1))
        """Closes by session, whoever traded: what returns of two symbols are compared by."""
        self._first_full = np.zeros(0, np.int64)
        nothing = np.zeros(0)
        self.high, self.low, self.close, self.volume = (nothing.copy() for _ in range(4))
        """Of the last session in which the symbol traded."""
        self.close_before = nothing.copy()
        self._atr, self._year_high, self._year_low = (nothing.copy() for _ in range(3))

    def add(self, date: dt.date, bars: Sequence[DayBar], *, full: bool) -> None:
        """Add one session later than all before; half days (`full` false) leave out adv20."""
        bars = [b for b in bars if b.c > 0 and b.h >= b.l > 0 and b.v >= 0]
        at = np.array([self._place(b.ticker) for b in bars], np.int64)
        self._grow()
        high, low = np.array([b.h for b in bars]), np.array([b.l for b in bars])
        close, volume = np.array([b.c for b in bars]), np.array([b.v for b in bars])
        if self.deep:
            self._add_ranges(at, high, low)
            if date >= self._year_from:
                self._year_high[at] = np.fmax(self._year_high[at], high)
                self._year_low[at] = np.fmin(self._year_low[at], low)
        self._by_session[:, self._sessions % (BETA_DAYS + 1)] = np.nan
        self._by_session[at, self._sessions % (BETA_DAYS + 1)] = close
        self._sessions += 1
        if full:
            self._volumes[:, self._full % FULL_SESSIONS] = 0.0
            self._volumes[at, self._full % FULL_SESSIONS] = volume
            self._first_full[at] = np.minimum(self._first_full[at], self._full)
            self._full += 1
        self._closes[at, self.bars[at] % self._ring] = close
        self.close_before[at] = self.close[at]
        self.high[at], self.low[at], self.close[at], self.volume[at] = high, low, close, volume
        self.bars[at] += 1

    def adv20(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return mean shares of up to 20 full sessions since the first trade, and how many."""
        sessions = np.clip(self._full - self._first_full, 0, min(self._full, FULL_SESSIONS))
        mean: Floats = self._volumes.sum(axis=1) / np.maximum(sessions, 1)
        mean[sessions <= 0] = np.nan
        return mean, sessions

    def hv20(self) -> Floats:
        """Return the annualised standard deviation of 20 daily log returns, in percent."""
        steps = np.diff(np.log(self._last_closes(FULL_SESSIONS + 1)), axis=1)
        deviation: Floats = steps.std(axis=1, ddof=1)
        deviation *= RETURNS_A_YEAR**0.5 * 100.0
        return deviation

    def sma(self, span: int) -> Floats:
        """Return the mean of the last `span` closes; NaN for a symbol with fewer."""
        mean: Floats = self._last_closes(span).mean(axis=1)
        return mean

    def atr14(self) -> Floats:
        """Return Wilder's average true range over 14 sessions; NaN before the 15th."""
        atr: Floats = np.where(self.bars > ATR_SPAN, self._atr, np.nan)
        return atr

    def year(self) -> tuple[Floats, Floats]:
        """Return the highest high and lowest low since `year_from`."""
        return self._year_high, self._year_low

    def returns(self, days: int) -> Floats:
        """Return the log returns of the last `days` sessions (60 at most), oldest first."""
        places = (self._sessions + np.arange(-days - 1, 0)) % (BETA_DAYS + 1)
        return log_returns(self._by_session[:, places])

    def correlation(self, symbol: str) -> Floats:
        """Return each symbol's correlation with `symbol` over 20 sessions; NaN where unknown."""
        if symbol not in self.index:
            return np.full(len(self.index), np.nan)
        returns = self.returns(CORRELATION_DAYS)
        least = int(CORRELATION_DAYS * LEAST_SHARE)
        return correlation(returns, returns[self.index[symbol]], least)

    def beta(self, symbol: str) -> Floats:
        """Return each symbol's beta to `symbol` over up to 60 sessions; NaN where unknown."""
        if symbol not in self.index:
            return np.full(len(self.index), np.nan)
        returns = self.returns(BETA_DAYS)
        return beta(returns, returns[self.index[symbol]])

    def _add_ranges(self, at: npt.NDArray[np.int64], high: Floats, low: Floats) -> None:
        before, count = self.close[at], self.bars[at]
        true_range = np.maximum(high, before) - np.minimum(low, before)
        span = np.minimum(count, ATR_SPAN)
        # The mean of the first 14 ranges, then Wilder's smoothing: one recurrence for both.
        old = np.where(count > 1, self._atr[at], 0.0)
        new = (old * (span - 1) + true_range) / np.maximum(span, 1)
        self._atr[at] = np.where(count > 0, new, np.nan)

    def _last_closes(self, span: int) -> Floats:
        """Return the last `span` closes of each symbol in order, NaN where there are fewer."""
        if span > self._ring:
            return np.full((len(self.bars), span), np.nan)
        places = (self.bars[:, None] + np.arange(-span, 0)) % self._ring
        closes = np.take_along_axis(self._closes, places, axis=1)
        closes[self.bars < span] = np.nan
        return closes

    def _place(self, symbol: str) -> int:
        return self.index.setdefault(symbol, len(self.index))

    def _grow(self) -> None:
        more = len(self.index) - len(self.bars)
        if more <= 0:
            return
        self.bars = np.concatenate((self.bars, np.zeros(more, np.int64)))
        never = np.full(more, np.iinfo(np.int64).max)
        self._first_full = np.concatenate((self._first_full, never))
        self._closes = np.concatenate((self._closes, np.zeros((more, self._ring))))
        unknown = np.full((more, BETA_DAYS + 1), np.nan)
        self._by_session = np.concatenate((self._by_session, unknown))
        self._volumes = np.concatenate((self._volumes, np.zeros((more, FULL_SESSIONS))))
        for name in (
            "high",
            "low",
            "close",
            "volume",
            "close_before",
            "_atr",
            "_year_high",
            "_year_low",
        ):
            setattr(self, name, np.concatenate((getattr(self, name), np.full(more, np.nan))))


def levels(
    fold: DailyFold, factors: Mapping[str, float]
) -> dict[str, dict[str, float | int | None]]:
    """Return by symbol the fields of Reference that come from daily bars.

    `factors` (split_from / split_to by symbol) adjust prices for splits that the bars lack yet.
    """
    factor = np.ones(len(fold.index))
    for symbol, ratio in factors.items():
        if symbol in fold.index:
            factor[fold.index[symbol]] = ratio
    volume, sessions = fold.adv20()
    columns: dict[str, Floats] = {
        "prev_close": fold.close * factor,
        "prev_high": fold.high * factor,
        "prev_low": fold.low * factor,
        "prev_volume": fold.volume / factor,
        "prev_chg_pct": (fold.close / fold.close_before - 1.0) * 100.0,
        "adv20": volume / factor,
        "hv20": fold.hv20(),
        "beta_spy": fold.beta(BENCHMARK),
        "corr_spy_20d": fold.correlation(BENCHMARK),
    }
    if fold.deep:
        high, low = fold.year()
        columns |= {
            "atr14": fold.atr14() * factor,
            "w52_high": high * factor,
            "w52_low": low * factor,
            "sma50d": fold.sma(50) * factor,
            "sma200d": fold.sma(200) * factor,
        }
    listed = [[_known(x) for x in column.tolist()] for column in columns.values()]
    counts = sessions.tolist()
    return {
        symbol: dict(zip(columns, cells, strict=True), adv_sessions=count)
        for symbol, count, *cells in zip(fold.index, counts, *listed, strict=True)
    }


class SectorMoves:
    """Tell by how much a symbol moves with its sector's fund, once its sector is known."""

    def __init__(self, fold: DailyFold | None = None) -> None:
        self._index = dict(fold.index) if fold else {}
        self._moves = {s: fold.correlation(f) for s, f in SECTOR_FUNDS.items()} if fold else {}

    def correlation(self, symbol: str, sector: str | None) -> float | None:
        """Return the correlation over 20 sessions; None where it is unknown."""
        at, moves = self._index.get(symbol), self._moves.get(sector or "")
        return None if at is None or moves is None else _known(float(moves[at]))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
