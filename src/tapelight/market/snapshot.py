"""Take the provider's picture of the day: fill what the rows lack, never shrink a sum."""

import numpy as np
import numpy.typing as npt

from tapelight.market.row import (
    AUCTION_PRINT,
    FIRST_PRINT,
    GAP,
    KNOWN_DAY,
    PARTIAL,
    SPLIT,
    UNSEEN,
)
from tapelight.market.spill import touch_all
from tapelight.market.table import Table
from tapelight.model.records import Snapshot
from tapelight.model.session import MINUTE_NS, PRE, REGULAR

SAME = 0.005
"""Two previous closes nearer than this, as a fraction, are the same one."""
Rows = npt.NDArray[np.int32]


def take_snapshot(table: Table, snap: Snapshot) -> None:
    """Let the snapshot close an open hole; a row that missed volume no longer knows its whole day.

    A hole whose trades are being fetched stays open until they are there; one that a part of the
    market tells of stays open for the others.
    """
    table.enter_session(snap.ts_recv_ns)
    session = table.session
    assert session is not None
    live = table.rows
    _take_quotes(live, snap)
    _check_previous_closes(table, snap)
    known_until = np.maximum(live["snap_ns"][snap.row], session.start_ns - 1)
    fresh = np.flatnonzero(snap.updated_ns > known_until)
    if (snap.volume[fresh] > live["vol"][snap.row[fresh]]).any():
        table.windows_since_ns = int(snap.updated_ns.max())
    _take_day(live, snap, fresh, session.phase(snap.ts_recv_ns))
    touch_all(live, snap.row, table.counters, table.spill)
    if not table.healing:
        _end_hole(table, snap)


def _end_hole(table: Table, snap: Snapshot) -> None:
    """Let the snapshot's rows be sound again; the others too where it tells of all."""
    live = table.live
    if snap.whole:
        table.gap_since_ns = 0
        live["provisional"] &= 0xFF ^ GAP
    else:
        live["provisional"][snap.row] &= 0xFF ^ GAP


def _take_quotes(live: np.ndarray, snap: Snapshot) -> None:
    for price, size, prices, sizes in (
        ("bid", "bid_size", snap.bid, snap.bid_size),
        ("ask", "ask_size", snap.ask, snap.ask_size),
    ):
        given = prices > 0
        live[price][snap.row[given]] = prices[given]
        live[size][snap.row[given]] = sizes[given]


def _take_day(live: np.ndarray, snap: Snapshot, fresh: npt.NDArray[np.intp], phase: int) -> None:
    row = snap.row[fresh]
    missed = snap.volume[fresh] > live["vol"][row]
    live["snap_ns"][row] = snap.updated_ns[fresh]
    unknown = np.isnan(live["last"][row]) & (snap.volume[fresh] > 0)
    unseen = live["print_ns"][row] < snap.updated_ns[fresh] // MINUTE_NS * MINUTE_NS
    _take_last(live, snap, fresh[(missed | unknown) & (snap.last[fresh] > 0)], phase)
    _take_missed(live, snap, fresh[missed], phase)
    live["known"][row[missed & unseen]] |= UNSEEN
    for name, given, widen in (
        ("high", snap.high, np.fmax),
        ("low", snap.low, np.fmin),
        ("hod", snap.high, np.fmax),
        ("lod", snap.low, np.fmin),
    ):
        live[name][row] = widen(live[name][row], given[fresh])
    opened = fresh[(snap.open[fresh] > 0) & (live["open_src"][row] < AUCTION_PRINT)]
    live["open"][snap.row[opened]] = snap.open[opened]
    live["open_src"][snap.row[opened]] = AUCTION_PRINT


def _take_last(live: np.ndarray, snap: Snapshot, at: npt.NDArray[np.intp], phase: int) -> None:
    """Take the last price; in regular hours the open has been, though it may be unknown."""
    row = snap.row[at]
    live["last"][row] = snap.last[at]
    live["last_ns"][row] = snap.updated_ns[at]
    live["print_ns"][row] = np.maximum(live["print_ns"][row], snap.updated_ns[at])
    if phase == REGULAR:
        live["has_reg"][row] = 1
        live["open_src"][row] = np.maximum(live["open_src"][row], FIRST_PRINT)
        open_close = row[live["close_src"][row] < AUCTION_PRINT]
        live["close_rth"][open_close] = live["last"][open_close]
        live["close_src"][open_close] = FIRST_PRINT


def _take_missed(live: np.ndarray, snap: Snapshot, at: npt.NDArray[np.intp], phase: int) -> None:
    """Count shares that traded unseen: in pre-market they are its own, later no phase's alone."""
    row = snap.row[at]
    volume = snap.volume[at]
    live["vol"][row] = volume
    live["known"][row] &= 0xFF ^ (KNOWN_DAY | PARTIAL | UNSEEN)
    live["pv_pm"][row] = live["v_pm"][row] = np.nan
    if phase == PRE:
        live["pm_vol"][row] = volume
        return
    for name in ("pm_vol", "vol_rth", "post_vol"):
        live[name][row] = np.nan
    # The provider's own VWAP, weighed by the day's shares, goes on from here.
    live["v"][row] = volume
    live["pv"][row] = volume * snap.vwap[at]
    live["vw_mean"][row] = snap.vwap[at]
    live["vw_m2"][row] = np.nan


def _check_previous_closes(table: Table, snap: Snapshot) -> None:
    """Fill unknown previous closes; verify split-adjusted ones against the provider's own."""
    live, row = table.rows, snap.row
    given = snap.prev_close > 0
    unknown = given & np.isnan(live["prev_close"][row])
    live["prev_close"][row[unknown]] = snap.prev_close[unknown]
    mine = live["prev_close"][row]
    factor = table.reference.numbers["split_today"][row]
    with np.errstate(all="ignore"):
        same = np.abs(snap.prev_close / mine - 1.0) < SAME
        same |= np.abs(snap.prev_close * factor / mine - 1.0) < SAME
    live["provisional"][row[given & same & ~unknown]] &= 0xFF ^ SPLIT
