"""The Massive (ex Polygon.io) stocks feed: WebSocket stream, REST reference data, snapshots."""

from tapelight.feeds.massive.config import MassiveConfig, Secret
from tapelight.feeds.massive.feed import MassiveFeed
from tapelight.feeds.massive.pictures import MassivePictures

Config = MassiveConfig


def open(config: MassiveConfig) -> MassiveFeed:  # noqa: A001 - the name that every feed has
    """Return the feed of the settings in [feed.massive]."""
    return MassiveFeed(config=config)


def pictures(config: MassiveConfig) -> MassivePictures:
    """Return what asks for the whole market by REST, by the settings in [feed.massive]."""
    return MassivePictures(config)


__all__ = [
    "Config",
    "MassiveConfig",
    "MassiveFeed",
    "MassivePictures",
    "Secret",
    "open",
    "pictures",
]
