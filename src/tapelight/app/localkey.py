"""The key for programs on this machine: who may read the data folder may read the market."""

from pathlib import Path

from tapelight.stores.database import OWNER_ONLY

FILE = "gateway.key"


def write_local_key(data: Path, token: str) -> None:
    """Write the key of a gateway that starts, for its owner alone."""
    path = data / FILE
    path.touch(OWNER_ONLY)
    path.chmod(OWNER_ONLY)
    path.write_text(token + "\n", "utf-8")


def local_key(data: Path) -> str:
    """Return the key of the scanner of a data folder; empty where there is none to be read."""
    try:
        return (data / FILE).read_text("utf-8").strip()
    except (OSError, UnicodeError):
        return ""
