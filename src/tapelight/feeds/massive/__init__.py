"""The Massive (ex Polygon.io) stocks feed: WebSocket stream, REST reference data, snapshots."""

from tapelight.feeds.massive.config import MassiveConfig, Secret
from tapelight.feeds.massive.feed import MassiveFeed

__all__ = ["MassiveConfig", "MassiveFeed", "Secret"]
