"""A view: columns of some rows at one moment, each reckoned once, when first asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from weakref import proxy

import numpy as np
import numpy.typing as npt

from tapelight.market.arithmetic import seconds_since
from tapelight.market.asked_once import asked_once, bars_once
from tapelight.market.baseline import MINUTES
from tapelight.market.candles import Candles
from tapelight.market.column import Column, Values, columns
from tapelight.market.indicators import Ask
from tapelight.market.newsroom import Newsroom
from tapelight.market.row import GAP, ROW
from tapelight.market.table import Table
from tapelight.market.text import Text
from tapelight.market.tier import THREE, TWO
from tapelight.market.turning import Scratch, Turned, Words
from tapelight.market.windows import price_ago
from tapelight.model.session import MINUTE_NS, PHASES, Session

NS = 1_000_000_000
SEEN_AFTER_NS = NS
"""A closed bar is seen a second after its minute."""
WORD = 8
"""Bytes of most fields of a row."""
assert ROW.fields is not None
ROW_FIELDS = {name: (part[0], part[1]) for name, part in ROW.fields.items()}
T = TypeVar("T")
Rows = npt.NDArray[np.intp] | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Tell a column what time it is: market time, session, phase code."""

    now_ns: int
    session: Session | None
    phase: int
    complete_ns: int
    hole_ns: int
    """The same for the rows of an open hole."""
    minutes_seen: int
    date: str

    def since_start_min(self) -> float:
        """Return the minutes since the session's start (04:00), fractions included."""
        return (self.now_ns - self.session.start_ns) / NS / 60 if self.session else 0.0

    def since_open_min(self) -> float:
        """Return the minutes since the regular open; negative before it."""
        return (self.now_ns - self.session.open_ns) / NS / 60 if self.session else -1.0

    def seen_minute(self) -> int:
        """Return the minute of the session before which closed bars are seen."""
        start_ns = self.session.start_ns if self.session else self.now_ns
        return (self.now_ns - start_ns - SEEN_AFTER_NS) // MINUTE_NS


def complete_ns(table: Table) -> int:
    """Return the market time up to which the feed is complete: an open hole's beginning at most."""
    gap_ns = table.gap_since_ns
    return min(table.complete_ns, gap_ns) if gap_ns else table.complete_ns


def stale_count(table: Table, after_ns: int) -> int:
    """Return how many rows are older than `after_ns`: those of an open hole, or all."""
    if table.now_ns - table.complete_ns > after_ns:
        return table.n
    if table.now_ns - complete_ns(table) <= after_ns:
        return 0
    return int(((table.live["provisional"] & GAP) > 0).sum())


class View:
    """Give columns by name for `rows` of the table (all, when None)."""

    def __init__(
        self, table: Table, rows: Rows = None, feed: str = "", scratch: Scratch | None = None
    ) -> None:
        """Look at the table now; `scratch` is memory for one view at a time."""
        self.table = table
        self.scratch = scratch
        self.index = rows
        self.feed = feed
        self._done: dict[str, Values] = {}
        self._shared: dict[str, Any] = {}
        self._sources: dict[str, Any] = {}
        session = table.session
        self.moment = Moment(
            table.now_ns,
            session,
            table.phase(),
            table.complete_ns,
            complete_ns(table),
            table.minutes_seen,
            session.date.isoformat() if session else "",
        )

    def __len__(self) -> int:
        return self.table.n if self.index is None else len(self.index)

    def __getitem__(self, name: str) -> Values:
        done = self._done.get(name)
        if done is None:
            with np.errstate(all="ignore"):
                done = self._reckon(name)
        return done

    def _reckon(self, name: str) -> Values:
        info = columns()[name]
        done = self._done[name] = info.function(*[self._input(i) for i in info.inputs])
        return done

    def _input(self, name: str) -> Any:
        if name in _SOURCES:
            return self._source(name)
        done = self._done.get(name)
        return self._reckon(name) if done is None else done

    def once(self, key: str, reckon: "Callable[[View], T]") -> T:
        """Return `reckon(self)`, kept under `key`: what many questions of one moment share."""
        if key not in self._shared:
            self._shared[key] = reckon(self)
        kept: T = self._shared[key]
        return kept

    def reckoned(self, key: str) -> Any:
        """Return what `once` keeps under `key`; None where nobody has asked yet."""
        return self._shared.get(key)

    @property
    def root(self) -> "View":
        """Return the view that this is a part of: itself."""
        return self

    def _source(self, name: str) -> Any:
        source = self._sources.get(name)
        if source is None:
            # Held weakly: a view that holds itself lives, with all its columns, until a collection.
            source = self._sources[name] = _SOURCES[name](proxy(self))
        return source

    def indicator(self, ask: Ask) -> Column:
        """Return the series' value in each of the view's rows; NaN until warm and outside tier 2."""
        table = self.table
        if ask in table.indicators.wanted:
            whole = table.indicators.values(ask, table.n)
        else:
            whole = self.root.once(f"asked once: {ask.key}", partial(_asked_once, ask))
        picked: Column = self.pick(whole)
        return picked

    def candles(self, timeframe: str, count: int) -> Candles:
        """Return the newest `count` closed bars of the view's rows; none outside tier 2."""
        rows = np.arange(self.table.n) if self.index is None else self.index
        key = f"candles {timeframe} {count}"
        return self.once(key, lambda _: self.table.candles.candles(rows, timeframe, count))

    def extremes(self, minutes: int) -> tuple[Column, Column]:
        """Return the high and low of the last `minutes` closed minutes; NaN outside tier 2."""
        since = self.moment.seen_minute() - minutes
        found = self.table.candles.extremes(since, minutes, self.table.n)
        return self.pick(found[0]), self.pick(found[1])

    def pick(self, whole: np.ndarray) -> Any:
        """Return the view's rows of an array over the whole table, contiguous."""
        part = whole[: self.table.n]
        return np.ascontiguousarray(part) if self.index is None else part[self.index]

    def field(self, name: str) -> Any:
        """Return a field of the rows (`market.row`), contiguous."""
        kind, place = ROW_FIELDS[name]
        if self.index is not None or WORD % kind.itemsize:
            return self.pick(self.table.rows[name])
        words = self.once("fields", _turned)[place // WORD].view(kind)
        each = WORD // kind.itemsize
        if each == 1:
            return words
        part = words[place % WORD // kind.itemsize :: each]
        return self.once(f"field {name}", lambda _: np.ascontiguousarray(part))

    def pick_text(self, whole: Text) -> Text:
        """Return the view's rows of a text over the whole table."""
        return whole if self.index is None else whole.take(self.index)

    def constant(self, word: str) -> Text:
        """Return a text column that says `word` in every row."""
        return Text(np.zeros(len(self), np.int32), (word,))

    def symbols(self, at: npt.NDArray[np.intp]) -> list[str]:
        """Return the symbols of the rows at these places of the view."""
        names = self.table.universe.symbols
        rows = at if self.index is None else self.index[at]
        return [names[row] for row in rows.tolist()]


def words_of(table: Table) -> Words:
    """Return the rows' words as (rows, fields)."""
    rows = table.live
    return rows.view(np.int64).reshape(len(rows), rows.dtype.itemsize // WORD)


def _turned(view: View) -> Turned:
    """Return the rows' words as columns: one pass over the table serves many fields."""
    return Turned(words_of(view.table), view.scratch)


def _asked_once(ask: Ask, view: View) -> Column:
    """Return a series that nobody follows; the bars are gathered once a view and timeframe."""
    table, frame = view.table, ask.timeframe
    rows, bars = view.once(f"bars {frame}", lambda _: bars_once(table, view.index, frame))
    return asked_once(table, ask, rows, bars)


class State:
    """Read the fields of the rows: `state["last"]` is a float array, times are ns."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> Any:
        return self._view.field(name)

    def floats(self, name: str) -> Column:
        """Return an integer field as floats."""
        return np.asarray(self[name], np.float64)

    def window(self, name: str, seconds: int) -> Column:
        """Return the sum over a rolling window; null until the table has seen all of it.

        A snapshot that tells of volume missed begins the windows anew: a part is not the whole.
        """
        table = self._view.table
        since_ns = table.windows_since_ns
        if since_ns and table.now_ns - since_ns < seconds * NS:
            return np.full(len(self._view), np.nan)
        return self.floats(name)

    def ns(self, name: str) -> Column:
        """Return a time field in seconds before now; null where it never happened."""
        found: Column = seconds_since(self[name], self._view.moment.now_ns)
        return found


class Ref:
    """Read the reference figures: `ref["adv20"]`, and `ref.text("sector")`."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> Column:
        picked: Column = self._view.pick(self._view.table.reference.numbers[name])
        return picked

    def text(self, name: str) -> Text:
        """Return a text figure."""
        whole = self._view.table.reference.texts[name].text(self._view.table.n)
        return self._view.pick_text(whole)

    def symbol(self) -> Text:
        """Return the symbols themselves."""
        table = self._view.table
        codes = np.arange(table.n, dtype=np.int32)
        universe = table.universe
        return Text(self._view.pick(codes), universe.words(), universe.rows)

    def halt_code(self) -> Text:
        """Return the codes of the present halts."""
        whole = self._view.table.halt_codes.text(self._view.table.n)
        codes = np.where(self._view.table.live["halted"] > 0, whole.codes, np.int32(-1))
        return self._view.pick_text(Text(codes, whole.words, whole.code_of))

    def say(self, word: str) -> Text:
        """Return a text column of one word."""
        return self._view.constant(word)

    def phase(self) -> Text:
        """Return the phase's name."""
        return self._view.constant(PHASES[self._view.moment.phase])

    def feed(self) -> Text:
        """Return the feed's name."""
        return self._view.constant(self._view.table.feed)


class Ago:
    """Read past prices: `ago(60)` is the last price 60 s ago; NaN unknown."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, seconds: int) -> Column:
        table = self._view.table
        picked: Column = self._view.pick(price_ago(table.rings, table.now_s, seconds))
        return picked


class Usual:
    """Expect volumes by time of day: `usual(begin, end)` in minutes after the session's start.

    A market that trades round the clock has no curve: null.
    """

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, begin: float, end: float) -> Column:
        table, session = self._view.table, self._view.moment.session
        if session is None or session.minutes > MINUTES:
            return np.full(len(self._view), np.nan)
        adv20 = table.reference.numbers["adv20"][: table.n]
        picked: Column = self._view.pick(table.baseline.expected(adv20, begin, end))
        return picked

    def own(self) -> npt.NDArray[np.bool_]:
        """Tell for each row whether the baseline is its own profile."""
        picked: npt.NDArray[np.bool_] = self._view.pick(
            self._view.table.baseline.own(self._view.table.n)
        )
        return picked


class Ind:
    """Read the indicators: `ind(ask)` is a series that the column declares; and the tiers."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, ask: Ask) -> Column:
        return self._view.indicator(ask)

    def tier(self) -> Column:
        """Return the tier of each row: 3 where one of tier 2 has figures of its options."""
        table = self._view.table
        level = np.asarray(self._view.pick(table.tiers.levels(table.n)), np.float64)
        fresh = self._view.pick(table.options.fresh(self._view.moment.now_ns, table.n))
        return np.where(fresh & (level >= TWO), THREE, level)

    def tier_why(self) -> Text:
        """Return why each row is in its tier."""
        whole = self._view.table.tiers.reasons(self._view.table.n)
        return self._view.pick_text(whole)


class Other:
    """Read another symbol's column: `other("SPY", "chg_15m")`; NaN where it is not watched."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __call__(self, symbol: str, name: str) -> float:
        def reckon(view: View) -> float:
            row = view.table.universe.rows.get(symbol)
            if row is None:
                return float("nan")
            alone = View(view.table, np.array([row], np.intp))
            return float(np.asarray(alone[name], np.float64)[0])

        return self._view.root.once(f"{name} of {symbol}", reckon)


class Options:
    """Read figures of the rows' option chains: `options["iv30"]`; null outside tier 3."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, name: str) -> Column:
        view = self._view
        whole = view.table.options.figure(name, view.moment.now_ns, view.table.n)
        picked: Column = view.pick(whole)
        return picked

    def age_s(self) -> Column:
        """Return the seconds since the figures' cut; null where there are none."""
        cut: npt.NDArray[np.int64] = self._view.pick(
            self._view.table.options.cut_ns(self._view.table.n)
        )
        return np.where(cut > 0, (self._view.moment.now_ns - cut) / NS, np.nan)


_SOURCES: dict[str, Callable[[View], Any]] = {
    "state": State,
    "ref": Ref,
    "ago": Ago,
    "moment": lambda view: view.moment,
    "usual": Usual,
    "ind": Ind,
    "extremes": lambda view: partial(View.extremes, view),
    "news": Newsroom,
    "options": Options,
    "other": Other,
}
"""What a column may ask for beside other columns."""
