"""The Massive (ex Polygon.io) stocks feed: WebSocket stream, REST reference data, snapshots."""
