"""Tiers: which rows are in play, and when their candles and indicators are made and seen.

Each minute is cut half a second after its end, when its last prints have come, and seen one
second after its end. A row that came into play is cut at the next whole second, and seen one
second later. What is cut is reckoned in the engine or on workers; either way it is the same.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.errors import Rejected
from tapelight.market.bank import Bank, Bars, Work, result_of
from tapelight.market.indicators import Ask
from tapelight.market.table import Table
from tapelight.market.tier import ONE, TWO
from tapelight.market.view import View
from tapelight.model.records import Pin, TierGate, TierResult, TierValues, TierWorkers
from tapelight.model.session import MINUTE_NS, NS
from tapelight.scan.cut import Cut, Cutter
from tapelight.scan.forming import Forming
from tapelight.scan.gate import ALL, PINNED, Gate, series_bits

Rows = npt.NDArray[np.intp]
TierRecord = Pin | TierGate | TierWorkers | TierResult
BENCHMARKS = ("SPY", "QQQ")
"""Always pinned: other rows are compared with them."""
SETTLE_NS = NS // 2
"""How long after a minute's end its bars are cut: most prints take a tenth of a second to come."""
SEEN_NS = NS
"""How long after a minute's end its candles and indicators are seen."""
EVERY_SERIES = series_bits(ALL)
NO_ROWS: Rows = np.zeros(0, np.intp)
WARM_NS = NS // 2
"""How long after it came into play a row's are."""


class Memory(msgspec.Struct):
    """Hold what a snapshot keeps besides arrays."""

    pins: list[str]
    gate: TierGate
    workers: int
    boundary: int
    results: list[TierResult]
    series: list[str]
    due_ns: int


class Tiers:
    """Put rows into tier 2 and back, and bring their candles and indicators at fixed times."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.still = False
        """Whether nothing is stepped: for who replays what does not depend on tier 2."""
        self.workers = 0
        self.work: list[Work] = []
        """What the workers are to reckon; whoever owns them takes it after each mark, or it goes."""
        self.pins: list[str] = list(BENCHMARKS)
        self._chosen = TierGate()
        self._made: Gate | None = None
        self._cutter = Cutter(table)
        self._bank = Bank()
        self._forming = Forming(table)
        self._whole = False
        """Whether the bank has handles of all rows in tier 2."""
        self._cut: Cut | None = None
        self._results: list[TierResult] = []
        self._reason_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._waiting: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        """Rows in tier 2 that have not been cut yet."""
        self._series: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        """Of which timeframes each row's indicators are followed, as bits; it grows until it leaves."""
        self._left: list[int] = []
        self._news: list[tuple[Ask, Rows]] = []
        """The series that got new values at this mark, and the rows whose values these are."""

    @property
    def gate(self) -> Gate:
        """Return the gate, compiled when it is first asked."""
        if self._made is None:
            self._made = Gate(self._chosen.where)
            self.table.tiers.words = self._made.words
        return self._made

    def in_play(self) -> Rows:
        """Return the rows in tier 2, ascending."""
        return np.flatnonzero(self.table.tiers.levels(self.table.n) >= TWO)

    def new_rows(self, asks: frozenset[Ask]) -> Rows:
        """Return the rows in which this mark brought new values of any of `asks`.

        Who asks for them is asked there, be it that nothing trades; nobody else is.
        """
        if not self._news or not asks:
            return NO_ROWS
        return np.concatenate([NO_ROWS, *(rows for ask, rows in self._news if ask in asks)])

    def _followed(self, bits: int) -> Rows:
        """Return the rows in tier 2 of which all those series are followed, ascending."""
        rows = self.in_play()
        return rows[self._series[rows] & bits == bits]

    def due(self, ts_ns: int) -> bool:
        """Tell whether there must be a mark at `ts_ns`: something is to be cut, or to be seen."""
        return ts_ns % MINUTE_NS == SETTLE_NS or (
            self._cut is not None and self._cut.due_ns <= ts_ns
        )

    def want(self, asks: Iterable[Ask]) -> None:
        """Let `asks` be what is reckoned; new ones are there half a second after the next whole one."""
        if self.table.indicators.want(asks):
            self._grow()
            self._waiting[self.in_play()] = True
            self._whole = False
            self._forming.begin(self.table.indicators.wanted)

    def lost(self) -> None:
        """Note that the workers know no row any more: the next minute brings them all bars."""
        self._whole = False

    def take(self, record: TierRecord) -> None:
        """Take a record of the tiers; raises ConfigError for a gate that can't be asked."""
        match record:
            case Pin():
                self.pins = [s for s in self.pins if s != record.symbol]
                self.pins += [record.symbol] if record.pinned else []
            case TierGate():
                self._made, self._chosen = Gate(record.where) if record.where else None, record
                self.table.tiers.words = self.gate.words
                self.table.memory.want(self.gate.kept, "gate")
                self.table.tiers.why[:] = 0
            case TierWorkers():
                self.workers = record.count
                self._whole = False
            case TierResult() if self.table.session is not None:
                if record.cut_ns >= self.table.session.start_ns:
                    self._results.append(record)

    def step(self, now_ns: int, everything: View | None) -> None:
        """Let market time reach a mark; `everything` is the view of all rows at whole seconds."""
        self.work, self._news = [], []
        if self.table.session is None or self.still:
            self._cutter.skip()
            self._forming.skip()
            return
        self._grow()
        self._apply(now_ns)
        if everything is not None:
            self._promote(everything, now_ns)
        boundary = self._boundary(now_ns)
        if boundary > self._cutter.boundary:
            self._cut_minute(now_ns, boundary)
        elif everything is not None and now_ns % MINUTE_NS >= SETTLE_NS and self._waiting.any():
            self._cut_waiting(now_ns)
        self._apply(now_ns)
        if everything is not None and self._forming.asked:
            rows = self._followed(EVERY_SERIES)
            self._forming.step(rows, boundary, now_ns)
            self._news += [(ask, rows) for ask in self._forming.asked]

    def _boundary(self, now_ns: int) -> int:
        """Return the minute of the session before which all bars are closed."""
        session = self.table.session
        assert session is not None
        return max((now_ns - SETTLE_NS - session.start_ns) // MINUTE_NS, 0)

    def _grow(self) -> None:
        n = self.table.n
        self.table.tiers.grow(n)
        self.table.candles.grow(n)
        more = n - len(self._waiting)
        if more > 0:
            self._waiting = np.append(self._waiting, np.zeros(more, np.bool_))
            self._reason_ns = np.append(self._reason_ns, np.zeros(more, np.int64))
            self._series = np.append(self._series, np.zeros(more, np.uint8))

    def _promote(self, view: View, now_ns: int) -> None:
        """Let rows with a reason come in, and rows that had none for long enough leave."""
        code, tiers = self.gate.enter(view), self.table.tiers
        pinned = [r for s in self.pins if (r := self.table.universe.rows.get(s)) is not None]
        code[pinned] = self.gate.words.index(PINNED)
        second = tiers.levels(len(code)) >= TWO
        self._reason_ns[code > 0] = now_ns
        leaves = second & (now_ns - self._reason_ns > int(self._chosen.stay_s * NS))
        self._leave(np.flatnonzero(leaves))
        room = self._chosen.most - int((second & ~leaves).sum())
        comes = self._most_traded(view, np.flatnonzero((code > 0) & ~second), room, pinned)
        tiers.level[comes], tiers.why[comes] = TWO, code[comes]
        self._waiting[comes] = True
        self._follow_more(code)

    def _follow_more(self, code: npt.NDArray[np.int32]) -> None:
        """Let more be followed of rows in tier 2 whose reason asks for it: they are cut anew."""
        wanted, tiers = self.gate.series[code], self.table.tiers
        more = np.flatnonzero((wanted & ~self._series != 0) & (tiers.levels(len(code)) >= TWO))
        self._series[more] |= wanted[more]
        tiers.why[more] = code[more]
        self._waiting[more] = True

    def _most_traded(self, view: View, rows: Rows, room: int, pinned: list[int]) -> Rows:
        """Return as many of `rows` as there is room for: the pinned ones, then by dollars."""
        if len(rows) <= room:
            return rows
        dollars = np.nan_to_num(np.asarray(view["dollar_vol"])[rows], nan=-1.0)
        dollars[np.isin(rows, pinned)] = np.inf
        order = np.lexsort((self.table.symbol_rank()[rows], -dollars))
        return np.sort(rows[order[: max(room, int(np.isinf(dollars).sum()))]])

    def _leave(self, rows: Rows) -> None:
        """Put rows back into tier 1: what they had is unknown again."""
        if not len(rows):
            return
        tiers = self.table.tiers
        tiers.level[rows], tiers.why[rows] = ONE, 0
        self._waiting[rows], self._series[rows] = False, 0
        self._left += rows.tolist()
        self.table.candles.drop(rows)
        self.table.indicators.forget(rows, self.table.n)

    def _cut_minute(self, now_ns: int, boundary: int) -> None:
        session = self.table.session
        assert session is not None
        rows = self.in_play()
        due_ns = session.start_ns + boundary * MINUTE_NS + SEEN_NS
        cut = self._cutter.minute(boundary, rows, self._waiting, due_ns)
        self._hand_over(cut, now_ns, rows if not self._whole else cut.replaced)
        self._whole = True

    def _cut_waiting(self, now_ns: int) -> None:
        rows = np.flatnonzero(self._waiting)
        self._hand_over(self._cutter.rows(rows, now_ns + WARM_NS), now_ns, rows)
        self._whole = self._whole or len(rows) == len(self.in_play())

    def _hand_over(self, cut: Cut, now_ns: int, reopened: Rows) -> None:
        """Keep the cut until it is seen, and let its indicators be reckoned."""
        self._waiting[:] = False
        self._cut = cut
        asks = tuple(a for a in self.table.indicators.wanted if not a.forming)
        dropped, self._left = np.array(self._left, np.intp), []
        if not asks:
            return
        whole, fresh = cut.whole, cut.fresh
        if len(reopened) > len(cut.replaced):
            whole, fresh = self._cutter.whole(reopened), {}
        reopened = reopened[self._series[reopened] != 0]
        whole, fresh = self._of_series(whole), self._of_series(fresh)
        work = Work(now_ns, cut.due_ns, asks, reopened, whole, fresh, dropped)
        if self.workers:
            self.work.append(work)
        else:
            self._results.append(result_of(work, self._bank.reckon(work)))

    def _of_series(self, bars: Bars) -> dict[str, np.ndarray]:
        """Return the bars over which indicators are followed."""
        return {
            name: found[self._series[found["row"]] & series_bits((name,)) != 0]
            for name, found in bars.items()
        }

    def _apply(self, now_ns: int) -> None:
        """Let what is due be seen."""
        if self._cut is not None and self._cut.due_ns <= now_ns:
            self._cutter.show(self._cut)
            self._cut = None
        if not self._results:
            return
        due = [r for r in self._results if r.due_ns <= now_ns]
        self._results = [r for r in self._results if r.due_ns > now_ns]
        if due:
            wanted = {a.key: a for a in self.table.indicators.wanted}
            second = self.table.tiers.levels(self.table.n) >= TWO
            for part in (part for result in due for part in result.parts):
                self._show(part, wanted, second)

    def _show(
        self, part: TierValues, wanted: dict[str, Ask], second: npt.NDArray[np.bool_]
    ) -> None:
        rows = np.frombuffer(part.rows, np.int32).astype(np.intp)
        values = np.frombuffer(part.values).reshape(len(part.series), len(rows))
        known = second[rows]
        rows, indicators, n = rows[known], self.table.indicators, self.table.n
        for key, row_values in zip(part.series, values, strict=True):
            if key in wanted:
                ask, new = wanted[key], row_values[known]
                old = indicators.values(ask, n)[rows]
                self._news.append((ask, rows[(new != old) & ~(np.isnan(new) & np.isnan(old))]))
                indicators.put(ask, rows, new, n)

    def freeze(self) -> dict[str, Any]:
        """Return tiers, candles, values and what is cut but not seen; no handles."""
        indicators = self.table.indicators
        held = [indicators.values(ask, self.table.n) for ask in indicators.wanted]
        memory = Memory(
            pins=self.pins,
            gate=self._chosen,
            workers=self.workers,
            boundary=self._cutter.boundary,
            results=self._results,
            series=[ask.key for ask in indicators.wanted],
            due_ns=self._cut.due_ns if self._cut else 0,
        )
        self._grow()
        state = {
            "memory": msgspec.msgpack.encode(memory),
            "values": np.array(held).reshape(len(held), self.table.n),
            "reason_ns": self._reason_ns.copy(),
            "waiting": self._waiting.copy(),
            "series": self._series.copy(),
        }
        cut = self._cut.freeze() if self._cut else {}
        return state | self.table.tiers.freeze() | self.table.candles.freeze() | cut

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave: handles are opened anew at the next minute."""
        if "series" not in state:
            raise Rejected("The snapshot is of another version.")
        memory = msgspec.msgpack.decode(state["memory"], type=Memory)
        self.take(memory.gate)
        self.pins, self.workers = memory.pins, memory.workers
        self._cutter.boundary = memory.boundary
        self._results = memory.results
        self._reason_ns, self._waiting = state["reason_ns"].copy(), state["waiting"].copy()
        self._series = state["series"].copy()
        self.table.tiers.thaw(state)
        self.table.candles.thaw(state)
        self._cut = Cut.thaw(state, memory.due_ns) if memory.due_ns else None
        self._whole, self._cutter.whole_next = False, True
        wanted = {ask.key: ask for ask in self.table.indicators.wanted}
        if set(wanted) != set(memory.series):
            raise Rejected("The snapshot holds other series than its questions ask for.")
        every = np.arange(state["values"].shape[1])
        for key, values in zip(memory.series, state["values"], strict=True):
            self.table.indicators.put(wanted[key], every, values, self.table.n)
        self._forming.begin(self.table.indicators.wanted)

    def clear(self) -> None:
        """Begin a new session: every row is in tier 1; pins and gate stay."""
        self.table.tiers.clear()
        self.table.candles.clear()
        self.table.indicators.clear()
        self._cutter.clear()
        self._bank, self._whole = Bank(), False
        self._cut, self._results, self.work, self._left = None, [], [], []
        self._waiting[:], self._reason_ns[:], self._series[:] = False, 0, 0
        self._forming.begin(self.table.indicators.wanted)

    def status(self) -> dict[str, Any]:
        """Return what /health shows of the tiers."""
        return {
            "rows": self.table.n,
            "in_play": len(self.in_play()),
            "series": len(self.table.indicators.wanted),
            "workers": self.workers,
        }
