"""The bench of session changes, small."""

from tapelight.bench.opens import opens


def test_no_row_is_blank_after_a_change() -> None:
    found = {row["name"]: row["value"] for row in opens(symbols=40, count=3)}
    assert found["opens: rows without a previous close or volume"] == 0
    assert found["opens: pause at the bell, longest"] > 0
