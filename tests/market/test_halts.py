"""Halts told by several sources, ended by the reopening auction, suspected in silence."""

import pytest

from market.tape import Tape
from tapelight.model.records import Halt

NAMES = "halted halt_code halt_time halts_today resume_time secs_since_resume"


@pytest.fixture
def tape() -> Tape:
    tape = Tape()
    tape.trade("10:00:00", 10.0)
    return tape


def told(tape: Tape, at: str, halted: bool, code: str = "", resumes: str = "") -> None:
    resume_ns = tape.ns(resumes) if resumes else 0
    tape.engine.apply(Halt(tape.ns(at), tape.symbols[0], halted, code, resume_ns, "rss"))


def test_a_slower_source_adds_code_and_resumption_but_counts_no_halt_of_its_own(tape: Tape) -> None:
    tape.halt("10:00:05.4", True)
    told(tape, "10:00:05", True, "LUDP", "10:05:05")
    tape.mark("10:00:15")
    assert tape.many(NAMES) == [True, "LUDP", pytest.approx(9.6), 1.0, 290.0, None]


def test_what_a_slower_source_tells_of_the_past_halts_nothing_again(tape: Tape) -> None:
    tape.halt("10:00:05.4", True, "LUDP")
    tape.halt("10:05:06", False)
    told(tape, "10:00:05", True, "LUDP")
    told(tape, "10:05:05", False)
    tape.mark("10:05:16")
    assert tape.many(NAMES) == [False, None, None, 1.0, None, 10.0]


def test_an_earlier_halt_told_again_leaves_the_present_one(tape: Tape) -> None:
    for begin, end in (("10:00:05", "10:05:05"), ("10:07:00", "")):
        told(tape, begin, True, "LUDP")
        if end:
            told(tape, end, False)
    told(tape, "10:00:05", True, "M")
    told(tape, "10:05:05", False)
    tape.mark("10:08:00")
    assert tape.many(NAMES) == [True, "LUDP", 60.0, 2.0, None, None]


def test_a_code_that_changes_is_shown(tape: Tape) -> None:
    told(tape, "10:00:05", True, "T1")
    told(tape, "10:00:05", True, "T3", "11:00:00")
    tape.mark("10:30:00")
    assert tape.many("halt_code resume_time") == ["T3", 1800.0]


def test_an_end_whose_beginning_nobody_saw_is_no_halt(tape: Tape) -> None:
    tape.halt("10:02:00", False)
    told(tape, "10:01:00", True, "LUDP")
    tape.mark("10:02:05")
    assert tape.many("halted secs_since_resume halts_today") == [False, 5.0, 0.0]


def test_a_halt_of_an_earlier_day_is_none_of_today(tape: Tape) -> None:
    tape.engine.apply(Halt(tape.ns("15:00:00", -1), "A", True, "T12"))
    tape.mark("10:00:05")
    assert tape.many("halted halt_code halts_today") == [True, "T12", 0.0]


@pytest.mark.parametrize("condition", [18, 28])
def test_the_reopening_print_ends_the_halt_before_anybody_tells(tape: Tape, condition: int) -> None:
    tape.halt("10:00:05", True, "LUDP")
    tape.trade("10:05:07", 10.4, 5_000.0, condition)
    tape.mark("10:05:09")
    assert tape.many(NAMES) == [False, None, None, 1.0, None, 2.0]
    told(tape, "10:00:05", True, "LUDP")
    told(tape, "10:05:05", False)
    tape.mark("10:05:10")
    assert tape.many("halted secs_since_resume last") == [False, 3.0, 10.4]


def test_an_ordinary_print_or_an_early_reopening_ends_no_halt(tape: Tape) -> None:
    tape.trade("10:00:04", 10.0, 100.0, 28)
    tape.halt("10:00:05", True, "T1")
    tape.trade("10:00:04.9", 10.0, 100.0, 28)
    tape.trade("10:00:20", 10.0)
    tape.mark("10:00:21")
    assert tape("halted") is True


def test_silence_of_a_busy_symbol_is_suspected_and_a_quiet_one_is_not() -> None:
    tape = Tape()
    for i in range(1_200):
        tape.trade(f"09:{40 + i // 300}:{i // 5 % 60:02}", 10.0, seq=i + 1)
    tape.mark("09:44:20")
    assert tape.many("halt_suspected halted") == [False, False]
    tape.mark("10:20:00")
    assert tape.many("halt_suspected halted") == [True, False]
    tape.halt("09:44:00", True, "T1")
    tape.mark("10:20:01")
    assert tape.many("halt_suspected halted") == [False, True]
    quiet = Tape()
    quiet.trade("09:40:00", 10.0)
    quiet.mark("15:00:00")
    assert quiet("halt_suspected") is False


def test_silence_of_the_feed_is_no_suspicion() -> None:
    tape = Tape()
    for i in range(1_200):
        tape.trade(f"09:{40 + i // 300}:{i // 5 % 60:02}", 10.0, seq=i + 1)
    tape.mark("10:20:00", complete="09:44:00")
    assert tape.many("stale halt_suspected") == [True, False]
