"""The state of one row: what the fold keeps of every print, quote, bar and band.

A structured array of these is the whole memory of the market (besides the rolling windows):
one cache-friendly record a symbol, written by `market.fold`, read by the columns. The fields
stand in the order of use: what each second needs fills the first cache line, what each print
needs the next ones, what is rare comes last.
"""

from typing import Any

import numpy as np

NAN = float("nan")
LINE = 64
"""Bytes of a cache line."""

# Bits of `known`: which part of the day the row has seen without a hole.
KNOWN_DAY = 1
"""All of the session from its start: hod, lod, pm_*, trades and dollar volume are whole."""
PARTIAL = 2
"""The day was filled by history, but for the minute in which the snapshot was taken."""
UNSEEN = 4
"""The row had seen nothing of the snapshot's minute by then: what that tells of it is all."""

# Bits of `flags`: what happened since the last mark.
NEW_HOD, NEW_LOD, NEW_HIGH, NEW_LOW, OPENED = 1, 2, 4, 8, 16

# Bits of `provisional`.
GAP, SPLIT, ABSENT = 1, 2, 4

# Values of `source`: where the row's volume comes from; a better one takes over.
SOURCE_NONE, SOURCE_MINUTE, SOURCE_SECOND, SOURCE_TRADES = 0, 1, 2, 3

# Values of `open_src` and `close_src`: how sure the open and the close are.
FIRST_PRINT, AUCTION_PRINT, OFFICIAL = 1, 2, 3

_EACH_SECOND = [(n, "f8") for n in "last bid ask luld_up luld_dn".split()] + [
    ("limit_ns", "i8"),
    ("c300", "i8"),
    ("v300", "f8"),
]
_EACH_PRINT = (
    [(n, "i8") for n in "last_ns print_ns quote_ns snap_ns seq heard trades bar_min bar_n".split()]
    + [(n, "f8") for n in "hod lod high low close_rth prev_close".split()]
    + [(n, "f8") for n in "vol vol_rth dollar_vol bar_o bar_h bar_l bar_c bar_v bar_pv".split()]
    + [(n, "f8") for n in "pv v pv_pm v_pm vw_mean vw_m2".split()]
    + [(n, "f8") for n in "v10 v60 v900 dv10 dv300 tv60 buy60 cls60 min_v min_tv".split()]
    + [(n, "i8") for n in "c10 c60 n10 n60 blocks300".split()]
    + [(n, "f8") for n in "tick_price tick_dir".split()]
)
PAGE = 4096
_BITS = [
    (n, "u1")
    for n in (
        "known flags source last_exchange listing open_src close_src halted ssr ssr_before "
        "provisional changed has_reg untold"
    ).split()
]
_SELDOM = (
    [(n, "f8") for n in "open pm_high pm_low pm_vol post_vol bid_size ask_size".split()]
    + [(n, "f8") for n in "v20 tv20 b5_o b5_c".split()]
    + [(f"or{m}_{side}", "f8") for m in (5, 15, 30) for side in ("high", "low")]
    + [(n, "f8") for n in "hod_event_price suspect".split()]
    + [(n, "i8") for n in "hod_ns lod_ns hod_event_ns halt_ns resume_ns luld_ns".split()]
    + [(n, "i8") for n in "suspect_ns hod_events streak1 streak5 halts".split()]
    + [(n, "i8") for n in "quarantined suspects".split()]
    + [("loose_value", "f8"), ("loose_trades", "i8")]  # of closed minutes without a bar
)


def _padded(fields: list[tuple[str, str]]) -> np.dtype[np.void]:
    """Return the record type, its size a multiple of a cache line."""
    plain = np.dtype(fields, align=True)
    size = -(-plain.itemsize // LINE) * LINE
    assert plain.fields is not None
    parts = list(plain.fields.values())
    layout = {
        "names": list(plain.fields),
        "formats": [part[0] for part in parts],
        "offsets": [part[1] for part in parts],
        "itemsize": size,
    }
    return np.dtype(layout, align=True)  # type: ignore[call-overload]


ROW = _padded(_EACH_SECOND + _EACH_PRINT + _BITS + _SELDOM)

_QUOTE = "bid ask bid_size ask_size".split()
_UNKNOWN_FIRST = (
    "last open high low hod lod pm_high pm_low close_rth luld_up luld_dn "
    "bar_o bar_h bar_l bar_c b5_o b5_c hod_event_price suspect tick_price "
    "or5_high or5_low or15_high or15_low or30_high or30_low"
).split()
"""Prices of the session: NaN until there is one."""
WINDOW_SUMS = (
    "v10 v60 v300 v900 dv10 dv300 c10 c60 c300 n10 n60 tv60 buy60 cls60 blocks300 "
    "min_v min_tv tv20 v20"
).split()
"""What `market.windows` keeps in a row."""
_OVER_THE_ROLL = {
    *_QUOTE, *WINDOW_SUMS, "prev_close", "quote_ns", "listing", "ssr_before", "changed",
}  # fmt: skip
"""A row that changed since the last mark stays on the list of these: it must not come on it twice."""
_ZERO_FIRST = [
    name
    for name in ROW.names or ()
    if name not in {*_UNKNOWN_FIRST, *_OVER_THE_ROLL, "known", "provisional"}
]


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return a zeroed array that begins at a cache line, every page of it in memory.

    Pages that came only when a window first reached them would look like a leak for an hour,
    and make the fold wait for each.
    """
    count = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(count + LINE, np.uint8)
    raw[::PAGE] = 0
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + count].view(dtype).reshape(shape)


def empty_rows(n: int) -> np.ndarray:
    """Return `n` rows that know nothing: prices NaN, sums 0."""
    rows = aligned((n,), ROW)
    for name in (*_UNKNOWN_FIRST, *_QUOTE, "prev_close"):
        rows[name] = NAN
    rows["known"] = KNOWN_DAY
    return rows


def closes(rows: np.ndarray) -> np.ndarray:
    """Return what the ended session leaves as the previous close, shape (rows,).

    That is its regular close; without regular trading the close before stays, and a row that
    traded unseen knows none.
    """
    stays = np.where(rows["vol_rth"] == 0.0, rows["prev_close"], NAN)
    return np.where(np.isnan(rows["close_rth"]), stays, rows["close_rth"])


def roll_rows(rows: np.ndarray) -> None:
    """Begin a new session in place: the close becomes the previous one, the day is empty.

    The rolling windows are not the day's: they stay. So does an open hole.
    """
    rows["prev_close"] = closes(rows)
    rows["ssr_before"] = rows["ssr"]
    for name in _UNKNOWN_FIRST:
        rows[name] = NAN
    for name in _ZERO_FIRST:
        rows[name] = 0
    rows["provisional"] &= GAP | ABSENT
    rows["known"] = KNOWN_DAY
