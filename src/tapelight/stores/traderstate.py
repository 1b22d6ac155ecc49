"""The trader's state as a file: what it last told of itself, also when it runs no more."""

from pathlib import Path

import msgspec

from tapelight.errors import Unavailable
from tapelight.model.trading import TraderReport

FILE = "trader.json"
_decoder = msgspec.json.Decoder(TraderReport)


def tell(folder: Path, report: TraderReport) -> None:
    """Replace what was told; not fsynced, as the next one follows at once. Raises Unavailable."""
    path = folder / FILE
    beside = path.with_suffix(".new")
    try:
        beside.write_bytes(msgspec.json.encode(report))
        beside.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} can't be written: {error.strerror}.") from error


def told(folder: Path) -> TraderReport | None:
    """Return what the trader last told; None where there is none, or one that nobody can read."""
    try:
        return _decoder.decode((folder / FILE).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
