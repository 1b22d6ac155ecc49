"""The simulated market: a few symbols that walk, halt, and whose data go stale."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from tapelight.model.orders import Picture
from tapelight.testing.sim.life import Life
from tapelight.testing.venue import Quote

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
STATES = ("STALE", "PROVISIONAL", "HALTED")
START_CENTS = 2_000
FLOOR_CENTS = 500
ROW_AGE_NS = 50_000_000


class Market:
    """Hold quotes in cents, and in what state the scanner's rows are."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.bid_cents = dict.fromkeys(SYMBOLS, START_CENTS)
        self.states = dict.fromkeys(SYMBOLS, "LIVE")

    def step(self) -> None:
        """Move every price a little; now and then a state changes."""
        for symbol in SYMBOLS:
            move = self._rng.randint(-4, 4)
            self.bid_cents[symbol] = max(self.bid_cents[symbol] + move, FLOOR_CENTS)
            draw = self._rng.random()
            if self.states[symbol] == "LIVE" and draw < 0.01:
                self.states[symbol] = self._rng.choice(STATES)
            elif draw < 0.1:
                self.states[symbol] = "LIVE"

    def calm(self) -> None:
        """Let everything be live again."""
        self.states = dict.fromkeys(SYMBOLS, "LIVE")

    def quote(self, symbol: str) -> Quote | None:
        """Return bid and ask; None in a halt."""
        if self.states[symbol] == "HALTED":
            return None
        cents = self.bid_cents[symbol]
        return Decimal(cents) / 100, Decimal(cents + 2) / 100


class SimPrices:
    """Show the market to one process."""

    def __init__(self, market: Market, life: Life, now_ns: Callable[[], int]) -> None:
        self._market, self._life, self._now_ns = market, life, now_ns

    def picture(self, symbol: str) -> Picture | None:
        """Return the row of a symbol."""
        cents = self._market.bid_cents[symbol]
        return Picture(
            symbol=symbol,
            ts_ns=self._now_ns() - ROW_AGE_NS,
            state=self._market.states[symbol],
            bid=cents / 100,
            ask=(cents + 2) / 100,
            last=cents / 100,
        )

    def watch(self, _symbols: frozenset[str]) -> None:
        """Keep all symbols up to date anyway."""
