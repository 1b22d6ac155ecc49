"""What questions remember between marks: deltas, ranks of the second before, and snapshots."""

import math

import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.engine import Cycle
from tapelight.errors import ConfigError
from tapelight.market.memory import Kept, Memory
from tapelight.market.view import View
from tapelight.model.records import Reference, TierGate
from tapelight.scan.questions import MAX_DELTAS, read_set
from tapelight.scan.sql import answer, compile_query

BOARD = '-- gate = "none"\nSELECT symbol, {} AS x FROM market ORDER BY symbol'
EVENTS = '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE {}'


def board(cycle: Cycle) -> list[object]:
    (ranking,) = cycle.rankings
    return ranking.columns[1]


def test_a_delta_is_null_until_known_then_now_less_then() -> None:
    tape = Tape("A", "B")
    tape.ask(b=BOARD.format("delta(last, '3s')"))
    found = []
    for second, price in enumerate((10.0, 10.1, 10.2, 10.4, 10.1, 10.1)):
        tape.trade(f"10:00:0{second}", price)
        found.append(board(tape.mark(f"10:00:0{second}"))[0])
    assert found[:3] == [None] * 3
    assert found[3:] == pytest.approx([0.4, 0.0, -0.1])
    tape.trade("10:00:06", 10.5, symbol="B")
    assert board(tape.mark("10:00:06"))[1] is None


def test_a_delta_between_seconds_is_against_the_whole_second() -> None:
    tape = Tape()
    tape.ask(s=EVENTS.format("delta(last, '2s') > 0.3"))
    for second, price in ((0, 10.0), (1, 10.2), (2, 10.2)):
        tape.trade(f"10:00:0{second}", price)
        assert tape.mark(f"10:00:0{second}").signals == []
    tape.trade("10:00:02.4", 10.31)
    (signal,) = tape.mark("10:00:02.45").signals
    assert signal.values["last"] == 10.31
    (leaf,) = signal.why
    assert (leaf.name, leaf.op, leaf.bound) == ("delta(last, '2s')", ">", 0.3)
    assert leaf.value == pytest.approx(0.31)


def test_a_delta_is_asked_of_rows_that_do_not_change() -> None:
    tape = Tape()
    tape.ask(s=EVENTS.format("delta(last, '2s') = 0"))
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:00")
    tape.trade("10:00:01", 10.2)
    fired = [s for second in range(1, 5) for s in tape.mark(f"10:00:0{second}").signals]
    assert [s.ts_ns for s in fired] == [tape.ns("10:00:03")]


@pytest.mark.parametrize(
    ("where", "second"),
    [
        ("quiet_s >= 3", 3),
        ("0 - quiet_s <= 0 - 3", 3),
        ("vol_10s < 100", 11),
        ("trade_rate_10s = 0", 11),
        ("vs('B', chg_pct) > 0.5", 5),
        ("phase = 'regular' AND last > 1", None),
        ("last >= 10", None),
    ],
)
def test_what_changes_by_itself_is_asked_of_rows_that_do_not(
    where: str, second: int | None
) -> None:
    tape = Tape("A", "B")
    tape.ask(s=EVENTS.format(f"symbol = 'A' AND {where}"))
    tape.trade("10:00:00", 10.1, symbol="B")
    tape.trade("10:00:00", 10.0 if second else 9.9)
    tape.mark("10:00:00")
    fired = []
    for at in range(1, 13):
        if at == 5:
            tape.trade("10:00:04.9", 9.9, symbol="B")
        fired += tape.mark(f"10:00:{at:02d}").signals
    assert [(s.symbol, s.ts_ns) for s in fired] == (
        [("A", tape.ns(f"10:00:{second:02d}"))] if second else []
    )


def test_long_spans_are_sampled_every_so_many_seconds() -> None:
    kept = Kept("delta", "k", lambda view: view, 3_600)
    assert (kept.step_s, kept.slots) == (30, 121)
    assert (Kept("delta", "k", abs, 60).step_s, Kept("delta", "k", abs, 60).slots) == (1, 61)
    assert (Kept("delta", "k", abs, 121).step_s, Kept("delta", "k", abs, 121).slots) == (2, 62)
    memory = Memory()
    memory.want([kept])
    for second in range(7_200):
        memory.sample(np.array([float(second)]), second)
    assert [memory.past("k", now, 1)[0] for now in (7_200, 7_229, 7_230)] == [3600, 3600, 3630]
    assert math.isnan(memory.past("k", 7_199, 1)[0] - 3570.0) is False
    assert math.isnan(memory.past("k", 40_000, 1)[0])
    np.testing.assert_array_equal(memory.past("k", 7_200, 3), [3600.0, math.nan, math.nan])


def test_a_second_without_a_mark_takes_the_sample_before_it() -> None:
    memory = Memory()
    memory.want([Kept("delta", "k", lambda view: view, 20)])
    for second in (0, 1, 5):
        memory.sample(np.array([float(second)]), second)
    assert [memory.past("k", now, 1)[0] for now in (20, 21, 24, 25, 35)] == [0, 1, 1, 5, 5]
    assert math.isnan(memory.past("k", 36, 1)[0])
    assert math.isnan(memory.past("k", 19, 1)[0])


def test_ranks_are_those_of_the_second_before() -> None:
    tape = Tape("A", "B", "C")
    tape.ask(b=BOARD.format("rank(last)"))
    tape.trade("10:00:00", 10.0, symbol="A")
    tape.trade("10:00:00", 10.1, symbol="B")
    assert board(tape.mark("10:00:00")) == [None, None, None]
    tape.trade("10:00:01", 10.2, symbol="A")
    assert board(tape.mark("10:00:01")) == [2.0, 1.0, None]
    assert board(tape.mark("10:00:02")) == [1.0, 2.0, None]


def test_a_query_asked_once_ranks_at_once_and_knows_deltas_that_are_kept() -> None:
    tape = Tape("A", "B")
    tape.ask(b=BOARD.format("delta(last, '1s')"))
    for second, price in enumerate((10.0, 10.5)):
        tape.trade(f"10:00:0{second}", price)
        tape.mark(f"10:00:0{second}")

    def once(expression: str) -> list[object]:
        query = compile_query(f"SELECT {expression} AS x FROM market ORDER BY symbol")
        return [row["x"] for row in answer(query, View(tape.table))]

    assert once("rank(last)") == [1.0, None]
    assert once("delta(last, '1s')") == [0.5, None]
    with pytest.raises(ConfigError, match="Save one with this delta, then ask"):
        once("delta(last, '2s')")
    some = View(tape.table, np.array([0], np.intp))
    query = compile_query("SELECT pctl(last) AS x, vs('A', last) AS y FROM market")
    assert answer(query, some) == [{"x": 0.0, "y": 0.0}]


def test_a_gate_ranks_as_its_question_does_and_shares_nothing_with_one_asked_once() -> None:
    tape = Tape("A", "B")
    tape.ask(s=EVENTS.replace('"none"', '"rank(last) <= 1"').format("last > 10.05"))
    (scan,) = tape.engine.scans.values()
    assert (scan.everywhere, len(scan.question.query.kept)) == (True, 1)
    prices = ((10.0, 10.1), (10.2, 10.1))
    told = []
    for second, (a, b) in enumerate(prices):
        tape.trade(f"10:00:0{second}", a, symbol="A")
        tape.trade(f"10:00:0{second}", b, symbol="B")
        told += tape.mark(f"10:00:0{second}").signals
    assert [s.symbol for s in told] == ["B"]
    view = View(tape.table)
    held = compile_query("SELECT symbol FROM market", "rank(last) <= 1", kept=True)
    once = compile_query("SELECT symbol FROM market", "rank(last) <= 1")
    tape.trade("10:00:01.5", 10.5, symbol="B")
    for query in (held, once, held):
        answer(query, view)
    assert answer(held, view) == [{"symbol": "A"}]
    assert answer(once, view) == [{"symbol": "B"}]


@pytest.mark.parametrize("cut", [0, 3])
def test_the_gate_of_tier_2_ranks_by_the_second_before(cut: int) -> None:
    tape = Tape("A", "B")
    tape.engine.apply(TierGate("rank(last) <= 1", stay_s=0.0))
    tiers = []
    for second, price in enumerate((10.4, 10.6, 10.6, 10.4, 10.4)):
        tape.trade(f"10:00:0{second}", 10.5, symbol="A")
        tape.trade(f"10:00:0{second}", price, symbol="B")
        tape.mark(f"10:00:0{second}")
        tiers.append((tape("tier", "A"), tape("tier", "B")))
        if second == cut:
            tape.engine = thaw(freeze(tape.engine))
            tape.table = tape.engine.table
    assert tiers == [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1.0, 2.0), (2.0, 1.0)]


def test_memory_goes_on_over_a_new_set_while_the_same_is_asked_and_ends_with_it() -> None:
    tape = Tape()
    tape.ask(b=BOARD.format("delta(last, '1s')"))
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:00")
    tape.ask(c=BOARD.format("delta( last,'1s' ) * 2"))
    tape.trade("10:00:01", 10.2)
    assert board(tape.mark("10:00:01"))[0] == pytest.approx(0.4)
    tape.ask()
    tape.ask(c=BOARD.format("delta(last, '1s')"))
    assert board(tape.mark("10:00:02")) == [None]


def test_a_session_begins_with_nothing_remembered() -> None:
    tape = Tape()
    tape.ask(b=BOARD.format("coalesce(delta(last, '1s'), 77)"))
    for second in ("10:00:00", "10:00:01"):
        tape.trade(second, 10.0)
        tape.mark(second)
    assert board(tape.mark("10:00:02")) == [0.0]
    assert board(tape.mark("04:00:00", days=3)) == [77.0]


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_a_snapshot_holds_what_is_remembered(cut: int) -> None:
    texts = {
        "b": BOARD.format("delta(last, '3s') + rank(last) * 100"),
        "s": EVENTS.format("delta(pctl(last), '2s') > 0 AND rank_in(sector, last) = 1"),
        "v": EVENTS.format("delta(vs('a\nb', last), '2s') > 0"),
    }

    def begin() -> Tape:
        tape = Tape("A", "B", "C")
        tape.refer(*(Reference(symbol=s, type="CS", prev_close=10.0, sector="x") for s in "ABC"))
        tape.ask(**texts)
        return tape

    def go_on(tape: Tape, begin: int, end: int) -> list[tuple[object, ...]]:
        told: list[tuple[object, ...]] = []
        for second in range(begin, end):
            for i, symbol in enumerate("ABC"):
                price = 10.0 + 0.1 * ((second * (i + 3)) % 7)
                tape.trade(f"10:00:{second:02d}", price, symbol=symbol)
            cycle = tape.mark(f"10:00:{second:02d}")
            told.append((board(cycle), [(s.symbol, s.state) for s in cycle.signals]))
        return told

    whole = go_on(begin(), 0, 14)
    assert sum(len(signals) for _, signals in whole) > 2  # type: ignore[arg-type]
    tape = begin()
    go_on(tape, 0, cut)
    tape.engine = thaw(freeze(tape.engine))
    tape.table = tape.engine.table
    assert go_on(tape, cut, 14) == whole[cut:]


def test_too_many_deltas_are_refused_together() -> None:
    texts = {f"q{i:02d}": BOARD.format(f"delta(last, '{i + 1}s')") for i in range(MAX_DELTAS)}
    assert len(read_set(texts).questions) == MAX_DELTAS
    texts["z"] = BOARD.format("delta(vol, '1s')")
    with pytest.raises(ConfigError, match=r"z\.sql: .* 33 different deltas; 32 are allowed"):
        read_set(texts)
