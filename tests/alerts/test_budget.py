"""How often something happened before a moment."""

from hypothesis import given
from hypothesis import strategies as st

from tapelight.alerts.budget import OLDEST_NS, Recent

MOMENTS = st.integers(0, OLDEST_NS)


@given(st.lists(MOMENTS), MOMENTS, st.integers(1, OLDEST_NS))
def test_what_happened_within_a_span_is_counted_in_whatever_order_it_came(
    times: list[int], now: int, span: int
) -> None:
    recent = Recent()
    for time in times:
        recent.add(time)
    kept = [time for time in times if time > max(times) - OLDEST_NS]
    assert recent.within(span, now) == sum(now - span < time <= now for time in kept)


def test_what_is_long_ago_is_forgotten() -> None:
    recent = Recent()
    for time in (1, OLDEST_NS, 2 * OLDEST_NS):
        recent.add(time)
    assert recent.within(3 * OLDEST_NS, 2 * OLDEST_NS) == 1
