"""Sectors of US stocks: from the SIC code that their filings carry, and the fund of each.

SIC knows industries of 1987, the sectors are today's: the ranges follow the SEC's list of
codes by what the bulk of a code's companies are counted to. A search engine (7370) counts as
technology here, whatever an index provider says.
"""

import bisect

TECHNOLOGY, HEALTH, FINANCIALS = "Technology", "Health Care", "Financials"
INDUSTRIALS, DISCRETIONARY, STAPLES = "Industrials", "Consumer Discretionary", "Consumer Staples"
ENERGY, REAL_ESTATE, MATERIALS = "Energy", "Real Estate", "Materials"
COMMUNICATION, UTILITIES = "Communication Services", "Utilities"

SECTOR_FUNDS = {
    TECHNOLOGY: "XLK", HEALTH: "XLV", FINANCIALS: "XLF", INDUSTRIALS: "XLI",
    DISCRETIONARY: "XLY", STAPLES: "XLP", ENERGY: "XLE", REAL_ESTATE: "XLRE",
    MATERIALS: "XLB", COMMUNICATION: "XLC", UTILITIES: "XLU",
}  # fmt: skip
"""The fund (Select Sector SPDR) that a sector is measured by."""
_FROM: tuple[tuple[int, str | None], ...] = (
    (100, STAPLES), (1000, MATERIALS), (1200, ENERGY), (1400, MATERIALS), (1500, INDUSTRIALS),
    (1531, DISCRETIONARY), (1532, INDUSTRIALS), (1800, None), (2000, STAPLES),
    (2200, DISCRETIONARY), (2400, MATERIALS), (2500, DISCRETIONARY), (2600, MATERIALS),
    (2700, COMMUNICATION), (2800, MATERIALS), (2833, HEALTH), (2837, MATERIALS),
    (2840, STAPLES), (2850, MATERIALS), (2900, ENERGY), (3000, MATERIALS),
    (3021, DISCRETIONARY), (3022, MATERIALS), (3100, DISCRETIONARY), (3200, MATERIALS),
    (3400, INDUSTRIALS), (3570, TECHNOLOGY), (3580, INDUSTRIALS), (3630, DISCRETIONARY),
    (3661, TECHNOLOGY), (3690, INDUSTRIALS), (3711, DISCRETIONARY), (3720, INDUSTRIALS),
    (3751, DISCRETIONARY), (3760, INDUSTRIALS), (3790, DISCRETIONARY), (3812, INDUSTRIALS),
    (3822, TECHNOLOGY), (3826, HEALTH), (3827, TECHNOLOGY), (3841, HEALTH), (3861, TECHNOLOGY),
    (3900, DISCRETIONARY), (4000, INDUSTRIALS), (4800, COMMUNICATION), (4900, UTILITIES),
    (4953, INDUSTRIALS), (4961, UTILITIES), (5000, INDUSTRIALS), (5045, TECHNOLOGY),
    (5046, INDUSTRIALS), (5047, HEALTH), (5048, INDUSTRIALS), (5065, TECHNOLOGY),
    (5066, INDUSTRIALS), (5122, HEALTH), (5130, DISCRETIONARY), (5140, STAPLES),
    (5160, MATERIALS), (5171, ENERGY), (5180, STAPLES), (5190, INDUSTRIALS),
    (5200, DISCRETIONARY), (5331, STAPLES), (5332, DISCRETIONARY), (5399, STAPLES),
    (5412, DISCRETIONARY), (5912, STAPLES), (5913, DISCRETIONARY), (6000, FINANCIALS),
    (6500, REAL_ESTATE), (6600, FINANCIALS), (6798, REAL_ESTATE), (6799, FINANCIALS),
    (7000, DISCRETIONARY), (7310, COMMUNICATION), (7320, INDUSTRIALS), (7370, TECHNOLOGY),
    (7380, INDUSTRIALS), (7500, DISCRETIONARY), (7800, COMMUNICATION), (7900, DISCRETIONARY),
    (8000, HEALTH), (8100, DISCRETIONARY), (8700, INDUSTRIALS), (8731, HEALTH),
    (8732, INDUSTRIALS), (9000, None),
)  # fmt: skip
"""The first code from which on a sector holds, ascending."""


def sector_of_sic(code: str | None) -> str | None:
    """Return the sector of a SIC code of four digits; None for none, or one that says nothing."""
    if code is None or not (code.isascii() and code.isdigit()):
        return None
    at = bisect.bisect_right(_FROM, int(code), key=lambda pair: pair[0])
    return _FROM[at - 1][1] if at else None
