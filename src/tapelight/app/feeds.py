"""The feed that the configuration names, and what serves while its stream is gone."""

from tapelight.config import Config, convert
from tapelight.errors import ConfigError
from tapelight.feeds.failover import Failover
from tapelight.plugins import check, load
from tapelight.ports import Feed, Poller


def open_feed(config: Config, name: str | None = None) -> Feed:
    """Return the feed that the configuration names."""
    for table in config.feed:
        check("feeds", table)
    chosen = name or config.use_feed
    module = load("feeds", chosen)
    settings = convert(config.feed.get(chosen, {}), module.Config, f"[feed.{chosen}]")
    feed: Feed = module.open(settings)
    return Failover(feed, open_poller(config)) if config.fallback else feed


def open_poller(config: Config) -> Poller:
    """Return what serves while the stream is gone; raises ConfigError for a feed that can't poll."""
    module = load("feeds", config.fallback)
    if not hasattr(module, "pictures"):
        raise ConfigError(
            f"fallback = {config.fallback!r}: that feed can't poll; massive, alpaca and kite can."
        )
    table = config.feed.get(config.fallback, {})
    poller: Poller = module.pictures(convert(table, module.Config, f"[feed.{config.fallback}]"))
    return poller
