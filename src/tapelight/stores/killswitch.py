"""The kill switch as a file: it works with nothing running, and a restart finds it."""

import os
from pathlib import Path

import msgspec

from tapelight.errors import Unavailable
from tapelight.model.order_log import Armed, Killed

FILE = "KILL"
_decoder: msgspec.json.Decoder[Killed | Armed] = msgspec.json.Decoder(Killed | Armed)


class KillFile:
    """Keep what was last asked for in `KILL`, replaced whole.

    An empty file (`touch KILL`), or one that nobody can read, kills as well.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> Killed | Armed | None:
        """Return what was last asked for; None = nothing since the desk took it in."""
        try:
            return _decoder.decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return Killed(0, f"{self.path} is there", "file")

    def trip(self, killed: Killed) -> None:
        """Switch on; durable on return. Raises Unavailable."""
        self._put(killed)

    def arm(self, armed: Armed) -> None:
        """Ask the desk to arm, for a person; durable on return. Raises Unavailable."""
        self._put(armed)

    def clear(self) -> None:
        """Forget what was asked for. Raises Unavailable."""
        try:
            self.path.unlink(missing_ok=True)
            _sync(self.path.parent)
        except OSError as error:
            raise Unavailable(f"{self.path} can't be removed: {error.strerror}.") from error

    def _put(self, asked: Killed | Armed) -> None:
        beside = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(msgspec.json.encode(asked))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise Unavailable(f"{self.path} can't be written: {error.strerror}.") from error


def _sync(folder: Path) -> None:
    """Make a change of names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
