"""Which coroutine a role is; each is imported where it is asked for: an archive needs no engine."""

from collections.abc import Coroutine
from pathlib import Path

from tapelight.app.tradechild import TradeChild
from tapelight.config import Config
from tapelight.errors import ConfigError

ROLES = ("feed", "scan", "web", "archive", "trade", "alert")


def coroutine(
    role: str, config: Config, data: Path, chosen: str | None, trader: TradeChild
) -> Coroutine[None, None, None]:
    """Return what `role` runs until it is stopped; raises ConfigError for an unknown one.

    The trade role receives signals, and keeps the trader beside where any strategy is routed.
    """
    match role:
        case "feed":
            from tapelight.app.feeds import open_feed
            from tapelight.app.roles import feed

            return feed.serve(config, open_feed(config, chosen), data)
        case "scan":
            from tapelight.app.roles import scan

            return scan.serve(config, data)
        case "web":
            from tapelight.app.roles import web

            return web.serve(config, data)
        case "archive":
            from tapelight.app.roles import archive

            return archive.serve(config, data)
        case "alert":
            from tapelight.app.roles import alert

            return alert.serve(config, data)
        case "trade":
            from tapelight.app.roles import trade

            trader.confirm(config)
            return trader.beside(config, trade.serve(config, data))
    raise ConfigError(f"There is no role {role!r}: leave it out, or say one of {', '.join(ROLES)}.")
