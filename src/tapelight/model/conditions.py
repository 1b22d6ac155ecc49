"""Sale conditions as one bit mask a trade, and the rules that decide what a trade may move.

A trade's condition ids (Massive's numbering) are bits of a uint64. An id outside 0..62 that is
not a known neutral indicator sets `UNKNOWN`: the print counts for volume and moves no price.
Source: CTS Pillar and UTP plan specifications, consolidated columns.
"""

from collections.abc import Iterable

import msgspec

UNKNOWN = 1 << 63
KNOWN_NEUTRAL = frozenset(range(57, 72))
"""Short-sale and financial-status indicators: not sale conditions."""

KNOWN = frozenset({*range(39), 41, 52, 53, 55})
"""Ids of the consolidated table; any other is unknown."""


def mask_of(ids: Iterable[int]) -> int:
    """Return the uint64 bit mask of condition `ids`; unknown ids set the UNKNOWN bit."""
    mask = 0
    for i in ids:
        if i in KNOWN_NEUTRAL:
            continue
        mask |= (1 << i) if i in KNOWN else UNKNOWN
    return mask


WORDS = {
    2: "average price", 4: "bunched", 5: "bunched, sold", 7: "cash", 8: "closing", 9: "cross",
    10: "derivatively priced", 12: "extended hours", 13: "extended hours, out of sequence",
    14: "sweep", 15: "official close", 16: "official open", 17: "opening", 18: "reopening",
    19: "closing", 20: "next day", 21: "price variation", 22: "prior reference price",
    25: "opening", 27: "stopped", 28: "reopening", 29: "seller", 30: "sold last",
    32: "out of sequence", 37: "odd lot", 38: "corrected close", 52: "contingent", 53: "QCT",
    55: "opening detail",
}  # fmt: skip
"""What people call a condition; the regular ones have no word."""


def words_of(mask: int) -> list[str]:
    """Return the words of a mask's conditions."""
    if not mask:
        return []
    words = [word for i, word in WORDS.items() if mask >> i & 1]
    return [*words, "unknown condition"] if mask & UNKNOWN else words


class ConditionRules(msgspec.Struct, frozen=True):
    """Masks that say what a trade bearing any of their bits may not do.

    `first_only` prints move last only when there is none yet; `sold_last` ones also when they
    come from the exchange of the present last or the listing exchange.
    """

    no_last: int
    no_high_low: int
    no_volume: int
    first_only: int
    sold_last: int
    no_vwap: int
    not_tape: int
    """Left out of trade_rate, vol_burst, blocks and buy_pct: auctions and derived prints."""
    not_clean: int
    """Not fit to move the extended-hours last, high or low."""
    form_t: int
    out_of_sequence: int
    auction: int
    closing: int
    official_open: int
    official_close: int
    corrected: int = 0
    """A corrected consolidated close: a price of the regular session that comes after it."""
    quarantine: bool = True
    """Whether a print far from the market is held until two more confirm it."""
    reopening: int = 0
    """Prints of the auction that ends a halt."""


def _bits(*ids: int) -> int:
    return mask_of(ids)


US_RULES = ConditionRules(
    no_last=_bits(2, 7, 12, 13, 15, 16, 20, 21, 29, 37, 52, 53) | UNKNOWN,
    no_high_low=_bits(2, 7, 12, 13, 15, 16, 20, 21, 29, 37, 52, 53) | UNKNOWN,
    no_volume=_bits(15, 16, 38),
    first_only=_bits(5, 10, 22, 32),
    sold_last=_bits(30),
    no_vwap=_bits(2, 7, 10, 12, 13, 15, 16, 20, 21, 22, 29, 32, 38, 52, 53) | UNKNOWN,
    not_tape=_bits(2, 8, 10, 17, 18, 19, 22, 25, 28, 32, 52, 53, 55, 15, 16, 38),
    not_clean=_bits(2, 5, 7, 10, 13, 15, 16, 20, 21, 22, 29, 32, 37, 38, 52, 53) | UNKNOWN,
    form_t=_bits(12),
    out_of_sequence=_bits(13),
    auction=_bits(8, 17, 18, 19, 25, 28, 55),
    closing=_bits(8, 19),
    official_open=_bits(16),
    official_close=_bits(15),
    corrected=_bits(38),
    reopening=_bits(18, 28),
)
"""The US consolidated rules, used until a provider's own table is loaded."""

OPEN_RULES = ConditionRules(
    no_last=0,
    no_high_low=0,
    no_volume=0,
    first_only=0,
    sold_last=0,
    no_vwap=0,
    not_tape=0,
    not_clean=0,
    form_t=0,
    out_of_sequence=0,
    auction=0,
    closing=0,
    official_open=0,
    official_close=0,
    quarantine=False,
)
"""Every print counts for everything: 24x7 markets."""
