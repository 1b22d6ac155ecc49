"""The fence of a reader: it lets nothing in that comes under an older token than it has seen."""

from pathlib import Path

import structlog

log = structlog.get_logger()
TOKEN = "token"  # noqa: S105 - a fencing token's file
REFUSED_S = 5.0
"""Nothing but what is refused for so long is told."""


class Fence:
    """Keep the highest token seen, and the one under which this reader got what it has; on its disk.

    Before it takes anything of a newer one, a reader asks up to where what it has holds.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / TOKEN
        self.token, self.applied = _kept(self._path)
        self.heard_s = float("-inf")
        """When something was let in last."""
        self._refused_s = float("-inf")
        self._told: set[int] = set()

    def lets_in(self, token: int, now_s: float) -> bool:
        """Tell whether what bears a token may come in; a higher one is kept."""
        if token < self.token:
            self._refused_s = now_s
            if token not in self._told:
                self._told.add(token)
                log.warning("fenced off: a feed without the lease still sends", token=token)
            return False
        self.heard_s = now_s
        if token > self.token:
            self.keep(token, self.applied)
        return True

    def keep(self, token: int, applied: int) -> None:
        """Keep both, as a whole or not at all."""
        self.token, self.applied = token, applied
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{TOKEN}.new")
        beside.write_text(f"{token} {applied}\n", "utf-8")
        beside.replace(self._path)

    def fault(self, now_s: float) -> str | None:
        """Return what to do where nothing comes in but what is refused."""
        if now_s - self._refused_s < REFUSED_S < now_s - self.heard_s:
            return (
                f"The stream is refused: it comes under an older token than {self.token}. End the feed "
                f"that has lost its lease; if there is none, delete {self._path}."
            )
        return None


def _kept(path: Path) -> tuple[int, int]:
    try:
        seen, applied = path.read_text("utf-8").split()
        return int(seen), int(applied)
    except (OSError, ValueError):
        return 0, 0
