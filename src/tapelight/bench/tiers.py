"""Measure the tiers: how much indicator work the gate saves, and how many signals it keeps.

One simulated open goes through two engines side by side: one with the default gate, one whose
gate lets every row in. Both answer 100 indicator scans and all strategies. A signal is kept
where the gated engine fires the same scan or strategy for the same symbol within a second.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tapelight.bench import row
from tapelight.engine import Cycle, Engine
from tapelight.feeds.simulator import SimulatorOptions
from tapelight.feeds.simulator.offline import Offline
from tapelight.market.bank import Bank, Values, result_of
from tapelight.market.baseline import market_curve
from tapelight.market.view import View
from tapelight.model.records import Mark, Questions, Record, Strategies, TierGate, TierWorkers
from tapelight.scan.gate import Gate
from tapelight.scan.source import choose, shipped

NS = 1_000_000_000
MARK_NS = NS // 2
WITHIN_NS = NS
SAVED, KEPT = 90.0, 99.0
"""What is asked for, in percent."""
EVERY_ROW = TierGate("symbol IS NOT NULL", most=1_000_000)

IN_MOTION = (
    "abs(chg_pct) >= 5",
    "chg_pct >= 4 AND rvol_tod >= 3",
    "abs(gap_pct) >= 4 AND trade_rate >= 0.5",
    "rvol_5m >= 5 AND abs(chg_5m) >= 2",
    "rvol_tod >= 3 AND NOT rvol_thin AND abs(chg_1m) >= 1",
)
"""What the day's movers look like, as the boards of the product put it."""
SIGNS = (
    "rsi14 >= 70",
    "rsi14 <= 30",
    "rsi2 >= 95",
    "rsi2 <= 5",
    "macd_hist > 0",
    "macd_hist < 0",
    "last > bb_upper",
    "last < bb_lower",
    "ema9 > ema20 AND last > ema9",
    "ema9 < ema20 AND last < ema9",
    "adx14 >= 25",
    "bb_width_pctl <= 10",
    "squeeze_bars >= 3",
    "last > supertrend(10, 3, '1m')",
    "mfi(14, '1m') >= 80",
    "stoch_slowk(14, 3, 0, 3, 0, '1m') >= 80",
    "willr(14, '1m') <= -80",
    "cci(14, '1m') >= 100",
    "last > donchian_upper(20, '1m')",
    "rsi2_5m >= 90",
)
"""What indicators say, as scans put it."""


@dataclass(frozen=True, slots=True)
class Open:
    """Say which open is drawn."""

    symbols: int = 11_000
    rate: float = 3_000.0
    seconds: int = 1_800
    seed: int = 7
    start: str = "09:28:00"


@dataclass(slots=True)
class Run:
    """Drive one engine, its tier 2 reckoned here where its CPU time can be taken."""

    engine: Engine = field(default_factory=Engine)
    bank: Bank = field(default_factory=Bank)
    evaluations: int = 0
    cpu_s: float = 0.0
    in_play: int = 0
    fired: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def put(self, record: Record) -> None:
        """Apply a record; a mark's tier work is done before the next one."""
        cycle = self.engine.apply(record)
        if cycle is not None:
            self._note(cycle)

    def _note(self, cycle: Cycle) -> None:
        for signal in cycle.signals:
            if signal.state == "fired":
                self.fired[signal.scan, signal.symbol].append(signal.mark)
        self.in_play += len(self.engine.tiers.in_play())
        works, self.engine.tiers.work = self.engine.tiers.work, []
        for work in works:
            begin = time.process_time()
            values = self.bank.reckon(work)
            self.cpu_s += time.process_time() - begin
            self.evaluations += sum(_known(v) for v in values)
            self.engine.apply(result_of(work, values))


def _known(values: Values) -> int:
    return int((values.values == values.values).sum())


def run(market: Open | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; the baseline is what is asked for."""
    market = market or Open()
    gated, whole = drive(market)
    names = {"scan": set(scans()), "strategy": set(gated.engine.strategies)}
    yield row(
        "indicator_evaluations_saved", _saved(gated.evaluations, whole.evaluations), SAVED, "%"
    )
    yield row("indicator_cpu_saved", _saved(gated.cpu_s, whole.cpu_s), SAVED, "%")
    yield row("signals_kept", kept(gated.fired, whole.fired), KEPT, "%")
    for kind, mine in names.items():
        fired = _of(whole, mine)
        yield row(f"{kind}_signals_kept", kept(_of(gated, mine), fired), KEPT, "%")
        yield row(f"{kind}_signals", sum(map(len, fired.values())), 0.0, "signals")
    share = 100.0 * gated.in_play / max(whole.in_play, 1)
    yield row("rows_in_play", share, 100.0 - SAVED, "%")
    yield row("cpu_a_minute_untiered", 6e4 * whole.cpu_s / market.seconds, 0.0, "ms")
    yield row("cpu_a_minute_tiered", 6e4 * gated.cpu_s / market.seconds, 0.0, "ms")
    yield row("gate_cpu_a_minute", 60.0 * _gate_ms(gated.engine), 0.0, "ms")


def drive(market: Open) -> tuple[Run, Run]:
    """Run the open through both engines; return the gated one and the one that holds every row."""
    options = SimulatorOptions(
        port=0, symbols=market.symbols, rate=market.rate, seed=market.seed, start=market.start,
        speed=10.0,
    )  # fmt: skip
    tape = Offline(options)
    runs = gated, whole = Run(), Run()
    for record in (*tape.opening(), market_curve(), Questions(scans()), _strategies()):
        for one in runs:
            one.put(record)
    for one in runs:
        one.put(TierWorkers(1))
    whole.put(EVERY_ROW)
    mark_ns = tape.now_ns
    for _ in range(market.seconds * NS // MARK_NS):
        mark_ns += MARK_NS
        while tape.now_ns < mark_ns:
            batch = tape.step()
            for one in runs:
                one.put(batch)
        for one in runs:
            one.put(Mark(mark_ns, mark_ns))
    return gated, whole


def scans() -> dict[str, str]:
    """Return the texts of the 100 indicator scans by name."""
    header = '-- kind = "events"\n-- cooldown_s = 60\n-- phases = ["regular"]\n'
    return {
        f"tier_{i:03d}": f"{header}SELECT symbol, last FROM market WHERE {motion} AND {sign}"
        for i, (motion, sign) in enumerate(product(IN_MOTION, SIGNS))
    }


def _strategies() -> Strategies:
    return Strategies({name: choose(name, "") for name in shipped()})


def _of(one: Run, names: set[str]) -> dict[tuple[str, str], list[int]]:
    return {key: marks for key, marks in one.fired.items() if key[0] in names}


def kept(gated: dict[tuple[str, str], list[int]], whole: dict[tuple[str, str], list[int]]) -> float:
    """Return the share in percent of `whole`'s signals that `gated` has within a second."""
    total = sum(map(len, whole.values()))
    found = sum(
        any(abs(mark - other) <= WITHIN_NS for other in gated.get(key, ()))
        for key, marks in whole.items()
        for mark in marks
    )
    return 100.0 * found / total if total else 100.0


def _saved(gated: float, whole: float) -> float:
    return 100.0 * (1.0 - gated / whole) if whole else 0.0


def _gate_ms(engine: Engine, repeats: int = 20) -> float:
    """Return what the gate costs a second, over columns that the boards have reckoned anyway."""
    gate, view = Gate(), View(engine.table)
    gate.enter(view)
    begin = time.process_time()
    for _ in range(repeats):
        gate.enter(view)
    return (time.process_time() - begin) / repeats * 1e3
