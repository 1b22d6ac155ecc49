"""A halt and a resume are told, each once, as it comes: the row need not trade."""

from market.tape import Tape
from tapelight.app.questions import shipped


def test_a_halt_and_its_end_are_told_once_each() -> None:
    tape = Tape()
    tape.ask(**{name: shipped()[name] for name in ("halted", "resumed")})
    tape.trade("09:31:00", 10.5)
    tape.quote("09:31:00", 10.4, 10.6)
    told: list[tuple[str, str]] = []

    def at(*times: str) -> None:
        for time in times:
            told.extend((time, s.scan) for s in tape.mark(time).signals if s.state == "fired")

    at("09:31:00.05", "09:31:59")
    tape.halt("09:32:00", True, "LUDP", resumes="09:37:00")
    at("09:32:00.05", "09:32:01", "09:33:00", "09:36:59")
    assert told == [("09:32:00.05", "halted")]
    tape.halt("09:37:00", False)
    at("09:37:00.05", "09:37:01", "09:37:04", "09:37:30", "09:45:00")
    assert told[1:] == [("09:37:00.05", "resumed")]
    tape.halt("09:50:00", True, "LUDP")
    at("09:50:00.05", "09:51:00")
    assert told[2:] == [("09:50:00.05", "halted")]


def test_a_halt_before_the_first_print_of_the_day_is_told() -> None:
    tape = Tape()
    tape.ask(halted=shipped()["halted"])
    tape.mark("09:00:00")
    tape.halt("09:10:00", True, "T1")
    fired = tape.mark("09:10:00.05").signals
    assert [(s.scan, s.symbol, s.values["halt_code"]) for s in fired] == [("halted", "A", "T1")]
