"""Options, of rows in tier 3: volatility 30 days out, its rank, and the Greeks at the money.

Reckoned from the option chain every five minutes for the highest-conviction rows; null for all
others, and when a quarter of an hour brought nothing new.
"""

from tapelight.market.column import Column, column
from tapelight.market.view import Options


@column(unit="%")
def iv30(options: Options) -> Column:
    """Return the implied volatility at the money 30 days out, a year's, in percent."""
    return options["iv30"] * 100.0


@column(unit="%")
def iv_rank(options: Options) -> Column:
    """Return where iv30 lies between its extremes of 252 sessions, 0 to 100; null below 200."""
    return options["iv_rank"]


@column(unit="%")
def iv_pctl(options: Options) -> Column:
    """Return the share of 252 sessions with a lower iv30, 0 to 100; null below 200 sessions."""
    return options["iv_pctl"]


@column(unit="puts/call")
def put_call_vol(options: Options) -> Column:
    """Return today's put volume by call volume, of contracts that expire within 60 days."""
    return options["put_call_vol"]


@column(unit="$/$")
def atm_delta(options: Options) -> Column:
    """Return the delta of the call at the money nearest 30 days: $ per $1 of the stock."""
    return options["delta"]


@column(unit="1/$")
def atm_gamma(options: Options) -> Column:
    """Return the gamma of the call at the money nearest 30 days: delta per $1 of the stock."""
    return options["gamma"]


@column(unit="$/day")
def atm_theta(options: Options) -> Column:
    """Return the theta of the call at the money nearest 30 days: $ per calendar day."""
    return options["theta"]


@column(unit="$/pt")
def atm_vega(options: Options) -> Column:
    """Return the vega of the call at the money nearest 30 days: $ per volatility point."""
    return options["vega"]


@column(unit="s")
def iv_age_s(options: Options) -> Column:
    """Return the seconds since the option figures' cut; null where there are none."""
    return options.age_s()
