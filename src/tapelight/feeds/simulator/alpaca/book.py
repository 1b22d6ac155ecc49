"""What the simulated tape offers to orders: quotes with the shares displayed, and prints."""

from decimal import Decimal

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.listing import TICKS
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.window import OK, Window, no_prints
from tapelight.model.session import POST, PRE, REGULAR


class Book:
    """Tell at what price and how many shares can be had; what was taken is gone until requoted."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._taken: dict[tuple[int, bool], Decimal] = {}
        self._trades = no_prints()
        self.rows = simulation.row_of
        self.now_ns = simulation.now_ms * MS
        self.phase = simulation.tape.day.plan.session.phase(self.now_ns)

    def take_in(self, window: Window) -> None:
        """Go on to the end of a window that was sent."""
        self.now_ns = window.end_ms * MS
        self.phase = self._simulation.tape.day.plan.session.phase(self.now_ns)
        self._trades = window.trades
        if self._taken:
            quoted = frozenset(window.quotes.row.tolist())
            self._taken = {k: v for k, v in self._taken.items() if k[0] not in quoted}

    @property
    def is_regular(self) -> bool:
        """Tell whether the regular session runs."""
        return self.phase == REGULAR

    @property
    def is_open(self) -> bool:
        """Tell whether any session runs."""
        return self.phase in (PRE, REGULAR, POST)

    def trading(self, row: int) -> bool:
        """Tell whether a symbol is not halted."""
        return bool(self._simulation.tape.day.luld.trading[row])

    def offer(self, row: int, buy: bool) -> tuple[Decimal, Decimal]:
        """Return the price at which one can buy (or sell) now, and the shares left there."""
        totals = self._simulation.totals
        ticks, shown = (totals.ask, totals.ask_size) if buy else (totals.bid, totals.bid_size)
        left = Decimal(int(shown[row])) - self._taken.get((row, buy), Decimal(0))
        return _dollars(int(ticks[row])), max(left, Decimal(0))

    def take(self, row: int, buy: bool, shares: Decimal) -> None:
        """Take shares of the offer."""
        self._taken[row, buy] = self._taken.get((row, buy), Decimal(0)) + shares

    def through(self, row: int, buy: bool, limit: Decimal) -> Decimal:
        """Return the shares that were printed beyond `limit` in this window."""
        trades, ticks = self._trades, int(limit * TICKS)
        mine = (trades.row == row) & (trades.truth == OK) & sales.MOVES_LAST[trades.kind]
        beyond = trades.price < ticks if buy else trades.price > ticks
        return Decimal(float(trades.size[mine & beyond].sum()))

    def extremes(self, row: int) -> tuple[Decimal, Decimal] | None:
        """Return the lowest and highest price printed in this window, None without a print."""
        trades = self._trades
        mine = np.flatnonzero(
            (trades.row == row) & (trades.truth == OK) & sales.MOVES_LAST[trades.kind]
        )
        if not len(mine):
            return None
        prices = trades.price[mine]
        return _dollars(int(prices.min())), _dollars(int(prices.max()))

    def last(self, row: int) -> Decimal:
        """Return the last price, the previous close before the first print."""
        totals = self._simulation.totals
        if totals.last[row] > 0:
            return _dollars(int(totals.last[row]))
        return self.before(row)

    def before(self, row: int) -> Decimal:
        """Return the previous close."""
        return Decimal(str(round(float(self._simulation.totals.prev_close[row]), 4)))

    def session_end_ns(self, extended: bool) -> int:
        """Return when a day order of the running or coming session ends."""
        session = self._simulation.tape.day.plan.session
        return session.end_ns if extended else session.close_ns


def _dollars(ticks: int) -> Decimal:
    return Decimal(ticks) / TICKS
