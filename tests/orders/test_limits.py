"""No order escapes a limit, and none that fits is refused: 20,000 of them here."""

import re
from collections.abc import Callable

import pytest

from orders.limits import run_limits


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_thousand_generated_orders_keep_the_limits(
    record_property: Callable[[str, object], None],
) -> None:
    told = run_limits(20_000, seed=1)
    record_property("told", told)
    asked, approved = (int(number) for number in re.findall(r"\d+", told)[:2])
    assert asked >= 20_000
    assert approved > 200
