"""Scans: conditions that fire a signal when they become true."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.memory import CROSS
from tapelight.market.table import Table
from tapelight.market.view import View
from tapelight.model.session import PHASES
from tapelight.model.signals import Signal
from tapelight.scan.filter import let_go
from tapelight.scan.life import Burst, Life, Live, places
from tapelight.scan.lifecycle import Flags, Lifecycle
from tapelight.scan.question import Question
from tapelight.scan.sql import Query
from tapelight.scan.telling import Rows, Teller, changed
from tapelight.scan.wording import span

NS = 1_000_000_000
NEVER = np.int64(0)
MANY = 32
"""Where more than a 32nd of the rows held, all are gone through, otherwise those that held."""


class Scan:
    """Remember for each row whether the condition held, and when it last fired.

    Of the few rows that are armed or whose signals go on, `life` remembers the rest.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self.everywhere = any(query.everywhere for query in question.queries())
        """Whether it may become true of a row that has not changed: a delta, a rank, a window."""
        self.asks = frozenset(ask for query in question.queries() for ask in query.indicators)
        self.held: Flags = np.zeros(0, np.bool_)
        self._holds = False
        """Whether the condition may hold in some row: where not, none is gone through for it."""
        self.fired_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.fired_price: npt.NDArray[np.float64] = np.zeros(0)
        self.fresh = 0
        """At how many marks to come what holds is noted and does not fire: the question is new."""
        self.life = Life()
        self.teller = Teller(question)
        self._lifecycle = Lifecycle(self.teller, self.life)

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.question.name

    def begin(self, old: "Scan | None", begun: bool) -> None:
        """Take the place of `old`, the scan of the same name that asked otherwise, if there was one.

        What held, holds; what fired, has. Where the session has `begun` and the condition is
        another, what is true already becomes no signal: ranks are known a second later than the rest.
        """
        if begun and (old is None or _condition(old) != _condition(self)):
            self.fresh = 2 if self._ranks else 1
        if old is None:
            return
        self.held, self.fired_ns, self.fired_price = old.held, old.fired_ns, old.fired_price
        self._holds = bool(self.held.any())
        if self.question.header.hysteresis:
            self.life.spent = dict(old.life.spent)

    @property
    def _ranks(self) -> bool:
        """Tell whether it asks for what is of the second before."""
        return any(kept.kind == CROSS for query in self.question.queries() for kept in query.kept)

    def held_rows(self, n: int) -> Flags:
        """Tell for each of the table's `n` rows whether it is to be asked at whole seconds again.

        That is where the condition held when last asked, and where a signal goes on.
        """
        self._resize(n)
        if self.life.idle:
            return self.held
        again = self.held.copy()
        again[self.life.rows()] = True
        return again

    @property
    def quiet(self) -> bool:
        """Tell whether it holds nowhere and no signal of it goes on: `held_rows` are none."""
        return not self._holds and self.life.idle

    @property
    def pulsing(self) -> bool:
        """Tell whether it asks what is true only until the next mark: a new high, the opening."""
        return self.question.query.pulsing

    def evaluate(self, view: View, rows: Rows, asked: Flags) -> list[Signal]:
        """Ask the condition of those of `rows` (the view's, ascending) that are `asked`.

        Returns a signal for each rising edge, and a record for each change of an earlier one. The
        view may hold more rows, which other scans ask for: they change nothing here.

        A stale or provisional row makes no signal, and what held before goes on holding: what
        became true in a hole is told when it closes, what was told is not told again.
        """
        self._resize(view.table.n)
        fresh = self._noted(view)
        query, header = self.question.query, self.question.header
        phase = PHASES[view.moment.phase]
        sound = view.once("sound", _sound)
        if query.where is None or (header.phases and phase not in header.phases):
            if self._holds:
                self.held[rows[asked]] = False
                self._holds = bool(self.held.any())
            self.life.armed.clear()
            return [] if self.life.idle else self._lifecycle.step(view, rows, asked, sound)
        may = sound & asked
        true = query.where.rows(view)
        true = true[(asked if fresh else may)[true]]
        edges = true[:0] if fresh else true[~self.held[rows[true]]]
        self._hold(rows, may, rows[true])
        told = [] if self.life.idle else self._lifecycle.step(view, rows, asked, sound)
        if len(edges):
            told += self._fire(view, rows, edges[self.free(view, rows, edges)])
        if self.question.armed is not None:
            holds = np.zeros(len(rows), np.bool_)
            holds[true] = True
            told += self._arm(self.question.armed, view, rows, may, holds)
        return told

    def _noted(self, view: View) -> bool:
        """Tell whether what holds at this mark is noted alone, and count the mark."""
        fresh = self.fresh > 0
        if fresh and (view.moment.now_ns % NS == 0 or not self._ranks):
            self.fresh -= 1
        return fresh

    def _hold(self, rows: Rows, may: Flags, true: Rows) -> None:
        """Note that of `rows` that `may` change, the table's rows `true` hold and no others."""
        if self._holds:
            held = self.held.nonzero()[0]
            if len(held) * MANY > len(rows):
                self.held[rows[may]] = False
            elif len(held):
                self.held[rows[places(rows, may, held.tolist())]] = False
            self._holds = len(held) > 0
        if len(true):
            self.held[true] = self._holds = True

    def free(self, view: View, rows: Rows, at: Rows) -> Flags:
        """Tell for the view's places `at` whether nothing keeps the row from firing again.

        Cooldown is over, the price has moved on, and with hysteresis the condition was let go.
        """
        header = self.question.header
        fired = self.fired_ns[rows[at]]
        rested = view.moment.now_ns - fired >= header.cooldown_s * NS
        moved = np.ones(len(at), np.bool_)
        if header.rearm_pct:
            with np.errstate(all="ignore"):
                ratio = np.asarray(view["last"])[at] / self.fired_price[rows[at]]
            moved = ~(100.0 * np.abs(ratio - 1.0) < header.rearm_pct)
        if self.life.spent:
            let_go = [row not in self.life.spent for row in rows[at].tolist()]
            moved &= np.array(let_go, np.bool_)
        return np.asarray((fired == NEVER) | (rested & moved))

    def _fire(self, view: View, rows: Rows, at: Rows) -> list[Signal]:
        if not len(at):
            return []
        now, life, fired = view.moment.now_ns, self.life, rows[at].tolist()
        self.fired_ns[fired] = now
        self.fired_price[fired] = np.asarray(view["last"])[at]
        told = self._lifecycle.fired_again(view, rows, at)
        born = [life.armed.pop(row, now) for row in fired]
        made = self.teller.records(view, at, born, "fired", self.question.query)
        for record, row, birth in zip(made, fired, born, strict=True):
            signal = Live(row, birth, now, record.event_ns)
            life.told.add(signal)
            if self.question.lives:
                life.live[row] = signal
            if self.question.header.hysteresis:
                life.spent[row] = None
            told.append(self._grouped(record, signal))
        return told

    def _grouped(self, record: Signal, signal: Live) -> Signal:
        """Count a signal among those that its symbol gave within `burst_s` of the first."""
        span_ns = self.question.header.burst_s * NS
        if not span_ns:
            return record
        burst = self.life.bursts.get(signal.row)
        if burst is None or signal.fired_ns - burst.first_ns > span_ns:
            burst = Burst(signal.row, signal.born_ns, signal.fired_ns, 0)
        self.life.bursts[signal.row] = burst = burst._replace(repeats=burst.repeats + 1)
        lasted = span((signal.fired_ns - burst.first_ns) / NS)
        return changed(
            record,
            group=self.teller.id_of(record.symbol, burst.born_ns),
            count=burst.repeats,
            reason=f"fired {burst.repeats}x in {lasted}" if burst.repeats > 1 else "",
        )

    def _arm(self, query: Query, view: View, rows: Rows, may: Flags, true: Flags) -> list[Signal]:
        """Let rows that came near be armed; those that went away are so no longer, quietly.

        Near is left as a board is: when the condition with its bounds let out is false.
        """
        assert query.where is not None
        assert query.leave is not None
        life, armed = self.life, self.life.armed
        known = places(rows, may, armed)
        if len(known):
            away = let_go(query.where, query.leave, view, known)
            for row in rows[np.union1d(away, known[true[known]])].tolist():
                del armed[row]
        near = query.where.rows(view)
        near = near[may[near] & ~true[near]]
        fresh = [row not in armed and row not in life.live for row in rows[near].tolist()]
        near = near[np.array(fresh, np.bool_)]
        near = near[self.free(view, rows, near)]
        now = view.moment.now_ns
        armed.update(dict.fromkeys(rows[near].tolist(), now))
        return self.teller.records(view, near, [now] * len(near), "armed", query)

    def give_up(self, table: Table) -> list[Signal]:
        """Let every live signal expire: another text takes the scan's place, or none."""
        life, now = self.life, table.now_ns
        live = [*life.over, *life.live.values()]
        life.end_session()
        life.over = []
        return [self.teller.bare(table, signal, now) for signal in live]

    def retract(self, table: Table, row: int, event_ns: int, reason: str) -> list[Signal]:
        """Take back the signals of this session that `row` gave on the print of `event_ns`.

        Returns a record of each. What is taken back is live no longer; where it was the row's last
        signal, cooldown, re-arm and burst begin anew: it never was.
        """
        gone, records = self._lifecycle.retract(table, row, event_ns, reason)
        for signal in gone:
            if self.fired_ns[signal.row] == signal.fired_ns:
                self.fired_ns[signal.row], self.fired_price[signal.row] = NEVER, np.nan
                self.life.spent.pop(signal.row, None)
                self.life.bursts.pop(signal.row, None)
        return records

    def _resize(self, rows: int) -> None:
        grown = rows - len(self.held)
        if grown > 0:
            self.held = np.concatenate([self.held, np.zeros(grown, np.bool_)])
            self.fired_ns = np.concatenate([self.fired_ns, np.zeros(grown, np.int64)])
            self.fired_price = np.concatenate([self.fired_price, np.full(grown, np.nan)])

    def freeze(self) -> dict[str, Any]:
        """Return what it remembers: (rows,) arrays, and the tables of `life`."""
        return {
            "held": self.held.copy(),
            "fired_ns": self.fired_ns.copy(),
            "fired_price": self.fired_price.copy(),
            "fresh": np.array([self.fresh]),
            **self.life.freeze(),
        }

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.held, self.fired_ns = state["held"], state["fired_ns"]
        self._holds = bool(self.held.any())
        self.fired_price, self.fresh = state["fired_price"], int(state["fresh"][0])
        self.life.thaw(state)

    def clear(self) -> None:
        """Begin a new session: nothing holds, nothing has fired; what is live will expire."""
        self.held[:] = self._holds = False
        self.fired_ns[:] = NEVER
        self.fired_price[:] = np.nan
        self.fresh = 0
        self.life.end_session()


def _condition(scan: Scan) -> tuple[str, ...]:
    """Return what a scan's condition and gate ask, in words that any text of the same has."""
    where = scan.question.query.where
    return tuple(test.key for test in where.tests) if where is not None else ()


def _sound(view: View) -> Flags:
    """Return which rows may make a signal."""
    return ~np.asarray(view["stale"]) & ~np.asarray(view["provisional"])
