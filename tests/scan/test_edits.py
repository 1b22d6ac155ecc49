"""Scans that are saved while the market runs: what is true already is no news."""

import numpy as np

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.engine import Cycle
from tapelight.model.records import Mark, Questions

HEAD = '-- kind = "events"\n-- gate = "none"\n'
UP = "SELECT symbol, last FROM market WHERE chg_pct >= 3"


def states(cycle: Cycle) -> list[tuple[str, str, str]]:
    return [(s.scan, s.symbol, s.state) for s in cycle.signals]


def step(tape: Tape, time: str, **prices: float) -> list[tuple[str, str, str]]:
    """Print, and ask at the mark 50 ms on."""
    for symbol, price in prices.items():
        tape.trade(time, price, symbol=symbol)
    ts_ns = tape.ns(time) + 50_000_000
    cycle = tape.engine.apply(Mark(ts_ns, ts_ns))
    assert cycle is not None
    return states(cycle)


def market(head: str = HEAD, where: str = UP) -> Tape:
    """Return a tape on which A is up 5 % and told so, and B is up 2 %."""
    tape = Tape("A", "B")
    tape.ask(s=head + where)
    assert step(tape, "09:31:00", A=10.5, B=10.2) == [("s", "A", "fired")]
    return tape


def test_a_comment_changes_nothing() -> None:
    tape = market(f'{HEAD}-- confirm = "last > 10.55"\n')
    scan = tape.engine.scans["s"]
    tape.ask(s=f'{HEAD}-- confirm = "last > 10.55"\n{UP} -- at least three')
    assert tape.engine.scans["s"] is scan
    assert step(tape, "09:31:01", A=10.6) == [("s", "A", "confirmed")]


def test_a_title_is_shown_at_once_and_the_signals_go_on() -> None:
    tape = market(f'{HEAD}-- confirm = "last > 10.55"\n')
    tape.ask(s=f'{HEAD}-- title = "Up"\n-- sound = 2\n-- confirm = "last > 10.55"\n{UP}')
    tape.trade("09:31:01", 10.6)
    (signal,) = tape.mark("09:31:01.05").signals
    assert (signal.state, signal.text) == ("confirmed", "Up")
    assert signal.id == tape.engine.scans["s"].teller.id_of("A", tape.ns("09:31:00.05"))


def test_an_edit_does_not_tell_again_what_was_told() -> None:
    tape = market(HEAD + "-- cooldown_s = 3600.0\n")
    tape.ask(s=f"{HEAD}-- cooldown_s = 3600.0\n{UP.replace('3', '2.5')}")
    assert step(tape, "09:31:03", A=10.5) == []
    assert step(tape, "09:31:04", A=10.2) == []
    assert step(tape, "09:31:05", A=10.5) == [], "the cooldown goes on"
    assert step(tape, "09:31:06", B=10.3) == [("s", "B", "fired")]


def test_what_an_edit_lets_in_is_no_news() -> None:
    tape = market()
    tape.ask(s=HEAD + UP.replace("3", "1"))
    assert step(tape, "09:31:01", A=10.5, B=10.2) == []
    assert step(tape, "09:31:02", B=10.0) == []
    assert step(tape, "09:31:03", B=10.2) == [("s", "B", "fired")]


def test_another_column_loses_no_edge() -> None:
    tape = market()
    tape.ask(s=HEAD + UP.replace("last", "last, vol"))
    assert step(tape, "09:31:01", A=10.6, B=10.4) == [("s", "B", "fired")]


def test_hysteresis_outlives_an_edit() -> None:
    tape = market(HEAD + "-- hysteresis = true\n")
    tape.ask(s=f"{HEAD}-- hysteresis = true\n-- cooldown_s = 1.0\n{UP}")
    assert step(tape, "09:31:10", A=10.25) == []
    assert step(tape, "09:31:12", A=10.5) == [], "2.5 is not below 3 let out by a fifth"
    assert step(tape, "09:31:13", A=10.1) == []
    assert step(tape, "09:31:14", A=10.5) == [("s", "A", "fired")]


def test_a_new_scan_tells_new_entrants_only() -> None:
    tape = market()
    tape.ask(s=HEAD + UP, t=HEAD + UP, m=f"{HEAD}{UP} AND trade_rate >= 0")
    assert step(tape, "09:31:01", B=10.2) == []
    assert step(tape, "09:31:02", A=10.5) == []
    assert step(tape, "09:31:03", A=10.1) == []
    again = [("m", "A", "fired"), ("s", "A", "fired"), ("t", "A", "fired")]
    assert step(tape, "09:31:04", A=10.5) == again


def test_a_new_scan_of_ranks_waits_until_they_are_known() -> None:
    tape = market()
    tape.ask(r=HEAD + "SELECT symbol FROM market WHERE rank(chg_pct) <= 1")
    assert [states(tape.mark(f"09:31:0{second}")) for second in (1, 2, 3)] == [[], [], []]
    step(tape, "09:31:03", B=10.7)
    tape.mark("09:31:04")
    assert states(tape.mark("09:31:05")) == [("r", "B", "fired")]


def test_a_scan_that_is_there_when_the_session_begins_tells_what_its_first_mark_finds() -> None:
    tape = market()
    high = HEAD + "SELECT symbol FROM market WHERE last > 10.4"
    tape.ask(s=high, t=high)
    assert tape.engine.scans["t"].fresh == 1
    tape.mark("04:00:00", days=3)
    tape.trade("04:00:01", 10.5, 100.0, 12, days=3)
    assert states(tape.mark("04:00:01.05", days=3)) == [("s", "A", "fired"), ("t", "A", "fired")]


def test_a_snapshot_between_save_and_mark_holds_that_the_scan_is_new() -> None:
    tape = market()
    tape.engine.apply(Questions({"s": HEAD + UP, "t": HEAD + UP}))
    twin = thaw(freeze(tape.engine))
    ts_ns = tape.ns("09:31:01")
    ends = [engine.apply(Mark(ts_ns, ts_ns)) for engine in (tape.engine, twin)]
    assert [states(end) for end in ends if end is not None] == [[], []]
    assert np.array_equal(twin.scans["t"].held, tape.engine.scans["t"].held)
    assert twin.scans["t"].held.tolist() == [True, False]
