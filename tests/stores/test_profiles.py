"""Minute-volume profiles: what was recorded comes back as means by minute."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from tapelight.errors import Rejected
from tapelight.model.universe import Universe
from tapelight.stores.profiles import read_profile, write_session

CURVE = np.full(960, 1 / 960)


def write(folder: Path, day: int, volume: float) -> None:
    write_session(folder, dt.date(2026, 11, day), ["AAA", "BBB"], [0, 0, 1], [5, 6, 5],
                  [volume, 10.0, 7.0])  # fmt: skip


def test_means_by_minute_over_the_sessions_before(tmp_path: Path) -> None:
    for day, volume in ((16, 100.0), (17, 300.0), (18, 9999.0)):
        write(tmp_path, day, volume)
    universe = Universe(["BBB"])
    profile = read_profile(tmp_path, dt.date(2026, 11, 18), universe, CURVE)
    assert profile is not None
    assert universe.symbols == ["BBB", "AAA"]
    assert profile.rows.tolist() == [1, 0]
    assert profile.sessions.tolist() == [2, 2]
    assert profile.volume[0, [4, 5, 6]].tolist() == [0.0, 200.0, 10.0]
    assert profile.volume[1, 5] == 7.0


def test_only_the_newest_twenty_count(tmp_path: Path) -> None:
    for day in range(1, 26):
        write(tmp_path, day, float(day))
    profile = read_profile(tmp_path, dt.date(2026, 12, 1), Universe(), CURVE)
    assert profile is not None
    assert profile.sessions.tolist() == [20, 20]
    assert profile.volume[0, 5] == pytest.approx(sum(range(6, 26)) / 20)


def test_nothing_recorded_is_none(tmp_path: Path) -> None:
    assert read_profile(tmp_path, dt.date(2026, 11, 18), Universe(), CURVE) is None


def test_a_file_that_is_no_profile_is_named(tmp_path: Path) -> None:
    (tmp_path / "2026-11-17.parquet").write_bytes(b"no parquet")
    with pytest.raises(Rejected, match="2026-11-17"):
        read_profile(tmp_path, dt.date(2026, 11, 18), Universe(), CURVE)
