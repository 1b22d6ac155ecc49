"""The normal distribution over whole arrays: NumPy has no error function.

Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
Computation 23 (1969), with the coefficients of his CALERF. Relative error below 1e-15.
"""

from collections.abc import Callable
from math import log, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SMALL = 0.46875
"""Below it erf itself is approximated, so that erfc(0) loses nothing."""
MIDDLE = 4.0
CHUNK = 4096
"""Elements at a time: what one step reads and writes stays in the nearest cache."""
_ERF = (
    (3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3, 1.85777706184603153e-1),
    (2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_ERFC_MIDDLE = (
    (5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3,
     2.05107837782607147e3, 1.23033935479799725e3, 2.15311535474403846e-8),
    (1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
     3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_ERFC_FAR = (
    (3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4, 1.63153871373020978e-2),
    (2.56852019228982242e0, 1.87295284992346047e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip
_ONE_BY_ROOT_PI = 1.0 / sqrt(pi)
_ONE_BY_ROOT_TWO_PI = 1.0 / sqrt(2.0 * pi)
LOG_ROOT_TWO_PI = 0.5 * log(2.0 * pi)


def erfcx(x: Floats) -> Floats:
    """Return exp(x^2) erfc(x), which does not vanish where erfc does; infinite below -26."""
    y = np.abs(x)
    scaled = np.empty_like(y)
    far, small = y > MIDDLE, y <= SMALL
    middle = ~(far | small)
    scaled[middle] = _ratio(y[middle], *_ERFC_MIDDLE)
    scaled[far] = _asymptote(y[far])
    inner = y[small]
    scaled[small] = np.exp(inner * inner) * (1.0 - _erf_small(inner))
    below = np.flatnonzero(x < 0.0)
    squares = x[below] * x[below]
    scaled[below] = 2.0 * np.exp(squares) - scaled[below]
    scaled[np.isnan(x)] = np.nan
    return scaled


def erfc(x: Floats) -> Floats:
    """Return the complementary error function."""
    y = np.abs(x)
    with np.errstate(under="ignore"):
        outer = np.exp(-y * y) * erfcx(y)
    small = y <= SMALL
    outer[small] = 1.0 - _erf_small(y[small])
    tail: Floats = np.where(x < 0.0, 2.0 - outer, outer)
    return tail


def cdf(x: Floats) -> Floats:
    """Return the share of the standard normal distribution below `x`."""
    share: Floats = erfc(x * -sqrt(0.5))
    share *= 0.5
    return share


def pdf(x: Floats) -> Floats:
    """Return the density of the standard normal distribution at `x`."""
    density: Floats = np.exp(-0.5 * x * x)
    density *= _ONE_BY_ROOT_TWO_PI
    return density


def in_chunks(
    function: Callable[..., tuple[Floats, ...]], *arrays: npt.NDArray[Any]
) -> tuple[Floats, ...]:
    """Return what `function` gives for flat arrays of equal length, CHUNK elements at a time."""
    count = len(arrays[0])
    if count <= CHUNK:
        return function(*arrays)
    parts = [function(*(a[at : at + CHUNK] for a in arrays)) for at in range(0, count, CHUNK)]
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _ratio(y: Floats, above: tuple[float, ...], below: tuple[float, ...]) -> Floats:
    """Return Cody's ratio of two polynomials of equal degree; the last of `above` leads."""
    top, bottom = above[-1] * y, y.copy()
    for a, b in zip(above[:-2], below[:-1], strict=True):
        top += a
        top *= y
        bottom += b
        bottom *= y
    top += above[-2]
    bottom += below[-1]
    top /= bottom
    return top


def _erf_small(y: Floats) -> Floats:
    return y * _ratio(y * y, *_ERF)


def _asymptote(y: Floats) -> Floats:
    inverse = 1.0 / (y * y)
    scaled: Floats = (_ONE_BY_ROOT_PI - inverse * _ratio(inverse, *_ERFC_FAR)) / y
    return scaled
