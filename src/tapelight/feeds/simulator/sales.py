"""Kinds of sale: condition sets, how often they occur, and what they may move."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Floats
from tapelight.model.conditions import US_RULES, mask_of

Bools = npt.NDArray[np.bool_]

ODD_LOT = 37
# (conditions, weight): regular hours, round and mixed lots.
_ROUND: tuple[tuple[tuple[int, ...], float], ...] = (
    ((), 0.560), ((14, 41), 0.270), ((14,), 0.080), ((41,), 0.070), ((10, 41), 0.0010),
    ((2,), 0.0030), ((4,), 0.0010), ((22,), 0.0006), ((53,), 0.0015), ((52,), 0.0012),
    ((7,), 0.0002), ((9,), 0.0006), ((1,), 0.0006), ((29,), 0.0001), ((20,), 0.0001),
    ((21,), 0.0002), ((34,), 0.0002), ((3,), 0.0010),
)  # fmt: skip
_ODD = (((37,), 0.58), ((14, 37, 41), 0.25), ((14, 37), 0.10), ((37, 41), 0.06), ((2, 37), 0.01))
_EXT_ROUND = (((12,), 0.62), ((12, 14, 41), 0.25), ((12, 14), 0.10), ((2, 12), 0.02), ((13,), 0.01))
_EXT_ODD = (((12, 37), 0.68), ((12, 14, 37, 41), 0.32))
_SPECIAL = ((17,), (25,), (16,), (8,), (19,), (15,), (28,), (30,), (32,), (13,), (30, 37))
_OFF_PRICE = frozenset({2, 10, 22, 52, 53})
_OFF_EXCHANGE = frozenset({2, 10, 20, 22, 52, 53, 7, 1, 29})


@dataclass(frozen=True, slots=True)
class Mix:
    """Draw kinds by a uniform number: `kinds[searchsorted(edges, u)]`."""

    kinds: npt.NDArray[np.int16]
    edges: Floats

    def draw(self, u: Floats) -> npt.NDArray[np.int16]:
        """Return one kind for each uniform number of `u`."""
        return self.kinds[np.searchsorted(self.edges, u, side="right")]


def _collect() -> list[tuple[int, ...]]:
    kinds: dict[tuple[int, ...], None] = {}
    for table in (_ROUND, _ODD, _EXT_ROUND, _EXT_ODD):
        kinds.update({conditions: None for conditions, _ in table})
    kinds.update(dict.fromkeys(_SPECIAL))
    return list(kinds)


KINDS: list[tuple[int, ...]] = _collect()
"""Condition ids by kind number."""
_NUMBER = {conditions: i for i, conditions in enumerate(KINDS)}


def kind(*conditions: int) -> int:
    """Return the kind number of a condition set of the tables above."""
    return _NUMBER[conditions]


def _mix(table: tuple[tuple[tuple[int, ...], float], ...]) -> Mix:
    weights = np.array([weight for _, weight in table])
    edges = np.cumsum(weights / weights.sum())
    kinds = np.array([_NUMBER[conditions] for conditions, _ in table], np.int16)
    return Mix(kinds, edges[:-1])


REGULAR_ROUND, REGULAR_ODD = _mix(_ROUND), _mix(_ODD)
EXTENDED_ROUND, EXTENDED_ODD = _mix(_EXT_ROUND), _mix(_EXT_ODD)

_MASKS = [mask_of(conditions) for conditions in KINDS]


def _flags(forbidden: int) -> Bools:
    return np.array([mask & forbidden == 0 for mask in _MASKS])


_FORM_T = np.array([mask & US_RULES.form_t != 0 for mask in _MASKS])
_CLEAN_T = _FORM_T & _flags(US_RULES.not_clean)
MOVES_LAST: Bools = _flags(US_RULES.no_last | US_RULES.first_only) | _CLEAN_T
"""May be the last price, of the regular session or, for Form T, of extended hours."""
MOVES_HIGH_LOW: Bools = _flags(US_RULES.no_high_low) | _CLEAN_T
COUNTS: Bools = _flags(US_RULES.no_volume)
IN_VWAP: Bools = _flags(US_RULES.no_vwap)
IS_EXTENDED: Bools = _FORM_T
OFF_PRICE: Bools = np.array([bool(_OFF_PRICE.intersection(c)) for c in KINDS])
OFF_EXCHANGE: Bools = np.array([bool(_OFF_EXCHANGE.intersection(c)) for c in KINDS])

_SIZES = (
    (0.52, 100, 100), (0.17, 1, 99), (0.09, 200, 200), (0.045, 300, 300), (0.03, 400, 400),
    (0.035, 500, 500), (0.025, 600, 999), (0.015, 1000, 1000), (0.05, 101, 399),
    (0.015, 1000, 5000), (0.004, 5000, 20_000), (0.001, 20_000, 60_000),
)  # fmt: skip


def _size_table(length: int) -> Floats:
    parts = []
    for share, low, high in _SIZES:
        parts.append(np.geomspace(low, high, max(1, round(share * length))).round())
    table = np.concatenate(parts)
    return np.pad(table, (0, max(0, length - len(table))), constant_values=100.0)[:length]


SIZES: Floats = _size_table(4096)
"""Trade sizes in shares by quantile, to be drawn by a uniform index."""
MEAN_SIZE = float(SIZES.mean())

_RUNS = (0.72, 0.14, 0.055, 0.028, *([0.0095] * 4), *([0.0016] * 8), *([0.0004] * 12))
RUN_EDGES: Floats = np.cumsum(np.array(_RUNS) / sum(_RUNS))[:-1]
"""How many trades of a symbol fall in one millisecond: 1 to 28, by uniform number."""
MEAN_RUN = float((np.arange(1, len(_RUNS) + 1) * np.array(_RUNS)).sum() / sum(_RUNS))

_VENUES = ((4, 0.36), (12, 0.17), (11, 0.12), (19, 0.08), (8, 0.09), (10, 0.05), (21, 0.04),
           (20, 0.02), (18, 0.02), (7, 0.015), (2, 0.01), (15, 0.015), (1, 0.005), (3, 0.004),
           (9, 0.001))  # fmt: skip
VENUES = np.array([v for v, _ in _VENUES], np.uint8)
VENUE_EDGES: Floats = np.cumsum([w for _, w in _VENUES] / np.sum([w for _, w in _VENUES]))[:-1]
OFF_EXCHANGE_VENUE = 4
