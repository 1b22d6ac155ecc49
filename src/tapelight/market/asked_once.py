"""Indicators that nobody follows, asked for once: by a query of the moment, say."""

import numpy as np
import numpy.typing as npt

from tapelight.market.bank import Bank, Work
from tapelight.market.candles import open_minute, resample, session_candles
from tapelight.market.indicators import TIMEFRAMES, Ask
from tapelight.market.table import Table
from tapelight.market.tier import TWO
from tapelight.model.session import MINUTE_NS, NS

NONE = np.zeros(0, np.intp)


def asked_once(table: Table, ask: Ask) -> npt.NDArray[np.float64]:
    """Return a series over the bars that closed a second ago or earlier, shape (rows,).

    NaN outside tier 2, and everywhere for a forming one, which needs to be followed. It is
    a pure function of the table: whoever asks, and how often, changes nothing.
    """
    values, session = np.full(table.n, np.nan), table.session
    rows = np.flatnonzero(table.tiers.levels(table.n) >= TWO)
    if session is None or ask.forming or not len(rows):
        return values
    until = (table.now_ns - NS - session.start_ns) // MINUTE_NS
    minutes = session_candles(table.bars.of_rows(rows), session)
    bars = resample(minutes, TIMEFRAMES[ask.timeframe], open_minute(session), until)
    work = Work(0, 0, (ask,), rows, {ask.timeframe: bars}, {}, NONE)
    for found in Bank().reckon(work):
        values[found.rows] = found.values[0]
    return values
