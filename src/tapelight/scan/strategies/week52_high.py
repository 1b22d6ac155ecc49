"""The 52-week high breaks for the first time of the day."""

from tapelight.scan.levels import LevelBreak
from tapelight.scan.strategy import Floats, Look


class Week52High(LevelBreak):
    """Buy the first trade over the 52-week high, after an open under it."""

    title = "52-week high"
    doc = "The first break of the 52-week high after an open under it, above VWAP, on volume."

    def level(self, look: Look) -> Floats:
        """Return the 52-week high up to yesterday, split-adjusted."""
        high: Floats = look["w52_high"]
        return high
