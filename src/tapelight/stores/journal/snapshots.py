"""Snapshot files: named arrays and bytes beside the segments, named by the journal's sequence."""

import io
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

MAGIC = b"TAPELIGHT-SNAPSHOT-1\n"
SUFFIX = ".tls"
KEEP = 2
_CRC = struct.Struct("<I")
_HEAD_BYTES = len(MAGIC) + _CRC.size


def write_snapshot(folder: Path, seq: int, state: Mapping[str, Any]) -> Path:
    """Write the state after record `seq`, then drop all but the newest two; raises OSError."""
    items = {name: _packed(value) for name, value in state.items()}
    body = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(items))
    path = folder / f"{seq:012d}{SUFFIX}"
    draft = path.with_suffix(".draft")
    try:
        with draft.open("wb") as handle:
            handle.write(MAGIC + _CRC.pack(zlib.crc32(body)))
            handle.write(body)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    for old in _snapshots(folder)[:-KEEP]:
        old.unlink()
    return path


def read_snapshot(folder: Path, at_most: int | None = None) -> tuple[int, dict[str, Any]] | None:
    """Return (sequence, state) of the newest sound snapshot, None when there is none.

    One above `at_most`, the journal's last record, is passed over: a kill may leave a snapshot
    of records that had not reached their segment.
    """
    for path in reversed(_snapshots(folder)):
        seq = int(path.stem)
        if at_most is not None and seq > at_most:
            continue
        state = _read(path)
        if state is not None:
            return seq, state
    return None


def _snapshots(folder: Path) -> list[Path]:
    """Return the snapshot files, oldest first."""
    return sorted(p for p in folder.glob(f"*{SUFFIX}") if p.stem.isdigit())


def _packed(value: Any) -> tuple[str, bytes]:
    if isinstance(value, bytes):
        return "bytes", value
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(value), allow_pickle=False)
    return "array", buffer.getvalue()


def _read(path: Path) -> dict[str, Any] | None:
    """Return a snapshot's state, None when the file is torn or corrupt."""
    data = path.read_bytes()
    if len(data) < _HEAD_BYTES or not data.startswith(MAGIC):
        return None
    body = data[_HEAD_BYTES:]
    if _CRC.unpack_from(data, len(MAGIC))[0] != zlib.crc32(body):
        return None
    items = msgspec.msgpack.decode(
        zstandard.ZstdDecompressor().decompress(body), type=dict[str, tuple[str, bytes]]
    )
    return {name: _unpacked(kind, raw) for name, (kind, raw) in items.items()}


def _unpacked(kind: str, raw: bytes) -> Any:
    if kind == "bytes":
        return raw
    return np.lib.format.read_array(io.BytesIO(raw), allow_pickle=False)
