"""What is known of past days: whole days of raw bars, splits, facts with the time since when."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Floats

Value = str | float | int | None


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


@dataclass(frozen=True, slots=True)
class DayBars:
    """Hold one session of a market, one element a symbol; prices as traded, NaN is unknown."""

    symbols: list[str]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def sound(self) -> "DayBars":
        """Return the bars that can be: prices above 0, high not below low, volume not negative."""
        good = (self.close > 0) & (self.high >= self.low) & (self.low > 0) & (self.volume >= 0)
        return self if good.all() else self.take(np.flatnonzero(good))

    def take(self, at: npt.NDArray[np.intp]) -> "DayBars":
        """Return the bars at some places."""
        columns = (self.open, self.high, self.low, self.close, self.volume)
        return DayBars([self.symbols[i] for i in at.tolist()], *(c[at] for c in columns))

    def of(self, wanted: frozenset[str]) -> "DayBars":
        """Return the bars of the symbols wanted."""
        return self.take(np.array([i for i, s in enumerate(self.symbols) if s in wanted], np.intp))


def day_bars(bars: Sequence[DayBar]) -> DayBars:
    """Return bars one by one as columns; an open that they do not tell is NaN."""
    numbers = [(getattr(b, "o", float("nan")), b.h, b.l, b.c, b.v) for b in bars]
    columns = np.array(numbers, np.float64).reshape(len(numbers), 5).T
    return DayBars([b.ticker for b in bars], *(np.ascontiguousarray(c) for c in columns))


class Split(msgspec.Struct, frozen=True):
    """Say that `split_from` shares became `split_to` on a date (ISO), before its session began."""

    symbol: str
    date: str
    split_from: float
    split_to: float
    source: str = ""

    @property
    def factor(self) -> float:
        """Return what prices before the split are multiplied by, and volumes divided by."""
        return self.split_from / self.split_to

    @property
    def sound(self) -> bool:
        """Tell whether the numbers can be."""
        return self.split_from > 0 and self.split_to > 0


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Say something of a symbol that holds from a date on, and since when it is known.

    `values` are fields of Reference. Facts of one kind replace each other whole.
    """

    symbol: str
    kind: str
    """listing, float, short, page."""
    values: dict[str, Value]
    valid_from: str
    known_ns: int
    source: str


class Told(msgspec.Struct, frozen=True):
    """Hold facts and splits: what a provider's lists tell, or what the store knew at a time."""

    facts: list[Fact] = []
    splits: list[Split] = []


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Note of one split what was done to the levels before it: the audit's line."""

    split: Split
    close_before: float
    """The last raw close before the split, NaN where there is none."""
    first_price: float
    """The first price on or after the split's date, NaN where it has not traded since."""
    applied: bool
    """False where the bars before it show no jump: their source had adjusted them already."""

    @property
    def proven(self) -> bool:
        """Tell whether prices on both sides show what was done."""
        return self.close_before == self.close_before and self.first_price == self.first_price

    def words(self) -> str:
        """Say it."""
        split, factor = self.split, self.split.factor
        what = f"{split.date}: {split.split_from:g} became {split.split_to:g}"
        if not self.applied:
            return f"{what}; the bars before it were adjusted by their source: left as they are."
        done = f"{what}; levels before it x {factor:g}, volumes / {factor:g}, once"
        if not self.proven:
            return f"{done}; no price on both sides proves it yet."
        return f"{done} ({self.close_before:g} -> {self.close_before * factor:g}, then {self.first_price:g})."


def splits_by_date(
    splits: Iterable[Split], after: dt.date, until: dt.date
) -> dict[str, list[Split]]:
    """Return the sound splits effective in (after, until] by ISO date, one a symbol and date."""
    found: dict[str, dict[str, Split]] = {}
    first, last = after.isoformat(), until.isoformat()
    for split in splits:
        if split.sound and split.factor != 1.0 and first < split.date <= last:
            found.setdefault(split.date, {})[split.symbol] = split
    return {date: list(found[date].values()) for date in sorted(found)}


def newest(facts: Iterable[Fact]) -> list[Fact]:
    """Return the newest fact of each symbol and kind: what holds latest, as known last."""
    found: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        key = (fact.symbol, fact.kind)
        known = found.get(key)
        if known is None or (fact.valid_from, fact.known_ns) >= (known.valid_from, known.known_ns):
            found[key] = fact
    return list(found.values())


def values_by_symbol(facts: Iterable[Fact]) -> dict[str, dict[str, Value]]:
    """Return what the newest facts say of each symbol."""
    found: dict[str, dict[str, Value]] = {}
    for fact in newest(facts):
        found.setdefault(fact.symbol, {}).update(fact.values)
    return found


def symbols_listed(facts: Iterable[Fact]) -> set[str]:
    """Return the symbols of which there is a listing."""
    return {fact.symbol for fact in facts if fact.kind == "listing"}


def split_today(splits: Iterable[Split], session: dt.date) -> Mapping[str, float]:
    """Return by symbol split_from / split_to of the splits effective on a session's date."""
    today = session.isoformat()
    return {s.symbol: s.factor for s in splits if s.date == today and s.sound}
