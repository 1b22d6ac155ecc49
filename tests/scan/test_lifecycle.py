"""What becomes of a signal: each state a record of its own, the same after any restart."""

import numpy as np
import pytest

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.engine import Cycle
from tapelight.errors import ConfigError
from tapelight.model.records import Correction, Mark, Print
from tapelight.model.signals import Leaf, Signal
from tapelight.scan.life import MOST_TOLD, Live, Told, places
from tapelight.scan.question import read_question
from tapelight.scan.scan import Scan

HEAD = '-- title = "t"\n-- gate = "none"\n-- kind = "events"\n'


def scan(where: str, *header: str) -> Tape:
    tape = Tape("A", "B")
    lines = "".join(f"-- {line}\n" for line in header)
    tape.ask(s=f"{HEAD}{lines}SELECT symbol, last FROM market WHERE {where}")
    return tape


def states(cycle: Cycle) -> list[tuple[str, str]]:
    return [(s.symbol, s.state) for s in cycle.signals]


def only(cycle: Cycle) -> Signal:
    (signal,) = cycle.signals
    return signal


def fire(tape: Tape, time: str = "10:00:00", price: float = 10.5) -> Signal:
    tape.trade(f"{time}.01", price)
    return only(tape.mark(f"{time}.05"))


def step(tape: Tape, time: str, *prices: float) -> list[tuple[str, str]]:
    """Print the prices, each near the one before it (a jump would be quarantined), and mark."""
    for price in prices:
        tape.trade(time, price)
    return states(tape.mark(time))


def test_confirmed_bears_the_id_and_says_why() -> None:
    tape = scan("last > 10", 'confirm = "last >= 11"', 'invalid = "last < 9.5"')
    signal = fire(tape)
    assert step(tape, "10:00:01", 10.8) == []
    tape.trade("10:00:01.5", 11.2)
    end = only(tape.mark("10:00:01.55"))
    assert (end.id, end.state, end.ts_ns) == (signal.id, "confirmed", tape.ns("10:00:01.55"))
    assert end.reason == "last 11.2 >= 11"
    assert end.why == (Leaf("last", 11.2, ">=", 11.0, True),)
    assert end.values == {"symbol": "A", "last": 11.2}
    assert step(tape, "10:00:02", 9.0) == []


def test_invalidated_comes_before_confirmed() -> None:
    tape = scan("last > 10", 'confirm = "last < 9.8"', 'invalid = "last < 9.9"')
    signal = fire(tape)
    tape.trade("10:00:01.2", 9.7)
    end = only(tape.mark("10:00:01.25"))
    assert (end.id, end.state, end.reason) == (signal.id, "invalidated", "last 9.7 < 9.9")


def test_a_signal_expires_without_a_print() -> None:
    tape = scan("last > 10", "expires_s = 30.0", 'confirm = "last > 99"')
    signal = fire(tape)
    assert step(tape, "10:00:30") == []
    end = only(tape.mark("10:00:31"))
    assert (end.id, end.state, end.reason) == (signal.id, "expired", "30 s have passed")
    assert end.why == ()


def test_a_halt_ends_a_live_signal_and_no_other() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    signal = fire(tape)
    tape.halt("10:00:02", True, "LUDP")
    end = only(tape.mark("10:00:02.05"))
    assert (end.id, end.state) == (signal.id, "halted")
    plain = scan("last > 10")
    fire(plain)
    plain.halt("10:00:02", True, "LUDP")
    assert states(plain.mark("10:00:02.05")) == []


def test_a_signal_that_fires_again_replaces_the_live_one() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    first = fire(tape)
    assert step(tape, "10:00:01", 9.9) == []
    tape.trade("10:00:01.2", 10.6)
    old, new = tape.mark("10:00:01.25").signals
    assert (old.id, old.state, old.reason) == (first.id, "expired", "fired again")
    assert (new.state, new.id != first.id) == ("fired", True)


def test_a_stale_row_is_neither_confirmed_nor_invalidated() -> None:
    tape = scan("last > 10", 'invalid = "last < 10"', 'confirm = "last > 11"')
    fire(tape)
    tape.trade("10:00:10", 9.8)
    assert states(tape.mark("10:00:10", complete="10:00:01")) == []
    assert states(tape.mark("10:00:11")) == [("A", "invalidated")]


def test_what_is_live_when_the_session_ends_expires() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    signal = fire(tape)
    tape.mark("20:00:00")
    end = only(tape.mark("04:00:00", days=3))
    assert (end.id, end.state, end.reason) == (signal.id, "expired", "the session ended")
    assert states(tape.mark("04:00:01", days=3)) == []


def test_out_of_its_phases_a_signal_still_ends() -> None:
    tape = scan("last > 10", 'phases = ["regular"]', "expires_s = 1.0")
    fire(tape, "15:59:59")
    assert states(tape.mark("16:00:01")) == [("A", "expired")]


def test_what_an_edit_ends_is_in_a_snapshot_before_the_next_mark() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    fire(tape)
    assert tape.engine.questions is not None
    tape.ask(s=tape.engine.questions.texts["s"].replace("> 99", "> 98"))
    tape.trade("10:00:00.5", 9.9)
    twin = thaw(freeze(tape.engine))
    ts = tape.ns("10:00:01")
    mine, theirs = (engine.apply(Mark(ts, ts)) for engine in (tape.engine, twin))
    assert mine is not None
    assert theirs is not None
    assert (only(mine).state, only(mine).event_ns) == ("expired", tape.ns("10:00:00.5"))
    assert theirs.signals == mine.signals
    assert twin.digest == tape.engine.digest
    assert thaw(freeze(twin)).owed.signals == []


def test_what_an_edit_ends_is_told_by_the_first_mark_of_a_session() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    fire(tape)
    assert tape.engine.questions is not None
    tape.engine.apply(type(tape.engine.questions)({}))
    tape.engine = thaw(freeze(tape.engine))
    assert states(tape.mark("04:00:00", days=3)) == [("A", "expired")]


def test_what_is_live_when_its_scan_is_changed_or_removed_expires() -> None:
    tape = scan("last > 10", 'confirm = "last > 99"')
    signal = fire(tape)
    kept = tape.engine.questions
    assert kept is not None
    tape.engine.apply(kept)
    assert states(tape.mark("10:00:01")) == []
    tape.ask(s=kept.texts["s"].replace("> 99", "> 98"))
    end = only(tape.mark("10:00:01.5"))
    assert (end.id, end.state, end.values) == (signal.id, "expired", {})
    assert end.reason == "the scan was changed or removed"
    assert step(tape, "10:00:02", 9.9) == []
    fire(tape, "10:00:03", 10.2)
    tape.engine.apply(type(kept)({}))
    assert states(tape.mark("10:00:04")) == [("A", "expired")]


# Armed


NEAR = ("last > 10", 'armed = "last > 9.8"')


def test_armed_becomes_fired_under_one_id() -> None:
    tape = scan(*NEAR)
    armed = fire(tape, "10:00:00", 9.9)
    assert (armed.state, armed.why) == ("armed", (Leaf("last", 9.9, ">", 9.8, True),))
    assert step(tape, "10:00:00.1", 9.95) == []
    fired = fire(tape, "10:00:01", 10.1)
    assert (fired.state, fired.id) == ("fired", armed.id)
    assert step(tape, "10:00:02", 9.9) == [("A", "armed")]
    again = fire(tape, "10:00:03", 10.2)
    assert (again.state, again.id != armed.id) == ("fired", True)


def test_armed_ends_quietly_when_its_bound_let_out_is_passed() -> None:
    tape = scan(*NEAR)
    armed = fire(tape, "10:00:00", 9.9)
    assert step(tape, "10:00:01", 9.1, 8.4, 7.9) == []
    assert step(tape, "10:00:02", 8.6, 9.3, 9.9) == []
    assert tape.engine.scans["s"].life.armed == {0: armed.ts_ns}
    assert step(tape, "10:00:03", 9.1, 8.4, 7.8) == []
    assert tape.engine.scans["s"].life.armed == {}
    assert step(tape, "10:00:05", 8.5, 9.2, 9.9) == [("A", "armed")]


def test_what_is_true_cooling_down_or_live_is_not_armed() -> None:
    tape = scan(*NEAR, "cooldown_s = 30.0", 'confirm = "last > 10.5"', "expires_s = 5.0")
    assert fire(tape).state == "fired"
    assert step(tape, "10:00:01", 9.9) == []
    assert step(tape, "10:00:06", 9.9) == [("A", "expired")]
    assert step(tape, "10:00:29", 9.9) == []
    assert step(tape, "10:00:31", 9.9) == [("A", "armed")]


def test_the_gate_is_that_of_the_armed_too_but_not_of_what_ends_a_signal() -> None:
    tape = Tape("A")
    tape.ask(
        s='-- kind = "events"\n-- gate = "vol >= 200"\n-- armed = "last > 9.8"\n'
        '-- confirm = "last > 10.2"\nSELECT last FROM market WHERE last > 10'
    )
    assert step(tape, "10:00:00.05", 9.9) == []
    assert step(tape, "10:00:00.1", 9.9) == [("A", "armed")]
    armed, fired = tape.engine.scans["s"].question.armed, fire(tape, "10:00:01", 10.1)
    assert armed is not None
    assert [leaf.name for leaf in fired.why] == ["last", "vol"]
    tape.trade("10:00:02.01", 10.3)
    assert [leaf.name for leaf in only(tape.mark("10:00:02.05")).why] == ["last"]


# Hysteresis and bursts


def test_with_hysteresis_it_fires_again_only_after_it_was_let_go() -> None:
    tape = scan("last > 10", "hysteresis = true")
    fire(tape)
    assert step(tape, "10:00:01", 9.6, 8.8, 8.1) == []
    assert step(tape, "10:00:02", 8.8, 9.6, 10.4) == []
    assert step(tape, "10:00:03", 9.6, 8.8, 8.1, 7.5) == []
    assert step(tape, "10:00:04", 8.2, 9.0, 9.8, 10.2) == [("A", "fired")]


def test_a_burst_is_one_group_and_counted() -> None:
    tape = scan("last > 10", "burst_s = 90.0")
    found = []
    for minute, second in ((0, 0), (0, 41), (1, 30), (1, 40)):
        found.append(fire(tape, f"10:{minute:02d}:{second:02d}"))
        step(tape, f"10:{minute:02d}:{second + 1:02d}", 9.9)
    assert [s.count for s in found] == [1, 2, 3, 1]
    assert [s.group for s in found] == [found[0].id] * 3 + [found[3].id]
    assert [s.reason for s in found] == ["", "fired 2x in 41 s", "fired 3x in 1 min 30 s", ""]


def test_without_burst_s_there_is_no_group() -> None:
    signal = fire(scan("last > 10"))
    assert (signal.group, signal.count) == ("", 1)


# Retracted


def cancel(tape: Tape, time: str, price: float, right: float = 0.0) -> None:
    """Cancel the trade of A that was printed at a time, or correct its price."""
    wrong = Print(tape.ns(time), price, 100.0)
    instead = Print(wrong.ts_ns, right, 100.0) if right else None
    tape.engine.apply(Correction(tape.ns(time) + 1, "A", wrong, instead))


def test_a_cancelled_trade_takes_back_its_signal_and_undoes_the_cooldown() -> None:
    tape = scan("last > 10", "cooldown_s = 600.0", 'confirm = "last > 99"')
    step(tape, "09:59:59", 9.9)
    signal = fire(tape)
    cancel(tape, "10:00:00.01", 10.5)
    taken = only(tape.mark("10:00:00.10"))
    assert (taken.id, taken.state, taken.mark) == (signal.id, "retracted", tape.ns("10:00:00.10"))
    assert taken.reason == "the trade that it was told on was cancelled"
    assert taken.values == {"symbol": "A", "last": 9.9}
    cancel(tape, "10:00:00.01", 10.5)
    assert step(tape, "10:00:01", 9.9) == []
    assert tape.engine.scans["s"].life.live == {}
    assert fire(tape, "10:00:02").state == "fired"


def test_a_cancelled_trade_takes_back_no_other_signal() -> None:
    tape = scan("last > 10")
    first = fire(tape)
    step(tape, "10:00:01", 9.9)
    second = fire(tape, "10:00:02")
    assert step(tape, "10:00:03", 9.9) == []
    cancel(tape, "10:00:01", 9.9)
    assert step(tape, "10:00:04") == []
    cancel(tape, "10:00:02.01", 10.5)
    assert [(s.id, s.state) for s in tape.mark("10:00:05").signals] == [(second.id, "retracted")]
    cancel(tape, "10:00:00.01", 10.5)
    assert [(s.id, s.state) for s in tape.mark("10:00:06").signals] == [(first.id, "retracted")]


def test_a_corrected_price_takes_back_a_corrected_size_does_not() -> None:
    tape = scan("last > 10")
    fire(tape)
    cancel(tape, "10:00:00.01", 10.5, right=10.5)
    assert step(tape, "10:00:01") == []
    cancel(tape, "10:00:00.01", 10.5, right=9.8)
    taken = only(tape.mark("10:00:02"))
    assert taken.reason == "the trade that it was told on was corrected from 10.5 to 9.8"


def test_what_can_be_taken_back_survives_a_restart() -> None:
    tape = scan("last > 10")
    signal = fire(tape)
    tape.engine = thaw(freeze(tape.engine))
    tape.table = tape.engine.table
    cancel(tape, "10:00:00.01", 10.5)
    tape.engine = thaw(freeze(tape.engine))
    tape.table = tape.engine.table
    assert only(tape.mark("10:00:01")).id == signal.id


def test_told_keeps_the_newest() -> None:
    told = Told()
    signals = [Live(i, i, i) for i in range(1, MOST_TOLD + 100)]
    for signal in signals:
        told.add(signal)
    assert list(told) == signals[-MOST_TOLD:]
    again = Told()
    again.take(Live(*each) for each in told.freeze().tolist())
    assert list(again) == list(told)
    assert told.of_event(0, 0) == []
    told.forget(signals[-2:])
    assert list(told) == signals[-MOST_TOLD:-2]


# Memory


HALTS = (47, 177, 283)
"""Seconds in which A has a live signal."""


def events(tape: Tape, begin: int, end: int) -> list[Signal]:
    """Play prints around 10 from second `begin` to `end`: a life of every kind."""
    found: list[Signal] = []
    rng = np.random.default_rng(7)
    prices = np.round(9.9 + 0.4 * np.sin(np.arange(400) / 7.0) + rng.normal(0, 0.15, 400), 2)
    for i in range(begin, end):
        time = f"10:{i // 60:02d}:{i % 60:02d}"
        for symbol, shift in (("A", 0), ("B", 57)):
            tape.trade(f"{time}.01", float(prices[i + shift]), symbol=symbol)
        found += tape.mark(f"{time}.05").signals
        if i in HALTS:
            tape.halt(f"{time}.06", True, "LUDP")
        if i - 2 in HALTS:
            tape.halt(f"{time}.06", False)
        found += tape.mark(f"10:{(i + 1) // 60:02d}:{(i + 1) % 60:02d}").signals
    return found


EVERYTHING = (
    "last > 10", 'armed = "last > 9.9"', 'confirm = "last > 10.25"', 'invalid = "last < 9.8"',
    "expires_s = 3.0", "burst_s = 20.0", "hysteresis = false", "rearm_pct = 0.5",
)  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize(
    ("hysteresis", "cuts"), [("hysteresis = false", (52, 250)), ("hysteresis = true", (1, 111))]
)
def test_every_state_survives_a_snapshot(hysteresis: str, cuts: tuple[int, ...]) -> None:
    header = [hysteresis if h.startswith("hysteresis") else h for h in EVERYTHING]
    whole = scan(*header)
    found = events(whole, 0, 300)
    kinds = {s.state for s in found}
    if hysteresis.endswith("false"):
        assert kinds == {"armed", "fired", "confirmed", "invalidated", "expired", "halted"}
    for cut in cuts:
        first = scan(*header)
        events(first, 0, cut)
        rest = scan(*header)
        rest.engine = thaw(freeze(first.engine))
        rest.table = rest.engine.table
        got = events(rest, cut, 300)
        assert got == found[len(found) - len(got) :]
        assert rest.engine.digest == whole.engine.digest
        told = [list(engine.scans["s"].life.told) for engine in (rest.engine, whole.engine)]
        assert told[0] == told[1]


def test_each_record_is_of_a_signal_that_was_live() -> None:
    alive: set[str] = set()
    for signal in events(scan(*EVERYTHING), 0, 300):
        if signal.state in ("armed", "fired"):
            alive.add(signal.id)
        else:
            alive.remove(signal.id)


def test_places_finds_rows_that_are_asked() -> None:
    rows = np.array([2, 5, 7, 9])
    asked = np.array([True, False, True, True])
    assert places(rows, asked, [9, 5, 2, 3, 11]).tolist() == [0, 3]
    assert places(rows[:0], asked[:0], [1]).tolist() == []
    assert places(rows, asked, []).tolist() == []


# Files


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ('-- armed = "lst > 1"', "x.sql: armed = 'lst > 1': Unknown column 'lst', did you mean last?"),
        ('-- confirm = "last > 1 ORDER BY last"', "confirm = 'last > 1 ORDER BY last': write one"),
        ('-- invalid = "last"', "x.sql: invalid = 'last': A condition is needed here"),
        ("-- expires_s = -1.0", "expires_s is -1.0; give 0 or more"),
        ("-- cooldown_s = nan", "cooldown_s is nan; give 0 or more"),
        ("-- cooldown_s = inf", "cooldown_s is inf; give 0 or more, 86,400 at most"),
        ("-- expires_s = 1e12", "expires_s is 1000000000000.0; give 0 or more, 86,400 at most"),
        ('-- kind = "board"\n-- burst_s = 5.0', "burst_s is for scans"),
        ('-- kind = "board"\n-- armed = "last > 1"', "armed is for scans"),
    ],
)  # fmt: skip
def test_a_wrong_life_is_refused(header: str, says: str) -> None:
    kind = "" if "kind" in header else '-- kind = "events"\n'
    with pytest.raises(ConfigError) as caught:
        read_question("x", f"{kind}{header}\nSELECT last FROM market WHERE last > 1")
    assert says in str(caught.value)


def test_the_header_may_use_the_names_of_the_query() -> None:
    text = (
        '-- kind = "events"\n-- confirm = "twice > 21"\n'
        "SELECT last, last * 2 AS twice FROM market WHERE last > 10 ORDER BY twice LIMIT 5"
    )
    question = read_question("x", text)
    assert question.lives
    assert len(question.queries()) == 2
    tape = Tape("A")
    tape.ask(x=text.replace('"events"\n', '"events"\n-- gate = "none"\n'))
    fire(tape, "10:00:00", 10.1)
    assert step(tape, "10:00:01", 10.6) == [("A", "confirmed")]


def test_a_scan_without_a_life_remembers_little() -> None:
    tape = scan("last > 10")
    fire(tape)
    asked = tape.engine.scans["s"]
    assert isinstance(asked, Scan)
    assert asked.life.idle
    assert asked.held_rows(2) is asked.held
