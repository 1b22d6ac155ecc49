"""Whose strategies may run: those of the user's folder, and those that runs of this data ran.

A journal holds the text of own strategies, so that a replay runs the same code. The text of a
journal that came from somebody else is a program of theirs: it runs when the user says so.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tapelight.model.records import StrategyChoice

KNOWN = "strategies.known"
"""The file in the data folder that names what its runs ran: a hash a line."""
MACHINE = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class Trust:
    """Tell which texts of strategies may run in this process."""

    data: Path
    own: Path | None = None
    """The user's folder of strategies."""
    everything: bool = False
    """Whether the user said so: --trust-strategies."""

    def __call__(self, text: str) -> bool:
        """Tell whether a text may run."""
        key = _hash(text)
        return self.everything or key in _known(self.data) or key in self._mine()

    def _mine(self) -> set[str]:
        paths = self.own.glob("*.py") if self.own is not None and self.own.is_dir() else ()
        return {_hash(path.read_text("utf-8", "replace")) for path in paths}


def remember(data: Path, chosen: Mapping[str, StrategyChoice]) -> None:
    """Note in the data folder that a run of it runs these; raises OSError."""
    mine = {_hash(choice.source) for choice in chosen.values() if choice.source}
    fresh = sorted(mine - _known(data))
    if fresh:
        data.mkdir(parents=True, exist_ok=True)
        with (data / KNOWN).open("a", encoding="ascii") as file:
            file.writelines(f"{key}\n" for key in fresh)


def _known(data: Path) -> set[str]:
    path = data / KNOWN
    return set(path.read_text("ascii", "replace").split()) if path.is_file() else set()


def _hash(text: str) -> str:
    """Return a text's hash, keyed by this machine: a file that somebody else made names nothing."""
    return hashlib.blake2b(text.encode(), digest_size=32, key=_machine()[:64]).hexdigest()


def _machine() -> bytes:
    """Return this machine's id, empty where it has none."""
    try:
        return MACHINE.read_bytes().strip()
    except OSError:
        return b""
