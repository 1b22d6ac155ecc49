"""Implied volatility: the volatility at which Black-Scholes-Merton gives the price.

The price's time value, divided by sqrt(F K) e^(-rT), depends on two numbers only: x = |ln(F/K)|
and s = volatility x sqrt(T). Stefanica and Radoicic, "An explicit implied volatility formula"
(2017), give s within 12 % everywhere; Halley's method on an objective that is nearly straight
(Jaeckel, "By implication", 2006) then takes three steps to the last digits.
"""

from math import pi, sqrt

import numpy as np

from tapelight.analytics.normal import Floats, erfcx, in_chunks
from tapelight.analytics.options import Contracts, Like

STEPS = 3
RESOLUTION = 16.0 * np.finfo(np.float64).eps
"""A time value below this share of the price is rounding, and tells no volatility."""
_ROOT_HALF = sqrt(0.5)
_ROOT_TWO_PI = sqrt(2.0 * pi)
_POLYA = 1.0 - 2.0 / pi


def implied_volatility(of: Contracts, price: Like) -> Floats:
    """Return the volatility of each price, as a fraction a year.

    NaN where there is none: at or below the intrinsic value, at or above the bound without
    arbitrage, no time left, or a time value that the price's digits do not resolve.
    """
    quoted = np.broadcast_to(np.asarray(price, np.float64), of.spot.shape)
    with np.errstate(all="ignore"):
        grow = np.exp(of.rate * of.years)
        forward = of.forward()
        mean = np.sqrt(forward * of.strike)
        whole = quoted * grow
        intrinsic = np.maximum(of.sign * (forward - of.strike), 0.0)
        beta = (whole - intrinsic) / mean
        distance = np.abs(np.log(forward / of.strike))
        resolved = whole - intrinsic > RESOLUTION * whole
        (spread,) = in_chunks(_solve, distance, beta)
        volatility: Floats = spread / np.sqrt(of.years)
    known = resolved & (of.years > 0.0) & (of.spot > 0.0) & (of.strike > 0.0)
    return np.where(known & (volatility > 0.0) & np.isfinite(volatility), volatility, np.nan)


def _solve(x: Floats, beta: Floats) -> tuple[Floats]:
    """Return s with `_value(x, s)` = beta; NaN outside 0 < beta < e^(-x/2)."""
    most = np.exp(-0.5 * x)
    low = beta < _value(x, np.sqrt(2.0 * x))[0]
    possible = (beta > 0.0) & (beta < most)
    s = np.where(possible, _explicit(x, beta, low), np.nan)
    for _ in range(STEPS):
        s = _halley(x, beta, s, most, low)
    return (s,)


def _value(x: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return the normalised price of the option out of the money, and its slope in s.

    The scaled error function keeps every digit where the price itself is 1e-200.
    """
    h, t = x / s, 0.5 * s
    density = np.exp(-0.5 * (h * h + t * t))
    value = 0.5 * density * (erfcx((h - t) * _ROOT_HALF) - erfcx((h + t) * _ROOT_HALF))
    return value, density / _ROOT_TWO_PI


def _explicit(x: Floats, beta: Floats, low: np.ndarray) -> Floats:
    """Return the first guess, within 12 %."""
    grown = 2.0 * beta * np.exp(0.5 * x)
    e, above = np.exp(x), np.expm1(x)
    r = grown + above
    wide, narrow = np.exp(_POLYA * x), np.exp(-_POLYA * x)
    a = (wide - narrow) ** 2
    b = 4.0 * (np.exp(2.0 * x / pi) + np.exp(-2.0 * x / pi))
    b -= 2.0 / e * (wide + narrow) * (e * e + 1.0 - r * r)
    # (R^2 - (e^x - 1)^2)((e^x + 1)^2 - R^2), multiplied out so that a small beta stays exact.
    c = grown * (grown + 2.0 * above) * (2.0 - grown) * (2.0 * e + grown) / (e * e)
    gamma = -0.5 * pi * np.log(2.0 * c / (b + np.sqrt(b * b + 4.0 * a * c)))
    part = np.sqrt(np.maximum(gamma - x, 0.0))
    guess: Floats = np.sqrt(gamma + x) + np.where(low, -part, part)
    return guess


def _halley(x: Floats, beta: Floats, s: Floats, most: Floats, low: np.ndarray) -> Floats:
    """Return a better s: by 1/ln(b) in the lower branch, by ln(most - b) where b nears its bound."""
    value, slope = _value(x, s)
    bend = (x / s) ** 2 / s - 0.25 * s
    log, share = np.log(value), slope / value
    step_low = (log - np.log(beta)) * log / (np.log(beta) * share)
    left = most - value
    step_near = np.log((most - beta) / left) * left / slope
    near = beta > 0.5 * most
    step = np.where(low, step_low, np.where(near, step_near, (value - beta) / slope))
    curve = np.where(
        low, bend - share - 2.0 * share / log, np.where(near, bend + slope / left, bend)
    )
    better = s - step / np.maximum(1.0 - 0.5 * step * curve, 0.25)
    return np.where(better > 0.0, better, 0.5 * s)
