"""The tiers bench: what it counts."""

import pytest

from tapelight.bench import tiers
from tapelight.scan.question import read_question

KEYS = ["name", "value", "unit", "baseline", "ratio"]


def test_it_asks_100_scans_that_look_at_indicators() -> None:
    texts = tiers.scans()
    assert len(texts) == 100
    assert len(set(texts.values())) == 100
    assert all(read_question(name, text).query.indicators for name, text in texts.items())


def test_kept_is_the_same_scan_and_symbol_within_a_second() -> None:
    whole = {("s", "A"): [10**9, 9 * 10**9], ("s", "B"): [10**9], ("t", "A"): [10**9]}
    gated = {("s", "A"): [2 * 10**9, 11 * 10**9], ("s", "B"): [10**9 // 2], ("u", "A"): [10**9]}
    assert tiers.kept(gated, whole) == 50.0
    assert tiers.kept({}, {}) == 100.0


@pytest.mark.slow
def test_the_gate_saves_work_and_the_rows_tell_how_much() -> None:
    rows = list(tiers.run(tiers.Open(symbols=60, rate=240.0, seconds=400)))
    assert [list(row) for row in rows] == [KEYS] * 11
    by_name = {row["name"]: row for row in rows}
    assert 0.0 < by_name["rows_in_play"]["value"] < 100.0
    assert 0.0 < by_name["indicator_evaluations_saved"]["value"] < 100.0
