"""Scans: conditions that fire a signal when they become true."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.view import View
from tapelight.model.session import PHASES
from tapelight.model.signals import Signal
from tapelight.scan.question import Question
from tapelight.scan.sql import cells

NS = 1_000_000_000
NEVER = np.int64(0)


class Scan:
    """Remember for each row whether the condition held, and when it last fired."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.held: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.fired_ns: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.fired_price: npt.NDArray[np.float64] = np.zeros(0)

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.question.name

    def held_rows(self, n: int) -> npt.NDArray[np.bool_]:
        """Tell for each of the table's `n` rows whether the condition held when last asked."""
        self._resize(n)
        return self.held

    @property
    def pulsing(self) -> bool:
        """Tell whether it asks what is true only until the next mark: a new high, the opening."""
        return self.question.query.pulsing

    def evaluate(
        self, view: View, rows: npt.NDArray[np.intp], asked: npt.NDArray[np.bool_]
    ) -> list[Signal]:
        """Ask the condition of those of `rows` (the view's) that are `asked`.

        Returns a signal for each rising edge. The view may hold more rows, which other scans
        ask for: they change nothing here.

        A stale or provisional row makes no signal, and what held before goes on holding: what
        became true in a hole is told when it closes, what was told is not told again.
        """
        self._resize(view.table.n)
        query, header = self.question.query, self.question.header
        phase = PHASES[view.moment.phase]
        if query.where is None or (header.phases and phase not in header.phases):
            self.held[rows[asked]] = False
            return []
        sound = view.once("sound", _sound)
        held = self.held[rows]
        true = query.where(view)
        edge = true & sound & ~held & asked
        self.held[rows] = np.where(sound & asked, true, held)
        edges = np.flatnonzero(edge)
        if not len(edges):
            return []
        fires = edges[self._armed(view, rows, edges)]
        return self._fire(view, rows, fires) if len(fires) else []

    def _armed(
        self, view: View, rows: npt.NDArray[np.intp], at: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.bool_]:
        """Tell for the view's rows `at` whether cooldown is over and the price has moved on."""
        header = self.question.header
        fired = self.fired_ns[rows[at]]
        rested = view.moment.now_ns - fired >= header.cooldown_s * NS
        moved = np.ones(len(at), np.bool_)
        if header.rearm_pct:
            with np.errstate(all="ignore"):
                ratio = np.asarray(view["last"])[at] / self.fired_price[rows[at]]
            moved = ~(100.0 * np.abs(ratio - 1.0) < header.rearm_pct)
        return np.asarray((fired == NEVER) | (rested & moved))

    def _fire(
        self, view: View, rows: npt.NDArray[np.intp], at: npt.NDArray[np.intp]
    ) -> list[Signal]:
        now = view.moment.now_ns
        self.fired_ns[rows[at]] = now
        self.fired_price[rows[at]] = np.asarray(view["last"])[at]
        names = [named.name for named in self.question.query.select]
        columns = cells(self.question.query, view, at)
        return [
            self._signal(symbol, now, dict(zip(names, values, strict=True)))
            for symbol, values in zip(view.symbols(at), zip(*columns, strict=True), strict=True)
        ]

    def _signal(self, symbol: str, now: int, values: dict[str, Any]) -> Signal:
        key = f"{self.name}|{self.question.version}|{symbol}|{now}"
        return Signal(
            id=hashlib.blake2b(key.encode(), digest_size=10).hexdigest(),
            scan=self.name,
            symbol=symbol,
            state="fired",
            ts_ns=now,
            mark=now,
            values=values,
            text=self.question.header.text or self.question.header.title,
        )

    def _resize(self, rows: int) -> None:
        grown = rows - len(self.held)
        if grown > 0:
            self.held = np.concatenate([self.held, np.zeros(grown, np.bool_)])
            self.fired_ns = np.concatenate([self.fired_ns, np.zeros(grown, np.int64)])
            self.fired_price = np.concatenate([self.fired_price, np.full(grown, np.nan)])

    def freeze(self) -> dict[str, Any]:
        """Return what it remembers: (rows,) arrays."""
        return {
            "held": self.held.copy(),
            "fired_ns": self.fired_ns.copy(),
            "fired_price": self.fired_price.copy(),
        }

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.held, self.fired_ns = state["held"], state["fired_ns"]
        self.fired_price = state["fired_price"]

    def clear(self) -> None:
        """Begin a new session: nothing holds, nothing has fired."""
        self.held[:] = False
        self.fired_ns[:] = NEVER
        self.fired_price[:] = np.nan


def _sound(view: View) -> npt.NDArray[np.bool_]:
    """Return which rows may make a signal."""
    return ~np.asarray(view["stale"]) & ~np.asarray(view["provisional"])
