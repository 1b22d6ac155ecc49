"""Rolling windows by event second: buckets in rings, sums in the rows, one step a second.

A window of n seconds at market second S holds the events of seconds S-n .. S: exactly n whole
seconds at a whole-second mark, the running second besides in between. Up to five minutes the
buckets are one second wide, beyond that ten (a window then begins at a ten-second boundary).
A print touches one bucket, that of its second: older rings are filled from it as it leaves the
last minute. Integers sum exactly; where a window's count of events falls to 0 its sums are set
to 0, so that no rounding residue of fractional sizes is left behind.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.market.jit import loop, step
from tapelight.market.row import aligned

NS = 1_000_000_000
RECENT = 80
"""Second buckets of the last minute: 61 in use, the rest take events stamped ahead of the mark."""
SECONDS = 256
"""Second buckets of the four minutes before that: 240 in use."""
PRICES = 320
TENS = 100
PRICE_TENS = 364
MINUTES = 32
AHEAD_S = 15
"""An event stamped further ahead of market time than this is taken as this far ahead."""
RESIDUE = 1e-9
"""Less than this in a 15- or 20-minute sum is rounding, not shares."""
NUMBERS = 16
"""Numbers of prints that are kept of each row: so late may one come that others overtook."""
LONGEST_S = PRICE_TENS * 10
"""What lies longer back than this has left every window."""

SECOND = np.dtype(
    [(n, "f8") for n in ("vol", "dv", "tv", "buy", "cls")]
    + [(n, "i4") for n in ("events", "n", "blocks")],
    align=True,
)
"""What one second brought: shares, dollars; of the tape: shares, bought, classified, prints."""
OLDER = np.dtype([("vol", "f8"), ("dv", "f8"), ("events", "i4"), ("blocks", "i4")])
MINUTE = np.dtype([("v", "f8"), ("tv", "f8")])


class Rings(NamedTuple):
    """Hold the buckets, each of shape (slots, rows)."""

    recent: np.ndarray
    seconds: np.ndarray
    price: npt.NDArray[np.float64]
    """Last price as each second ended."""
    vol10: npt.NDArray[np.float64]
    price10: npt.NDArray[np.float64]
    minutes: np.ndarray
    numbers: npt.NDArray[np.int64]
    """Sequence numbers of the newest prints, 0 where there is none."""


def empty_rings(rows: int) -> Rings:
    """Return rings for `rows` rows: volumes 0, prices unknown."""
    return Rings(
        recent=aligned((RECENT, rows), SECOND),
        seconds=aligned((SECONDS, rows), OLDER),
        price=np.full((PRICES, rows), np.nan),
        vol10=aligned((TENS, rows), np.dtype(np.float64)),
        price10=np.full((PRICE_TENS, rows), np.nan),
        minutes=aligned((MINUTES, rows), MINUTE),
        numbers=aligned((NUMBERS, rows), np.dtype(np.int64)),
    )


def clear_rings(rings: Rings) -> None:
    """Empty rings where they are: memory that is mapped already is written in a tenth of the time."""
    for name, ring in rings._asdict().items():
        if name in ("price", "price10"):
            ring.fill(np.nan)
        else:
            ring.view(np.uint8).fill(0)


@step
def add_volume(row, r, rings, s, now_s, size, value):
    """Add `size` shares worth `value` in event second `s` to the windows of row `r`."""
    if s >= now_s - 60:
        bucket = rings.recent[s % RECENT, r]
        bucket.vol += size
        bucket.dv += value
        bucket.events += 1
        row.v60 += size
        row.c60 += 1
        row.v300 += size
        row.dv300 += value
        row.c300 += 1
        row.v900 += size
        if s >= now_s - 10:
            row.v10 += size
            row.dv10 += value
            row.c10 += 1
    else:
        _add_older(row, r, rings, s, now_s, size, value)
    behind = now_s // 60 - s // 60
    if behind == 0:
        row.min_v += size
    elif behind <= 20:
        rings.minutes[s // 60 % MINUTES, r].v += size
        if behind > 0:
            row.v20 += size


@step
def _add_older(row, r, rings, s, now_s, size, value):
    if s // 10 < now_s // 10 - 90:
        return
    rings.vol10[(s // 10) % TENS, r] += size
    row.v900 += size
    if s >= now_s - 300:
        older = rings.seconds[s % SECONDS, r]
        older.vol += size
        older.dv += value
        older.events += 1
        row.v300 += size
        row.dv300 += value
        row.c300 += 1


@step
def add_tape(row, r, rings, s, now_s, size, value, side):
    """Add one print of the continuous tape; `side` is 1 bought, -1 sold, 0 unclassified."""
    behind = now_s // 60 - s // 60
    if behind == 0:
        row.min_tv += size
    elif behind <= 20:
        rings.minutes[s // 60 % MINUTES, r].tv += size
        if behind > 0:
            row.tv20 += size
    block = size >= 10_000.0 or value >= 200_000.0
    if s < now_s - 60:
        if block and s >= now_s - 300:
            rings.seconds[s % SECONDS, r].blocks += 1
            row.blocks300 += 1
        return
    bucket = rings.recent[s % RECENT, r]
    if block:
        bucket.blocks += 1
        row.blocks300 += 1
    bucket.n += 1
    bucket.tv += size
    row.n60 += 1
    row.tv60 += size
    if s >= now_s - 10:
        row.n10 += 1
    if side != 0:
        bucket.cls += size
        row.cls60 += size
        if side > 0:
            bucket.buy += size
            row.buy60 += size


@loop
def step_second(rows, rings, s):
    """Let market time enter second `s`: keep closing prices and limit states, move the windows."""
    closed = (s - 1) % PRICES
    for r in range(len(rows)):
        row = rows[r]
        rings.price[closed, r] = row.last
        if not (row.bid >= row.luld_up or row.ask <= row.luld_dn):
            row.limit_ns = 0
        elif row.limit_ns == 0:
            row.limit_ns = s * NS
        # Only where something can leave: a bucket of its own for most rows is a cache miss.
        if row.c10 > 0:
            _leave_ten_seconds(row, rings.recent[(s - 11) % RECENT, r])
        if row.c60 > 0:
            _leave_minute(row, r, rings, s - 61)
        if row.c300 > row.c60:
            _leave_five_minutes(row, rings.seconds[(s - 301) % SECONDS, r])


@step
def _leave_ten_seconds(row, out):
    row.c10 -= out.events
    row.n10 -= out.n
    row.v10 -= out.vol
    row.dv10 -= out.dv
    if row.c10 == 0:
        row.v10 = row.dv10 = 0.0


@step
def _leave_minute(row, r, rings, s):
    """Let second `s` leave the last minute: its bucket goes over to the older rings."""
    out = rings.recent[s % RECENT, r]
    if out.events == 0:
        return
    older = rings.seconds[s % SECONDS, r]
    older.vol, older.dv, older.events, older.blocks = out.vol, out.dv, out.events, out.blocks
    rings.vol10[(s // 10) % TENS, r] += out.vol
    row.c60 -= out.events
    row.n60 -= out.n
    row.v60 -= out.vol
    row.tv60 -= out.tv
    row.buy60 -= out.buy
    row.cls60 -= out.cls
    out.events = out.n = out.blocks = 0
    out.vol = out.dv = out.tv = out.buy = out.cls = 0.0
    if row.c60 == 0:
        row.v60 = 0.0
    if row.n60 == 0:
        row.tv60 = row.buy60 = row.cls60 = 0.0


@step
def _leave_five_minutes(row, out):
    if out.events == 0:
        return
    row.c300 -= out.events
    row.v300 -= out.vol
    row.dv300 -= out.dv
    row.blocks300 -= out.blocks
    out.vol = out.dv = 0.0
    out.events = out.blocks = 0
    if row.c300 == 0:
        row.v300 = row.dv300 = 0.0


@loop
def step_ten(rows, rings, ten):
    """Let market time enter ten-second bucket `ten`."""
    closed, out = (ten - 1) % PRICE_TENS, (ten - 91) % TENS
    for r in range(len(rows)):
        row = rows[r]
        rings.price10[closed, r] = row.last
        if row.v900 != 0.0:
            row.v900 -= rings.vol10[out, r]
            rings.vol10[out, r] = 0.0
            if row.v900 < RESIDUE:
                row.v900 = 0.0


@loop
def step_minute(rows, rings, minute):
    """Let market time enter `minute` (since the epoch): keep the sums of 20 closed ones."""
    for r in range(len(rows)):
        row = rows[r]
        new = rings.minutes[(minute - 1) % MINUTES, r]
        out = rings.minutes[(minute - 21) % MINUTES, r]
        new.v += row.min_v
        new.tv += row.min_tv
        row.v20 += new.v - out.v
        row.tv20 += new.tv - out.tv
        out.v = out.tv = 0.0
        if row.v20 < RESIDUE:
            row.v20 = 0.0
        if row.tv20 < RESIDUE:
            row.tv20 = 0.0
        # What was stamped ahead, into the minute that begins, goes on growing in the row.
        now = rings.minutes[minute % MINUTES, r]
        row.min_v, row.min_tv = now.v, now.tv
        now.v = now.tv = 0.0


def price_ago(rings: Rings, now_s: int, seconds: int) -> npt.NDArray[np.float64]:
    """Return the last price `seconds` before market second `now_s`, shape (rows,); NaN unknown.

    Beyond 300 s: at the last ten-second boundary at or before that moment.
    """
    if seconds <= 300:
        return rings.price[(now_s - seconds - 1) % PRICES]
    return rings.price10[((now_s - seconds) // 10 - 1) % PRICE_TENS]
