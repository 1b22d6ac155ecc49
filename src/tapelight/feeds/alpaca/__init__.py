"""Alpaca market data: the free IEX feed, SIP, the test stream; by stream or by polling."""

from tapelight.feeds.alpaca.config import AlpacaConfig
from tapelight.feeds.alpaca.feed import AlpacaFeed
from tapelight.feeds.alpaca.pictures import AlpacaPictures
from tapelight.feeds.alpaca.poller import AlpacaPoller

Config = AlpacaConfig


def open(config: AlpacaConfig) -> AlpacaFeed:  # noqa: A001 - the name that every feed has
    """Return the feed that reads Alpaca's stream; raises ConfigError for settings that cannot be."""
    return AlpacaFeed(config)


def poller(config: AlpacaConfig) -> AlpacaPoller:
    """Return the feed that asks for snapshots, for where the stream is not to be had."""
    return AlpacaPoller(config)


def pictures(config: AlpacaConfig) -> AlpacaPictures:
    """Return what brings one picture a call, for while another feed's stream is gone."""
    return AlpacaPictures(config)


__all__ = [
    "AlpacaConfig",
    "AlpacaFeed",
    "AlpacaPictures",
    "AlpacaPoller",
    "Config",
    "open",
    "pictures",
    "poller",
]
