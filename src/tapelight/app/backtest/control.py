"""The matched control: what the market did at the same minute where the condition was false."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tapelight.app.backtest.grid import Grid
from tapelight.model.outcomes import HORIZONS, HORIZONS_S

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
N = len(HORIZONS)
OTHER_DAYS = "the same symbols at the same minute of the other days, condition false"
SAME_DAY = "all other symbols at the same minute of the same day, condition false"


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold n signals for which a control is wanted."""

    date: npt.NDArray[np.str_]
    """Session (ISO)."""
    symbol: npt.NDArray[np.str_]
    minute: Int64s
    """The first whole minute at or after the mark, counted from the session's start."""
    side: Floats


@dataclass(frozen=True, slots=True)
class Control:
    """Hold for n signals the mean return of their controls, gross, in %, shape (n, N)."""

    kind: str
    mean: Floats
    """NaN where no control was found."""
    count: Int64s
    """How many controls each mean is of."""


def matched(asked: Asked, grids: Sequence[Path]) -> Control:
    """Return the controls: of the other days where there are several, else of the same day."""
    alone = len(grids) == 1
    total, count = np.zeros((len(asked.side), N)), np.zeros((len(asked.side), N), np.int64)
    add: Callable[[Asked, Grid, Floats, Int64s], None] = _others if alone else _elsewhen
    for path in grids:
        add(asked, Grid.load(path), total, count)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return Control(SAME_DAY if alone else OTHER_DAYS, mean, count)


def _lines(grid: Grid, minute: Int64s, horizon: str) -> tuple[Int64s, Int64s]:
    """Return the grid's lines of entry and exit; -1 where the session does not reach."""
    begin = minute - grid.first
    seconds = HORIZONS_S.get(horizon)
    end = begin + seconds // 60 if seconds else np.full_like(begin, grid.close - grid.first)
    inside = (begin >= 0) & (end > begin) & (end < len(grid))
    return np.where(inside, begin, -1), np.where(inside, end, -1)


def _elsewhen(asked: Asked, grid: Grid, total: Floats, count: Int64s) -> None:
    """Add a day's returns to the signals of the other days."""
    names, place = np.unique(asked.symbol, return_inverse=True)
    rows = grid.rows_of(names.tolist())[place]
    others = (asked.date != grid.date) & (rows >= 0)
    for h, horizon in enumerate(HORIZONS):
        begin, end = _lines(grid, asked.minute, horizon)
        at = np.flatnonzero(others & (begin >= 0))
        at = at[~grid.true[begin[at], rows[at]]]
        bought = grid.price[begin[at], rows[at]].astype(np.float64)
        sold = grid.price[end[at], rows[at]].astype(np.float64)
        gained = 100.0 * asked.side[at] * (sold / bought - 1.0)
        known = ~np.isnan(gained)
        total[at[known], h] += gained[known]
        count[at[known], h] += 1


def _others(asked: Asked, grid: Grid, total: Floats, count: Int64s) -> None:
    """Add to each signal the mean over the other symbols at its minute."""
    for minute in np.unique(asked.minute).tolist():
        mine = np.flatnonzero((asked.minute == minute) & (asked.date == grid.date))
        for h, horizon in enumerate(HORIZONS):
            begin, end = (int(x[0]) for x in _lines(grid, np.array([minute]), horizon))
            if begin < 0:
                continue
            bought, sold = grid.price[begin].astype(np.float64), grid.price[end].astype(np.float64)
            gained = (100.0 * (sold / bought - 1.0))[~grid.true[begin]]
            gained = gained[~np.isnan(gained)]
            count[mine, h] += len(gained)
            total[mine, h] += asked.side[mine] * gained.sum()
