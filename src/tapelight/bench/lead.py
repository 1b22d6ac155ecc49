"""Measure what trades are worth: by how many seconds new highs come before those of aggregates.

One simulated tape drives three engines: from its trades, from its second bars, from its minute
bars. A high of the day that the aggregates report is matched with the first signal of the trades
engine that reached it; the lead is the difference of their marks, in market time.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from tapelight.bench import row
from tapelight.engine import Engine
from tapelight.feeds.simulator import SimulatorOptions
from tapelight.feeds.simulator.offline import Offline
from tapelight.model.batch import Batch
from tapelight.model.records import Mark, Questions
from tapelight.model.signals import Signal

NS = 1_000_000_000
MARK_NS = 50_000_000
HOD = """-- title = "HOD"
-- kind = "events"
-- gate = "none"
SELECT symbol, hod FROM market WHERE new_hod AND hod > 0
"""
Fired = dict[str, list[tuple[float, int]]]
"""By symbol (high, mark), rising in both."""


@dataclass(frozen=True, slots=True)
class Tape:
    """Say which market is drawn, and how much of it."""

    symbols: int = 2_000
    rate: float = 20_000.0
    seconds: int = 180
    seed: int = 7


def run(tape: Tape | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; the baseline is the bar's own length."""
    tape = tape or Tape()
    trades = fired(tape, "trades")
    for span, name in ((1, "second"), (60, "minute")):
        bars = fired(tape, name)
        leads = sorted(leads_s(trades, bars))
        if not leads:
            continue
        late = quantiles(leads, n=10)[-1] if len(leads) > 1 else leads[0]
        yield row(f"lead_over_{name}_bars_median", median(leads), span, "s")
        yield row(f"lead_over_{name}_bars_p90", late, span, "s")
        yield row(f"new_highs_from_{name}_bars", _count(bars), _count(trades), "signals")
        yield row(
            f"of_them_not_by_the_tape_{name}", _count(bars) - len(leads), _count(bars), "signals"
        )
    yield row("new_highs_from_trades", _count(trades), _count(trades), "signals")


def fired(tape: Tape, source: str) -> Fired:
    """Return the new highs that an engine fed from one source of the tape reports."""
    engine = Engine()
    spans = {"trades": (), "second": (1,), "minute": (60,)}[source]
    options = SimulatorOptions(
        port=0, symbols=tape.symbols, rate=tape.rate, seed=tape.seed, start="09:30:00", speed=5.0
    )
    market = Offline(options, spans)
    for record in market.opening():
        engine.apply(record)
    engine.apply(Questions({"hod": HOD}))
    found: Fired = defaultdict(list)
    mark_ns = market.now_ns
    for _ in range(tape.seconds * NS // MARK_NS):
        mark_ns += MARK_NS
        while market.now_ns < mark_ns:
            engine.apply(_only(market.step(), source))
        cycle = engine.apply(Mark(mark_ns, mark_ns))
        assert cycle is not None
        for signal in cycle.signals:
            _note(found, signal)
    return found


def _only(batch: Batch, source: str) -> Batch:
    if source == "trades":
        return Batch(batch.ts_recv_ns, batch.trades, batch.quotes, None, batch.bands)
    return Batch(batch.ts_recv_ns, None, None, batch.bars, batch.bands)


def _note(found: Fired, signal: Signal) -> None:
    high = signal.values["hod"]
    if signal.state == "fired" and isinstance(high, float):
        found[signal.symbol].append((high, signal.mark))


def leads_s(trades: Fired, bars: Fired) -> list[float]:
    """Return for each high from bars the seconds by which trades had reached it before.

    A high that trades had not reached by then is no new high by the tape: a print that moves the
    bar's high but not the last price. It is left out.
    """
    found = []
    for symbol, highs in bars.items():
        own = trades.get(symbol, [])
        for high, mark in highs:
            at = bisect_left(own, (high, 0))
            if at < len(own) and own[at][1] <= mark:
                found.append((mark - own[at][1]) / NS)
    return found


def _count(fired: Fired) -> int:
    return sum(map(len, fired.values()))
