"""The state of one row: what the fold keeps of every print, quote, bar and band.

A structured array of these is the whole memory of the market (besides the rolling windows):
one cache-friendly record a symbol, written by `market.fold`, read by the columns.
"""

import numpy as np

NAN = float("nan")

# Bits of `known`: which part of the day the row has seen without a hole.
KNOWN_DAY = 1
"""All of the session from its start: hod, lod, pm_*, trades and dollar volume are whole."""

# Bits of `flags`: what happened since the last mark.
NEW_HOD, NEW_LOD, NEW_HIGH, NEW_LOW, OPENED = 1, 2, 4, 8, 16

# Values of `source`: where the row's volume comes from; a better one takes over.
SOURCE_NONE, SOURCE_MINUTE, SOURCE_SECOND, SOURCE_TRADES = 0, 1, 2, 3

_PRICES = (
    "last open high low hod lod pm_high pm_low close_rth prev_close "
    "bid ask bid_size ask_size luld_up luld_dn"
).split()
_SUMS = (
    "vol vol_rth pm_vol post_vol dollar_vol "
    "pv v pv_pm v_pm "  # VWAP sums: regular session, and anchored at 04:00
    "vw_mean vw_m2 "  # running weighted mean and squared deviation, for vwap_sd
    "v10 v60 v300 v900 dv10 dv300 tv60 buy60 cls60 "  # windows, see market.windows
    "bar_v bar_pv bar_tv "
    "tv20 v20"  # sums over the last 20 closed minutes
).split()
_BAR = "bar_o bar_h bar_l bar_c b5_o b5_c".split()
_RANGES = "or5_high or5_low or15_high or15_low or30_high or30_low".split()
_TIMES = (
    "last_ns print_ns quote_ns hod_ns lod_ns hod_event_ns snap_ns halt_ns resume_ns limit_ns "
    "luld_ns suspect_ns seq"
).split()
_COUNTS = (
    "trades n10 n60 blocks300 bar_min bar_n hod_events streak1 streak5 halts quarantined suspects"
).split()
_BITS = (
    "known flags source last_exchange listing open_src close_src halted ssr ssr_before "
    "provisional changed has_reg"
).split()

ROW = np.dtype(
    [(n, "f8") for n in _PRICES]
    + [(n, "f8") for n in _SUMS]
    + [(n, "f8") for n in _BAR]
    + [(n, "f8") for n in _RANGES]
    + [("hod_event_price", "f8"), ("suspect", "f8"), ("tick_price", "f8"), ("tick_dir", "f8")]
    + [(n, "i8") for n in _TIMES]
    + [(n, "i8") for n in _COUNTS]
    + [(n, "u1") for n in _BITS],
    align=True,
)

WINDOW_SUMS = "v10 v60 v300 v900 dv10 dv300 n10 n60 tv60 buy60 cls60 blocks300 tv20 v20".split()
"""What `market.windows` keeps in a row."""

_NULL_AT_ROLL = [
    *(n for n in _PRICES if n not in ("prev_close", "bid", "ask", "bid_size", "ask_size")),
    *_BAR,
    *_RANGES,
    "hod_event_price",
    "suspect",
    "tick_price",
]
_ZERO_AT_ROLL = [
    *(n for n in _SUMS),
    *(n for n in _TIMES if n != "quote_ns"),
    *_COUNTS,
    *(n for n in _BITS if n not in ("listing", "ssr_before", "source")),
    "tick_dir",
]


def empty_rows(n: int) -> np.ndarray:
    """Return `n` rows that know nothing: prices NaN, sums 0."""
    rows = np.zeros(n, ROW)
    for name in (*_PRICES, *_NULL_AT_ROLL):
        rows[name] = NAN
    rows["known"] = KNOWN_DAY
    return rows


def roll_rows(rows: np.ndarray) -> None:
    """Begin a new session in place: the last close becomes the previous one, the day is empty."""
    close = np.where(np.isnan(rows["close_rth"]), rows["last"], rows["close_rth"])
    rows["prev_close"] = np.where(np.isnan(close), rows["prev_close"], close)
    rows["ssr_before"] = rows["ssr"]
    for name in _NULL_AT_ROLL:
        rows[name] = NAN
    for name in _ZERO_AT_ROLL:
        rows[name] = 0
    rows["known"] = KNOWN_DAY
