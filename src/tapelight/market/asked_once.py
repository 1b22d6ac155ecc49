"""Indicators that nobody follows, asked for once: by a query of the moment, say."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tapelight.market.bank import Bank, Work
from tapelight.market.candles import CANDLE, open_minute, resample, session_candles
from tapelight.market.indicators import TIMEFRAMES, Ask
from tapelight.market.table import Table
from tapelight.market.tier import TWO
from tapelight.model.session import MINUTE_NS, NS

NONE = np.zeros(0, np.intp)
ROW_US, LEAST_US = 10.0, 1_000.0
"""What a series costs: for each row of a day's minutes, and at the least."""
Rows = npt.NDArray[np.intp]


def cost_us(table: Table, asks: Iterable[Ask]) -> float:
    """Return what it is reckoned to cost to ask those of `asks` that nobody follows."""
    rows = np.count_nonzero(table.tiers.levels(table.n) >= TWO)
    alone = sum(ask not in table.indicators.wanted for ask in asks)
    return alone * max(LEAST_US, ROW_US * float(rows))


def bars_once(table: Table, among: Rows | None, timeframe: str) -> tuple[Rows, np.ndarray]:
    """Return the rows of tier 2 `among` some (all, when None), and their closed bars as CANDLEs.

    Those that closed a second ago or earlier: what all series of a timeframe are reckoned of.
    """
    second = table.tiers.levels(table.n) >= TWO
    rows = np.flatnonzero(second) if among is None else np.unique(among[second[among]])
    session = table.session
    if session is None or not len(rows):
        return NONE, np.zeros(0, CANDLE)
    until = (table.now_ns - NS - session.start_ns) // MINUTE_NS
    minutes = session_candles(table.bars.of_rows(rows), session)
    return rows, resample(minutes, TIMEFRAMES[timeframe], open_minute(session), until)


def asked_once(table: Table, ask: Ask, rows: Rows, bars: np.ndarray) -> npt.NDArray[np.float64]:
    """Return a series over `bars`, shape (rows of the table,).

    NaN outside `rows`, and everywhere for a forming one, which needs to be followed. It is
    a pure function of the table: whoever asks, and how often, changes nothing.
    """
    values = np.full(table.n, np.nan)
    if ask.forming or not len(rows):
        return values
    work = Work(0, 0, (ask,), rows, {ask.timeframe: bars}, {}, NONE)
    for found in Bank().reckon(work):
        values[found.rows] = found.values[0]
    return values
