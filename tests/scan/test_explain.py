"""Why, and why not: on a board, fired, muted, and who comes nearest."""

import msgspec
import numpy as np
import pytest

from market.tape import Tape
from scan import sentences
from tapelight.market.view import View
from tapelight.model.records import Reference
from tapelight.model.signals import Leaf
from tapelight.scan.explain import Explanation, distance, explain, near_misses, nearest
from tapelight.scan.leaves import tree_of
from tapelight.scan.question import read_question

EVENTS = '-- title = "t"\n-- gate = "none"\n-- kind = "events"\n'
BOARD = '-- title = "t"\n-- gate = "none"\n'


def scan(where: str, *header: str, head: str = EVENTS) -> Tape:
    tape = Tape("A", "B", "C")
    lines = "".join(f"-- {line}\n" for line in header)
    tape.ask(s=f"{head}{lines}SELECT symbol, last FROM market WHERE {where}")
    return tape


def why(tape: Tape, symbol: str = "A") -> Explanation:
    view = View(tape.table, np.array([tape.symbols.index(symbol)], np.intp))
    memory = tape.engine.scans.get("s") or tape.engine.boards["s"]
    return explain(memory.question, view, 0, memory)


def test_a_row_that_did_not_fire_names_each_leaf_that_failed() -> None:
    tape = scan("last > 10 AND rvol_tod >= 3 AND chg_pct >= 7 AND NOT halted")
    tape.trade("10:00:00", 10.5)
    tape.mark("10:00:00.05")
    told = why(tape)
    assert (told.symbol, told.scan, told.kind, told.true) == ("A", "s", "events", False)
    assert told.ts_ns == tape.ns("10:00:00.05")
    assert told.failed == (
        Leaf("rvol_tod", None, ">=", 3.0, None), Leaf("chg_pct", 5.0, ">=", 7.0, False),
    )  # fmt: skip
    assert [leaf.name for leaf in told.leaves] == ["last", "rvol_tod", "chg_pct", "halted"]
    assert told.values == {"symbol": "A", "last": 10.5}
    assert told.text == "failed: rvol_tod unknown; chg_pct 5 >= 7 false"


def test_what_fired_is_muted_until_its_cooldown_is_over() -> None:
    tape = scan("last > 10", "cooldown_s = 91.0", "rearm_pct = 2.0", "hysteresis = true")
    tape.trade("09:40:00", 10.5)
    tape.mark("09:40:00.05")
    told = why(tape)
    assert (told.true, told.failed, told.state) == (True, (), "held")
    assert told.muted == (
        "muted until 09:41:31: it fired at 09:40:00",
        "not re-armed: last moved 0 % from 10.5, where it fired; 2 % are asked for",
        "not re-armed: since it fired the condition was not let go, its bounds let out by a fifth",
    )
    assert told.text.startswith("true; muted until 09:41:31")
    tape.trade("09:42:00", 9.9)
    tape.mark("09:42:00")
    assert [m.partition(":")[0] for m in why(tape).muted] == ["not re-armed"]


def test_armed_and_live_are_told_with_their_times() -> None:
    tape = scan("last > 10", 'armed = "last > 9.5"', 'confirm = "last > 11"')
    tape.trade("10:00:00", 9.8)
    tape.mark("10:00:00.05")
    told = why(tape)
    assert (told.state, told.since_ns) == ("armed", tape.ns("10:00:00.05"))
    assert told.text == "armed since 10:00:00; failed: last 9.8 > 10 false"
    tape.trade("10:00:02", 10.2)
    tape.mark("10:00:02.05")
    assert why(tape).text == "a signal is live since 10:00:02"


def test_stale_provisional_and_out_of_phase_are_reasons() -> None:
    tape = scan("last > 10", 'phases = ["pre", "post"]')
    tape.trade("10:00:00", 10.5)
    tape.feed("10:00:01", "gap", since="10:00:00")
    tape.mark("10:00:12")
    assert why(tape).muted == (
        "stale: its data are 12 s old, and a stale row makes no signal",
        "provisional: a hole in the feed is open, or a split waits for its check",
        "not asked in the regular phase: it is for pre, post",
    )


def test_a_board_tells_of_its_membership() -> None:
    tape = scan("last > 10", head=BOARD)
    tape.trade("10:00:00.8", 10.5)
    tape.mark("10:00:01")
    assert why(tape).text == "every condition holds; enters when it has held for 500 ms"
    tape.mark("10:00:02")
    assert why(tape).text == "on the board since 10:00:02"
    for price in (9.7, 9.0, 8.3, 7.7):
        tape.trade("10:00:03", price)
    tape.mark("10:00:04")
    assert why(tape).text == (
        "on the board since 10:00:02; failed: last 7.7 > 10 false; "
        "stays until 10:00:17 at least: a row is held for 15 s"
    )


def test_the_gate_is_explained_like_any_condition() -> None:
    gate = "type IN ('CS','ADR') AND (spread_pct IS NULL OR spread_pct <= 1.5) AND NOT stale"
    question = read_question(
        "s", f'-- kind = "events"\n-- gate = "{gate}"\nSELECT last FROM market WHERE last > 10'
    )
    tape = Tape("A", known=False)
    tape.refer(Reference(symbol="A", type="ETF"))
    tape.trade("10:00:00", 10.5)
    tape.mark("10:00:01")
    told = explain(question, View(tape.table), 0)
    assert told.text == "failed: type ETF in (CS, ADR) false"
    assert {leaf.within for leaf in told.leaves} == {(), ("gate",), ("gate", "or1")}
    assert msgspec.json.decode(msgspec.json.encode(told), type=Explanation) == told


def test_a_question_without_a_condition_is_true() -> None:
    question = read_question("s", '-- gate = "none"\nSELECT last FROM market')
    tape = scan("last > 1")
    told = explain(question, View(tape.table), 2)
    assert (told.symbol, told.true, told.leaves) == ("C", True, ())


# Near misses


def market() -> Tape:
    """Four symbols: last 10.5, 9.5, 9.8, 20; prev_close 10, D's unknown; volumes 500 ... 100."""
    tape = Tape("A", "B", "C", "D", known=False)
    tape.refer(*(Reference(symbol=s, type="CS", prev_close=10.0) for s in "ABC"))
    for symbol, price, size in (("A", 10.5, 500.0), ("B", 9.5, 400.0), ("C", 9.8, 300.0), ("D", 20.0, 100.0)):  # fmt: skip
        tape.trade("10:00:00", price, size, symbol=symbol)
    tape.mark("10:00:01")
    return tape


def near(where: str, limit: int = 9) -> list[tuple[str, float | None, str]]:
    question = read_question("s", f'-- gate = "none"\nSELECT last FROM market WHERE {where}')
    found = near_misses(question, View(market().table), limit)
    return [(m.symbol, m.by and round(m.by, 6), m.text) for m in found]


def test_near_misses_fail_by_one_leaf_and_stand_by_distance() -> None:
    assert near("last > 10 AND vol >= 200") == [
        ("C", 0.02, "last 9.8 > 10 false"),
        ("B", 0.05, "last 9.5 > 10 false"),
        ("D", 0.5, "vol 100 >= 200 false"),
    ]
    assert [symbol for symbol, _, _ in near("last > 10 AND vol >= 200", 1)] == ["C"]


def test_what_has_no_distance_comes_last_by_symbol() -> None:
    assert near("last > 9.6 AND chg_pct > 1 AND vol > 0") == [
        ("C", 3.0, "chg_pct -2 > 1 false"),
        ("D", None, "chg_pct unknown"),
    ]
    assert near("NOT halted AND type = 'ADR' AND last < 10") == [
        ("B", None, "type CS = ADR false"),
        ("C", None, "type CS = ADR false"),
    ]


def test_a_new_high_is_waited_for_and_not_missed() -> None:
    assert near("new_hod AND last > 9.6 AND vol >= 350") == [
        ("A", 0.0, "new_hod false"),
        ("B", 0.010417, "last 9.5 > 9.6 false"),
        ("C", 0.142857, "vol 300 >= 350 false"),
        ("D", 0.714286, "vol 100 >= 350 false"),
    ]


def test_of_alternatives_the_nearest_counts() -> None:
    assert near("vol > 0 AND (last > 10 OR vol > 450 OR (last > 99 AND vol > 999))") == [
        ("C", 0.02, "last 9.8 > 10 false"),
        ("B", 0.05, "last 9.5 > 10 false"),
    ]
    assert near("last > 99 AND vol > 999") == []


def test_the_nearest_are_found_before_leaves_are_made() -> None:
    engine = sentences.market(400)
    view, text = View(engine.table), "last > 3 AND (vol > 100 OR float_shares < 1 OR type = 'ETF')"
    for where in (
        text,
        f"{text} AND prev_close IS NOT NULL",
        f"adv20 + last > 2 * bid OR NOT ({text})",
    ):
        question = read_question("s", f'-- gate = "none"\nSELECT last FROM market WHERE {where}')
        tree = tree_of(question.query)
        every = near_misses(question, view, 400)
        assert len(every) > 20
        assert [(m.by is None, m.by, m.symbol) for m in every] == sorted(
            (m.by is None, m.by, m.symbol) for m in every
        )
        for limit in (0, 1, 7, 20):
            assert len(nearest(tree, view, limit)) == limit
            assert near_misses(question, view, limit) == every[:limit]


@pytest.mark.parametrize(
    ("leaf", "by"),
    [
        (Leaf("a", 2.7, ">=", 3.0, False), 0.1),
        (Leaf("a", -2.7, "<=", -3.0, False), 0.1),
        (Leaf("a", 0.4, "<", 0.0, False), 0.4),
        (Leaf("a", None, ">=", 3.0, None), None),
        (Leaf("a", "x", "=", "y", False), None),
        (Leaf("a", True, "is", False, False), None),
        (Leaf("a", 2.0, "is null", None, False), None),
    ],
)
def test_distance_is_relative_to_the_bound(leaf: Leaf, by: float | None) -> None:
    found = distance(leaf)
    assert (found if found is None else round(found, 9)) == by
