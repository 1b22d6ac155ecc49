"""Compile the inner loops ahead of time: `python -m tapelight.market.warm`, called by the set-up.

Compiled loops lie beside their source; those older than any source they were made of are
dropped first, since Numba looks at one file alone.
"""

from pathlib import Path

import numpy as np

from tapelight.market.candle import close_bar_of
from tapelight.market.intake import take
from tapelight.market.table import Table
from tapelight.market.view import View
from tapelight.model.batch import Bars, Batch, bars_of, quotes_of, trades_of
from tapelight.model.records import Correction, History, Print, Ruling, Snapshot
from tapelight.model.session import MINUTE_NS, NS, calendar, latest_session

NOON_NS = 1_740_589_200 * NS
"""Some moment of some session."""


def drop_stale(folder: Path) -> int:
    """Delete compiled loops of `folder` that are older than its newest source; return how many."""
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    compiled = [*folder.glob("__pycache__/*.nbi"), *folder.glob("__pycache__/*.nbc")]
    if all(path.stat().st_mtime >= newest for path in compiled):
        return 0
    for path in compiled:
        path.unlink(missing_ok=True)
    return len(compiled)


def compile_loops() -> None:
    """Run every loop once, with the types that they meet live."""
    table = Table()
    table.grow(["A", "B", "C"])
    start = latest_session(calendar("XNYS"), NOON_NS).open_ns + 60 * MINUTE_NS
    table.advance(start)
    trades = trades_of([0], [start], [10.0], [100.0], [0], [0], [0])
    quotes = quotes_of([0], [start], [9.9], [10.1], [1.0], [1.0], [0])
    take(table, Batch(start, trades, quotes))
    far = trades_of([0], [start + NS], [20.0], [100.0], [0], [0], [0])
    take(table, Batch(start + NS, far))
    take(table, Ruling(start + NS, "A", start + NS, 20.0, True))
    for bars in (_bar(1, start, 1), _bar(2, start, 60), _bar(2, start, 60)):
        take(table, Batch(start + MINUTE_NS, bars=bars))
    take(table, Correction(start + 1, "A", Print(start, 10.0, 100.0)))
    one = np.array([10.0])
    picture = Snapshot(start, np.array([0], np.int32), np.array([start]), *[one] * 11)
    take(table, picture)
    take(table, History(start, _bar(0, start - 2 * MINUTE_NS, 60)))
    table.advance(start + 2 * MINUTE_NS)
    close_bar_of(table.live, 0, table.counters, table.spill)
    for column in ("chg_pct", "range_pos", "quiet_s"):
        View(table)[column]
    table.forget_changes()


def _bar(row: int, start_ns: int, span_s: int) -> Bars:
    prices = [[10.0]] * 7
    return bars_of([[row], [start_ns], [span_s], *prices, [float("nan")], [float("nan")]])


def main() -> None:
    """Drop what is stale, compile what is missing."""
    drop_stale(Path(__file__).parent)
    compile_loops()


if __name__ == "__main__":
    main()
