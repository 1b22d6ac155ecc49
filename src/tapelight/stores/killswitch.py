"""The kill switch as a file: it works with nothing running, and a restart finds it."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from tapelight.errors import Unavailable
from tapelight.model.order_log import Armed, Killed
from tapelight.model.trading import DRY

FILE = "KILL"
_decoder: msgspec.json.Decoder[Killed | Armed] = msgspec.json.Decoder(Killed | Armed)


class KillFile:
    """Keep what was last asked for in `KILL`, replaced whole.

    An empty file (`touch KILL`), or one that nobody can read, kills as well.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._taken = folder / f"{FILE}.taken"

    def read(self) -> Killed | Armed | None:
        """Return what was last asked for; None = nothing since the desk took it in.

        A kill that a crash left half taken away (see `clear`) still holds.
        """
        found = (_read(self._taken), _read(self.path))
        return next((asked for asked in found if isinstance(asked, Killed)), found[1])

    def trip(self, killed: Killed) -> None:
        """Switch on; durable on return. Raises Unavailable."""
        self._put(killed)

    def arm(self, armed: Armed) -> None:
        """Ask the desk to arm, for a person; durable on return. Raises Unavailable."""
        self._put(armed)
        self._taken.unlink(missing_ok=True)

    def clear(self, asked: Killed | Armed) -> None:
        """Forget what was asked for, unless something else was asked since. Raises Unavailable.

        The file is set aside first and looked at then: whoever writes a new one meanwhile is not
        in the way, and is not overlooked.
        """
        try:
            if isinstance(_read(self._taken), Armed):
                self._taken.unlink()
            if not self._taken.exists():
                self.path.rename(self._taken)
            if _read(self._taken) != asked:
                with suppress(FileExistsError):
                    self.path.hardlink_to(self._taken)
            self._taken.unlink()
            _sync(self.path.parent)
        except FileNotFoundError:
            return
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


def desk_folders(folder: Path) -> list[Path]:
    """Return where the switches of a data folder are: the desk's, and the paper desk's beside a broker."""
    dry = folder / DRY
    return [folder, *([dry] if dry.is_dir() else [])]


def _read(path: Path) -> Killed | Armed | None:
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Killed(0, f"a file {FILE} is there", "file")


def _sync(folder: Path) -> None:
    """Make a change of names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
