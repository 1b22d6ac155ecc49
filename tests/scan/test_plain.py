"""Boards and scans by their fast ways against plain models of the same rules, on random markets."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.tape import Tape
from scan.sentences import market
from tapelight.market.view import View
from tapelight.scan.filter import Filter
from tapelight.scan.sql import compile_query, order_of
from tapelight.scan.top import Top

SYMBOLS = [f"S{i}" for i in range(12)]
SECONDS = 40


def prices(seed: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield at each second which symbols print, and where: steps too small for the quarantine."""
    draw = np.random.default_rng(seed)
    now = dict.fromkeys(SYMBOLS, 10.0)
    for second in range(SECONDS):
        printed = {s: round(now[s] + float(draw.choice([-0.2, -0.1, 0.1, 0.2])), 2)
                   for s in SYMBOLS if draw.random() < 0.7}  # fmt: skip
        now |= printed
        yield second, printed


def known(tape: Tape) -> dict[str, float]:
    """Return the last prices that the table took: a jump is quarantined."""
    found = dict(zip(SYMBOLS, tape.table.rows["last"].tolist(), strict=False))
    return {symbol: price for symbol, price in found.items() if price == price}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=6, deadline=None)
def test_a_board_is_what_its_rules_say(seed: int) -> None:
    """Enter after the condition has held for 0.5 s; leave 15 s later, when 0.2 |T| past the bound."""
    tape = Tape(*SYMBOLS)
    tape.ask(b='-- gate = "none"\nSELECT symbol, last FROM market WHERE chg_pct >= 1.55 '
               "ORDER BY chg_pct DESC LIMIT 3")  # fmt: skip
    since: dict[str, int] = {}
    entered: dict[str, int] = {}
    for second, printed in prices(seed):
        for symbol, price in printed.items():
            tape.trade(f"10:00:{second:02d}", price, symbol=symbol)
        (ranking,) = tape.mark(f"10:00:{second:02d}").rankings
        last = known(tape)
        change = {s: (last[s] / 10.0 - 1.0) * 100.0 for s in last}
        since = {s: since.get(s, second) for s in last if change[s] >= 1.55}
        entered |= {s: second for s, begin in since.items()
                    if s not in entered and second - begin >= 0.5}  # fmt: skip
        stays = {s for s in entered if change[s] >= 1.55 * 0.8 or second - entered[s] < 15}
        entered = {s: at for s, at in entered.items() if s in stays}
        assert ranking.order == sorted(entered, key=lambda s: (-round(change[s], 6), s))[:3]


@pytest.mark.integration
@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_a_scan_fires_at_rising_edges_alone(seed: int) -> None:
    tape = Tape(*SYMBOLS)
    tape.ask(
        s='-- kind = "events"\n-- gate = "none"\nSELECT symbol FROM market WHERE chg_pct >= 1.55'
    )
    held: set[str] = set()
    for second, printed in prices(seed):
        for symbol, price in printed.items():
            tape.trade(f"10:00:{second:02d}", price, symbol=symbol)
        fired = [s.symbol for s in tape.mark(f"10:00:{second:02d}").signals]
        last = known(tape)
        true = {s for s in last if (last[s] / 10.0 - 1.0) * 100.0 >= 1.55}
        assert fired == sorted(true - held)
        held = true


@pytest.mark.parametrize("order", ["last DESC", "last", "adv20 DESC, last", "sector, last DESC"])
def test_the_first_rows_are_those_of_a_whole_sort(order: str) -> None:
    """Whatever the bound was that the mark before left."""
    engine = market(400)
    view, draw = View(engine.table), np.random.default_rng(7)
    query = compile_query(f"SELECT symbol FROM market ORDER BY {order} LIMIT 10")
    top = Top()
    for chance in (1.0, 0.02, 0.9, 0.5, 0.3, 0.9, 0.05, 1.0):
        members = draw.random(400) < chance
        if chance == 0.9:
            top._bound = float(draw.choice([-1e9, 1e9, 5.0]))
        whole = order_of(query, view, members.nonzero()[0])[:10]
        np.testing.assert_array_equal(top.of(query, view, members), whole)


def test_a_filter_of_one_test_asks_no_more() -> None:
    query = compile_query("SELECT symbol FROM market WHERE last > 1")
    assert isinstance(query.where, Filter)
    assert len(query.where.tests) == 1
