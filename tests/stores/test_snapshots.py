import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard

from tapelight.stores.journal import segments, snapshots
from tapelight.stores.journal.segments import pack_block
from tapelight.stores.journal.snapshots import (
    drop_after,
    places,
    read_snapshot,
    write_snapshot,
)

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


MINUTE_NS = 60_000_000_000


def written(folder: Path, minutes: range) -> list[int]:
    for minute in minutes:
        write_snapshot(folder, 100 * minute, STATE, minute * MINUTE_NS)
    return [p.ts_ns // MINUTE_NS for p in places(folder)]


def test_the_newest_two_stay_and_one_in_two_minutes(tmp_path: Path) -> None:
    assert written(tmp_path, range(10)) == [0, 2, 4, 6, 8, 9]


def test_more_stay_where_the_market_is_busy(tmp_path: Path) -> None:
    for number, begin in enumerate((1, 350, 520), 1):
        block = pack_block(begin, [b"record"], zstandard.ZstdCompressor())
        (tmp_path / f"{number:08d}.tlj").write_bytes(segments.MAGIC + block)
    assert written(tmp_path, range(1, 10)) == [1, 3, 4, 6, 8, 9]


def test_beyond_their_budget_the_older_ones_stand_further_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = write_snapshot(tmp_path, 0, STATE).stat().st_size
    monkeypatch.setattr(snapshots, "BUDGET_BYTES", 4 * size)
    assert written(tmp_path, range(1, 12)) == [0, 4, 8, 10, 11]


def test_the_first_of_a_run_stays_for_good(tmp_path: Path) -> None:
    for seq, ts_ns in ((0, 1), (7, 2), (8, 3), (9, 4)):
        write_snapshot(tmp_path, seq, STATE, ts_ns)
    assert [p.seq for p in places(tmp_path)] == [0, 8, 9]


def test_the_nearest_before_a_time_is_found(tmp_path: Path) -> None:
    for minute in (1, 6, 11):
        write_snapshot(tmp_path, minute, STATE, minute * MINUTE_NS)
    found = [read_snapshot(tmp_path, until_ns=m * MINUTE_NS) for m in (0, 1, 10, 11, 99)]
    assert [f and f[0] for f in found] == [None, 1, 6, 11, 11]


def test_those_of_lost_records_are_dropped(tmp_path: Path) -> None:
    for seq in (5, 60):
        write_snapshot(tmp_path, seq, STATE)
    drop_after(tmp_path, 59)
    assert [p.seq for p in places(tmp_path)] == [5]


def test_one_ahead_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    for seq in (5, 60):
        write_snapshot(tmp_path, seq, STATE)
    assert [read_snapshot(tmp_path, n)[0] for n in (60, 59, 5)] == [60, 5, 5]  # type: ignore[index]
    assert read_snapshot(tmp_path, 4) is None


def test_a_corrupt_or_torn_one_gives_way_to_the_older(tmp_path: Path) -> None:
    write_snapshot(tmp_path, 5, STATE)
    data = write_snapshot(tmp_path, 60, STATE).read_bytes()
    newest = tmp_path / "000000000060-0.tls"
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 4
        newest.write_bytes(bad)
        assert read_snapshot(tmp_path)[0] == 5  # type: ignore[index]
        newest.write_bytes(data[:at])
        assert read_snapshot(tmp_path)[0] == 5  # type: ignore[index]


def test_a_name_may_have_any_letters(tmp_path: Path) -> None:
    write_snapshot(tmp_path, 5, {"scan.größe:held": np.arange(3), "scan.価格:life": b"x"})
    found = read_snapshot(tmp_path)
    assert found is not None
    assert list(found[1]) == ["scan.größe:held", "scan.価格:life"]
    assert found[1]["scan.größe:held"].tolist() == [0, 1, 2]


ITEM = struct.Struct("<HBQ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        ITEM.pack(1, 0, 2)[:-1],
        ITEM.pack(1, 0, 1) + "ß".encode(),
        ITEM.pack(1, 1, 0) + b"a" + b"no array",
        None,
    ],
)
def test_a_sound_sum_over_what_nobody_can_read_gives_way_too(
    tmp_path: Path, body: bytes | None
) -> None:
    write_snapshot(tmp_path, 5, STATE)
    packed = b"no stream at all" if body is None else zstandard.compress(body)
    data = snapshots.MAGIC + packed
    (tmp_path / "000000000060-0.tls").write_bytes(data + struct.pack("<I", zlib.crc32(data)))
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
