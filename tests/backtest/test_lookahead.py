"""A look-ahead that is planted is found; what is honest passes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from backtest.made import SCAN, bars_file, engine_with, tape
from tapelight.app.backtest.asking import Asking
from tapelight.app.backtest.lookahead import check_lookahead, run_of
from tapelight.app.backtest.tapes import Span, file_tapes
from tapelight.model.batch import Batch
from tapelight.model.records import Mark, Record
from tapelight.model.signals import Signal

PRINTS = [(f"10:{m:02d}:{s:02d}", "AAA", 10.0 + (m + s) % 3) for m in range(3) for s in (5, 15, 25)]
TAPE: list[Record] = list(tape(PRINTS, begin="10:00:00", end="10:04:00"))


def until(records: Sequence[Record], cut_ns: int | None) -> list[Record]:
    if cut_ns is None:
        return list(records)
    return [r for r in records if (r.ts_ns if isinstance(r, Mark) else r.ts_recv_ns) <= cut_ns]  # type: ignore[union-attr]


def honest(cut_ns: int | None) -> list[Signal]:
    engine = engine_with({"above": SCAN})
    cycles = (engine.apply(record) for record in until(TAPE, cut_ns))
    return [signal for cycle in cycles if cycle is not None for signal in cycle.signals]


def peeking(cut_ns: int | None) -> list[Signal]:
    """Ask through a broken table: what comes next is folded before the mark is answered."""
    engine, found = engine_with({"above": SCAN}), []
    records = until(TAPE, cut_ns)
    for i, record in enumerate(records):
        if isinstance(record, Mark):
            later = next((r for r in records[i:] if isinstance(r, Batch)), None)
            if later is not None:
                engine.apply(later)
        cycle = engine.apply(record)
        found += cycle.signals if cycle is not None else []
    return found


def test_the_engine_looks_at_nothing_later() -> None:
    assert len(honest(None)) >= 2
    assert check_lookahead(honest) == []


def test_a_planted_look_ahead_is_found() -> None:
    leaks = check_lookahead(peeking)
    assert leaks
    said = str(leaks[0])
    assert said.startswith("above of AAA at 2026-11-20T10:0")
    assert said.endswith("it looked at what came later.")


def rows() -> list[tuple[str, str, str, float, float, float, float]]:
    days = ("2026-11-19", "2026-11-20")
    return [
        (day, f"10:{m:02d}", symbol, p, p + 0.1, p - 0.1, p)
        for day in days
        for m in range(30)
        for symbol, p in (("AAA", 10.0 + m % 3), ("BBB", 9.0 + m % 5 / 2))
    ]


def test_a_files_bars_are_known_at_their_end_and_not_before(tmp_path: Path) -> None:
    bars_file(tmp_path / "bars.parquet", rows())
    (mine,) = file_tapes(tmp_path / "bars.parquet", None, Span(newest=1), 1)
    run = run_of(mine, Asking({"above": SCAN}, {}))
    assert len(run(None)) >= 10
    assert check_lookahead(run) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_the_cuts_are_drawn_by_seed(seed: int) -> None:
    asked: list[int | None] = []

    def run(cut_ns: int | None) -> list[Signal]:
        asked.append(cut_ns)
        return honest(cut_ns)

    check_lookahead(run, cuts=2, seed=seed)
    first = list(asked)
    asked.clear()
    check_lookahead(run, cuts=2, seed=seed)
    assert asked == first
    assert asked[0] is None
    assert len(asked) == 3
