"""The previous day's high breaks for the first time of the day."""

from tapelight.scan.levels import LevelBreak
from tapelight.scan.strategy import Floats, Look


class PriorDayHigh(LevelBreak):
    """Buy the first trade over the previous session's high, after an open under it."""

    title = "Prior-day high"
    doc = "The first break of yesterday's high after an open under it, above VWAP, on volume."

    def level(self, look: Look) -> Floats:
        """Return the previous session's high."""
        high: Floats = look["prev_high"]
        return high
