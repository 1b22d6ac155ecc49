"""Measure what saved scans cost: 1,000 of them asked once a second over 11,000 symbols.

Every row changes in every second, so each scan is asked of the whole market. The cost is that of
whole-second marks with the scans less that of the same marks with nothing asked, CPU time: the
columns that the scans ask for are in it. Few fire: a market in which all of them fire all the time
measures signals, not scans. The baseline of one scan is a Polars filter of three
comparisons over the same rows.
"""

from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

from tapelight.bench import row
from tapelight.bench.cycle import Market, Size, cpu_ms
from tapelight.market.view import View
from tapelight.model.records import Questions

SCANS = 1_000
SECOND_MS, GOAL_PCT = 1000.0, 10.0
_SHAPES = (
    "chg_pct > {a} AND rvol_tod >= {b} AND last BETWEEN {b} AND {c}",
    "gap_pct > {a} AND vol > {c}00 AND float_shares < {c}0000",
    "symbol = 'S{i:05d}' AND last > {c} * 10",
    "abs(chg_5m) >= {a} AND vol_1m > greatest({c}, 2 * mean20_1m)",
    "new_hod AND chg_pct > {a} AND spread_pct < {c} / 100",
    "hod_dist_pct > -{b} AND vwap_dist_pct > {a} AND NOT halted AND vol > {c}",
    "chg_1m > CASE WHEN last < {c} THEN {a} ELSE {a} / 2 END",
    "chg_5m / atr_pct > {a} AND trade_rate > {c}",
    "type = 'CS' AND dollar_vol > {c}0000 AND range_pos > 0.{b} AND chg_pct > {a}",
    "(chg_1m > {a} OR chg_1m < -{a}) AND vol_1m > {c}",
)


def run(size: Size | None = None, scans: int = SCANS) -> Iterator[dict[str, Any]]:
    """Yield rows {name, value, unit, baseline, ratio}; ratio = value / baseline."""
    size = size or Size(repeats=20)
    market = Market(size)
    market.warm()
    texts = {f"scan_{i:04d}": text(i) for i in range(scans)}
    market.engine.apply(Questions({}))
    without = median(market.second() for _ in range(size.repeats))
    read_ms = cpu_ms(lambda: market.engine.apply(Questions(texts)))
    cost_ms = median(market.second() for _ in range(size.repeats)) - without
    yield row(f"scans_{scans}_at_1_hz_of_a_core", 100.0 * cost_ms / SECOND_MS, GOAL_PCT, "%")
    yield row(f"scan_of_{scans}_each", 1000.0 * cost_ms / scans, _polars_us(market), "us")
    yield row(f"read_{scans}_scans", read_ms, SECOND_MS)


def text(i: int) -> str:
    """Return the i-th scan's text: ten shapes, each with bounds of its own."""
    bounds = {"a": 9 + i % 37, "b": 1 + i % 9, "c": 100 + i}
    asked = _SHAPES[i % len(_SHAPES)].format(**bounds, i=i)
    return (
        '-- kind = "events"\n-- cooldown_s = 600.0\n'
        f"SELECT symbol, last, chg_pct, vol FROM market WHERE {asked}"
    )


def _polars_us(market: Market, repeats: int = 50) -> float:
    """Return the CPU time in us of one such scan as a Polars filter over the same columns."""
    import polars as pl

    view = View(market.engine.table)
    names = ("chg_pct", "rvol_tod", "last")
    frame = pl.DataFrame({name: np.asarray(view[name]) for name in names})
    asked = (pl.col("chg_pct") > 3) & (pl.col("rvol_tod") >= 1) & pl.col("last").is_between(1, 100)
    return 1000.0 * median(cpu_ms(lambda: frame.select(asked)) for _ in range(repeats))
