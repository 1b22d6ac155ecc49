"""How a symbol moves with SPY and with its sector, and how strong it is beside them."""

from tapelight.market.column import Column, column
from tapelight.market.view import Other, Ref

BENCHMARK = "SPY"


@column()
def beta_spy(ref: Ref) -> Column:
    """Return beta to SPY of up to 60 daily log returns; null with fewer than 20."""
    return ref["beta_spy"]


@column()
def corr_spy_20d(ref: Ref) -> Column:
    """Return the correlation with SPY of the last 20 daily log returns; null with fewer than 15."""
    return ref["corr_spy_20d"]


@column()
def corr_sector_20d(ref: Ref) -> Column:
    """Return the same with the fund of the symbol's sector; null where the sector is unknown."""
    return ref["corr_sector_20d"]


@column(unit="%")
def rs_spy_15m(chg_15m: Column, beta_spy: Column, other: Other) -> Column:
    """Return the change of 15 minutes less beta times SPY's; null without a beta."""
    return chg_15m - beta_spy * other(BENCHMARK, "chg_15m")


@column(unit="%")
def rs_spy_30m(chg_30m: Column, beta_spy: Column, other: Other) -> Column:
    """Return the change of 30 minutes less beta times SPY's; null without a beta."""
    return chg_30m - beta_spy * other(BENCHMARK, "chg_30m")
