"""The stampede bench, small: everything that was sent is in the books and in the table."""

import pytest

from tapelight.bench import stampede


@pytest.mark.slow
def test_a_small_stampede_is_accounted_for_across_the_open_and_a_new_session() -> None:
    rows = {row["name"]: row for row in stampede.run(rate=400.0, seconds=4.0)}
    assert list(rows) == [
        "P4_staleness_p50", "P4_staleness_p99", "P4_unaccounted", "P4_blank_rows", "P4_folded",
        "P4_cycle_p99",
    ]  # fmt: skip
    assert rows["P4_unaccounted"]["value"] == 0
    assert rows["P4_folded"]["value"] == rows["P4_folded"]["baseline"] == 16_000
    assert rows["P4_staleness_p99"]["value"] > 0
