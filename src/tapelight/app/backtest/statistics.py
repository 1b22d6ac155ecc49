"""Estimates with intervals: shares by Wilson, medians by order statistics, means by bootstrap."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tapelight.model.outcomes import HORIZONS, HorizonRecord, Interval, Outcome, ScanRecord

Floats = npt.NDArray[np.float64]
Z95 = 1.959963984540054
RESAMPLES = 2_000
SEED = 20_261_120
FEWEST = 6
"""Fewer values than this have no interval: resampling them tells too narrow a one."""
FEW_DAYS = 5
"""With fewer sessions than this single signals are resampled, not sessions."""
MOST_RESAMPLED = 5_000
"""Of more signals than this, in few sessions, the mean's interval is the normal one."""


def wilson(hits: int, n: int, z: float = Z95) -> Interval:
    """Return the share of hits with Wilson's score interval (Wilson 1927); unknown for n = 0."""
    if n == 0:
        return Interval()
    share = hits / n
    scale = 1.0 + z * z / n
    middle = (share + z * z / (2.0 * n)) / scale
    reach = z * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n)) / scale
    return Interval(share, max(middle - reach, 0.0), min(middle + reach, 1.0))


def median(values: Floats) -> Interval:
    """Return the median with the interval between two order statistics that covers it.

    Free of any distribution: the numbers of values below the median are binomial(n, 1/2)
    (Conover, Practical Nonparametric Statistics). No interval for fewer than 6 values: even the
    extremes then cover less than 95 %.
    """
    values = np.sort(values[~np.isnan(values)])
    n = len(values)
    if n == 0:
        return Interval()
    middle = float(np.median(values))
    below = _rank_below(n)
    if below < 0:
        return Interval(middle)
    return Interval(middle, float(values[below]), float(values[n - 1 - below]))


def _rank_below(n: int) -> int:
    """Return the largest k (from 0) with P(binomial(n, 1/2) <= k) <= 0.025; -1 for none."""
    log_half = n * math.log(0.5)
    total, k = 0.0, -1
    while True:
        log_choose = math.lgamma(n + 1) - math.lgamma(k + 2) - math.lgamma(n - k)
        total += math.exp(log_choose + log_half)
        if total > 0.025:
            return k
        k += 1


def mean(values: Floats, day: Sequence[str] | npt.NDArray[np.str_]) -> Interval:
    """Return the mean with a 95 % percentile interval of a seeded bootstrap.

    Whole sessions are resampled where there are five or more, for signals of one day move
    together; otherwise single signals. No interval for fewer than 6 values.
    """
    known = ~np.isnan(values)
    values, days = values[known], np.asarray(day)[known]
    if len(values) < FEWEST:
        return Interval(float(values.mean()) if len(values) else None)
    names, place = np.unique(days, return_inverse=True)
    middle = float(values.mean())
    if len(names) < FEW_DAYS and len(values) > MOST_RESAMPLED:
        reach = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values))
        return Interval(middle, middle - reach, middle + reach)
    if len(names) >= FEW_DAYS:
        means = _resampled(_sums(place, values), _sums(place, np.ones(len(place))))
    else:
        means = _resampled(values, np.ones(len(values)))
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    return Interval(middle, low, high)


def _sums(place: npt.NDArray[np.intp], values: Floats) -> Floats:
    """Return the sum of the values at each place."""
    return np.asarray(np.bincount(place, values), np.float64)


def _resampled(sums: Floats, counts: Floats) -> Floats:
    """Return the means of RESAMPLES draws with replacement of (sum, count) pairs."""
    draw = np.random.default_rng(SEED)
    means = np.empty(RESAMPLES)
    step = max(1, 4_000_000 // len(sums))
    for begin in range(0, RESAMPLES, step):
        picks = draw.integers(0, len(sums), (min(step, RESAMPLES - begin), len(sums)))
        means[begin : begin + step] = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    return means


def hit_rate(values: Floats) -> Interval:
    """Return the share of known values above 0."""
    known = values[~np.isnan(values)]
    return wilson(int((known > 0.0).sum()), len(known))


def scan_record(scan: str, found: Sequence[Outcome]) -> ScanRecord:
    """Return the track record of a scan from the outcomes of all its fires."""
    none = (math.nan,) * len(HORIZONS)
    net = np.array([none, *(_numbers(o.net) for o in found)])[1:]
    worst = np.array([math.nan if o.mae_30m is None else o.mae_30m for o in found])
    best = np.array([math.nan if o.mfe_30m is None else o.mfe_30m for o in found])
    horizons = tuple(
        HorizonRecord(
            horizon=name,
            n=int((~np.isnan(net[:, h])).sum()),
            median=median(net[:, h]),
            hit_rate=hit_rate(net[:, h]),
        )
        for h, name in enumerate(HORIZONS)
    )
    dates = sorted(o.session for o in found)
    return ScanRecord(
        scan=scan, fires=len(found), horizons=horizons, mae_30m=median(worst).value,
        mfe_30m=median(best).value, since=dates[0] if dates else "",
        until=dates[-1] if dates else "", filled=_filled(found),
    )  # fmt: skip


def _filled(found: Sequence[Outcome]) -> int | None:
    """Return how many entries of a strategy were traded; None for a scan, which has no plan."""
    known = [o.filled for o in found if o.filled is not None]
    return sum(known) if known else None


def _numbers(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if v is None else v for v in values)
