"""Strategies: rules with memory, each one module of `scan/strategies/` with a pure `signals`.

A strategy looks at some rows at one moment (`Look`) and says for each whether its conditions
hold, and how it would trade (`Entries`). The frame around it (`scan.rule`) adds the common
gates, keeps one live signal a symbol, and follows what becomes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.candles import WIDTH, Candles
from tapelight.market.indicators import TIMEFRAMES
from tapelight.market.text import Text
from tapelight.market.view import Moment, Usual, View
from tapelight.market.windows import PRICES

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]
Signs = npt.NDArray[np.int8]
LONG, SHORT = 1, -1
MAX_TARGETS = 4
MINUTE_NS = 60_000_000_000


def told(unit: str, doc: str, *, ge: float | None = None, le: float | None = None) -> msgspec.Meta:
    """Describe a parameter: unit, one sentence, and bounds."""
    return msgspec.Meta(ge=ge, le=le, description=doc, extra={"unit": unit})


class Common(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold what every strategy can be told; a strategy's own parameters extend it."""

    last_min: Annotated[float, told("$", "Least last price.", ge=0)] = 2.0
    last_max: Annotated[float, told("$", "Highest last price.", ge=0)] = 200.0
    adv20_min: Annotated[float, told("shares", "Least usual day, or else rvol_tod_or.", ge=0)] = 5e5
    rvol_tod_or: Annotated[
        float, told("", "A relative volume that makes up for a small adv20.", ge=0)
    ] = 5.0
    spread_pct_max: Annotated[float, told("%", "Widest spread.", ge=0)] = 0.5
    trade_rate_min: Annotated[float, told("1/s", "Fewest prints a second.", ge=0)] = 0.5
    risk_pct_min: Annotated[float, told("%", "Least risk R of the entry price.", ge=0)] = 0.3
    risk_pct_max: Annotated[float, told("%", "Highest risk R of the entry price.", ge=0)] = 8.0
    risk_spreads_min: Annotated[float, told("", "Least risk R in spreads.", ge=0)] = 3.0
    begin_min: Annotated[float, told("min", "First entry, after the open.", ge=0)] = 0.0
    end_min: Annotated[float, told("min", "Last entry, after the open; 0 = open end.", ge=0)] = 0.0
    last_entry_min: Annotated[float, told("min", "Last entry, before the close.", ge=0)] = 5.0
    flat_min: Annotated[float, told("min", "Flat this long before the close.", ge=0)] = 5.0
    cooldown_s: Annotated[float, told("s", "Silence for a symbol after a signal.", ge=0)] = 0.0
    tries: Annotated[int, told("", "Most signals a symbol and day; 0 = no limit.", ge=0)] = 0
    mute_resume_s: Annotated[float, told("s", "Silence for a symbol after a resume.", ge=0)] = 0.0

    def __post_init__(self) -> None:
        """Refuse what each alone may be and together never fires: raises ValueError."""
        names = self.__struct_fields__
        for name in names:
            value = getattr(self, name)
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"{name} is {value}: give a number that ends")
        for least in (name for name in names if name.endswith("_min")):
            most = f"{least.removesuffix('_min')}_max"
            if most in names:
                self.in_order(least, most)
        if self.end_min:
            self.in_order("begin_min", "end_min", apart=True)

    def in_order(self, least: str, most: str, apart: bool = False) -> None:
        """Raise ValueError where parameter `least` is above `most`, or, `apart`, not below it."""
        low, high = getattr(self, least), getattr(self, most)
        if low > high or (apart and low == high):
            than = "below" if apart else "at most"
            raise ValueError(
                f"{least} is {low:g} and {most} {high:g}, so it would never fire: "
                f"{least} must be {than} {most}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Hold one named leaf over the rows looked at: its value, what it is held to, its truth."""

    name: str
    value: npt.NDArray[Any]
    op: str
    bound: npt.NDArray[Any] | float | bool | str
    true: Flags


def at_least(name: str, value: Floats, bound: Floats | float) -> Condition:
    """Ask `value >= bound`; null is not."""
    return Condition(name, value, ">=", bound, np.asarray(value >= bound))


def above(name: str, value: Floats, bound: Floats | float) -> Condition:
    """Ask `value > bound`; null is not."""
    return Condition(name, value, ">", bound, np.asarray(value > bound))


def at_most(name: str, value: Floats, bound: Floats | float) -> Condition:
    """Ask `value <= bound`; null is not."""
    return Condition(name, value, "<=", bound, np.asarray(value <= bound))


def below(name: str, value: Floats, bound: Floats | float) -> Condition:
    """Ask `value < bound`; null is not."""
    return Condition(name, value, "<", bound, np.asarray(value < bound))


def is_true(name: str, value: Flags) -> Condition:
    """Ask that a flag be set."""
    return Condition(name, value, "is", True, value)


def is_false(name: str, value: Flags) -> Condition:
    """Ask that a flag be clear."""
    return Condition(name, value, "is", False, ~value)


def either(name: str, one: Condition, other: Condition) -> Condition:
    """Ask that one of two hold; told with the first one's value and bound."""
    return Condition(name, one.value, one.op, one.bound, one.true | other.true)


@dataclass(frozen=True, slots=True, eq=False)
class Exit:
    """Name a reason to leave a live signal, and the rows where it holds."""

    reason: str
    """invalid or time."""
    text: str
    true: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Say for each row looked at whether to enter, and how; every array has the look's length.

    Prices are $, NaN where there is none; times are ns of market time, 0 where there is none.
    """

    when: Sequence[Condition]
    """All must hold, the common gates besides."""
    side: Signs
    """LONG or SHORT; 0 makes no signal."""
    entry: Floats
    """The trigger price of the stop-limit order."""
    stop: Floats
    targets: Sequence[Floats] = ()
    """At most MAX_TARGETS; those on the wrong side of the entry are left out."""
    armed: Flags | None = None
    """Where the setup stands and only the trigger is missing: told as a state of its own."""
    expires_ns: Int64s | int = 0
    """The entry is void from then on."""
    exit_ns: Int64s | int = 0
    """The time stop."""
    exits: Sequence[Exit] = ()
    """Reasons to give up a live signal of the row."""
    trail: Floats | None = None
    """Where the stop follows once the first target is reached."""
    keep: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """New values of the strategy's memory."""


def no_entries(n: int) -> Entries:
    """Return the entries of `n` rows of which none is to be entered."""
    nothing = np.full(n, np.nan)
    return Entries(when=(), side=np.zeros(n, np.int8), entry=nothing, stop=nothing)


class Strategy:
    """Subclass this in a module of its own: the module's name is the strategy's name."""

    takes: ClassVar[type[Common]] = Common
    code: ClassVar[str] = ""
    title: ClassVar[str] = ""
    doc: ClassVar[str] = ""
    sides: ClassVar[tuple[str, ...]] = ("long",)
    enabled: ClassVar[bool] = False
    """Whether it runs where the configuration says nothing."""
    signal_only: ClassVar[bool] = False
    """Whether it is told to people only, never traded."""
    candles: ClassVar[tuple[tuple[str, int], ...]] = ()
    """Closed bars it looks at: (timeframe, how many)."""
    memory: ClassVar[Mapping[str, float | int]] = {}
    """What it keeps for each row: name -> value at the session's start (its type is kept)."""
    by_bars: ClassVar[bool] = False
    """Whether what it remembers moves with closed bars alone: in-play rows are then enough."""
    gated: ClassVar[frozenset[str]] = frozenset({"last", "liquidity", "spread_pct", "trade_rate"})
    """Which of the common gates hold."""

    def __init__(self, params: Any) -> None:
        self.params = params

    def indicators(self) -> Sequence[Any]:
        """Return the indicators (`Ask`) that it looks at."""
        return ()

    def concerns(self, _look: "Look") -> Flags | None:
        """Return which rows `signals` has to see: of others it has nothing to say or remember.

        None: all of them. Where nothing is remembered, those that fail a common gate are left out
        besides; rows with a signal are shown in any case.
        """
        return None

    def signals(self, look: "Look") -> Entries:
        """Return what to enter, and where. Pure: it reads `look` and nothing else."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """Tell of each row's live signal; fields mean nothing where `state` is 0."""

    state: npt.NDArray[np.uint8]
    """0 none, 1 armed, 2 fired, 3 confirmed (the entry was traded)."""
    side: Signs
    entry: Floats
    stop: Floats
    risk: Floats
    """R = |entry - stop| when it fired."""
    fill: Floats
    """The price at which the entry was confirmed."""
    best: Floats
    """The most favourable last price since."""
    fired_ns: Int64s
    filled_ns: Int64s


class Look:
    """Show a strategy some rows at one moment. All arrays are read-only, one element a row."""

    def __init__(
        self,
        view: View,
        live: Callable[[], Live],
        memory: Mapping[str, npt.NDArray[Any]],
    ) -> None:
        """Show the view's rows; `memory` is that of all rows of the table."""
        self._view = view
        self._memory = memory
        self._live = live

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, column: str) -> Any:
        """Return a column: float64, bool, or Text."""
        return _sealed(self._view[column])

    @cached_property
    def live(self) -> Live:
        """Return each row's live signal."""
        return self._live()

    @property
    def moment(self) -> Moment:
        """Return market time, session and phase."""
        return self._view.moment

    @property
    def now_ns(self) -> int:
        """Return market time."""
        return self._view.moment.now_ns

    @property
    def minutes(self) -> float:
        """Return the minutes since the regular open."""
        return self._view.moment.since_open_min()

    def indicator(self, ask: Any) -> Floats:
        """Return an indicator's value at the last closed bar; NaN where it is unknown."""
        values: Floats = _sealed(self._view.indicator(ask))
        return values

    def candles(self, timeframe: str, count: int) -> Candles:
        """Return the last `count` closed bars, newest last: (rows, count) arrays, NaN unknown."""
        return _closed(self._view.candles(timeframe, count))

    def first_bar(self, timeframe: str) -> tuple[Flags, Floats, Floats, Floats]:
        """Return the regular session's first bar of a timeframe, as long as bars are kept.

        Whether it is there, and its open, close and volume; NaN where it is not.
        """
        since_open = max(int(self.minutes // TIMEFRAMES[timeframe]), 1)
        bars = self.candles(timeframe, min(since_open, WIDTH[timeframe]))
        first = bars.minute == self.open_minute
        there = first.any(axis=1)
        values = (np.where(first, one, 0.0) for one in (bars.open, bars.close, bars.volume))
        begin, end, volume = (np.where(there, one.sum(axis=1), np.nan) for one in values)
        return there, begin, end, volume

    def kept(self, name: str) -> Any:
        """Return the strategy's own memory called `name`."""
        return _sealed(self._view.pick(self._memory[name]))

    def top(self, name: str, count: int) -> float:
        """Return the `count`-th greatest of the memory called `name` over all rows, else the least."""
        known = self._memory[name][~np.isnan(self._memory[name])]
        if not len(known):
            return float("nan")
        place = max(len(known) - count, 0)
        return float(np.partition(known, place)[place])

    def usual(self, begin: float, end: float) -> Floats:
        """Return the mean volume between two times of the day, in minutes since the open."""
        session = self._view.moment.session
        opens = (session.open_ns - session.start_ns) / MINUTE_NS if session else 0.0
        return Usual(self._view)(opens + begin, opens + end)

    @property
    def open_minute(self) -> int:
        """Return the minute of the session at which the regular open is: that of its first bar."""
        session = self._view.moment.session
        return (session.open_ns - session.start_ns) // MINUTE_NS if session else -1

    def state(self, field_name: str) -> Any:
        """Return a raw field of the rows (`market.row`): times in ns and the like."""
        return _sealed(self._view.field(field_name))

    def past(self, seconds: int) -> Floats:
        """Return last prices as each of the last `seconds` (at most 300) ended, (rows, seconds)."""
        table, index = self._view.table, self._view.index
        rows = np.arange(table.n) if index is None else index
        slots = (table.now_s - 1 - np.arange(seconds)) % PRICES
        return np.ascontiguousarray(table.rings.price[slots[:, None], rows].T)

    def of(self, symbol: str, column: str) -> float:
        """Return one other symbol's value of a number column, NaN where it is not watched."""
        row = self._view.table.universe.rows.get(symbol)
        if row is None:
            return float("nan")
        view = self._view.once(f"symbol {symbol}", lambda v: View(v.table, np.array([row])))
        return float(np.asarray(view[column])[0])

    def candles_of(self, symbol: str, timeframe: str, count: int) -> Candles | None:
        """Return the last closed bars of another symbol as (1, count) arrays, None if not watched."""
        row = self._view.table.universe.rows.get(symbol)
        if row is None:
            return None
        view = self._view.once(f"symbol {symbol}", lambda v: View(v.table, np.array([row])))
        return _closed(view.candles(timeframe, count))

    def full(self, value: float) -> Floats:
        """Return `value` for each row."""
        return np.full(len(self), value)


def _closed(bars: Candles) -> Candles:
    """Return the bars, read-only: all who ask at a moment share them."""
    for name in ("minute", "open", "high", "low", "close", "volume"):
        getattr(bars, name).flags.writeable = False
    return bars


def _sealed(values: Any) -> Any:
    """Return a view that can't be written: what is shown to one strategy is shown to all."""
    if isinstance(values, Text):
        return values
    shown = np.asarray(values).view()
    shown.flags.writeable = False
    return shown


def tick_of(price: Floats) -> Floats:
    """Return the least price step: $0.01 from $1, $0.0001 below."""
    return np.where(price >= 1.0, 0.01, 0.0001)


def ticks(price: Floats, count: int) -> Floats:
    """Return the price `count` ticks on, as the decimal that a print of it would bring."""
    return np.asarray(np.round(price + count * tick_of(price), 4))


def multiples(entry: Floats, stop: Floats, *times: float) -> tuple[Floats, ...]:
    """Return the prices at the given multiples of R beyond the entry."""
    return tuple(entry + r * (entry - stop) for r in times)


def longs(look: Look) -> Signs:
    """Return LONG for each row."""
    return np.full(len(look), LONG, np.int8)
