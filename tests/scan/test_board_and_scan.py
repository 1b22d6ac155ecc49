"""Boards that do not flicker, scans that fire once, and the files that hold them."""

from pathlib import Path

import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.questions import read_questions
from tapelight.errors import ConfigError
from tapelight.model.records import Reference
from tapelight.model.signals import Leaf, Signal
from tapelight.scan.question import DEFAULT_GATE, Header, read_question

HEAD = '-- title = "t"\n-- gate = "none"\n'
EVENTS = HEAD + '-- kind = "events"\n'


def board(where: str, order: str = "", header: str = HEAD) -> Tape:
    tape = Tape("A", "B", "C")
    tape.ask(b=f"{header}SELECT symbol, last FROM market WHERE {where} {order}")
    return tape


def order_at(tape: Tape, time: str) -> list[str]:
    return tape.mark(time).rankings[0].order


def test_a_row_enters_when_true_for_half_a_second() -> None:
    tape = board("last >= 10")
    tape.trade("10:00:00.9", 10.0)
    assert order_at(tape, "10:00:01") == []
    assert order_at(tape, "10:00:02") == ["A"]
    tape.trade("10:00:02.1", 10.0, symbol="B")
    assert order_at(tape, "10:00:03") == ["A"]
    tape.trade("10:00:03.1", 9.5, symbol="B")
    assert order_at(tape, "10:00:04") == ["A"]
    tape.trade("10:00:04.1", 10.0, symbol="B")
    assert order_at(tape, "10:00:05") == ["A"]
    assert order_at(tape, "10:00:06") == ["A", "B"]


def test_a_row_is_held_fifteen_seconds() -> None:
    tape = board("last >= 10")
    tape.trade("10:00:00", 10.0)
    order_at(tape, "10:00:01")
    assert order_at(tape, "10:00:02") == ["A"]
    for price in (9.2, 8.4, 7.7):
        tape.trade("10:00:03", price)
    assert order_at(tape, "10:00:16") == ["A"]
    assert order_at(tape, "10:00:17") == []


@pytest.mark.parametrize(
    ("where", "start", "stays", "leaves"),
    [
        ("last >= 10", 10.0, 8.0, 7.9),
        ("last > 10", 10.1, 8.1, 8.0),
        ("last <= 10", 10.0, 12.0, 12.1),
        ("10 <= last", 10.0, 8.0, 7.9),
        ("NOT last < 10", 10.0, 8.0, 7.9),
        ("last BETWEEN 10 AND 20", 10.0, 24.0, 24.1),
        ("chg_pct <= -5", 9.5, 9.6, 9.61),
        ("chg_pct >= -5", 9.5, 9.4, 9.39),
        ("last - 20 >= -10", 10.0, 8.0, 7.9),
    ],
)
def test_a_bound_is_let_out_by_a_fifth(
    where: str, start: float, stays: float, leaves: float
) -> None:
    for price, found in ((stays, ["A"]), (leaves, [])):
        tape = board(where)
        tape.trade("10:00:00", start)
        order_at(tape, "10:00:01")
        assert order_at(tape, "10:00:02") == ["A"]
        tape.trade("10:02:00", price)
        assert order_at(tape, "10:02:01") == found, price


@pytest.mark.parametrize(
    "where",
    [
        "chg_pct >= CASE WHEN last < 10.4 THEN 10 ELSE 3 END",
        "(chg_pct >= 6) IS NOT TRUE AND last > 1",
    ],
)
def test_a_row_whose_condition_holds_stays_though_its_bounds_let_out_fail(where: str) -> None:
    tape = board(where)
    tape.trade("10:00:00", 10.5)
    tape.mark("10:00:01")
    assert [order_at(tape, f"10:00:{second:02}") for second in range(2, 20)] == [["A"]] * 18


def test_a_scan_whose_condition_holds_is_not_let_go_though_its_bounds_let_out_fail() -> None:
    where = "chg_pct >= CASE WHEN last < 10.4 THEN 10 ELSE 3 END AND symbol IN ('A')"
    tape = Tape("A")
    tape.ask(s=f"{EVENTS}-- hysteresis = true\nSELECT symbol FROM market WHERE {where}")
    tape.trade("10:00:00", 10.5)
    assert len(tape.mark("10:00:00.05").signals) == 1
    tape.mark("10:00:01")
    assert list(tape.engine.scans["s"].life.spent) == [0]


def test_equality_and_text_are_not_let_out() -> None:
    tape = board("symbol = 'A' AND vol = 100")
    tape.trade("10:00:00", 10.0)
    order_at(tape, "10:00:01")
    assert order_at(tape, "10:00:02") == ["A"]
    tape.trade("10:00:03", 10.0, 1.0)
    assert order_at(tape, "10:01:00") == []


def test_order_ties_and_limit() -> None:
    tape = board("vol > 0", "ORDER BY vol DESC LIMIT 2")
    for symbol, size in (("C", 200.0), ("B", 100.0), ("A", 100.0)):
        tape.trade("10:00:00", 10.0, size, symbol=symbol)
    tape.mark("10:00:01")
    cycle = tape.mark("10:00:02")
    assert cycle.rankings[0].order == ["C", "A"]
    assert cycle.rankings[0].columns == [["C", "A"], [10.0, 10.0]]
    assert cycle.rankings[0].rows() == {"C": ["C", 10.0], "A": ["A", 10.0]}


def test_a_board_out_of_its_phases_is_empty() -> None:
    tape = board("last > 0", header=HEAD + '-- phases = ["pre"]\n')
    tape.trade("09:29:00", 10.0, 100.0, 12)
    tape.mark("09:29:01")
    assert order_at(tape, "09:29:59") == ["A"]
    assert order_at(tape, "09:30:00") == []


def test_a_stale_row_leaves_a_gated_board() -> None:
    tape = board("last > 0", header='-- title = "t"\n')
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:01")
    assert order_at(tape, "10:00:02") == ["A"]
    assert tape.mark("10:00:30", complete="10:00:20").rankings[0].order == []


# Scans


def scan(where: str, header: str = "") -> Tape:
    tape = Tape("A", "B")
    tape.ask(s=f"{EVENTS}{header}SELECT symbol, last FROM market WHERE {where}")
    return tape


def fired(tape: Tape, time: str, **how: str) -> list[str]:
    return [s.symbol for s in tape.mark(time, **how).signals]


def test_a_scan_fires_at_the_first_truth_and_again_after_a_fall() -> None:
    tape = scan("last > 10")
    tape.trade("10:00:00.01", 10.1)
    assert fired(tape, "10:00:00.050") == ["A"]
    tape.trade("10:00:00.06", 10.2)
    assert fired(tape, "10:00:00.100") == []
    tape.trade("10:00:00.11", 9.9)
    assert fired(tape, "10:00:00.150") == []
    tape.trade("10:00:00.16", 10.1)
    assert fired(tape, "10:00:00.200") == ["A"]


def test_a_signal_says_what_it_saw() -> None:
    tape = scan("last > 10", '-- text = "above ten"\n')
    tape.trade("10:00:00.01", 10.1)
    (signal,) = tape.mark("10:00:00.050").signals
    ts = tape.ns("10:00:00.05")
    assert signal == Signal(
        id=signal.id, scan="s", symbol="A", state="fired", ts_ns=ts, mark=ts,
        values={"symbol": "A", "last": 10.1}, text="above ten",
        why=(Leaf("last", 10.1, ">", 10.0, True),), event_ns=tape.ns("10:00:00.01"),
    )  # fmt: skip
    again = scan("last > 10", '-- text = "above ten"\n')
    again.trade("10:00:00.01", 10.1)
    assert again.mark("10:00:00.050").signals == [signal]


def test_cooldown_and_rearm() -> None:
    tape = scan("new_hod", "-- cooldown_s = 30.0\n-- rearm_pct = 1.0\n")
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:00.5")
    told = []
    for second, price in ((1, 10.1), (10, 10.3), (32, 10.31), (40, 10.32), (45, 10.35)):
        tape.trade(f"10:00:{second:02d}", price)
        told.append(bool(fired(tape, f"10:00:{second:02d}.050")))
        tape.mark(f"10:00:{second + 1:02d}")
    assert told == [True, False, True, False, False]
    tape.trade("10:01:10", 10.36)
    assert fired(tape, "10:01:10.05") == []
    tape.mark("10:01:11")
    tape.trade("10:01:11.01", 10.42)
    assert fired(tape, "10:01:11.05") == ["A"]


def test_a_pulse_that_comes_again_fires_again() -> None:
    tape = scan("new_hod")
    tape.trade("10:00:00.01", 10.0)
    assert fired(tape, "10:00:00.05") == []
    tape.trade("10:00:00.06", 10.1)
    assert fired(tape, "10:00:00.10") == ["A"]
    tape.trade("10:00:00.11", 10.0, symbol="B")
    assert fired(tape, "10:00:00.15") == []
    tape.trade("10:00:00.16", 10.2)
    assert fired(tape, "10:00:00.20") == ["A"]


def test_a_stale_row_makes_no_signal_and_tells_it_when_it_is_sound() -> None:
    tape = scan("last > 10")
    tape.trade("10:00:00.01", 10.1)
    assert fired(tape, "10:00:10", complete="10:00:01") == []
    tape.trade("10:00:10.01", 10.2)
    assert fired(tape, "10:00:10.05") == ["A"]


def test_a_hole_tells_nothing_and_repeats_nothing() -> None:
    tape = scan("last > 10")
    tape.trade("10:00:00.01", 10.1)
    assert fired(tape, "10:00:00.05") == ["A"]
    tape.feed("10:00:01", "gap", since="10:00:00.05")
    tape.trade("10:00:01.01", 9.9)
    tape.trade("10:00:01.02", 10.5, symbol="B")
    assert fired(tape, "10:00:02") == []
    tape.trade("10:00:02.01", 10.3)
    tape.snapshot("10:00:02.5", last=10.3, volume=300.0)
    tape.trade("10:00:02.51", 10.6, symbol="B")
    assert fired(tape, "10:00:03") == ["B"]


def test_a_scan_out_of_its_phases_is_silent_and_armed_anew() -> None:
    tape = scan("last > 9", '-- phases = ["regular"]\n')
    tape.trade("09:29:00", 10.0, 100.0, 12)
    assert fired(tape, "09:29:01") == []
    tape.trade("09:30:00", 10.0)
    assert fired(tape, "09:30:00.05") == ["A"]


def test_null_never_fires() -> None:
    tape = scan("NOT chg_1m < 5 OR NOT w52_high > 1")
    tape.trade("10:00:00.01", 10.1)
    assert fired(tape, "10:00:00.05") == []


# Files


def test_the_shipped_questions_compile() -> None:
    texts = read_questions(None).texts
    questions = [read_question(name, text) for name, text in texts.items()]
    assert len([q for q in questions if q.header.kind == "board"]) >= 14
    assert all(q.header.title and q.header.doc for q in questions)


@pytest.mark.parametrize("halted", [False, True])
@pytest.mark.parametrize(
    ("name", "side"), [("running_up", 1), ("running_down", -1), ("volume_surge", 1)]
)
def test_a_resume_mutes_for_a_minute(name: str, side: int, halted: bool) -> None:
    tape = Tape("A")
    tape.refer(Reference(symbol="A", type="CS", prev_close=10.0, adv20=10_000.0))
    tape.profile(np.full(960, 1.0 / 960))
    tape.ask(**{name: read_questions(None).texts[name]})
    tape.trade("10:00:00", 10.0)
    if halted:
        tape.halt("10:00:05", True, "LUDP", resumes="10:05:05")
        tape.halt("10:05:05", False)
    tape.mark("10:05:09")
    tape.trade("10:05:10", 10.0 + 0.5 * side, 200_000.0)
    assert fired(tape, "10:05:10") == ([] if halted else ["A"])
    tape.trade("10:06:04", 10.0 + 0.9 * side, 200_000.0)
    assert fired(tape, "10:06:04") == []
    tape.trade("10:06:05", 10.0 + 0.9 * side, 200_000.0)
    assert fired(tape, "10:06:05") == (["A"] if halted else [])


def test_a_new_board_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text(
        '-- title = "Mine"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE last > 5\n'
    )
    tape = Tape()
    tape.engine.apply(read_questions(tmp_path))
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:01")
    rankings = {r.name: r for r in tape.mark("10:00:02").rankings}
    assert rankings["mine"].rows() == {"A": ["A", 10.0]}


def test_the_default_gate_is_that_of_the_boards() -> None:
    question = read_question("x", '-- title = "x"\nSELECT last FROM market')
    assert Header(title="x").gate == "default"
    assert {"type", "last", "spread_pct", "stale"} <= set(question.query.used)
    assert "NOT stale" in DEFAULT_GATE


def test_a_question_without_a_title_bears_its_file_name() -> None:
    assert read_question("gap_and_go", "SELECT last FROM market").header.title == "Gap and go"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('-- titel = "x"\nSELECT last FROM market', "unknown header key 'titel', did you mean title?"),
        ('-- title = "x"\n-- zzz = 1\nSELECT last FROM market', "unknown header key 'zzz', they are"),
        ('-- title = "x"\n-- kind = "list"\nSELECT last FROM market', "kind is 'list'"),
        ('-- title = "x"\n-- phases = ["lunch"]\nSELECT last FROM market', "phases has 'lunch'"),
        ('-- title = "x"\n-- cooldown_s = "y"\nSELECT last FROM market', "the header is wrong"),
        ("-- title = x\nSELECT last FROM market", "the header is not TOML"),
        (f"-- sound = {'9' * 5_000}\nSELECT last FROM market", "the header is not TOML"),
        (f"-- phases = {'[' * 5_000}\nSELECT last FROM market", "the header is nested too deeply"),
        ('-- title = "x"\nSELECT lst FROM market', "x.sql: Unknown column 'lst', did you mean last?"),
        ('-- title = "x"\n-- gate = "lst > 1"\nSELECT last FROM market', "Unknown column 'lst'"),
        ('-- title = "x"\n', "exactly one SELECT"),
    ],
)  # fmt: skip
def test_header_faults_name_the_file_and_the_fault(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_question("x", text)
    assert says in str(caught.value)


def test_a_file_that_is_no_text_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.sql").write_bytes(b"\xff\xfe\x00")
    assert read_questions(tmp_path) == read_questions(None)
    assert f"{tmp_path / 'bad.sql'} can't be read as UTF-8 text" in capsys.readouterr().err
