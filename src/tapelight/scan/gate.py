"""The gate of tier 2: which rows are in play, by conditions over tier 1's columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.scan.compile import Test
from tapelight.scan.sql import Query, compile_query

Flags = npt.NDArray[np.bool_]
IN_PLAY: tuple[tuple[str, str], ...] = (
    ("halt", "halts_today > 0"),
    ("gap", "abs(gap_pct) >= 3.5 AND trades >= 20"),
    ("change", "abs(chg_pct) >= 4 AND trades >= 20"),
    ("mover", "abs(chg_pct) >= 2.5 AND trade_rate >= 0.4"),
    ("volume", "rvol_tod >= 2 AND NOT rvol_thin AND abs(chg_pct) >= 1 AND trade_rate >= 0.3"),
    ("burst", "abs(chg_5m) >= 1.5 AND trade_rate >= 0.2"),
    ("surge", "rvol_5m >= 3 AND abs(chg_5m) >= 0.8 AND trade_rate >= 0.4"),
    ("stretch", "abs(vwap_z) >= 1.8 AND mcap >= 2000000000 AND spread_pct <= 0.1"),
)
"""Reasons to be in play, the first that holds is the one shown. Starting points, wider than what
scans and strategies ask for, so that a row is warm before it matters."""
PINNED, EVERY_ROW, OWN = "pinned", "every row", "gate"


@dataclass(frozen=True, slots=True)
class Reason:
    """Hold one reason: its word, the condition to come in by, and the wider one to stay by."""

    word: str
    enter: Test
    stay: Test


class Gate:
    """Ask each row for a reason to be in play."""

    def __init__(self, where: str = "") -> None:
        """Take a condition of its own, or the default reasons; raises ConfigError."""
        given = ((OWN, where),) if where else IN_PLAY
        self.reasons = [_reason(word, text) for word, text in given]
        self.words = (EVERY_ROW, PINNED, *(r.word for r in self.reasons))
        """What the codes mean."""

    def enter(self, view: View) -> npt.NDArray[np.int32]:
        """Return the code of each row's first reason, 0 where there is none."""
        code = np.zeros(len(view), np.int32)
        for i, reason in reversed(list(enumerate(self.reasons, self.words.index(PINNED) + 1))):
            code[reason.enter(view)] = i
        return code

    def stay(self, view: View) -> Flags:
        """Tell which rows have a reason still, with the bounds let out."""
        stays = np.zeros(len(view), np.bool_)
        for reason in self.reasons:
            stays |= reason.stay(view)
        return stays


def _reason(word: str, where: str) -> Reason:
    try:
        query = compile_query(f"SELECT symbol FROM market WHERE {where}")
    except ConfigError as error:
        raise ConfigError(f"The gate {where!r} can't be asked: {error}") from error
    _check(query, where)
    assert query.where is not None
    assert query.leave is not None
    return Reason(word, query.where, query.leave)


def _check(query: Query, where: str) -> None:
    """Refuse what only rows behind the gate know; raises ConfigError."""
    asked = [name for name in query.used if columns()[name].indicators]
    asked += [ask.name for ask in getattr(query, "indicators", ())]
    if asked:
        raise ConfigError(
            f"The gate {where!r} asks for {asked[0]}, which only rows in tier 2 have: "
            "use columns of tier 1, such as chg_pct or rvol_tod."
        )
