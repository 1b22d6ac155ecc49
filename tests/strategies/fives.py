"""Five-minute bars by hand: each is traded in its last minute, and seen a second after its end."""

from collections.abc import Sequence

import numpy as np

from strategy_tape import StrategyTape
from tapelight.market.view import View
from tapelight.model.session import NS
from tapelight.model.signals import Leaf, Signal

MINUTE_NS = 60 * NS
FIVE_NS = 5 * MINUTE_NS
PRINTS = 40
Bars = Sequence[tuple[float, ...]]
"""(open, high, low, close, volume) each"""


def runs(start: float, *parts: tuple[int, float]) -> list[float]:
    """Return prices from `start` on: so many steps of so many dollars each."""
    found = [start]
    for count, step in parts:
        found += [round(found[-1] + step * k, 2) for k in range(1, count + 1)]
    return found


def path(closes: Sequence[float], wick: float = 0.06, volume: float = 20_000.0) -> Bars:
    """Return bars from close to close, with wicks on both sides; the first opens at its close."""
    bars = []
    for open_, close in zip([closes[0], *closes], closes, strict=False):
        top, bottom = max(open_, close) + wick, min(open_, close) - wick
        bars.append((open_, round(top, 2), round(bottom, 2), close, volume))
    return bars


def history(tape: StrategyTape, time: str, bars: Bars, symbol: str = "A") -> None:
    """Print bars in a row from `time` on, four prints each, without a mark."""
    begin = tape.ns(time) + 4 * MINUTE_NS
    times, prices, sizes = [], [], []
    for i, (open_, high, low, close, volume) in enumerate(bars):
        times += [begin + 5 * i * MINUTE_NS + k * NS for k in range(4)]
        prices += [open_, high, low, close] if close < open_ else [open_, low, high, close]
        sizes += [volume / 4] * 4
    tape.prints(symbol, times, prices, sizes)


def five(
    tape: StrategyTape, time: str, bar: Sequence[float], spy: tuple[float, float] | None = None,
    count: int = PRINTS, late: float = 0.0,
) -> list[Signal]:  # fmt: skip
    """Trade one bar that begins at `time`; return what the mark a second after its end brought.

    SPY opens and closes the bar at `spy`; the bar's minute is `count` prints; `late` is the price
    of a print after the bar's end and before the mark.
    """
    begin = tape.ns(time)
    last, end, (open_, high, low, close, volume) = begin + 4 * MINUTE_NS, begin + FIVE_NS, bar
    if spy:
        tape.prints("SPY", [begin + NS, last], list(spy), [100.0, 100.0])
    way = [open_, high, low, close] if close < open_ else [open_, low, high, close]
    times = [last + k * (50 * NS // count) for k in range(count)]
    prices = [way[min(k, 3)] for k in range(count)]
    tape.prints("A", times, prices, [volume / count] * count)
    if late:
        tape.prints("A", [end + NS // 2], [late], [100.0])
    return tape.beat(end + NS)


def fives(tape: StrategyTape, time: str, bars: Bars, spy: Sequence[float] = ()) -> list[Signal]:
    """Trade bars in a row from `time` on; return their signals. `spy` has one price more."""
    told = len(tape.signals)
    for i, bar in enumerate(bars):
        clock = tape.clock(tape.ns(time) + i * FIVE_NS)
        five(tape, clock, bar, (spy[i], spy[i + 1]) if spy else None)
    return tape.signals[told:]


def leaves(tape: StrategyTape, symbol: str = "A") -> dict[str, Leaf]:
    """Return the leaves of a symbol as they stand, by name."""
    view = View(tape.table, np.array([tape.symbols.index(symbol)]))
    return {leaf.name: leaf for leaf in tape.rule.explain(view, 0)}
