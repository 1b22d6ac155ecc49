"""Which bounds of a scan are varied, and what is said of the others."""

import pytest

from tapelight.app.scannoise import unvaried, variants
from tapelight.scan.question import read_question

HEAD = '-- kind = "events"\n-- gate = "none"\n'


def varied(where: str) -> tuple[list[str], list[str]]:
    text = f"{HEAD}SELECT symbol FROM market WHERE {where}"
    question = read_question("mine", text)
    found = variants(text, question)
    for variant in found:
        read_question("moved", variant.text)
    return list(dict.fromkeys(variant.bound for variant in found)), unvaried(question)


@pytest.mark.parametrize(
    ("where", "bounds", "rest"),
    [
        ("last > 5 AND new_hod", ["last > 5"], []),
        ("last BETWEEN 1 AND 20", ["last >= 1", "last <= 20"], []),
        ("rvol_5m >= 10 AND (mcap < 5 OR chg_5m <= -2)",
         ["rvol_5m >= 10", "mcap < 5", "chg_5m <= -2"], []),
        ("5 < last AND streak_1m IN (-3, 3)", ["5 < last"], ["streak_1m IN (-3, 3)"]),
        ("chg_1m >= CASE WHEN last < 1 THEN 10 ELSE 5 END", [],
         ["chg_1m >= CASE WHEN last < 1 THEN 10 ELSE 5 END"]),
        ("last > prev_high AND NOT vol > 5 AND chg_pct > 0 AND NOT halted", [],
         ["last > prev_high", "NOT vol > 5", "chg_pct > 0"]),
        (" AND ".join(f"vol_5m > {i}" for i in range(1, 11)),
         [f"vol_5m > {i}" for i in range(1, 9)], ["vol_5m > 9", "vol_5m > 10"]),
    ],
)  # fmt: skip
def test_bounds_are_varied_and_the_rest_is_named(
    where: str, bounds: list[str], rest: list[str]
) -> None:
    assert varied(where) == (bounds, rest)


def test_a_narrower_bound_is_tighter() -> None:
    text = (
        f"{HEAD}SELECT symbol FROM market WHERE last BETWEEN 10 AND 20 OR chg_pct <= -4 OR 8 < vol"
    )
    found = variants(text, read_question("mine", text))
    tight = {(v.bound, v.value): v.tightness for v in found}
    assert tight["last >= 10", 20.0] == 2.0
    assert tight["last <= 20", 40.0] == 0.5
    assert tight["chg_pct <= -4", -8.0] == 2.0
    assert tight["8 < vol", 16.0] == 2.0
    assert "last BETWEEN 10 AND 40 OR" in next(
        v.text for v in found if v.bound == "last <= 20" and v.value == 40.0
    )
