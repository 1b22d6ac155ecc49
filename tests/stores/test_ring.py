"""The ring of raw frames: what came lately can be decoded again."""

from pathlib import Path

import msgspec
import pytest

from tapelight.feeds.massive.decode import Decoder
from tapelight.model.records import Mark
from tapelight.model.universe import Universe
from tapelight.stores.journal import ring
from tapelight.stores.journal.ring import Ring, Waiting, read_frames, ring_files
from tapelight.stores.journal.segments import read_records
from tapelight.stores.journal.writer import Writer

T0 = 1_795_185_000_000


def frame(i: int) -> bytes:
    """Return a frame of two trades as Massive sends them."""
    trade = {"ev": "T", "sym": "AAPL", "x": 4, "p": 190.0 + i / 100, "s": 100, "t": T0 + i, "q": i}
    return msgspec.json.encode([trade, {**trade, "sym": "TSLA"}])


def test_frames_beside_the_journal_are_decoded_again(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    sent = [[frame(i), frame(i + 1)] for i in range(0, 40, 2)]
    for i, frames in enumerate(sent):
        writer.raw.add(T0 * 10**6 + i, frames)
        writer.append(Mark(T0 * 10**6 + i, 0))
        writer.tick(force=i % 5 == 0)
    writer.close()
    told = list(read_frames(tmp_path))
    assert [f for _, frames in told for f in frames] == [f for frames in sent for f in frames]
    assert told[0][0] == T0 * 10**6
    decoder = Decoder(Universe())
    batches = [decoder.decode(frames, ts_ns).batch for ts_ns, frames in told]
    prices = [p for b in batches if b and b.trades for p in b.trades.price.tolist()]
    assert prices == [190.0 + i / 100 for i in range(40) for _ in range(2)]


def test_the_journal_goes_on_where_the_ring_can_not(tmp_path: Path) -> None:
    for number in range(1, ring.FILES + 1):
        (tmp_path / f"raw-{number:08d}.tlr").mkdir()
    writer = Writer(tmp_path)
    for i in range(3):
        writer.raw.add(T0 * 10**6 + i, [frame(i)])
        writer.append(Mark(T0 * 10**6 + i, 0))
        writer.tick(force=True)
    writer.close()
    assert writer.state == "ok"
    assert writer.ring_state == "failed: Is a directory; mend the disk and restart"
    assert len(list(read_records(tmp_path))) == 3


def test_the_oldest_file_goes_when_a_new_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "FILE_BYTES", 10)
    mine = Ring(tmp_path)
    for i in range(12):
        mine.write([(i, [frame(i)])])
    mine.close()
    assert [p.stem for p in ring_files(tmp_path)] == [f"raw-{n:08d}" for n in range(5, 13)]
    assert [ts for ts, _ in read_frames(tmp_path)] == list(range(4, 12))
    again = Ring(tmp_path)
    again.write([(99, [frame(99)])])
    again.close()
    assert ring_files(tmp_path)[-1].stem == "raw-00000013"


def test_a_torn_and_a_corrupt_block_are_passed_over(tmp_path: Path) -> None:
    mine = Ring(tmp_path)
    for i in range(3):
        mine.write([(i, [frame(i)])])
    mine.close()
    (path,) = ring_files(tmp_path)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-3])
    assert [ts for ts, _ in read_frames(tmp_path)] == [0, 1]
    data[40] ^= 1
    path.write_bytes(data)
    assert [ts for ts, _ in read_frames(tmp_path)] == [1, 2]


def test_what_waits_is_bounded_and_what_is_left_out_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ring, "WAITING_BYTES", 250)
    waiting = Waiting()
    for i in range(4):
        waiting.add(i, [b"x" * 100])
    assert (len(waiting.take()), waiting.left_out) == (2, 2)
    assert waiting.take() == []
    waiting.add(9, [b"x" * 100])
    assert waiting.take() == [(9, [b"x" * 100])]
