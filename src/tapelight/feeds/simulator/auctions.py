"""Opening and closing auctions: which symbol prints when, and how much."""

from dataclasses import dataclass

import numpy as np

from tapelight.feeds.simulator.curve import CLOSE_SHARE, OPEN_SHARE
from tapelight.feeds.simulator.listing import Listing
from tapelight.feeds.simulator.market import MS, Plan
from tapelight.feeds.simulator.sales import kind
from tapelight.model.batch import Floats, Int64s

_NASDAQ_TAPE = 3


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hold prints by time (ms): the auction's own and then the official price that repeats it."""

    at_ms: Int64s
    row: Int64s
    size: Floats
    kind: Int64s

    def due(self, t0_ms: int, t1_ms: int) -> slice:
        """Return the part due in [t0_ms, t1_ms)."""
        first, last = np.searchsorted(self.at_ms, [t0_ms, t1_ms])
        return slice(int(first), int(last))


def schedule_of(listing: Listing, plan: Plan, rng: np.random.Generator) -> Schedule:
    """Draw the session's auctions: the open within 30 s, the close within 15 s."""
    n = len(listing)
    nasdaq = listing.tape == _NASDAQ_TAPE
    delay = np.where(nasdaq, rng.exponential(1_500, n), rng.exponential(6_000, n))
    opens = plan.session.open_ns // MS + np.clip(delay, 2, 29_000).astype(np.int64)
    open_size = plan.adv * plan.gaps.day_boost * OPEN_SHARE * np.exp(rng.normal(-0.1, 0.5, n))
    delay = np.where(nasdaq, rng.exponential(900, n), rng.exponential(3_000, n))
    closes = plan.session.close_ns // MS + np.clip(delay, 5, 14_000).astype(np.int64)
    close_size = plan.adv * plan.gaps.day_boost * CLOSE_SHARE * np.exp(rng.normal(-0.1, 0.5, n))
    open_kind = np.where(nasdaq, kind(25), kind(17))
    close_kind = np.where(nasdaq, kind(8), kind(19))
    return _sorted(
        np.concatenate([opens, opens + 1, closes, closes + 2]),
        np.tile(np.arange(n), 4),
        np.rint(np.concatenate([open_size, open_size, close_size, close_size])),
        np.concatenate([open_kind, np.full(n, kind(16)), close_kind, np.full(n, kind(15))]),
    )


def _sorted(at_ms: Int64s, row: Int64s, size: Floats, kinds: Int64s) -> Schedule:
    order = np.argsort(at_ms, kind="stable")
    order = order[size[order] >= 1.0]
    return Schedule(at_ms[order], row[order], size[order], kinds[order])
