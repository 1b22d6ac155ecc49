"""The look-ahead check: a tape that ends earlier must give the same signals up to its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tapelight.app.backtest.tapes import Asking, Tape
from tapelight.model.session import iso
from tapelight.model.signals import Signal, witness

SEED = 20_261_120
Run = Callable[[int | None], list[Signal]]
"""Return the signals of a tape cut after the market time given; of the whole tape for None."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Say that a signal at or before `cut_ns` is another one when the tape ends there."""

    cut_ns: int
    whole: Signal | None
    """The signal by the whole tape; None where only the cut one gives it."""
    cut: Signal | None

    def __str__(self) -> str:
        signal = self.whole or self.cut
        assert signal is not None
        how = "is another" if self.whole and self.cut else "is gone" if self.whole else "is new"
        return (
            f"{signal.scan} of {signal.symbol} at {iso(signal.ts_ns)} {how} when the tape ends "
            f"at {iso(self.cut_ns)}: it looked at what came later."
        )


def check_lookahead(run: Run, cuts: int = 5, seed: int = SEED) -> list[Leak]:
    """Return the first leak of each of `cuts` random cuts, at marks at which something fired.

    A cut falls on a signal's own mark: whatever looked ahead of it no longer can.
    """
    whole = run(None)
    marks = np.unique([signal.ts_ns for signal in whole])
    draw = np.random.default_rng(seed)
    chosen = draw.choice(marks, min(cuts, len(marks)), replace=False) if len(marks) else marks
    found = (_first_leak(whole, run(int(cut)), int(cut)) for cut in np.sort(chosen))
    return [leak for leak in found if leak is not None]


def _first_leak(whole: Sequence[Signal], cut: Sequence[Signal], cut_ns: int) -> Leak | None:
    expected = {_key(s): s for s in whole if s.ts_ns <= cut_ns}
    given = {_key(s): s for s in cut if s.ts_ns <= cut_ns}
    for key in sorted(expected.keys() | given.keys()):
        mine, other = expected.get(key), given.get(key)
        if mine is None or other is None or witness(mine) != witness(other):
            return Leak(cut_ns, mine, other)
    return None


def _key(signal: Signal) -> tuple[int, str, str, str, str]:
    return signal.ts_ns, signal.scan, signal.symbol, signal.kind, signal.id + signal.state


def run_of(tape: Tape, asking: Asking) -> Run:
    """Return how a tape is played for the check."""

    def run(until_ns: int | None) -> list[Signal]:
        engine, records = tape.play(asking, until_ns)
        found: list[Signal] = []
        for record in records:
            cycle = engine.apply(record)
            if cycle is not None:
                found += cycle.signals
        return found

    return run
