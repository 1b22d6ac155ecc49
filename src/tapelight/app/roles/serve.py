"""Which coroutine a role is."""

from collections.abc import Coroutine
from pathlib import Path

from tapelight.app.feeds import open_feed
from tapelight.app.roles import archive, feed, scan, web
from tapelight.config import Config
from tapelight.errors import ConfigError

ROLES = ("feed", "scan", "web", "archive", "trade")


def coroutine(
    role: str, config: Config, data: Path, chosen: str | None
) -> Coroutine[None, None, None]:
    """Return what `role` runs until it is stopped; raises ConfigError for an unknown one."""
    match role:
        case "feed":
            return feed.serve(config, open_feed(config, chosen), data)
        case "scan":
            return scan.serve(config, data)
        case "web":
            return web.serve(config, data)
        case "archive":
            return archive.serve(config, data)
    raise ConfigError(f"There is no role {role!r}: leave it out, or say one of {', '.join(ROLES)}.")
