"""The journal as a stream: whole blocks as they reach the file, from any record on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tapelight.stores.journal.segments import HEAD_BYTES, MAGIC, Block, block_at, needed, segments

READ_BYTES = 1 << 20


class JournalTail:
    """Read a run's blocks behind record `after`, and go on as more are written."""

    def __init__(self, folder: Path, after: int) -> None:
        self.folder = folder
        self.after = after
        """The last record that was read."""
        self._path: Path | None = None
        self._handle: BinaryIO | None = None
        self._at = 0

    def read(self, most_bytes: int = READ_BYTES) -> bytes:
        """Return whole blocks, about as many as asked for; nothing where none is there yet.

        Raises Corrupt for a block that does not match its checksum.
        """
        taken: list[bytes] = []
        size = 0
        while size < most_bytes:
            found = self._next()
            if found is None:
                if not self._go_on():
                    break
                continue
            block, raw = found
            if block.last_seq > self.after:
                taken.append(raw)
                size += len(raw)
                self.after = block.last_seq
        return b"".join(taken)

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def _next(self) -> tuple[Block, bytes] | None:
        """Return the next whole block of the open segment."""
        if self._handle is None or self._path is None:
            return None
        fd = self._handle.fileno()
        head = os.pread(fd, HEAD_BYTES, self._at)
        if len(head) < HEAD_BYTES:
            return None
        length = int.from_bytes(head[4:8], "little")
        raw = head + os.pread(fd, length, self._at + HEAD_BYTES)
        block = block_at(raw, 0, self._path)
        if block is None:
            return None
        self._at += len(raw)
        return block, raw

    def _go_on(self) -> bool:
        """Open the next segment, if there is one and nothing is left in this one."""
        paths = segments(self.folder)
        if self._path is None:
            later = needed(paths, self.after)
        else:
            later = [path for path in paths if path > self._path]
        if not later or later[0].stat().st_size < len(MAGIC):
            return False
        found = self._next()  # it may have been written since the last look
        if found is not None:
            self._at -= len(found[1])
            return True
        self.close()
        self._path, self._at = later[0], len(MAGIC)
        self._handle = self._path.open("rb", buffering=0)
        return True


def blocks_in(data: bytes, source: Path) -> Iterator[tuple[Block, bytes]]:
    """Yield each block of a piece of a journal with its bytes; raises Corrupt where one is torn."""
    at = 0
    while at < len(data):
        block = block_at(data, at, source)
        if block is None:
            return
        end = at + HEAD_BYTES + len(block.body)
        yield block, data[at:end]
        at = end
