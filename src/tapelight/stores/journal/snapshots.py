"""Snapshot files: named arrays and bytes beside the segments, named SEQUENCE-TIME.

SEQUENCE is that of the journal's last record inside, TIME its last mark in ns. A run that goes
on from the session before begins with a snapshot of sequence 0. A file is a magic line, the items
as one compressed stream, and the checksum of what stands before it. Written and read in pieces,
so that 200 MB of windows cost no further memory.
"""

import os
import struct
import zlib
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import zstandard

from tapelight.stores.journal.segments import first_record, segments

MAGIC = b"TAPELIGHT-SNAPSHOT-2\n"
SUFFIX = ".tls"
KEEP = 2
"""The newest ones, for a restart. Of the older ones one in `SPACING_NS` or a segment stays, for the past."""
SPACING_NS = 120_000_000_000
BUDGET_BYTES = 3_000_000_000
"""Of all snapshots of a run: beyond, the older ones stand further apart."""
PIECE = 1 << 20
_CRC = struct.Struct("<I")
_ITEM = struct.Struct("<HBQ")
_BYTES, _ARRAY = range(2)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Tell what a snapshot file holds: the state after record `seq`, at the mark `ts_ns`."""

    seq: int
    ts_ns: int
    path: Path


class _Summed:
    """Write to a file and keep the checksum of what was written."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.handle = handle
        self.crc = 0

    def write(self, data: bytes) -> int:
        """Write a piece."""
        self.crc = zlib.crc32(data, self.crc)
        return self.handle.write(data)


def write_snapshot(folder: Path, seq: int, state: Mapping[str, Any], ts_ns: int = 0) -> Path:
    """Write the state after record `seq` and thin out the older ones; raises OSError."""
    path = folder / f"{seq:012d}-{ts_ns}{SUFFIX}"
    draft = path.with_suffix(".draft")
    try:
        with draft.open("wb") as handle:
            _write(handle, state)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    _thin(places(folder), segments(folder))
    return path


def _thin(found: list[Place], journal: list[Path]) -> None:
    """Drop what lies nearer than `SPACING_NS` to the one before; the first and newest stay.

    So does one with a segment begun since the one before: the busier the market, the less time
    lies between two. The budget is the journal's own size where that is more.
    """
    held = sum(place.path.stat().st_size for place in found)
    budget = max(BUDGET_BYTES, sum(path.stat().st_size for path in journal))
    spacing_ns = SPACING_NS * (1 + held // budget)
    begins = [seq for path in journal if (seq := first_record(path)) is not None]
    kept_ns, kept_in = -spacing_ns, 0
    for place in found[:-KEEP]:
        apart = place.seq == 0 or place.ts_ns - kept_ns >= spacing_ns
        segment = bisect(begins, place.seq) if held <= budget else 0
        if apart or segment > kept_in:
            kept_ns, kept_in = place.ts_ns, segment
        else:
            place.path.unlink()


def drop_after(folder: Path, seq: int) -> None:
    """Delete the snapshots of records that the journal has lost: others will bear their numbers."""
    for place in places(folder):
        if place.seq > seq:
            place.path.unlink()


def _write(handle: IO[bytes], state: Mapping[str, Any]) -> None:
    summed = _Summed(handle)
    summed.write(MAGIC)
    compressor = zstandard.ZstdCompressor(level=1)
    with compressor.stream_writer(summed, closefd=False) as stream:  # type: ignore[arg-type]
        for name, value in state.items():
            raw = isinstance(value, bytes)
            length = len(value) if raw else 0
            label = name.encode()
            stream.write(_ITEM.pack(len(label), _BYTES if raw else _ARRAY, length) + label)
            if raw:
                stream.write(value)
            else:
                np.lib.format.write_array(stream, np.ascontiguousarray(value), allow_pickle=False)
        stream.write(_ITEM.pack(0, 0, 0))
    handle.write(_CRC.pack(summed.crc))


def read_snapshot(
    folder: Path, at_most: int | None = None, until_ns: int | None = None
) -> tuple[int, dict[str, Any]] | None:
    """Return (sequence, state) of the newest sound snapshot, None when there is none.

    One above `at_most`, the journal's last record, is passed over: a kill may leave a snapshot
    of records that had not reached their segment. So is one of a mark after `until_ns`.
    """
    for place in reversed(places(folder)):
        if at_most is not None and place.seq > at_most:
            continue
        if until_ns is not None and place.ts_ns > until_ns:
            continue
        state = read_state(place.path)
        if state is not None:
            return place.seq, state
    return None


def places(folder: Path) -> list[Place]:
    """Return the snapshot files of a run, oldest first."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        seq, _, ts = path.stem.partition("-")
        if seq.isdigit() and ts.isdigit():
            found.append(Place(int(seq), int(ts), path))
    return sorted(found)


def read_state(path: Path) -> dict[str, Any] | None:
    """Return a snapshot's state, None when the file is torn, corrupt, or not to be made out."""
    length = path.stat().st_size - _CRC.size
    with path.open("rb") as handle:
        if length < len(MAGIC) or not _sound(handle, length):
            return None
        handle.seek(0)
        if handle.read(len(MAGIC)) != MAGIC:
            return None
        with zstandard.ZstdDecompressor().stream_reader(handle, closefd=False) as stream:
            try:
                return dict(_items(stream))
            except (ValueError, struct.error, zstandard.ZstdError):
                return None


def _sound(handle: IO[bytes], length: int) -> bool:
    """Tell whether the first `length` bytes have the checksum that follows them."""
    crc = 0
    while length:
        piece = handle.read(min(PIECE, length))
        crc = zlib.crc32(piece, crc)
        length -= len(piece)
    return handle.read() == _CRC.pack(crc)


def _items(stream: Any) -> Iterator[tuple[str, Any]]:
    while True:
        width, kind, length = _ITEM.unpack(stream.read(_ITEM.size))
        if width == 0:
            return
        name = stream.read(width).decode()
        if kind == _BYTES:
            yield name, stream.read(length)
        else:
            yield name, np.lib.format.read_array(stream, allow_pickle=False)
