"""Rolling windows by event second: buckets in rings, sums in the rows, one step a second.

A window of n seconds at market second S holds the events of seconds S-n .. S: exactly n whole
seconds at a whole-second mark, the running second besides in between. Up to five minutes the
buckets are one second wide, beyond that ten (a window then begins at a ten-second boundary).
Integers sum exactly; where a window's count falls to 0 its sums are set to 0, so that no
rounding residue of fractional sizes is left behind.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

SLOTS = 320
"""Second buckets: 301 in use, the rest take events stamped ahead of the mark."""
SHORT = 80
"""Second buckets of the one-minute windows."""
TENS = 100
PRICE_TENS = 364
MINUTES = 32
AHEAD_S = 15
"""An event stamped further ahead of market time than this is taken as this far ahead."""


class Rings(NamedTuple):
    """Hold the buckets, each of shape (slots, rows)."""

    vol: npt.NDArray[np.float64]
    dv: npt.NDArray[np.float64]
    price: npt.NDArray[np.float64]
    """Last price as each second ended."""
    blocks: npt.NDArray[np.int16]
    n: npt.NDArray[np.int32]
    tv: npt.NDArray[np.float64]
    buy: npt.NDArray[np.float64]
    cls: npt.NDArray[np.float64]
    vol10: npt.NDArray[np.float64]
    price10: npt.NDArray[np.float64]
    minute_v: npt.NDArray[np.float64]
    minute_tv: npt.NDArray[np.float64]


def empty_rings(rows: int) -> Rings:
    """Return rings for `rows` rows: volumes 0, prices unknown."""

    def zeros(slots: int) -> npt.NDArray[np.float64]:
        return np.zeros((slots, rows))

    return Rings(
        vol=zeros(SLOTS),
        dv=zeros(SLOTS),
        price=np.full((SLOTS, rows), np.nan),
        blocks=np.zeros((SLOTS, rows), np.int16),
        n=np.zeros((SHORT, rows), np.int32),
        tv=zeros(SHORT),
        buy=zeros(SHORT),
        cls=zeros(SHORT),
        vol10=zeros(TENS),
        price10=np.full((PRICE_TENS, rows), np.nan),
        minute_v=zeros(MINUTES),
        minute_tv=zeros(MINUTES),
    )


@numba.njit(cache=True, error_model="numpy")
def add_volume(row, r, rings, s, now_s, size, value):  # type: ignore[no-untyped-def]
    """Add `size` shares worth `value` in event second `s` to the windows of row `r`."""
    if s < now_s - 900:
        return
    rings.vol10[(s // 10) % TENS, r] += size
    if s // 10 >= now_s // 10 - 90:
        row.v900 += size
    minute = s // 60
    rings.minute_v[minute % MINUTES, r] += size
    if now_s // 60 - 20 <= minute < now_s // 60:
        row.v20 += size
    if s < now_s - 300:
        return
    slot = s % SLOTS
    rings.vol[slot, r] += size
    rings.dv[slot, r] += value
    row.v300 += size
    row.dv300 += value
    if s >= now_s - 60:
        row.v60 += size
    if s >= now_s - 10:
        row.v10 += size
        row.dv10 += value


@numba.njit(cache=True, error_model="numpy")
def add_tape(row, r, rings, s, now_s, size, value, side):  # type: ignore[no-untyped-def]
    """Add one print of the continuous tape; `side` is 1 bought, -1 sold, 0 unclassified."""
    minute = s // 60
    if minute > now_s // 60 - 21:
        rings.minute_tv[minute % MINUTES, r] += size
        if minute < now_s // 60:
            row.tv20 += size
    if s < now_s - 300:
        return
    if size >= 10_000.0 or value >= 200_000.0:
        rings.blocks[s % SLOTS, r] += 1
        row.blocks300 += 1
    if s < now_s - 60:
        return
    slot = s % SHORT
    rings.n[slot, r] += 1
    rings.tv[slot, r] += size
    row.n60 += 1
    row.tv60 += size
    if s >= now_s - 10:
        row.n10 += 1
    if side != 0:
        rings.cls[slot, r] += size
        row.cls60 += size
        if side > 0:
            rings.buy[slot, r] += size
            row.buy60 += size


@numba.njit(cache=True, error_model="numpy")
def step_second(rows, rings, s):  # type: ignore[no-untyped-def]
    """Let market time enter second `s`: keep the closing prices, drop what leaves the windows."""
    closed = (s - 1) % SLOTS
    out10, out60, out300 = (s - 11) % SLOTS, (s - 61) % SHORT, (s - 301) % SLOTS
    vol60 = (s - 61) % SLOTS
    n10 = (s - 11) % SHORT
    for r in range(len(rows)):
        row = rows[r]
        rings.price[closed, r] = row.last
        if row.v300 == 0.0 and row.n60 == 0 and row.blocks300 == 0:
            rings.vol[out300, r] = 0.0
            rings.dv[out300, r] = 0.0
            continue
        row.v10 -= rings.vol[out10, r]
        row.dv10 -= rings.dv[out10, r]
        row.n10 -= rings.n[n10, r]
        row.v60 -= rings.vol[vol60, r]
        row.v300 -= rings.vol[out300, r]
        row.dv300 -= rings.dv[out300, r]
        row.blocks300 -= rings.blocks[out300, r]
        row.n60 -= rings.n[out60, r]
        row.tv60 -= rings.tv[out60, r]
        row.buy60 -= rings.buy[out60, r]
        row.cls60 -= rings.cls[out60, r]
        rings.vol[out300, r] = 0.0
        rings.dv[out300, r] = 0.0
        rings.blocks[out300, r] = 0
        rings.n[out60, r] = 0
        rings.tv[out60, r] = 0.0
        rings.buy[out60, r] = 0.0
        rings.cls[out60, r] = 0.0
        _no_residue(row)


@numba.njit(cache=True, error_model="numpy")
def _no_residue(row):  # type: ignore[no-untyped-def]
    """Zero what an emptied window's fractional sums may have left; whole shares leave nothing."""
    tiny = 1e-6
    if row.n60 == 0:
        row.tv60 = 0.0
        row.buy60 = 0.0
        row.cls60 = 0.0
    if row.v10 < tiny:
        row.v10 = 0.0
        row.dv10 = 0.0
    if row.v60 < tiny:
        row.v60 = 0.0
    if row.v300 < tiny:
        row.v300 = 0.0
        row.dv300 = 0.0


@numba.njit(cache=True, error_model="numpy")
def step_ten(rows, rings, ten):  # type: ignore[no-untyped-def]
    """Let market time enter ten-second bucket `ten`."""
    closed, out = (ten - 1) % PRICE_TENS, (ten - 91) % TENS
    for r in range(len(rows)):
        row = rows[r]
        rings.price10[closed, r] = row.last
        row.v900 -= rings.vol10[out, r]
        rings.vol10[out, r] = 0.0
        if row.v900 < 1e-6:
            row.v900 = 0.0


@numba.njit(cache=True, error_model="numpy")
def step_minute(rows, rings, minute):  # type: ignore[no-untyped-def]
    """Let market time enter `minute` (since the epoch): keep the sums of the last 20 closed ones."""
    new, out = (minute - 1) % MINUTES, (minute - 21) % MINUTES
    for r in range(len(rows)):
        row = rows[r]
        row.v20 += rings.minute_v[new, r] - rings.minute_v[out, r]
        row.tv20 += rings.minute_tv[new, r] - rings.minute_tv[out, r]
        rings.minute_v[out, r] = 0.0
        rings.minute_tv[out, r] = 0.0
        if row.v20 < 1e-6:
            row.v20 = 0.0
        if row.tv20 < 1e-6:
            row.tv20 = 0.0


def price_ago(rings: Rings, now_s: int, seconds: int) -> npt.NDArray[np.float64]:
    """Return the last price `seconds` before market second `now_s`, shape (rows,); NaN unknown.

    Beyond 300 s: at the last ten-second boundary at or before that moment.
    """
    if seconds <= 300:
        return rings.price[(now_s - seconds - 1) % SLOTS]
    return rings.price10[((now_s - seconds) // 10 - 1) % PRICE_TENS]
