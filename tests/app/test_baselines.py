"""The usual volume by time of day, laid over the exchange's hours."""

from pathlib import Path

import numpy as np
import pytest

from tapelight.app.baselines import profile_for
from tapelight.market.baseline import market_curve
from tapelight.model.records import Profile
from tapelight.model.session import calendar, parse_time, session_after
from tapelight.model.universe import Universe


def profile(tmp_path: Path, name: str, day: str) -> Profile:
    session = session_after(calendar(name), parse_time(f"{day}T00:00:00+00:00", None))  # type: ignore[arg-type]
    return profile_for(tmp_path, "a-feed", session, Universe())


def test_new_york_has_the_shipped_curve_half_days_too(tmp_path: Path) -> None:
    for day in ("2026-11-20", "2026-11-27"):
        assert profile(tmp_path, "XNYS", day).minute.tolist() == market_curve().minute.tolist()


def test_the_curve_of_india_is_a_u_over_its_own_hours(tmp_path: Path) -> None:
    minute = profile(tmp_path, "XNSE", "2026-11-20").minute
    assert minute.sum() == pytest.approx(1.0)
    before, regular, after = minute[:15], minute[15:390], minute[390:420]
    assert minute[420:].sum() == 0.0
    assert before.sum() == pytest.approx(0.012)
    assert after.sum() == pytest.approx(0.01)
    assert regular[0] > 2.0 * regular.min()
    assert regular[-1] > 2.0 * regular.min()
    assert 100 < int(np.argmin(regular)) < 300
