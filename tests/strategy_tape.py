"""A tape for strategies: minutes of prints, quotes and marks for one symbol, and what they fired.

    tape = StrategyTape("momentum_burst", adv20=1e6)
    tape.minute("09:30", 10.0, 10.4, 9.9, 10.2, volume=60_000)
    tape.print("09:31:02", 10.45)
    assert tape.fired() == []

Every print is quoted a cent around (`spread`), and volume baselines are flat: with an adv20 of
960,000 shares 1,000 a minute are usual. Rows are in play from the start, so that bars are kept.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.app.reasons import Looker
from tapelight.market.view import View
from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import Mark, Pin, Reference, Strategies
from tapelight.model.session import NS
from tapelight.model.signals import Signal
from tapelight.scan.source import choose

USUAL = 960_000.0
CYCLE_NS = 50_000_000


class StrategyTape(Tape):
    """Drive an engine with one strategy over hand-made minutes."""

    def __init__(
        self, strategy: str, *symbols: str, parameters: str = "", source: str = "",
        spread: float = 0.02, **reference: Any,
    ) -> None:  # fmt: skip
        super().__init__(*symbols, known=False)
        self.strategy = strategy
        self.spread = spread
        self.signals: list[Signal] = []
        facts = {"type": "CS", "prev_close": 10.0, "adv20": USUAL, "atr14": 0.5, **reference}
        self.refer(*(Reference(symbol=symbol, **facts) for symbol in self.symbols))
        self.profile(np.full(960, 1 / 960))
        for symbol in self.symbols:
            self.engine.apply(Pin(symbol))
        self.engine.apply(Strategies({strategy: choose(strategy, parameters, source)}))

    @property
    def rule(self) -> Any:
        return self.engine.strategies[self.strategy]

    def fork(self) -> "StrategyTape":
        """Return a tape that goes on from here on its own, by way of a snapshot."""
        twin = object.__new__(StrategyTape)
        twin.__dict__.update(self.__dict__)
        twin.engine = thaw(freeze(self.engine))
        twin.table = twin.engine.table
        twin.signals = list(self.signals)
        return twin

    def prints(
        self, symbol: str, times: Sequence[int], prices: Sequence[float], sizes: Sequence[float],
        sold: bool = False,
    ) -> None:  # fmt: skip
        """Fold prints at `times` (ns), each bought at the ask (sold at the bid) of its own quote."""
        n, row = len(times), self.symbols.index(symbol)
        far = [round(p + self.spread if sold else p - self.spread, 4) for p in prices]
        bids, asks = (list(prices), far) if sold else (far, list(prices))
        rows, zeros = [row] * n, [0] * n
        trades = trades_of(rows, list(times), list(prices), list(sizes), zeros, zeros, zeros)
        quotes = quotes_of(rows, list(times), bids, asks, [100.0] * n, [100.0] * n, list(range(n)))
        self.engine.apply(Batch(int(times[-1]), trades, quotes))

    def print(
        self, time: str, price: float, size: float = 100.0, symbol: str = "A"
    ) -> list[Signal]:
        """Print once and ask at the next mark; return what that mark brought."""
        ts = self.ns(time)
        self.prints(symbol, [ts], [price], [size])
        return self.beat(-(-(ts + 1) // CYCLE_NS) * CYCLE_NS)

    def beat(self, ts_ns: int) -> list[Signal]:
        """Make the mark at `ts_ns`; return its signals."""
        cycle = self.engine.apply(Mark(ts_ns, ts_ns))
        assert cycle is not None
        self.signals += cycle.signals
        return cycle.signals

    def at(self, time: str) -> list[Signal]:
        """Make the mark at a time."""
        return self.beat(self.ns(time))

    def minute(
        self, time: str, first: float, high: float, low: float, last: float,
        volume: float = 1_000.0, count: int = 60, symbol: str = "A", marks: int = 6,
    ) -> list[Signal]:  # fmt: skip
        """Trade one minute: a rising one by way of its low, a falling one by way of its high.

        `count` prints of equal size; a mark after one second, when the minute before is seen as a
        bar, and `marks` marks at even distances, the last as the minute ends.
        """
        way = [first, low, high, last] if last >= first else [first, high, low, last]
        corners = np.minimum(np.arange(4) * count // 3, count - 1)
        path = np.round(np.interp(np.arange(count), corners, way), 4)
        begin, before = self.ns(time), len(self.signals)
        stamps = begin + np.arange(count) * (60 * NS // count)
        beats = begin + np.append(NS, np.arange(1, marks + 1) * (60 * NS // marks))
        cuts = np.searchsorted(stamps, beats, "right")
        for beat, a, b in zip(beats.tolist(), [0, *cuts[:-1]], cuts, strict=True):
            if b > a:
                sizes = [volume / count] * int(b - a)
                self.prints(symbol, stamps[a:b].tolist(), path[a:b].tolist(), sizes)
            self.beat(beat)
        return self.signals[before:]

    def minutes(self, time: str, *bars: Sequence[float], **how: Any) -> list[Signal]:
        """Trade minutes in a row: (open, high, low, close[, volume]) each."""
        begin, before = self.ns(time), len(self.signals)
        for i, bar in enumerate(bars):
            self.minute(self.clock(begin + i * 60 * NS), *bar, **how)
        return self.signals[before:]

    def clock(self, ts_ns: int) -> str:
        """Return HH:MM:SS New York."""
        return str(np.datetime64(ts_ns - self.ns("00:00:00"), "ns"))[11:19]

    def fired(self, symbol: str = "A") -> list[Signal]:
        """Return the entries that fired."""
        return [s for s in self.signals if s.symbol == symbol and s.state == "fired" and not s.of]

    def exits(self) -> list[tuple[str, str]]:
        """Return (kind, reason) of what became of signals after they fired, in order."""
        later = [s for s in self.signals if s.state not in ("fired", "armed") or s.of]
        return [(s.state if s.kind == "entry" else "exit", s.reason) for s in later]

    def missing(self, time: str, price: float, size: float = 100.0) -> list[str]:
        """Print once, ask at the mark 50 ms on, and return the leaves that `why` says failed there."""
        begin, looker = self.ns(time), Looker("A", self.strategy)
        self.prints("A", [begin], [price], [size])
        with looker.beside(self.engine):
            self.beat(begin + CYCLE_NS)
        return [leaf.name for leaf in looker.found[-1].failed]

    def failing(self, symbol: str = "A") -> list[str]:
        """Return the names of the leaves that do not hold now."""
        view = View(self.table, np.array([self.symbols.index(symbol)]))
        return [leaf.name for leaf in self.rule.explain(view, 0) if leaf.true is not True]
