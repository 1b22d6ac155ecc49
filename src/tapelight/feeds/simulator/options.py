"""What the simulated market is asked to be."""

from pathlib import Path

import msgspec


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Name the market's size, pace, seed and scenario; the same options give the same tape."""

    port: int
    host: str = "127.0.0.1"
    symbols: int = 2000
    rate: float = 3000.0
    """Mean trades a second from 09:30 to 09:35."""
    seed: int = 1
    scenario: str = "open"
    speed: float = 1.0
    """Market seconds a real second."""
    duration_s: float | None = None
    """Market seconds until the end; None runs until cancelled."""
    hold: bool = False
    """Let market time stand still until the first successful subscription."""
    protocol: str = "massive"
    """Whose protocol is spoken: massive or alpaca."""
    api_key: str = "demo"
    api_secret: str = "demo"  # noqa: S105 - of a simulated market
    """The second key, which Alpaca's clients present."""
    ledger: Path | None = None
    """Folder in which everything sent is written as Parquet."""
    start: str | None = None
    """Market time of the start (ISO 8601 with offset, or HH:MM:SS New York)."""
    quotes_per_trade: float = 1.0
    buffer_bytes: int = 64 << 20
    """What a slow client may have outstanding before it is cut off."""
