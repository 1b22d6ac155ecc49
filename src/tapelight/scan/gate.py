"""The gate of tier 2: which rows are in play, by conditions over tier 1's columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.memory import Kept
from tapelight.market.view import View
from tapelight.scan.filter import Filter, Positions
from tapelight.scan.sql import Query, compile_query

Flags = npt.NDArray[np.bool_]
FIT = "type IN ('CS', 'ADR') AND last >= 1 AND (spread_pct IS NULL OR spread_pct <= 2)"
"""What every reason asks besides: the default gate of boards and scans, its spread let out."""
IN_PLAY: tuple[tuple[str, str], ...] = (
    ("halt", "halts_today > 0"),
    ("gap", "abs(gap_pct) >= 3.6 AND trade_rate >= 0.45"),
    ("change", "abs(chg_pct) >= 4.4 OR (chg_pct >= 3.5 AND rvol_tod >= 2.6)"),
    (
        "reclaim",
        "chg_pct >= 2.7 AND last < 1.005 * vwap AND trade_rate >= 0.4 AND spread_pct <= 0.6",
    ),
    ("volume", "rvol_tod >= 2.5 AND NOT rvol_thin AND abs(chg_1m) >= 0.8"),
    ("high", "rvol_tod >= 2.5 AND chg_open_pct >= 1.6 AND rvol_5m >= 1.6"),
    ("burst", "abs(chg_5m) >= 1.8 AND rvol_5m >= 4"),
    ("leg", "abs(chg_10m) >= 3 AND trade_rate >= 0.4 AND rvol_5m >= 1.5"),
    (
        "range",
        "rvol_5m >= 1.8 AND adv20 >= 1000000 AND trade_rate >= 0.4 AND last >= 5 "
        "AND (last >= 0.998 * or5_high OR last <= 1.002 * or5_low)",
    ),
    (
        "stretch",
        "abs(vwap_z) >= 1.9 AND abs(chg_15m) >= 0.4 AND mcap >= 2000000000 "
        "AND spread_pct <= 0.1 AND trade_rate >= 0.4",
    ),
    (
        "strength",
        "rs_spy_30m >= 0.9 AND adv20 >= 2000000 AND trade_rate >= 0.4 AND last > vwap",
    ),
)
"""Reasons to be in play, the first that holds is the one shown. Their bounds lie a tenth inside
those of the product's scans and strategies, so that a row is warm before it matters."""
PINNED, EVERY_ROW, OWN = "pinned", "every row", "gate"


@dataclass(frozen=True, slots=True)
class Reason:
    """Hold one reason: its word, the condition to come in by, and the wider one to stay by."""

    word: str
    enter: Filter
    stay: Filter
    kept: tuple[Kept, ...]
    """What the table is to remember for it: ranks are of the second before."""


class Gate:
    """Ask each row for a reason to be in play."""

    def __init__(self, where: str = "") -> None:
        """Take a condition of its own, or the default reasons; raises ConfigError."""
        self.fit = None if where else _reason("fit", FIT)
        self.reasons = [
            _reason(word, text) for word, text in (((OWN, where),) if where else IN_PLAY)
        ]
        self.words = (EVERY_ROW, PINNED, *(r.word for r in self.reasons))
        """What the codes mean."""
        self.kept = tuple(kept for reason in self.reasons for kept in reason.kept)

    def enter(self, view: View) -> npt.NDArray[np.int32]:
        """Return the code of each row's first reason, 0 where there is none."""
        code = np.zeros(len(view), np.int32)
        fit = None if self.fit is None else self.fit.enter.rows(view)
        for i, reason in reversed(list(enumerate(self.reasons, self.words.index(PINNED) + 1))):
            if fit is None:
                code[reason.enter.rows(view)] = i
            else:
                code[fit[reason.enter.among(view, fit)]] = i
        return code

    def stay(self, view: View, at: Positions) -> Positions:
        """Return those of the positions `at` (ascending) that have a reason still, bounds let out."""
        fit = at if self.fit is None else at[self.fit.stay.among(view, at)]
        stays = np.zeros(len(fit), np.bool_)
        for reason in self.reasons:
            open_ = (~stays).nonzero()[0]
            if not len(open_):
                break
            stays[open_] = reason.stay.among(view, fit[open_])
        return fit[stays]


def _reason(word: str, where: str) -> Reason:
    try:
        query = compile_query(f"SELECT symbol FROM market WHERE {where}", kept=True)
    except ConfigError as error:
        raise ConfigError(f"The gate {where!r} can't be asked: {error}") from error
    _check(query, where)
    assert query.where is not None
    assert query.leave is not None
    return Reason(word, query.where, query.leave, query.kept)


def _check(query: Query, where: str) -> None:
    """Refuse what only rows behind the gate know; raises ConfigError."""
    asked = [name for name in query.used if columns()[name].indicators]
    asked += [ask.name for ask in getattr(query, "indicators", ())]
    if asked:
        raise ConfigError(
            f"The gate {where!r} asks for {asked[0]}, which only rows in tier 2 have: "
            "use columns of tier 1, such as chg_pct or rvol_tod."
        )
