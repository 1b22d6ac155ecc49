"""A view ends with its mark: nothing that it has reckoned lives on until a collection."""

import gc
import weakref

from market.tape import Tape
from tapelight.market.column import columns
from tapelight.market.view import View


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
