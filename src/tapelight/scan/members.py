"""Who is on a board, in one pass over the rows: NumPy would make a pass for each condition."""

import numpy as np
import numpy.typing as npt

from tapelight.market.jit import loop

Int64s = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]
NEVER = np.int64(0)


@loop
def enter(true: Positions, since: Int64s, entered: Int64s, now: int, wait_ns: int) -> None:
    """Let the rows enter of which the condition has held for `wait_ns`.

    `true` is where it holds, ascending; `since` and `entered` (rows,) tell since when it has held and
    since when the row is a member, ns, and are written.
    """
    begin = 0
    for row in true:
        since[begin:row] = NEVER
        begin = row + 1
        if since[row] == NEVER:
            since[row] = now
        if entered[row] == NEVER and since[row] <= now - wait_ns:
            entered[row] = now
    since[begin:] = NEVER


@loop
def entered_by(entered: Int64s, until: int) -> Positions:
    """Return the members that entered at `until` or before, ascending."""
    found = np.empty(len(entered), np.intp)
    count = 0
    for row in range(len(entered)):
        found[count] = row
        count += entered[row] != NEVER and entered[row] <= until
    return found[:count]


def warm() -> None:
    """Compile the loops with the types that they meet live; they are kept on disk."""
    stamps = np.zeros(2, np.int64)
    enter(np.array([1], np.intp), stamps, stamps.copy(), 2, 1)
    entered_by(stamps, 1)
