"""What the scanner counts of itself: lag, rates, counters."""

from collections import Counter, deque
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market import fold
from tapelight.market.table import Table
from tapelight.model.batch import Batch, size
from tapelight.model.conditions import mask_of
from tapelight.telemetry import SECONDS, Histogram

NS = 1_000_000_000
LATE_BY_ITS_WORD = np.uint64(mask_of((13, 30, 32)))
"""Sold last or out of sequence: the venue was late with these prints, not the feed."""
BIN_MS = 1.0
BINS = 10_000
LATE_S = 10
"""Seconds over which lateness is told."""
LATEST_S = 7_200
LATE_PRINTS = 50
"""Fewer prints do not tell how late the feed is: a venue may have been late with them."""


class LagHistogram:
    """Count lags in bins of 1 ms up to 10 s."""

    def __init__(self) -> None:
        self._bins = np.zeros(BINS + 1, np.int64)

    def add_prints(self, lags_ns: npt.NDArray[np.int64]) -> None:
        """Count the lag of each print of a batch."""
        counts = np.bincount(np.clip(lags_ns // 1_000_000, 0, BINS))
        self._bins[: len(counts)] += counts

    def seconds(self) -> Histogram:
        """Return the same in a histogram's buckets; the sum takes each lag for its bin's middle."""
        found = Histogram()
        middles = (np.arange(BINS + 1) + 0.5) * BIN_MS / 1e3
        counts = np.bincount(
            np.searchsorted(SECONDS, middles), self._bins, minlength=len(SECONDS) + 1
        )
        found.counts = [int(count) for count in counts]
        found.sum = float((self._bins * middles).sum())
        return found

    def quantile(self, q: float) -> float | None:
        """Return the lag in ms below which a share `q` lies (upper edge of its bin)."""
        total = int(self._bins.sum())
        if total == 0:
            return None
        at = int(np.searchsorted(np.cumsum(self._bins), q * total))
        return float((at + 1) * BIN_MS)


class Lateness:
    """Tell how late the prints of the last seconds came, however late that is."""

    def __init__(self) -> None:
        self._now = np.zeros(LATEST_S + 1, np.int64)
        self._seconds: deque[npt.NDArray[np.int64]] = deque(maxlen=LATE_S)

    def add(self, lags_ns: npt.NDArray[np.int64]) -> None:
        """Count the lag of each print of a batch."""
        counts = np.bincount(np.clip(lags_ns // NS, 0, LATEST_S))
        self._now[: len(counts)] += counts

    def step(self) -> None:
        """End a second."""
        self._seconds.append(self._now)
        self._now = np.zeros(LATEST_S + 1, np.int64)

    def seconds(self) -> int:
        """Return the median in whole seconds; 0 where too few came to tell."""
        counts = np.sum(self._seconds, axis=0) if self._seconds else self._now
        total = int(counts.sum())
        return int(np.searchsorted(np.cumsum(counts), total / 2)) if total >= LATE_PRINTS else 0


class Rate:
    """Tell events a second over the last few seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=6)

    def sample(self, now_ns: int, total: int) -> None:
        """Note the total at market time `now_ns`."""
        self._seen.append((now_ns, total))

    def per_second(self) -> float:
        """Return the mean rate over the samples."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return 0.0
        (begin, low), (end, high) = self._seen[0], self._seen[-1]
        return (high - low) * NS / (end - begin)


class Figures:
    """Hold the scanner's own counters."""

    def __init__(self) -> None:
        self.lag = LagHistogram()
        self.lateness = Lateness()
        self.trades = Rate()
        self.events = Rate()
        self.rejected: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        self.events_in = 0
        self.gaps = 0
        self.cycle_ns: deque[int] = deque(maxlen=1200)
        self.cycle_seconds = Histogram()
        self.changes: Counter[str] = Counter()
        """Of the feed's state: how often it came to each."""
        self.signals = 0

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Count a rejected message and keep the last sample of its kind."""
        self.rejected[kind] += 1
        self.samples[kind] = str(sample)[:200]

    def take(self, batch: Batch, now_ns: int) -> None:
        """Note a batch that is in the table at market time `now_ns`."""
        trades = batch.trades
        if trades is not None and len(trades.ts_ns):
            in_time = (trades.conditions & LATE_BY_ITS_WORD) == 0
            lags_ns = now_ns - trades.ts_ns[in_time]
            self.lag.add_prints(lags_ns)
            self.lateness.add(lags_ns)
        self.events_in += size(batch)

    def second(self, now_ns: int, trades: int) -> None:
        """End a second, with the table's total of trades."""
        self.trades.sample(now_ns, trades)
        self.events.sample(now_ns, self.events_in)
        self.lateness.step()

    def cycle(self, took_ns: int) -> None:
        """Note how long a mark took, with all who listen to it."""
        self.cycle_ns.append(took_ns)
        self.cycle_seconds.add(took_ns / NS)

    def lag_ms(self) -> dict[str, float | None]:
        """Return the lag of the whole run: event time to folded."""
        return {"p50": self.lag.quantile(0.5), "p99": self.lag.quantile(0.99)}

    def cycle_ms(self) -> dict[str, float]:
        """Return the time that marks took, of the last minute."""
        if not self.cycle_ns:
            return {"p50": 0.0, "p99": 0.0}
        p50, p99 = np.quantile(np.array(self.cycle_ns), (0.5, 0.99)) / 1e6
        return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def counted(table: Table) -> dict[str, Any]:
    """Return the table's counters by name."""
    c = table.counters
    return {
        "trades": int(c[fold.TRADES]),
        "quotes": int(c[fold.QUOTES]),
        "duplicates": int(c[fold.DUPLICATES]),
        "late": int(c[fold.LATE]),
        "quarantined": int(c[fold.QUARANTINED]),
        "unknown_conditions": int(c[fold.UNKNOWN_CONDITION]),
        "inside_snapshot": int(c[fold.INSIDE_SNAPSHOT]),
    }
