"""The key for programs on this machine: who may read the data folder may read the market."""

from pathlib import Path

from tapelight.stores.database import OWNER_ONLY

FILE = "gateway.key"
ADDRESS = "gateway.url"


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


def write_address(data: Path, host: str, port: int) -> None:
    """Write where the gateway that starts serves programs on this machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound
    name = everywhere.get(host, host)
    (data / ADDRESS).write_text(f"http://{f'[{name}]' if ':' in name else name}:{port}\n", "utf-8")


def local_address(data: Path) -> str:
    """Return where the scanner of a data folder last served; empty where that is not written."""
    try:
        return (data / ADDRESS).read_text("utf-8").strip()
    except (OSError, UnicodeError):
        return ""
