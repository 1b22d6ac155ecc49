"""How the inner loops are compiled.

The steps of a loop are inlined into it: called as functions they pass whole tuples of arrays,
counting references at each call, which costs more than the steps themselves (measured: 420
against 120 ns a trade). Numba keeps compiled loops beside their files and renews them only when
that one file changes, not when an inlined step in another file does: `market.warm` does that.
"""

import numba

loop = numba.njit(cache=True, error_model="numpy")
"""Compile a loop over rows or events, and keep it on disk."""
step = numba.njit(error_model="numpy", inline="always")
"""Compile a step of a loop into that loop."""
