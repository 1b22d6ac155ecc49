"""The table: every row's state, its windows, bars and reference, and the clock it stands at."""

import numpy as np
import numpy.typing as npt

from tapelight.market import fold, windows
from tapelight.market.bars import BarStore
from tapelight.market.baseline import Baseline
from tapelight.market.candles import CandleStore
from tapelight.market.indicators import Indicators
from tapelight.market.memory import Memory
from tapelight.market.news import NewsStore
from tapelight.market.options import OptionStore
from tapelight.market.reference import ReferenceTable
from tapelight.market.row import GAP, ROW, SPLIT, WINDOW_SUMS, closes, empty_rows, roll_rows
from tapelight.market.spill import forget
from tapelight.market.text import Words
from tapelight.market.tier import TierRows
from tapelight.model.conditions import OPEN_RULES, US_RULES, ConditionRules
from tapelight.model.records import Profile, References
from tapelight.model.session import (
    Calendar,
    Session,
    calendar,
    latest_session,
    session_after,
)
from tapelight.model.universe import Universe

NS = 1_000_000_000
EVENTS = 4096
"""Trades folded in one call at the most: bounds the spill areas."""
WALK_S = 320
"""Seconds after which every window of one-second buckets is empty."""


class Table:
    """Hold the live market. `intake` changes it, columns read it; it knows no clock."""

    def __init__(self, calendar_name: str = "XNYS", rows: int = 64) -> None:
        self.universe = Universe()
        self.calendar: Calendar = calendar(calendar_name)
        self.rules: ConditionRules = default_rules(calendar_name)
        self.masks = fold.masks_of(self.rules)
        self.rows = empty_rows(rows)
        self.rings = windows.empty_rings(rows)
        self.reference = ReferenceTable(rows)
        self.halt_codes = Words(rows)
        self.bars = BarStore()
        self.candles = CandleStore()
        self.indicators = Indicators()
        self.memory = Memory()
        self.tiers = TierRows()
        self.baseline = Baseline()
        self.news = NewsStore()
        self.options = OptionStore()
        self.spill = fold.new_spill(rows, EVENTS)
        self.counters: npt.NDArray[np.int64] = np.zeros(fold.N_COUNTERS, np.int64)
        self.session: Session | None = None
        self.next_roll_ns = 0
        self.now_ns = 0
        self.now_s = 0
        self.complete_ns = 0
        self.minutes_seen = 0
        self.windows_since_ns = 0
        """Since when the windows hold everything: the last snapshot that told of missed volume."""
        self.feed = ""
        self.gap_since_ns = 0
        self.healing = False
        """Whether the hole's trades will be fetched: a snapshot does not end it."""
        self.rolls = 0
        self._symbol_rank: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def n(self) -> int:
        """Return the number of rows in use."""
        return len(self.universe)

    @property
    def live(self) -> np.ndarray:
        """Return the rows in use, a view of the structured array."""
        return self.rows[: self.n]

    def row(self, row: int) -> np.record:
        """Return one row as a record that writes through."""
        record: np.record = self.rows.view((np.record, ROW))[row]
        return record

    def grow(self, symbols: list[str]) -> None:
        """Give rows to new symbols."""
        before = self.n
        for symbol in symbols:
            self.universe.add(symbol)
        if self.n > len(self.rows):
            self._resize(max(self.n, len(self.rows) * 2))
        if self.gap_since_ns:
            self.rows["provisional"][before : self.n] |= GAP

    def _resize(self, capacity: int) -> None:
        old = len(self.rows)
        rows = empty_rows(capacity)
        rows[:old] = self.rows
        self.rows = rows
        fresh = windows.empty_rings(capacity)
        for ring, past in zip(fresh, self.rings, strict=True):
            ring[:, :old] = past
        self.rings = fresh
        self.reference.resize(capacity)
        self.halt_codes.resize(capacity)
        spill = fold.new_spill(capacity, EVENTS)
        for name, area in spill._asdict().items():
            past_area = getattr(self.spill, name)
            area[: len(past_area)] = past_area
        self.spill = spill

    def symbol_rank(self) -> npt.NDArray[np.int64]:
        """Return each row's place in the alphabet: ties are broken by it, never by row number."""
        if len(self._symbol_rank) != self.n:
            self._symbol_rank = np.argsort(np.argsort(np.array(self.universe.symbols)))
        return self._symbol_rank

    def use_calendar(self, name: str) -> None:
        """Take the sessions and the sale-condition rules of the calendar `name`."""
        self.calendar = calendar(name)
        self.use_rules(default_rules(name))
        self.session = None
        self.next_roll_ns = 0

    def use_rules(self, rules: ConditionRules) -> None:
        """Take a provider's own sale-condition rules."""
        self.rules = rules
        self.masks = fold.masks_of(rules)

    def day(self) -> fold.Day:
        """Return the session's times and the window second, for the fold."""
        s = self.session
        if s is None:
            return fold.Day(0, 0, 0, 0, self.now_s)
        return fold.Day(s.start_ns, s.open_ns, s.close_ns, s.end_ns, self.now_s)

    def begin(self, ts_ns: int) -> None:
        """Take the session and the second of the first event."""
        self.enter_session(ts_ns)
        self.now_s = self.now_s or ts_ns // NS

    def advance(self, ts_ns: int) -> None:
        """Let market time reach `ts_ns`: roll the session, step the windows, close the minutes."""
        self.enter_session(ts_ns)
        if self.now_s == 0:
            self._restart_windows(ts_ns // NS)
        self.step_to(ts_ns // NS)
        self.now_ns = max(self.now_ns, ts_ns)

    def reach(self, second: int) -> None:
        """Let the windows reach an event's `second` that lies too far ahead of them.

        Marks move them before; but a replay, or a feed after a silence, may bring none.
        """
        if second > self.now_s + windows.AHEAD_S:
            self.step_to(second)

    def step_to(self, second: int) -> None:
        """Step the windows into `second`: second by second until they are empty, then at once."""
        walked = min(second, self.now_s + WALK_S)
        live = self.live
        for s in range(self.now_s + 1, walked + 1):
            windows.step_second(live, self.rings, s)
            if s % 10 == 0:
                windows.step_ten(live, self.rings, s // 10)
            if s % 60 == 0:
                self._close_minute(s // 60)
            self.now_s = s
        if second > walked:
            self._skip_to(second)

    def _skip_to(self, second: int) -> None:
        """Step over a silence: windows up to five minutes are empty, prices stay as they are."""
        live, rings = self.live, self.rings
        rings.price[:, : self.n] = live["last"]
        ten, minute = second // 10, second // 60
        for t in range(max(self.now_s // 10 + 1, ten + 1 - windows.PRICE_TENS), ten + 1):
            windows.step_ten(live, rings, t)
        begin = self.now_s // 60 + 1
        if minute - begin >= windows.MINUTES:
            begin = minute
            rings.minutes[:] = 0
            for name in ("v20", "tv20", "min_v", "min_tv"):
                live[name] = 0.0
            self.minutes_seen = 20 if self.now_s else 0
        for m in range(begin, minute + 1):
            self._close_minute(m)
        self.now_s = second

    def _close_minute(self, minute: int) -> None:
        windows.step_minute(self.live, self.rings, minute)
        fold.close_minutes(self.live, minute, self.counters, self.spill)
        self.minutes_seen = min(self.minutes_seen + 1, 20)
        self.drain()

    def _restart_windows(self, second: int) -> None:
        """Begin all windows anew, at `second`: at the first mark, and where a night lies between."""
        windows.clear_rings(self.rings)
        for name in WINDOW_SUMS:
            self.rows[name] = 0
        self.minutes_seen = 0
        self.now_s = second

    def enter_session(self, ts_ns: int) -> None:
        """Roll to the session that has begun at `ts_ns`, if it is not the present one."""
        if ts_ns < self.next_roll_ns:
            return
        session = latest_session(self.calendar, ts_ns)
        self.next_roll_ns = session_after(self.calendar, ts_ns).start_ns
        if self.session is not None and session.date == self.session.date:
            return
        if self.session is not None:
            self._roll(self.session, session)
        self.session = session
        self.apply_references()
        self.baseline.enter(session.date.isoformat())

    def _roll(self, old: Session, new: Session) -> None:
        """Close the day: what it left becomes the previous day's figures.

        Where no night lies between two sessions the rolling windows go on.
        """
        if new.start_ns == old.end_ns:
            self.step_to(new.start_ns // NS)
        else:
            self._restart_windows(max(self.now_s, new.start_ns // NS))
        live = self.live
        fold.close_minutes(live, self.next_minute(), self.counters, self.spill)
        self.drain()
        self.reference.roll(live, closes(live))
        roll_rows(live)
        self.halt_codes.clear()
        self.bars.clear()
        self.rolls += 1

    def next_minute(self) -> int:
        """Return a minute after every bar that is forming."""
        bars = self.live["bar_min"]
        return int(bars.max()) + 1 if len(bars) else 0

    def take_profile(self, profile: Profile) -> None:
        """Take a volume baseline: it holds from its session on, at once where none is named."""
        self.baseline.put(profile)
        if self.session is not None:
            self.baseline.enter(self.session.date.isoformat())

    def take_references(self, references: References) -> None:
        """Take reference data: it holds from its session on, at once where that has begun."""
        self.grow([reference.symbol for reference in references.references])
        known = self.universe.rows
        rows = np.array([known[r.symbol] for r in references.references], np.intp)
        self.reference.put(references.session, rows, references.references)
        if self.session is not None:
            self.apply_references()

    def apply_references(self) -> None:
        """Let the reference data that was waiting for this session hold."""
        if self.session is None:
            return
        split = self.reference.numbers["split_today"]
        for coming in self.reference.enter(self.session.date.isoformat()):
            close, listing = coming.numbers["prev_close"], coming.numbers["exchange_id"]
            told, listed = ~np.isnan(close), ~np.isnan(listing)
            self.rows["prev_close"][told] = close[told]
            self.rows["listing"][listed] = listing[listed]
            fresh = ~np.isnan(coming.numbers["split_today"]) & np.isnan(split)
            self.rows["provisional"][fresh] |= SPLIT
            split = self.reference.numbers["split_today"]

    def drain(self) -> None:
        """Move what the fold spilled into the bar store."""
        closed, late = fold.CLOSED_BARS, fold.LATE_PRINTS
        if self.counters[closed]:
            self.bars.add(self.spill.bars[: self.counters[closed]].copy())
            self.counters[closed] = 0
        if self.counters[late]:
            self.bars.add_late(self.spill.late[: self.counters[late]].copy())
            self.counters[late] = 0

    def changed(self) -> npt.NDArray[np.bool_]:
        """Tell for each row whether it changed since `forget_changes`."""
        flags = np.zeros(self.n, np.bool_)
        flags[self.spill.changed[: self.counters[fold.CHANGED]]] = True
        return flags

    def forget_changes(self) -> None:
        """Begin a new cycle: no row has changed, no event has happened."""
        forget(self.rows, self.counters, self.spill)

    def phase(self) -> int:
        """Return the phase code at the table's time."""
        return self.session.phase(self.now_ns) if self.session else 0


def default_rules(calendar_name: str) -> ConditionRules:
    """Return the sale-condition rules of a calendar."""
    return US_RULES if calendar_name == "XNYS" else OPEN_RULES


__all__ = ["ROW", "Table", "default_rules"]
