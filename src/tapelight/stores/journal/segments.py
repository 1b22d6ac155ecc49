"""Segment files: a magic line, then blocks of records, each with checksums of head and body.

A block that ends before its length is a torn tail (a kill in mid-write) and is cut; a checksum
that does not match is corruption and is reported with file and place.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
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
    """Sequence of the last record."""
    torn_bytes: int = 0
    path: Path | None = None
    """The last segment."""
    length: int = 0
    """Good bytes of the last segment."""


@dataclass(frozen=True, slots=True)
class Block:
    """Hold one block's place and its packed records."""

    first_seq: int
    count: int
    body: bytes
    offset: int

    @property
    def last_seq(self) -> int:
        """Return the sequence of the block's last record."""
        return self.first_seq + self.count - 1


def pack_block(first_seq: int, items: list[bytes], compressor: zstandard.ZstdCompressor) -> bytes:
    """Return a block of wire records, ready to be appended."""
    body = compressor.compress(b"".join(_LENGTH.pack(len(i)) + i for i in items))
    head = _HEAD.pack(_BLOCK, len(body), len(items), first_seq, zlib.crc32(body))
    return head + _CRC.pack(zlib.crc32(head)) + body


def segments(folder: Path) -> list[Path]:
    """Return the segment files of a run, oldest first."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"))


def read_records(folder: Path, after: int = 0, tail: Tail | None = None) -> Iterator[Record]:
    """Yield the records whose sequence is above `after`; raises Corrupt.

    `tail`, when given, is filled with where the journal ends.
    """
    tail = tail or Tail()
    paths = segments(folder)
    chosen = needed(paths, after)
    due = 1 if chosen == paths else 0
    for path in chosen:
        for block in _blocks(path, path == paths[-1], tail):
            _check_sequence(block, path, due)
            tail.records, due = block.last_seq, block.last_seq + 1
            if tail.records <= after:
                continue
            for i, item in enumerate(items_of(block)):
                if block.first_seq + i > after:
                    yield _record(item, path, block)


def end_of(folder: Path) -> Tail:
    """Return where the journal ends, reading no more than its last segments; raises Corrupt."""
    paths = segments(folder)
    end: Tail | None = None
    for path in reversed(paths):
        tail = Tail()
        for block in _blocks(path, path == paths[-1], tail):
            tail.records = block.last_seq
        end = end or tail
        end.records = tail.records
        if end.records:
            break
    return end or Tail()


def cut(tail: Tail) -> None:
    """Cut the torn tail off the file, so that the next segment can follow it."""
    if not tail.torn_bytes or tail.path is None:
        return
    if tail.length <= len(MAGIC):
        tail.path.unlink()
    else:
        os.truncate(tail.path, tail.length)


def needed(paths: list[Path], after: int) -> list[Path]:
    """Return the segments that may hold a record above `after`: all from the last that begins below."""
    if after <= 0:
        return paths
    first = 0
    for i, path in enumerate(paths):
        begin = first_record(path)
        if begin is not None and begin <= after + 1:
            first = i
    return paths[first:]


def first_record(path: Path) -> int | None:
    """Return the sequence of a segment's first record, None when its head can't tell."""
    with path.open("rb") as handle:
        data = handle.read(len(MAGIC) + HEAD_BYTES)[len(MAGIC) :]
    if (
        len(data) < HEAD_BYTES
        or zlib.crc32(data[: _HEAD.size]) != _CRC.unpack(data[_HEAD.size :])[0]
    ):
        return None
    seq: int = _HEAD.unpack(data[: _HEAD.size])[3]
    return seq


def _check_sequence(block: Block, path: Path, due: int) -> None:
    """Raise Corrupt unless the block begins with record `due`; 0 takes any."""
    if due and block.first_seq != due:
        raise Corrupt(
            f"{path.name}: the block at byte {block.offset} begins with record {block.first_seq}, "
            f"but record {due} is due: restore the missing segment from a copy."
        )


def _record(item: bytes, path: Path, block: Block) -> Record:
    try:
        return decode(item)
    except Rejected as error:
        raise Corrupt(f"{path.name}, block at byte {block.offset}: {error}") from error


def items_of(block: Block) -> Iterator[bytes]:
    """Yield the wire form of each record of a block."""
    data = zstandard.ZstdDecompressor().decompress(block.body)
    at = 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


def _blocks(path: Path, last: bool, tail: Tail) -> Iterator[Block]:
    data = path.read_bytes()
    tail.path, tail.torn_bytes, tail.length = path, 0, 0
    if not data.startswith(MAGIC):
        if last and MAGIC.startswith(data):
            tail.torn_bytes = len(data) or 1
            return
        raise Corrupt(
            f"{path.name}: byte 0 is not the beginning of a journal segment: restore it from a copy."
        )
    at = tail.length = len(MAGIC)
    while at < len(data):
        block = block_at(data, at, path)
        if block is None:
            if not last:
                raise Corrupt(f"{path.name} ends in the middle of the block at byte {at}.")
            tail.torn_bytes = len(data) - at
            return
        at += HEAD_BYTES + len(block.body)
        tail.length = at
        yield block


def block_at(data: bytes, at: int, path: Path) -> Block | None:
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
