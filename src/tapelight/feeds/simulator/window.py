"""A window of the tape: the trades, quotes and bands of a few milliseconds, as columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Floats, Int64s, UInt8s

OK, BAD, LATE = range(3)
TRUTHS = ("ok", "bad", "late")
"""What the ledger says of a trade, by code."""


@dataclass(frozen=True, slots=True)
class Prints:
    """Hold n trades in the order sent; prices in ticks, sizes in shares."""

    ts_ms: Int64s
    row: Int64s
    price: Int64s
    size: Floats
    kind: Int64s
    venue: UInt8s
    truth: UInt8s

    def __len__(self) -> int:
        return len(self.row)

    def take(self, keep: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> "Prints":
        """Return the trades that `keep` picks, in its order."""
        return Prints(
            self.ts_ms[keep], self.row[keep], self.price[keep], self.size[keep], self.kind[keep],
            self.venue[keep], self.truth[keep],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quoted:
    """Hold n national best quotes in the order sent; prices in ticks, sizes in shares."""

    ts_ms: Int64s
    row: Int64s
    bid: Int64s
    ask: Int64s
    bid_size: Int64s
    ask_size: Int64s

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True)
class Banded:
    """Hold n price bands at one time; prices in ticks."""

    ts_ms: int
    row: Int64s
    upper: Int64s
    lower: Int64s


@dataclass(frozen=True, slots=True)
class Window:
    """Hold what [start_ms, end_ms) brought: the quotes go out first, then the trades.

    `first_trade` and `first_quote` are running numbers over the whole tape.
    """

    number: int
    start_ms: int
    end_ms: int
    phase: int
    first_trade: int
    first_quote: int
    trades: Prints
    quotes: Quoted
    bands: Banded | None


def join(parts: list[Prints]) -> Prints:
    """Return all parts as one, in time order (stable); late prints stay where they are sent."""
    columns = [np.concatenate([getattr(p, name) for p in parts]) for name in Prints.__slots__]
    return Prints(*columns)


def no_prints() -> Prints:
    """Return no trade."""
    none = np.zeros(0, np.int64)
    return Prints(none, none, none, np.zeros(0), none, none.astype(np.uint8), none.astype(np.uint8))


def no_quotes() -> Quoted:
    """Return no quote."""
    none = np.zeros(0, np.int64)
    return Quoted(none, none, none, none, none, none)
