"""The ranked lists by their definitions: condition, membership, order."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from oracle.market import Columns, Floats

Bools = npt.NDArray[np.bool_]
Condition = Callable[[Columns, float], Bools]
"""(columns, how far literal bounds are let out, as a fraction) -> mask."""
LET_OUT = 0.2
HOLD_NS = 15_000_000_000
ENTER_NS = 500_000_000
MOST = 100
"""Rows that a board shows at most."""


def at_least(values: Floats, bound: float, let_out: float) -> Bools:
    """Compare with `bound` let out downwards; unknown values satisfy nothing."""
    return values >= bound - let_out * abs(bound)


def at_most(values: Floats, bound: float, let_out: float) -> Bools:
    """Compare with `bound` let out upwards."""
    return values <= bound + let_out * abs(bound)


def gate(c: Columns, let_out: float) -> Bools:
    """Apply the default gate: shares and receipts, a dollar or more, a fair spread."""
    spread = c.spread_pct
    fair = np.isnan(spread) | at_most(spread, 1.5, let_out)
    return np.isin(c.type, ("CS", "ADR")) & at_least(c.last, 1.0, let_out) & fair


def _gainers(c: Columns, f: float) -> Bools:
    return at_least(c.chg_pct, 3.0, f) & at_least(c.vol, 200_000.0, f)


def _losers(c: Columns, f: float) -> Bools:
    return at_most(c.chg_pct, -3.0, f) & at_least(c.vol, 200_000.0, f)


def _gappers(c: Columns, f: float) -> Bools:
    return at_least(np.abs(c.gap_pct), 4.0, f)


def _premarket(c: Columns, f: float) -> Bools:
    return _gappers(c, f) & at_least(c.pm_vol, 50_000.0, f) & at_least(c.last, 1.0, f)


@dataclass(frozen=True, slots=True)
class Definition:
    """A board: which rows, by which value, and whether only before the bell."""

    condition: Condition
    by: str
    descending: bool = True
    premarket_only: bool = False


BOARDS = {
    "gainers": Definition(_gainers, "chg_pct"),
    "losers": Definition(_losers, "chg_pct", descending=False),
    "most_active": Definition(lambda c, _: c.dollar_vol > 0, "dollar_vol"),
    "top_volume": Definition(lambda c, _: c.vol > 0, "vol"),
    "gappers": Definition(_gappers, "gap_pct"),
    "premarket_gappers": Definition(_premarket, "gap_pct", premarket_only=True),
}


@dataclass(slots=True)
class Membership:
    """Who is on a board: in after 500 ms of truth, out when the let-out condition fails.

    A row stays 15 s at the least. Asked at whole seconds only.
    """

    definition: Definition
    true_ns: dict[str, int] = field(default_factory=dict)
    entered_ns: dict[str, int] = field(default_factory=dict)

    def step(self, c: Columns, now_ns: int, open_ns: int, allowed: Bools) -> None:
        """Ask at one whole second; `allowed` masks out rows for reasons outside the tape."""
        if self.definition.premarket_only and now_ns >= open_ns:
            self.true_ns.clear()
            self.entered_ns.clear()
            return
        condition = self.definition.condition
        true = gate(c, 0.0) & condition(c, 0.0) & allowed
        stays = gate(c, LET_OUT) & condition(c, LET_OUT) & allowed
        self._leave(set(c.symbols[stays].tolist()), now_ns)
        self._enter(c.symbols[true].tolist(), now_ns)

    def _leave(self, stays: set[str], now_ns: int) -> None:
        for symbol, since in list(self.entered_ns.items()):
            if symbol not in stays and now_ns - since >= HOLD_NS:
                del self.entered_ns[symbol]

    def _enter(self, true: list[str], now_ns: int) -> None:
        self.true_ns = {s: self.true_ns.get(s, now_ns) for s in true}
        for symbol, since in self.true_ns.items():
            if now_ns - since >= ENTER_NS:
                self.entered_ns.setdefault(symbol, now_ns)

    def order(self, c: Columns) -> list[str]:
        """Return the members in rank order: by value, ties by symbol, unknown last; uncut."""
        values: Floats = getattr(c, self.definition.by)
        on = np.isin(c.symbols, list(self.entered_ns))
        sign = -1.0 if self.definition.descending else 1.0
        keys = [
            (value != value, sign * value, symbol)
            for symbol, value in zip(c.symbols[on].tolist(), values[on].tolist(), strict=True)
        ]
        return [symbol for *_, symbol in sorted(keys)]
