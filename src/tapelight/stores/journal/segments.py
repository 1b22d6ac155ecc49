"""Segment files: a magic line, then blocks of records, each with checksums of head and body.

A block that ends before its length is a torn tail (a kill in mid-write) and is cut; a checksum
that does not match is corruption and is reported with file and place.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from tapelight.errors import Rejected, TapelightError
from tapelight.model.codec import decode
from tapelight.model.records import Record

MAGIC = b"TAPELIGHT-JOURNAL-1\n"
SUFFIX = ".tlj"
SEGMENT_BYTES = 64 * 1024 * 1024
_HEAD = struct.Struct("<4sIIQI")
_CRC = struct.Struct("<I")
_LENGTH = struct.Struct("<I")
_BLOCK = b"BLK1"
HEAD_BYTES = _HEAD.size + _CRC.size


class Corrupt(TapelightError):
    """Say which block of which segment does not match its checksum."""


@dataclass(slots=True)
class Tail:
    """Tell where a journal really ends."""

    records: int = 0
    torn_bytes: int = 0
    path: Path | None = None
    length: int = 0
    """Good bytes of the last segment."""


@dataclass(frozen=True, slots=True)
class Block:
    """Hold one block's place and its packed records."""

    first_seq: int
    count: int
    body: bytes
    offset: int = 0
    items: list[bytes] = field(default_factory=list)


def pack_block(first_seq: int, items: list[bytes], compressor: zstandard.ZstdCompressor) -> bytes:
    """Return a block of wire records, ready to be appended."""
    body = compressor.compress(b"".join(_LENGTH.pack(len(i)) + i for i in items))
    head = _HEAD.pack(_BLOCK, len(body), len(items), first_seq, zlib.crc32(body))
    return head + _CRC.pack(zlib.crc32(head)) + body


def segments(folder: Path) -> list[Path]:
    """Return the segment files of a run, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read_records(folder: Path, after: int = 0, tail: Tail | None = None) -> Iterator[Record]:
    """Yield the records whose sequence is above `after`; raises Corrupt.

    `tail`, when given, is filled with where the journal ends.
    """
    tail = tail or Tail()
    paths = segments(folder)
    for path in paths:
        for block in _blocks(path, path == paths[-1], tail):
            tail.records = block.first_seq + block.count - 1
            if tail.records <= after:
                continue
            for i, item in enumerate(_items(block)):
                if block.first_seq + i > after:
                    yield _record(item, path, block)


def _record(item: bytes, path: Path, block: Block) -> Record:
    try:
        return decode(item)
    except Rejected as error:
        raise Corrupt(f"{path.name}, block at byte {block.offset}: {error}") from error


def _items(block: Block) -> Iterator[bytes]:
    data = zstandard.ZstdDecompressor().decompress(block.body)
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


def _blocks(path: Path, last: bool, tail: Tail) -> Iterator[Block]:
    data = path.read_bytes()
    tail.path = path
    if not data.startswith(MAGIC):
        if last and MAGIC.startswith(data):
            tail.torn_bytes, tail.length = len(data), 0
            return
        raise Corrupt(f"{path.name} does not begin as a journal segment: restore it from a copy.")
    at = len(MAGIC)
    while at < len(data):
        block = _block_at(data, at, path)
        if block is None:
            if not last:
                raise Corrupt(f"{path.name} ends in the middle of the block at byte {at}.")
            tail.torn_bytes = len(data) - at
            break
        at += HEAD_BYTES + len(block.body)
        yield block
    tail.length = at


def _block_at(data: bytes, at: int, path: Path) -> Block | None:
    """Return the block at byte `at`, None when the file ends inside it."""
    if len(data) - at < HEAD_BYTES:
        return None
    head = data[at : at + _HEAD.size]
    magic, length, count, first_seq, crc = _HEAD.unpack(head)
    (head_crc,) = _CRC.unpack_from(data, at + _HEAD.size)
    if magic != _BLOCK or zlib.crc32(head) != head_crc:
        raise Corrupt(f"{path.name}: the head of the block at byte {at} is corrupt.")
    begin = at + HEAD_BYTES
    if len(data) - begin < length:
        return None
    body = data[begin : begin + length]
    if zlib.crc32(body) != crc:
        last_seq = first_seq + count - 1
        raise Corrupt(
            f"{path.name}: the block at byte {at} (records {first_seq} to {last_seq}) is corrupt."
        )
    return Block(first_seq, count, body, at)
