from pathlib import Path

import numpy as np
import pytest

from tapelight.stores.journal.snapshots import read_snapshot, write_snapshot

STATE = {"a": np.arange(12.0).reshape(3, 4), "b": b"bytes", "c": np.zeros(0, "i8")}


def assert_state(found: dict[str, object] | None) -> None:
    assert found is not None
    assert list(found) == list(STATE)
    np.testing.assert_array_equal(found["a"], STATE["a"])
    assert found["b"] == b"bytes"
    assert np.asarray(found["c"]).dtype == np.int64


def test_a_snapshot_comes_back_by_value(tmp_path: Path) -> None:
    write_snapshot(tmp_path, 7, STATE)
    found = read_snapshot(tmp_path)
    assert found is not None
    assert found[0] == 7
    assert_state(found[1])


def test_the_newest_two_stay(tmp_path: Path) -> None:
    for seq in (5, 60, 700, 8000):
        write_snapshot(tmp_path, seq, STATE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000000700.tls", "000000008000.tls"]


def test_one_ahead_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    for seq in (5, 60):
        write_snapshot(tmp_path, seq, STATE)
    assert [read_snapshot(tmp_path, n)[0] for n in (60, 59, 5)] == [60, 5, 5]  # type: ignore[index]
    assert read_snapshot(tmp_path, 4) is None


def test_a_corrupt_or_torn_one_gives_way_to_the_older(tmp_path: Path) -> None:
    write_snapshot(tmp_path, 5, STATE)
    data = write_snapshot(tmp_path, 60, STATE).read_bytes()
    newest = tmp_path / "000000000060.tls"
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 4
        newest.write_bytes(bad)
        assert read_snapshot(tmp_path)[0] == 5  # type: ignore[index]
        newest.write_bytes(data[:at])
        assert read_snapshot(tmp_path)[0] == 5  # type: ignore[index]


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.tls").write_text("mine")
    write_snapshot(tmp_path, 5, STATE)
    assert read_snapshot(tmp_path)[0] == 5  # type: ignore[index]


def test_a_draft_does_not_stay_when_it_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(tmp_path, 5, STATE)
    assert list(tmp_path.iterdir()) == []
