"""A view ends with its mark: nothing that it has reckoned lives on until a collection."""

import gc
import weakref

from market.tape import Tape
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.scan.sql import answer, compile_query


def test_a_view_of_every_column_is_freed_at_once() -> None:
    tape = Tape("A", "B")
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:00")
    gc.disable()
    try:
        view = View(tape.table)
        for name in columns():
            view[name]
        known = weakref.ref(view)
        del view
        assert known() is None
    finally:
        gc.enable()


def test_what_is_reckoned_of_the_whole_table_is_picked_once() -> None:
    """An indicator that nobody follows, asked of the view and then of the few rows left."""
    tape = Tape(*(f"S{i:02d}" for i in range(20)))
    tape.trade("10:00:00", 10.0, symbol="S03")
    tape.mark("10:00:00")
    unknown = "rsi(14, '1m') IS NULL"
    query = compile_query(
        f"SELECT symbol, {unknown} AS x FROM market "
        f"WHERE {unknown} AND symbol = 'S03' AND NOT {unknown.replace('IS', 'IS NOT')}"
    )
    assert answer(query, View(tape.table)) == [{"symbol": "S03", "x": True}]
