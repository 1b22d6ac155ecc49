"""S1, S2 and S6 over 20 seeded sessions equal an oracle that shares no code with them."""

import datetime as dt
from collections import Counter

import pytest

from oracle.strategies import Fire, fires
from tapelight.engine import Engine
from tapelight.model.records import Strategies
from tapelight.model.session import calendar
from tapelight.scan.source import choose
from tapelight.testing.sessions import Tape, begin, make_tape, play

NAMES = ("opening_range", "vwap_reclaim", "new_hod")
SESSION = calendar("XNYS").session_on(dt.date(2026, 11, 20))


def fired(tape: Tape) -> dict[str, list[Fire]]:
    """Return what the engine's own strategies fired."""
    engine = Engine()
    for record in begin(tape):
        engine.apply(record)
    engine.apply(Strategies({name: choose(name) for name in NAMES}))
    found: dict[str, list[Fire]] = {name: [] for name in NAMES}
    for record in play(tape):
        cycle = engine.apply(record)
        for signal in cycle.signals if cycle else []:
            plan = signal.plan
            if signal.state == "fired" and plan is not None:
                side = 1 if plan.side == "long" else -1
                entry, stop = round(plan.entry, 4), round(plan.stop, 4)
                found[signal.scan].append(Fire(signal.symbol, signal.ts_ns, side, entry, stop))
    assert [rule.fault for rule in engine.strategies.values()] == [""] * len(NAMES)
    return {name: sorted(those) for name, those in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 20, 5))
def test_twenty_sessions_equal_the_oracle(first: int) -> None:
    assert SESSION is not None
    counts: Counter[str] = Counter()
    for seed in range(first, first + 5):
        tape = make_tape(SESSION, seed, end_min=65.0)
        expected = fires(tape)
        assert (seed, fired(tape)) == (seed, expected)
        counts.update({name: len(those) for name, those in expected.items()})
    assert counts["opening_range"] >= 20
    assert min(counts[name] for name in NAMES) >= 1
