"""Fold daily bars, oldest session first, into what is known of each symbol before a session."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Floats
from tapelight.model.past import Adjusted, Day, DayBar, DayBars, Split, day_bars, splits_by_date
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
RUNNER_PCT = 30.0
"""A day that closes so far above the one before is a runner day."""
CONTAINED = 0.5
"""Of a split's log factor: a smaller jump says that the bars before contain the split already."""
TELLING = math.log(1.25)
"""A split whose log factor is smaller moves prices no more than a night may: it proves nothing."""
OF_THE_LAST = "prev_close prev_high prev_low prev_volume prev_chg_pct w52_high w52_low".split()
"""Figures that the last session changes: without it they are not known."""
OF_A_YEAR = ("w52_high", "w52_low", "best_day_1y_pct", "runner_days_1y")
MOST = 0.9
"""Of the sessions of a year: with fewer its extremes are not known."""
PRICES = ("high", "low", "close", "close_before", "_atr", "_year_high", "_year_low")
SYMBOL_COLUMNS = (*PRICES, "volume", "_best")


class DailyFold:
    """Keep running figures of up to n symbols while sessions are added from the oldest on.

    Prices and volumes are taken as they come. A split is crossed between two sessions: every level
    that was kept by then is multiplied, once. `deep` also keeps what needs more than a month: ATR,
    52-week extremes, moving averages and runner days.
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
        self.sessions = 0
        self._by_session = np.zeros((0, BETA_DAYS + 1))
        """Closes by session, whoever traded: what returns of two symbols are compared by."""
        self._first_full = np.zeros(0, np.int64)
        self._runners = np.zeros(0, np.int64)
        self.behind = False
        """Whether the session before the one asked for is missing: its levels are not known."""
        self.short = False
        """Whether so many days are missing that a year's extremes are not known."""
        self.adjusted: list[Adjusted] = []
        """Each split that was crossed, and what was done."""
        nothing = np.zeros(0)
        self.high, self.low, self.close, self.volume = (nothing.copy() for _ in range(4))
        """Of the last session in which the symbol traded."""
        self.close_before = nothing.copy()
        self._atr, self._year_high, self._year_low = (nothing.copy() for _ in range(3))
        self._best = nothing.copy()

    def add(self, date: dt.date, bars: Sequence[DayBar], *, full: bool) -> None:
        """Add one session later than all before; half days (`full` false) leave out adv20."""
        self.add_day(date, day_bars(bars), full=full)

    def add_day(self, date: dt.date, bars: DayBars, *, full: bool) -> None:
        """Add one session later than all before, as columns; bars that cannot be are left out."""
        bars = bars.sound()
        at = np.array([self._place(symbol) for symbol in bars.symbols], np.int64)
        self._grow()
        high, low, close, volume = bars.high, bars.low, bars.close, bars.volume
        if self.deep:
            self._add_ranges(at, high, low)
            if date >= self._year_from:
                self._add_year(at, bars)
        self._by_session[:, self.sessions % (BETA_DAYS + 1)] = np.nan
        self._by_session[at, self.sessions % (BETA_DAYS + 1)] = close
        self.sessions += 1
        if full:
            self._volumes[:, self._full % FULL_SESSIONS] = 0.0
            self._volumes[at, self._full % FULL_SESSIONS] = volume
            self._first_full[at] = np.minimum(self._first_full[at], self._full)
            self._full += 1
        self._closes[at, self.bars[at] % self._ring] = close
        self.close_before[at] = self.close[at]
        self.high[at], self.low[at], self.close[at], self.volume[at] = high, low, close, volume
        self.bars[at] += 1

    def cross(self, split: Split, first_price: float) -> None:
        """Let a split take effect: what was kept before it is reckoned in the new shares.

        `first_price` is the first one after it, NaN when it has not traded since. Where the prices
        on both sides show no jump, the source's bars contain the split already and stay.
        """
        at = self.index.get(split.symbol)
        if at is None or not self.bars[at]:
            return
        close = float(self.close[at])
        applied = not _contained(split.factor, close, first_price)
        self.adjusted.append(Adjusted(split, close, first_price, applied))
        if not applied:
            return
        for name in PRICES:
            getattr(self, name)[at] *= split.factor
        self._closes[at] *= split.factor
        self._by_session[at] *= split.factor
        self.volume[at] /= split.factor
        self._volumes[at] /= split.factor

    def cross_all(self, splits: Iterable[Split], bars: DayBars | None) -> None:
        """Let the splits of a date take effect; `bars` are that session's, None before it trades."""
        splits = list(splits)
        if not splits:
            return
        place = {s: i for i, s in enumerate(bars.symbols)} if bars is not None else {}
        for split in splits:
            at = place.get(split.symbol)
            known = bars is not None and at is not None
            self.cross(split, _first_price(bars, at) if known else float("nan"))  # type: ignore[arg-type]

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

    def runners(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the days since `year_from` that closed 30 % up, and the best one's change, %."""
        return self._runners, self._best

    def returns(self, days: int) -> Floats:
        """Return the log returns of the last `days` sessions (60 at most), oldest first."""
        places = (self.sessions + np.arange(-days - 1, 0)) % (BETA_DAYS + 1)
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

    def _add_year(self, at: npt.NDArray[np.int64], bars: DayBars) -> None:
        self._year_high[at] = np.fmax(self._year_high[at], bars.high)
        self._year_low[at] = np.fmin(self._year_low[at], bars.low)
        change = (bars.close / self.close[at] - 1.0) * 100.0
        self._best[at] = np.fmax(self._best[at], change)
        self._runners[at] += change >= RUNNER_PCT

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
        self._runners = np.concatenate((self._runners, np.zeros(more, np.int64)))
        for name in SYMBOL_COLUMNS:
            setattr(self, name, np.concatenate((getattr(self, name), np.full(more, np.nan))))


def fold_days(
    days: Iterable[tuple[dt.date, DayBars, bool]],
    splits: Iterable[Split],
    session: dt.date,
    last: dt.date | None = None,
) -> DailyFold:
    """Return the raw days before `session` folded in its shares: (date, bars, full), oldest first.

    `last` is the date of the session before it: where its day, or much of a year, is missing the
    fold says so.
    """
    fold = DailyFold(year_before(session), deep=True)
    fold.behind = last is not None
    crossing = Crossing(fold, splits, session)
    for date, bars, full in days:
        fold.behind = last is not None and date < last
        crossing.reach(date, bars)
        fold.add_day(date, bars, full=full)
    crossing.end()
    fold.short = last is not None and fold.sessions < MOST * RETURNS_A_YEAR
    return fold


class Crossing:
    """Let each split take effect once, between the sessions on both sides of it."""

    def __init__(self, fold: DailyFold, splits: Iterable[Split], session: dt.date) -> None:
        self._fold = fold
        self._left = splits_by_date(splits, dt.date.min, session)

    def reach(self, date: dt.date, bars: DayBars) -> None:
        """Let the splits up to a session take effect before its bars are added."""
        for due in [d for d in self._left if d <= date.isoformat()]:
            self._fold.cross_all(self._left.pop(due), bars)

    def end(self) -> None:
        """Let the splits that are left take effect: those of days not folded, the session's own."""
        for due in list(self._left):
            self._fold.cross_all(self._left.pop(due), None)


def year_before(date: dt.date) -> dt.date:
    """Return the date 52 weeks before."""
    return date - dt.timedelta(weeks=52)


def levels(fold: DailyFold) -> dict[str, dict[str, float | int | None]]:
    """Return by symbol the fields of Reference that come from daily bars."""
    volume, sessions = fold.adv20()
    columns: dict[str, Floats] = {
        "prev_close": fold.close,
        "prev_high": fold.high,
        "prev_low": fold.low,
        "prev_volume": fold.volume,
        "prev_chg_pct": (fold.close / fold.close_before - 1.0) * 100.0,
        "adv20": volume,
        "hv20": fold.hv20(),
        "beta_spy": fold.beta(BENCHMARK),
        "corr_spy_20d": fold.correlation(BENCHMARK),
    }
    if fold.deep:
        high, low = fold.year()
        runners, best = fold.runners()
        columns |= {
            "atr14": fold.atr14(),
            "w52_high": high,
            "w52_low": low,
            "sma50d": fold.sma(50),
            "sma200d": fold.sma(200),
            "best_day_1y_pct": best,
        }
    for name in OF_THE_LAST if fold.behind else ():
        if name in columns:
            columns[name] = np.full(len(fold.index), np.nan)
    listed = [[_known(x) for x in column.tolist()] for column in columns.values()]
    if fold.deep:
        listed.append([n if b == b else None for n, b in zip(runners.tolist(), best, strict=True)])
    names = [*columns, "runner_days_1y"][: len(listed)]
    for at in [i for i, name in enumerate(names) if fold.short and name in OF_A_YEAR]:
        listed[at] = [None] * len(fold.index)
    counts = sessions.tolist()
    return {
        symbol: dict(zip(names, cells, strict=True), adv_sessions=count)
        for symbol, count, *cells in zip(fold.index, counts, *listed, strict=True)
    }


def _contained(factor: float, close: float, first_price: float) -> bool:
    """Tell whether prices on both sides of a split show that the earlier ones contain it."""
    if not (close > 0 and first_price > 0):
        return False
    size = abs(math.log(factor))
    return size >= TELLING and abs(math.log(first_price / close)) < size * CONTAINED


def _first_price(bars: DayBars, at: int) -> float:
    price = float(bars.open[at])
    return price if price > 0 else float(bars.close[at])


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


__all__ = ["DailyFold", "Day", "DayBar", "SectorMoves", "fold_days", "levels"]
