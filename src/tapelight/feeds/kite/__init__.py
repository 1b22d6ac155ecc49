"""Zerodha Kite Connect: Indian shares and indices, by stream or by polling."""

from tapelight.feeds.kite.config import KiteConfig, check
from tapelight.feeds.kite.feed import KiteFeed
from tapelight.feeds.kite.pictures import KitePictures
from tapelight.feeds.kite.poller import KitePoller

Config = KiteConfig


def open(config: KiteConfig) -> KiteFeed:  # noqa: A001 - a plug-in's word
    """Return the feed that reads Kite's stream; raises ConfigError for settings that cannot be."""
    return KiteFeed(check(config))


def poller(config: KiteConfig) -> KitePoller:
    """Return the feed that asks for quotes each second, for where the stream is not to be had."""
    return KitePoller(check(config))


def pictures(config: KiteConfig) -> KitePictures:
    """Return what brings one picture a call, for while the stream is gone."""
    return KitePictures(check(config))
