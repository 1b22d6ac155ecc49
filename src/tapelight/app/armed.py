"""Who is armed now: what scans and strategies remember, told as a state.

A scan's armed row that moves away is let go without a record, so that records can't tell this.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from tapelight.engine import Engine
from tapelight.ports import Json
from tapelight.scan.course import ARMED


def armed_rows(engine: Engine) -> Iterator[dict[str, Json]]:
    """Yield {"scan", "symbol", "since_ns"} of each row that is armed."""
    for name, scan in engine.scans.items():
        yield from _told(engine, name, scan.life.armed.items())
    for name, rule in engine.strategies.items():
        rows = np.flatnonzero(rule.course["state"] == ARMED)
        born = rule.course["born_ns"][rows]
        yield from _told(engine, name, zip(rows.tolist(), born.tolist(), strict=True))


def newest_armed(rows: Iterable[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return armed rows, the newest first."""
    return sorted(rows, key=lambda row: (-row["since_ns"], row["scan"], row["symbol"]))


def _told(engine: Engine, name: str, born: Iterable[tuple[int, int]]) -> Iterator[dict[str, Json]]:
    symbols = engine.table.universe.symbols
    for row, since_ns in born:
        yield {"scan": name, "symbol": symbols[row], "since_ns": since_ns}
