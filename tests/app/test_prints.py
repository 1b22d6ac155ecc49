"""Time and sales: the ring of the market's newest prints."""

import pytest

from app.test_scanner import OPEN_NS
from tapelight.app.prints import PrintTape
from tapelight.engine import Engine
from tapelight.model.batch import Batch, trades_of
from tapelight.model.conditions import mask_of, words_of
from tapelight.model.records import CalendarChoice, Symbols


def made() -> Engine:
    engine = Engine("XNYS")
    engine.apply(CalendarChoice("XNYS"))
    engine.apply(Symbols(0, ["AAA", "BBB"]))
    return engine


def batch(*prints: tuple[int, float, int]) -> Batch:
    """Return a batch of (row, price, conditions)."""
    rows, prices, masks = zip(*prints, strict=True)
    n = len(prints)
    times = [OPEN_NS + i for i in range(n)]
    return Batch(OPEN_NS, trades_of(rows, times, prices, [100.0] * n, masks, [0] * n, [0] * n))


def test_the_newest_prints_of_a_symbol_come_first_with_their_conditions() -> None:
    tape = PrintTape(made)
    odd = mask_of([12, 37])
    tape.note(batch((0, 10.0, 0), (1, 20.0, 0)))
    tape.note(batch((0, 10.1, odd)))
    tape.note(Batch(OPEN_NS))
    assert tape.prints("AAA", 5) == [
        {"n": 2, "ts_ns": OPEN_NS, "price": 10.1, "size": 100.0, "moves": False,
         "conditions": ["extended hours", "odd lot"]},
        {"n": 0, "ts_ns": OPEN_NS, "price": 10.0, "size": 100.0, "moves": True, "conditions": []},
    ]  # fmt: skip
    assert [p["price"] for p in tape.prints("AAA", 1)] == [10.1]
    with pytest.raises(KeyError):
        tape.prints("CCC", 1)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 20])
def test_the_ring_keeps_so_many_however_they_come(size: int) -> None:
    tape = PrintTape(made, kept=8)
    prices = [float(i) for i in range(1, 21)]
    for begin in range(0, len(prices), size):
        tape.note(batch(*((0, price, 0) for price in prices[begin : begin + size])))
    found = tape.prints("AAA", 100)
    assert [(p["n"], p["price"]) for p in found] == [(n, n + 1.0) for n in range(19, 11, -1)]


def test_a_condition_that_nobody_knows_is_told() -> None:
    assert words_of(mask_of([14, 50])) == ["sweep", "unknown condition"]
