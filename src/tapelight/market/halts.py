"""Halts: what several sources say of one symbol, merged by the time at which it happened."""

from typing import Any

import numpy as np

from tapelight.market.spill import touch_all
from tapelight.market.table import Table
from tapelight.model.records import Halt
from tapelight.model.session import NS

SAME_NS = 2 * NS
"""Sources differ by so much in the time of one halt: whole seconds here, nanoseconds there."""


def take_halt(table: Table, halt: Halt) -> None:
    """Halt or resume a symbol, unless what is told is older than what is known.

    The first source to tell sets the beginning and the end; a later one for the same halt may
    add the code and the announced resumption.
    """
    table.grow([halt.symbol])
    row = table.universe.rows[halt.symbol]
    state: Any = table.row(row)
    take = _halt if halt.halted else _resume
    if take(table, row, state, halt):
        touch_all(table.rows, np.array([row], np.int32), table.counters, table.spill)


def _halt(table: Table, row: int, state: Any, halt: Halt) -> bool:
    if state["halted"] and halt.ts_ns < state["halt_ns"] - SAME_NS:
        return False
    if not state["halted"]:
        if halt.ts_ns <= max(state["resume_ns"], state["halt_ns"]):
            return False
        session = table.session
        state["halts"] += session is None or halt.ts_ns >= session.start_ns
        state["halted"], state["halt_ns"], state["resume_ns"] = True, halt.ts_ns, 0
        table.halt_codes.set(row, None)
    if halt.resume_ns:
        state["resume_ns"] = halt.resume_ns
    if halt.code:
        table.halt_codes.set(row, halt.code)
    return True


def _resume(table: Table, row: int, state: Any, halt: Halt) -> bool:
    """End the halt; one that began unseen has an end all the same."""
    over = not state["halted"] and state["resume_ns"]
    if over or (state["halted"] and halt.ts_ns <= state["halt_ns"]):
        return False
    state["halted"], state["resume_ns"] = False, halt.ts_ns
    table.halt_codes.set(row, halt.code or None)
    return True
