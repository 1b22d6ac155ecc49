"""Figures of one underlying's option chain: its volatility 30 days out, and what was traded.

The 30-day volatility is a constant-maturity figure: per expiration the volatility at the
forward, between expirations linear in total variance (as Cboe's VIX interpolates, but of the
contracts at the money alone). Forwards come from put-call parity, so that neither dividends nor
the cost of borrowing need be known.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.analytics.implied import implied_volatility
from tapelight.analytics.normal import Floats
from tapelight.analytics.options import Greeks, contracts, greeks
from tapelight.model.options import Chain

RATE = 0.04
"""The interest rate a year by which 30 days are discounted: a point of it moves iv30 by 0.1 %."""
DAY_NS = 86_400_000_000_000
YEAR_NS = 365 * DAY_NS
TARGET_DAYS = 30.0
NEAREST_DAYS = 7.0
"""Expirations nearer than this jump with every tick and are left out."""
FLAT_DAYS = (20.0, 45.0)
"""Where only one side of 30 days is listed, an expiration within these is taken as it is."""
RANK_SESSIONS = 252
LEAST_SESSIONS = 200
"""With fewer past volatilities a rank among them says nothing."""
WIDEST_SPREAD = 0.5
"""A quote wider than this share of its middle (and than 10 cents) is no price."""


class Expiry(NamedTuple):
    """Hold what one expiration says at the money."""

    years: float
    forward: float
    strike: float
    """The listed strike nearest the forward."""
    volatility: float


class Figures(NamedTuple):
    """Hold what a chain says of its underlying; NaN is unknown. Volatilities are fractions."""

    iv30: float
    iv_rank: float
    """0 to 100."""
    iv_pctl: float
    """0 to 100."""
    put_call_vol: float
    delta: float
    """Of the call at the money whose expiration is nearest 30 days; units as in Greeks."""
    gamma: float
    theta: float
    vega: float


def figures(chain: Chain, now_ns: int, rate: float = RATE) -> Figures:
    """Return all figures of `chain` at `now_ns`."""
    curve = term_structure(chain, now_ns, rate)
    now = iv30(curve)
    middle = at_the_money(curve, rate)
    return Figures(
        now,
        iv_rank(now, chain.past),
        iv_pctl(now, chain.past),
        put_call_volume(chain),
        *(float(g[0]) for g in middle[:4]),
    )


def figures_then(chains: list[Chain]) -> list[Figures]:
    """Return the figures of each chain at the time at which it was received."""
    return [figures(chain, chain.ts_recv_ns) for chain in chains]


def term_structure(chain: Chain, now_ns: int, rate: float = RATE) -> list[Expiry]:
    """Return the volatility at the forward of each expiration that tells one, nearest first."""
    quoted = _middles(chain)
    alive = ~np.isnan(quoted) & (chain.expiry_ns > now_ns)
    found: list[Expiry] = []
    for expiry_ns in np.unique(chain.expiry_ns[alive]):
        rows = np.flatnonzero(alive & (chain.expiry_ns == expiry_ns))
        expiry = _expiry(chain, quoted, rows, (int(expiry_ns) - now_ns) / YEAR_NS, rate)
        if expiry is not None:
            found.append(expiry)
    return found


def iv30(curve: list[Expiry]) -> float:
    """Return the volatility 30 days out, linear in total variance between two expirations."""
    days = [e.years * 365.0 for e in curve]
    usable = [(d, e) for d, e in zip(days, curve, strict=True) if d >= NEAREST_DAYS]
    before = [pair for pair in usable if pair[0] <= TARGET_DAYS]
    after = [pair for pair in usable if pair[0] > TARGET_DAYS]
    if before and after:
        (d1, near), (d2, far) = before[-1], after[0]
        w1, w2 = near.volatility**2 * d1, far.volatility**2 * d2
        variance = w1 + (w2 - w1) * (TARGET_DAYS - d1) / (d2 - d1)
        return float(np.sqrt(variance / TARGET_DAYS))
    for day, only in before[-1:] or after[:1]:
        if FLAT_DAYS[0] <= day <= FLAT_DAYS[1]:
            return only.volatility
    return float("nan")


def iv_rank(now: float, past: Floats) -> float:
    """Return where `now` lies between the extremes of 252 sessions and itself, 0 to 100.

    NaN with fewer than 200 known sessions, or where all are equal.
    """
    known = _known(past)
    if np.isnan(now) or len(known) < LEAST_SESSIONS:
        return float("nan")
    low, high = min(known.min(), now), max(known.max(), now)
    return float(100.0 * (now - low) / (high - low)) if high > low else float("nan")


def iv_pctl(now: float, past: Floats) -> float:
    """Return the share of 252 sessions whose volatility was below `now`, 0 to 100.

    NaN with fewer than 200 known sessions.
    """
    known = _known(past)
    if np.isnan(now) or len(known) < LEAST_SESSIONS:
        return float("nan")
    return float(100.0 * np.count_nonzero(known < now) / len(known))


def put_call_volume(chain: Chain) -> float:
    """Return the puts traded today for each call, over the contracts of the chain.

    NaN where no call traded, or where no volume is known.
    """
    calls = chain.call == 1
    bought, sold = np.nansum(chain.volume[calls]), np.nansum(chain.volume[~calls])
    return float(sold / bought) if bought > 0.0 else float("nan")


def at_the_money(curve: list[Expiry], rate: float = RATE) -> Greeks:
    """Return the Greeks of the call at the money nearest 30 days, one element; NaN without any."""
    if not curve:
        return Greeks(*(np.full(1, np.nan) for _ in Greeks._fields))
    near = min(curve, key=lambda e: abs(e.years * 365.0 - TARGET_DAYS))
    # Spot and yield are not known apart; the discounted forward stands for the stock.
    stock = near.forward * np.exp(-rate * near.years)
    return greeks(contracts(True, stock, near.strike, near.years, rate), near.volatility)


def each_contract(chain: Chain, now_ns: int, rate: float = RATE) -> tuple[Floats, Greeks]:
    """Return implied volatility and Greeks of each contract; NaN where no quote tells them.

    The stock is its expiration's forward, discounted; where parity tells none, the provider's price.
    """
    years = np.maximum(chain.expiry_ns - now_ns, 0) / YEAR_NS
    stock = np.full(len(chain), chain.spot)
    for expiry in term_structure(chain, now_ns, rate):
        stock[np.isclose(years, expiry.years)] = expiry.forward * np.exp(-rate * expiry.years)
    of = contracts(chain.call == 1, stock, chain.strike, years, rate)
    least, _ = of.bounds()
    # A bid that pays no more than exercise does leaves the volatility open.
    volatility = implied_volatility(of, np.where(chain.bid > least, _middles(chain), np.nan))
    return volatility, greeks(of, volatility)


def _known(past: Floats) -> Floats:
    recent = past[-RANK_SESSIONS:]
    known: Floats = recent[~np.isnan(recent)]
    return known


def _middles(chain: Chain) -> Floats:
    """Return the middle of each quote; NaN where there is none that means a price."""
    spread, middle = chain.ask - chain.bid, 0.5 * (chain.ask + chain.bid)
    good = (chain.bid > 0.0) & (spread >= 0.0)
    good &= spread <= np.maximum(WIDEST_SPREAD * middle, 0.1)
    return np.where(good, middle, np.nan)


def _expiry(
    chain: Chain, quoted: Floats, rows: npt.NDArray[np.intp], years: float, rate: float
) -> Expiry | None:
    """Return one expiration's figures from the strikes at which call and put are both quoted."""
    calls, puts = rows[chain.call[rows] == 1], rows[chain.call[rows] == 0]
    strikes, at_call, at_put = np.intersect1d(
        chain.strike[calls], chain.strike[puts], return_indices=True
    )
    if not len(strikes):
        return None
    call, put = quoted[calls[at_call]], quoted[puts[at_put]]
    grow = float(np.exp(rate * years))
    pair = int(np.argmin(np.abs(call - put)))
    forward = float(strikes[pair] + grow * (call[pair] - put[pair]))
    above = int(np.searchsorted(strikes, forward, side="right"))
    if not 0 < above < len(strikes) or forward <= 0.0:
        return None
    both = np.array([above - 1, above])
    smile = _volatilities(strikes[both], call[both] * grow, put[both] * grow, forward, years)
    k1, k2 = strikes[both].tolist()
    volatility = float(smile[0] + (smile[1] - smile[0]) * (forward - k1) / (k2 - k1))
    nearest = float(k1 if forward - k1 <= k2 - forward else k2)
    return None if np.isnan(volatility) else Expiry(years, forward, nearest, volatility)


def _volatilities(
    strikes: Floats, call: Floats, put: Floats, forward: float, years: float
) -> Floats:
    """Return the mean of what call and put imply at each strike, from undiscounted prices."""
    n = len(strikes)
    of = contracts(np.repeat([True, False], n), forward, np.tile(strikes, 2), years)
    implied = implied_volatility(of, np.concatenate((call, put)))
    mean: Floats = 0.5 * (implied[:n] + implied[n:])
    return mean
