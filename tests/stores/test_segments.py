from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.journals import plain, records, write
from tapelight.stores.journal import segments
from tapelight.stores.journal.segments import Corrupt, Tail, cut, end_of, read_records
from tapelight.stores.journal.writer import Writer

FIRST = "00000001.tlj"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    write(folder, records(20))
    return folder


def copied(journal: Path, folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / FIRST).write_bytes(data)
    return folder


def last_block(journal: Path) -> int:
    """Return the byte at which the last block begins."""
    data = (journal / FIRST).read_bytes()
    return data.rindex(b"BLK1")


def test_records_come_back_in_order_and_by_value(journal: Path) -> None:
    assert [plain(r) for r in read_records(journal)] == [plain(r) for r in records(20)]


def test_only_what_is_above_a_sequence_is_read(journal: Path) -> None:
    whole = [plain(r) for r in read_records(journal)]
    for after in range(len(whole) + 1):
        assert [plain(r) for r in read_records(journal, after)] == whole[after:]


def test_a_tail_torn_at_any_byte_of_the_last_block_is_cut(journal: Path, tmp_path: Path) -> None:
    data, begin = (journal / FIRST).read_bytes(), last_block(journal)
    kept = [plain(r) for r in read_records(copied(journal, tmp_path, data[:begin]))]
    assert len(kept) == 40
    for end in range(begin, len(data)):
        folder = copied(journal, tmp_path, data[:end])
        tail = Tail()
        assert [plain(r) for r in read_records(folder, 0, tail)] == kept
        assert (tail.records, tail.torn_bytes, tail.length) == (40, end - begin, begin)
        assert end_of(folder) == tail
        cut(tail)
        assert (folder / FIRST).read_bytes() == data[:begin]


def test_a_segment_of_which_only_a_part_of_the_magic_was_written_goes(
    journal: Path, tmp_path: Path
) -> None:
    data = (journal / FIRST).read_bytes()
    for length in range(len(segments.MAGIC)):
        folder = copied(journal, tmp_path, data)
        (folder / "00000002.tlj").write_bytes(segments.MAGIC[:length])
        tail = end_of(folder)
        assert tail.records == 41
        cut(tail)
        assert segments.segments(folder) == [folder / FIRST]
        assert len(list(read_records(folder))) == 41


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_reported_with_file_and_place(
    journal: Path, tmp_path: Path, place: float, bit: int
) -> None:
    data = bytearray((journal / FIRST).read_bytes())
    at = int(place * len(data))
    data[at] ^= 1 << bit
    with pytest.raises(Corrupt) as caught:
        list(read_records(copied(journal, tmp_path, bytes(data))))
    assert FIRST in str(caught.value)
    begin = int(str(caught.value).split("byte ")[1].split()[0])
    assert begin <= at
    block = bytes(data[begin:at]) if begin else b""
    assert b"BLK1" not in block[4:], "the place is that of the block with the flipped bit"


def test_every_byte_of_a_head_is_covered(journal: Path, tmp_path: Path) -> None:
    data, begin = (journal / FIRST).read_bytes(), last_block(journal)
    for at in range(begin, begin + segments.HEAD_BYTES):
        bad = bytearray(data)
        bad[at] ^= 0x80
        with pytest.raises(Corrupt, match=f"the head of the block at byte {begin} is corrupt"):
            list(read_records(copied(journal, tmp_path, bytes(bad))))


def test_a_torn_segment_that_is_not_the_last_is_corrupt(journal: Path, tmp_path: Path) -> None:
    data = (journal / FIRST).read_bytes()
    folder = copied(journal, tmp_path, data[:-1])
    (folder / "00000002.tlj").write_bytes(segments.MAGIC)
    with pytest.raises(
        Corrupt, match=f"ends in the middle of the block at byte {last_block(journal)}"
    ):
        list(read_records(folder))


def test_a_missing_segment_is_told(tmp_path: Path) -> None:
    write(tmp_path, records(40), segment_bytes=500)
    paths = segments.segments(tmp_path)
    assert len(paths) > 3
    assert len(list(read_records(tmp_path))) == 81
    begin = segments.first_record(paths[1])
    paths[1].unlink()
    with pytest.raises(Corrupt, match=f"but record {begin} is due"):
        list(read_records(tmp_path))


def test_a_restart_reads_only_the_segments_that_it_needs(tmp_path: Path) -> None:
    write(tmp_path, records(40), segment_bytes=500)
    paths = segments.segments(tmp_path)
    bad = bytearray(paths[0].read_bytes())
    bad[-1] ^= 1
    paths[0].write_bytes(bad)
    begin = segments.first_record(paths[-1]) or 0
    rest = [plain(r) for r in read_records(tmp_path, begin)]
    assert rest == [plain(r) for r in records(40)][begin:]
    assert end_of(tmp_path).records == 81


def test_a_run_that_goes_on_numbers_records_and_segments_on(journal: Path, tmp_path: Path) -> None:
    folder = copied(journal, tmp_path, (journal / FIRST).read_bytes())
    writer = Writer(folder, end_of(folder).records)
    writer.append(records(1)[0])
    writer.close()
    assert [p.name for p in segments.segments(folder)] == [FIRST, "00000002.tlj"]
    assert len(list(read_records(folder))) == 42
    assert end_of(folder).records == 42


def test_nothing_is_read_from_an_empty_folder(tmp_path: Path) -> None:
    assert list(read_records(tmp_path)) == []
    assert end_of(tmp_path) == Tail()
