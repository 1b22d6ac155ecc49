"""Snapshot files: named arrays and bytes beside the segments, named by the journal's sequence."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

MAGIC = b"TAPELIGHT-SNAPSHOT-1\n"
KEEP = 2
_CRC = struct.Struct("<I")


def write_snapshot(folder: Path, seq: int, state: dict[str, Any]) -> Path:
    """Write the state after record `seq`, then drop all but the newest two."""
    items = {name: _packed(value) for name, value in state.items()}
    body = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(items))
    path = folder / f"{seq:012d}.tls"
    draft = path.with_suffix(".draft")
    with draft.open("wb") as handle:
        handle.write(MAGIC + _CRC.pack(zlib.crc32(body)) + body)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
    for old in sorted(folder.glob("*.tls"))[:-KEEP]:
        old.unlink()
    return path


def read_snapshot(folder: Path, at_most: int | None = None) -> tuple[int, dict[str, Any]] | None:
    """Return (sequence, state) of the newest sound snapshot, None when there is none."""
    for path in sorted(folder.glob("*.tls"), reverse=True):
        seq = int(path.stem)
        if at_most is not None and seq > at_most:
            continue
        state = _read(path)
        if state is not None:
            return seq, state
    return None


def _packed(value: Any) -> tuple[str, bytes]:
    if isinstance(value, bytes):
        return "bytes", value
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(value), allow_pickle=False)
    return "array", buffer.getvalue()


def _read(path: Path) -> dict[str, Any] | None:
    data = path.read_bytes()
    body = data[len(MAGIC) + _CRC.size :]
    if not data.startswith(MAGIC) or _CRC.unpack_from(data, len(MAGIC))[0] != zlib.crc32(body):
        return None
    items = msgspec.msgpack.decode(
        zstandard.ZstdDecompressor().decompress(body), type=dict[str, tuple[str, bytes]]
    )
    return {name: _unpacked(kind, raw) for name, (kind, raw) in items.items()}


def _unpacked(kind: str, raw: bytes) -> Any:
    if kind == "bytes":
        return raw
    return np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
