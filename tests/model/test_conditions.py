"""Sale conditions as bits."""

import pytest

from tapelight.model.conditions import (
    KNOWN,
    KNOWN_NEUTRAL,
    OPEN_RULES,
    UNKNOWN,
    US_RULES,
    mask_of,
)


def test_ids_are_bits_and_unknown_ids_are_one_bit() -> None:
    assert mask_of([]) == 0
    assert mask_of([0, 12, 37]) == 1 | 1 << 12 | 1 << 37
    assert mask_of([37, 37]) == 1 << 37
    assert mask_of([99, 200, -1, 63]) == UNKNOWN == 1 << 63
    assert mask_of(KNOWN_NEUTRAL) == 0
    assert mask_of(KNOWN) < UNKNOWN


@pytest.mark.parametrize(
    ("rule", "ids"),
    [
        ("no_last", {2, 7, 12, 13, 15, 16, 20, 21, 29, 37, 52, 53}),
        ("no_high_low", {2, 7, 12, 13, 15, 16, 20, 21, 29, 37, 52, 53}),
        ("no_volume", {15, 16, 38}),
        ("first_only", {5, 10, 22, 32}),
        ("sold_last", {30}),
        ("no_vwap", {2, 7, 10, 12, 13, 15, 16, 20, 21, 22, 29, 32, 38, 52, 53}),
        ("auction", {8, 17, 18, 19, 25, 28, 55}),
        ("closing", {8, 19}),
        ("corrected", {38}),
        ("official_open", {16}),
        ("official_close", {15}),
    ],
)
def test_the_shipped_rules_are_the_consolidated_columns(rule: str, ids: set[int]) -> None:
    assert getattr(US_RULES, rule) & ~UNKNOWN == mask_of(ids)


def test_an_unknown_condition_moves_no_price() -> None:
    for rule in ("no_last", "no_high_low", "no_vwap", "not_clean"):
        assert getattr(US_RULES, rule) & UNKNOWN
    assert not US_RULES.no_volume & UNKNOWN


def test_open_rules_bar_nothing() -> None:
    assert not any(getattr(OPEN_RULES, name) for name in OPEN_RULES.__struct_fields__)
