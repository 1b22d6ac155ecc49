"""Which computation tier each row is in, and why; `scan.tiers` decides it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.text import Text

Rows = npt.NDArray[np.intp]
ONE, TWO, THREE = 1, 2, 3
EVERY_ROW = 0
"""The code of the reason that holds for all rows."""


class TierRows:
    """Hold each row's tier and the code of the reason for it."""

    def __init__(self) -> None:
        self.level: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.why: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self.words: tuple[str, ...] = ("every row",)

    def grow(self, n: int) -> None:
        """Let there be `n` rows; new ones are in tier 1."""
        more = n - len(self.level)
        if more > 0:
            self.level = np.append(self.level, np.full(more, ONE, np.uint8))
            self.why = np.append(self.why, np.full(more, EVERY_ROW, np.int32))

    def levels(self, n: int) -> npt.NDArray[np.uint8]:
        """Return the tier of each of the table's `n` rows."""
        self.grow(n)
        return self.level[:n]

    def reasons(self, n: int) -> Text:
        """Return why each of the table's `n` rows is in its tier."""
        self.grow(n)
        return Text(self.why[:n], self.words)

    def freeze(self) -> dict[str, Any]:
        """Return tiers and reasons as arrays."""
        return {"tier.level": self.level.copy(), "tier.why": self.why.copy()}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.level, self.why = state["tier.level"].copy(), state["tier.why"].copy()

    def clear(self) -> None:
        """Put every row into tier 1."""
        self.level[:], self.why[:] = ONE, EVERY_ROW
