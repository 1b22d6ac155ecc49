"""The ring of raw frames: what came over the wire lately, kept beside the journal for decoder bugs.

Numbered files in the run's folder, eight at the most and eight megabytes each: the oldest goes
when a new one begins. A file is a row of blocks: head with checksum, then frames as one zstd frame.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import zstandard

SUFFIX = ".tlr"
FILES = 8
FILE_BYTES = 8 << 20
WAITING_BYTES = 16 << 20
"""Frames that wait for the journal's thread; what comes beyond is left out, and counted."""
_HEAD = struct.Struct("<4sqIII")
_MAGIC = b"RAW1"
_LENGTH = struct.Struct("<I")

Frames = Sequence[bytes]


class Waiting:
    """Hold frames until the journal's thread takes them: by reference, nothing is copied."""

    def __init__(self) -> None:
        self.left_out = 0
        """Frames that were not kept."""
        self._held: list[tuple[int, Frames]] = []
        self._bytes = 0

    def add(self, ts_ns: int, frames: Frames) -> None:
        """Keep frames received at market time `ts_ns`."""
        size = sum(map(len, frames))
        if self._bytes + size > WAITING_BYTES:
            self.left_out += len(frames)
            return
        self._held.append((ts_ns, frames))
        self._bytes += size

    def take(self) -> list[tuple[int, Frames]]:
        """Return what waits, and hold nothing more."""
        held, self._held, self._bytes = self._held, [], 0
        return held


class Ring:
    """Write frames into the ring's files; on the journal's thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._handle: BinaryIO | None = None
        self._size = 0

    def write(self, taken: list[tuple[int, Frames]]) -> None:
        """Append frames as one block; raises OSError."""
        if not taken:
            return
        frames = [frame for _, some in taken for frame in some]
        body = self._compressor.compress(b"".join(_LENGTH.pack(len(f)) + f for f in frames))
        head = _HEAD.pack(_MAGIC, taken[0][0], len(frames), len(body), zlib.crc32(body))
        if self._handle is None or self._size > FILE_BYTES:
            self._begin()
        assert self._handle is not None
        self._handle.write(head + body)
        self._handle.flush()
        self._size += len(head) + len(body)

    def _begin(self) -> None:
        self.close()
        found = ring_files(self._folder)
        number = int(found[-1].stem.removeprefix("raw-")) + 1 if found else 1
        for old in found[: max(len(found) - FILES + 1, 0)]:
            old.unlink()
        self._handle = (self._folder / f"raw-{number:08d}{SUFFIX}").open("xb")
        self._size = 0

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()


def ring_files(folder: Path) -> list[Path]:
    """Return the ring's files, oldest first."""
    return sorted(p for p in folder.glob(f"raw-*{SUFFIX}") if p.stem[4:].isdigit())


def read_frames(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (market time of the first frame, frames) of each block, oldest first.

    What a kill tore off, and a block whose checksum does not match, is passed over.
    """
    for path in ring_files(folder):
        data = path.read_bytes()
        at = 0
        while at + _HEAD.size <= len(data):
            magic, ts_ns, count, length, crc = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if magic != _MAGIC or len(body) < length:
                break
            at += _HEAD.size + length
            if zlib.crc32(body) == crc:
                yield ts_ns, _frames(body, count)


def _frames(body: bytes, count: int) -> list[bytes]:
    data = zstandard.ZstdDecompressor().decompress(body)
    frames, at = [], 0
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        frames.append(data[at : at + length])
        at += length
    return frames
