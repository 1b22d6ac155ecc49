"""Parameters that each alone may be and that together never fire are refused with the reason."""

import pytest

from tapelight.errors import ConfigError
from tapelight.scan.source import choose, shipped


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_defaults_are_sound(name: str) -> None:
    assert choose(name).parameters == ""


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("vwap_reclaim", "below_min = 20", "below_min is 20 and of_bars 8, so it would never fire"),
        ("bull_flag", "flag_least = 8", "flag_least must be at most flag_most."),
        ("macd_cross", "fast = 30\nslow = 12", "fast is 30 and slow 12"),
        ("macd_cross", "fast = 26", "fast must be below slow"),
        ("new_hod", "ema_fast = 20", "ema_fast must be below ema_slow"),
        ("new_hod", "depth_min = 60", "depth_min is 60 and depth_max 50"),
        ("gap_fade", "end_min = 200", "end_min must be at most out_min"),
        ("gap_fade", "end_min = 0", "an entry after the time stop is out at once"),
        ("momentum_burst", "last_min = 300", "last_min is 300 and last_max 200"),
        ("opening_range", "end_min = 5", "begin_min must be below end_min"),
        ("new_hod", "valid_s = inf", "valid_s is inf: give a number that ends"),
        ("new_hod", "valid_s = 0", "valid_s: Expected `float` >= 1.0"),
    ],
)
def test_what_never_fires_is_refused(name: str, given: str, says: str) -> None:
    with pytest.raises(ConfigError, match=f"^strategy {name}: ") as raised:
        choose(name, given)
    assert says in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("vwap_reclaim", "below_min = 8"),
        ("gap_fade", "end_min = 200\nout_min = 200"),
        ("opening_range", "end_min = 0"),
    ],
)
def test_what_may_fire_is_taken(name: str, given: str) -> None:
    assert choose(name, given).parameters == given
