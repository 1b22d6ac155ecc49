"""The gate of tier 2: which rows are in play, by conditions over tier 1's columns."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.market.indicators import TIMEFRAMES
from tapelight.market.memory import Kept
from tapelight.market.view import View
from tapelight.scan.filter import Filter
from tapelight.scan.sql import Query, compile_query

Flags = npt.NDArray[np.bool_]
FIT = "type IN ('CS', 'ADR') AND last >= 1 AND (spread_pct IS NULL OR spread_pct <= 2)"
"""What the reasons of scans ask: the default gate of boards and scans, its spread let out."""
LIQUID = "trade_rate >= 0.45 AND spread_pct <= 0.52 AND (adv20 >= 480000 OR rvol_tod >= 4.8) AND last >= 2"
"""What the strategies ask of every row: their common gates."""
ALL, LONGER, BARS = frozenset(TIMEFRAMES), frozenset(TIMEFRAMES) - {"1m"}, frozenset[str]()
"""Of which timeframes the indicators are followed; bars are kept in any case."""
IN_PLAY: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("halt", f"halts_today > 0 AND {FIT}", ALL),
    ("gap", f"abs(gap_pct) >= 3.95 AND trade_rate >= 0.48 AND {FIT}", ALL),
    ("change", f"(abs(chg_pct) >= 4.9 OR (chg_pct >= 3.9 AND rvol_tod >= 2.9)) AND {FIT}", ALL),
    ("volume", f"rvol_tod >= 2.9 AND NOT rvol_thin AND abs(chg_1m) >= 0.9 AND {FIT}", ALL),
    ("burst", f"abs(chg_5m) >= 1.9 AND rvol_5m >= 4.8 AND {FIT}", ALL),
    ("reclaim", f"chg_pct >= 2.8 AND last < 1.003 * vwap AND {LIQUID}", ALL),
    (
        "high",
        f"rvol_tod >= 2.9 AND chg_open_pct >= 1.9 AND rvol_5m >= 1.9 AND last > vwap AND {LIQUID}",
        ALL,
    ),
    ("leg", f"chg_10m >= 3.6 AND rvol_5m >= 1.5 AND {LIQUID}", ALL),
    (
        "strength",
        f"rs_spy_30m >= 0.95 AND adv20 >= 2000000 AND last > vwap AND {LIQUID}",
        ALL,
    ),
    (
        "stretch",
        "mcap >= 2000000000 AND spread_pct <= 0.1 AND ((vwap_z <= -1.95 AND chg_15m <= -0.4) "
        f"OR (vwap_z >= 1.95 AND chg_15m >= 0.4)) AND {LIQUID}",
        LONGER,
    ),
    (
        "level",
        "rvol_tod >= 1.45 AND last > 0.999 * vwap AND ("
        "(open <= prev_high AND last >= 0.998 * prev_high AND high <= 1.005 * prev_high) OR "
        f"(open <= w52_high AND last >= 0.998 * w52_high AND high <= 1.005 * w52_high)) AND {LIQUID}",
        BARS,
    ),
    (
        "range",
        "rvol_5m >= 1.8 AND adv20 >= 1000000 AND last >= 5 "
        f"AND (last >= 0.998 * or5_high OR last <= 1.002 * or5_low) AND {LIQUID}",
        BARS,
    ),
)
"""Reasons to be in play, and what is followed for each. Their bounds lie some hundredths inside
those of the product's scans and strategies: a row is seen half a second after it came in.

Those of which more is followed come first: the first one that holds is shown, and its is followed."""
PINNED, EVERY_ROW, OWN = "pinned", "every row", "gate"


@dataclass(frozen=True, slots=True)
class Reason:
    """Hold one reason: its word, the condition to come in by, and what is followed for it."""

    word: str
    enter: Filter
    series: frozenset[str]
    """The timeframes whose indicators are followed."""
    kept: tuple[Kept, ...]
    """What the table is to remember for it: ranks are of the second before."""


class Gate:
    """Ask each row for a reason to be in play."""

    def __init__(self, where: str = "") -> None:
        """Take a condition of its own, or the default reasons; raises ConfigError."""
        given = ((OWN, where, ALL),) if where else IN_PLAY
        self.reasons = [_reason(*one) for one in given]
        self.words = (EVERY_ROW, PINNED, *(r.word for r in self.reasons))
        """What the codes mean."""
        followed = [BARS, ALL, *(r.series for r in self.reasons)]
        self.series = np.array([series_bits(names) for names in followed], np.uint8)
        """What is followed by code, as bits."""
        self.kept = tuple(kept for reason in self.reasons for kept in reason.kept)

    def enter(self, view: View) -> npt.NDArray[np.int32]:
        """Return the code of each row's first reason, 0 where there is none."""
        code = np.zeros(len(view), np.int32)
        for i, reason in reversed(list(enumerate(self.reasons, self.words.index(PINNED) + 1))):
            code[reason.enter.rows(view)] = i
        return code


def series_bits(names: Iterable[str]) -> int:
    """Return timeframes as bits, the shortest lowest."""
    order = list(TIMEFRAMES)
    return sum(1 << order.index(name) for name in names)


def _reason(word: str, where: str, series: frozenset[str]) -> Reason:
    try:
        query = compile_query(f"SELECT symbol FROM market WHERE {where}", kept=True)
    except ConfigError as error:
        raise ConfigError(f"The gate {where!r} can't be asked: {error}") from error
    _check(query, where)
    assert query.where is not None
    return Reason(word, query.where, series, query.kept)


def _check(query: Query, where: str) -> None:
    """Refuse what only rows behind the gate know; raises ConfigError."""
    asked = [name for name in query.used if columns()[name].indicators]
    asked += [ask.name for ask in getattr(query, "indicators", ())]
    if asked:
        raise ConfigError(
            f"The gate {where!r} asks for {asked[0]}, which only rows in tier 2 have: "
            "use columns of tier 1, such as chg_pct or rvol_tod."
        )
