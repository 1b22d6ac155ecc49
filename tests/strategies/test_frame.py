"""The frame around every strategy: gates, plan, course, re-arm, memory, isolation."""

import pytest

from strategy_tape import StrategyTape
from tapelight.errors import ConfigError
from tapelight.model.codec import decode, encode
from tapelight.model.records import Disabled, Strategies
from tapelight.model.session import NS
from tapelight.scan.source import choose, load, parameters, shipped, shipped_source

OWN = """
from typing import Annotated
import numpy as np
from tapelight.scan.strategy import (
    LONG, SHORT, Common, Entries, Exit, Strategy, at_least, is_true, told,
)

class Params(Common, frozen=True, forbid_unknown_fields=True, kw_only=True):
    level: Annotated[float, told("$", "Where to enter.", ge=0)] = 20.0
    way: Annotated[int, told("", "1 long, -1 short.", ge=-1, le=1)] = 1
    quit: Annotated[float, told("$", "Give up above this.", ge=0)] = 99.0
    wait_s: Annotated[int, told("s", "The entry's validity.", ge=0)] = 60
    hold_s: Annotated[int, told("s", "The time stop.", ge=0)] = 0
    trade_rate_min: float = 0.0

class Own(Strategy):
    takes = Params
    title = "Own"
    sides = ("long", "short")
    memory = {"seen": 0, "top": float("nan")}

    def signals(self, look):
        p, last = self.params, look["last"]
        entry = look.full(p.level)
        return Entries(
            when=(at_least("level", p.way * last, p.way * entry),),
            side=np.full(len(look), p.way, np.int8),
            entry=entry,
            stop=entry - p.way * 0.5,
            targets=(entry + p.way * 0.5, entry + p.way * 1.0),
            armed=p.way * last >= p.way * entry - 0.1 if ARMS else None,
            expires_ns=look.now_ns + p.wait_s * 10**9,
            exit_ns=look.now_ns + p.hold_s * 10**9 if p.hold_s else 0,
            exits=(Exit("invalid", "too high", last >= p.quit),),
            trail=last - 0.3 if TRAILS else None,
            keep={"seen": look.kept("seen") + 1, "top": np.fmax(look.kept("top"), last)},
        )
"""


def own(parameters: str = "", arms: bool = False, trails: bool = False) -> StrategyTape:
    """Return a tape in mid-morning, at $19.50, with no volume asked for."""
    source = f"ARMS = {arms}\nTRAILS = {trails}\n{OWN}"
    tape = StrategyTape("own", parameters=parameters, source=source, prev_close=19.0)
    tape.minute("10:00", 19.5, 19.5, 19.5, 19.5)
    return tape


def test_a_signal_says_how_to_trade() -> None:
    tape = own()
    assert tape.print("10:01:00", 19.99) == []
    (fired,) = tape.print("10:01:01", 20.0)
    plan = fired.plan
    assert plan is not None
    assert (fired.scan, fired.state, fired.kind, fired.ts_ns) == (
        "own", "fired", "entry", tape.ns("10:01:01.05"),
    )  # fmt: skip
    assert (plan.side, plan.entry, plan.stop, plan.targets) == ("long", 20.0, 19.5, (20.5, 21.0))
    assert plan.limit == pytest.approx(20.03)
    assert plan.exit_ns == tape.ns("15:55:00")
    assert plan.expires_ns == fired.ts_ns + 60 * NS
    assert [leaf.name for leaf in fired.why if leaf.true is not True] == []


@pytest.mark.parametrize(
    ("price", "spread", "room"), [(20.0, 0.02, 0.03), (50.0, 0.01, 0.05), (20.0, 0.08, 0.08)]
)
def test_the_limit_is_the_greatest_of_three(price: float, spread: float, room: float) -> None:
    source = f"ARMS = TRAILS = False\n{OWN}"
    tape = StrategyTape(
        "own", parameters=f"level = {price}", source=source, spread=spread, prev_close=price
    )
    tape.print("10:00:00", price)
    (fired,) = tape.fired()
    assert fired.plan is not None
    assert fired.plan.limit == pytest.approx(price + room)


def test_it_fires_once_then_enters_and_reaches_both_targets() -> None:
    tape = own()
    tape.print("10:01:00", 20.0)
    tape.print("10:01:01", 20.01)
    tape.print("10:01:02", 20.6)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target")]
    tape.print("10:01:03", 21.0)
    tape.print("10:01:04", 21.5)
    assert tape.exits()[2:] == [("exit", "target")]
    assert len(tape.fired()) == 1
    fired, confirmed, first, second = tape.signals
    assert fired.id == confirmed.id == first.of == second.of
    assert len({fired.id, first.id, second.id}) == 3
    assert first.values["r"] == pytest.approx((20.6 - 20.01) / 0.5)


@pytest.mark.parametrize(
    ("prices", "parameters", "becomes"),
    [
        ((20.01, 19.5), "", [("confirmed", "entry"), ("exit", "stop")]),
        ((19.4,), "", [("invalidated", "stop")]),
        ((20.2, 20.2, 20.02), "", [("confirmed", "entry")]),
        ((20.2,), "quit = 20.1", [("invalidated", "invalid")]),
        ((20.01, 20.3), "quit = 20.3", [("confirmed", "entry"), ("exit", "invalid")]),
        ((20.2, 20.2), "wait_s = 1", [("expired", "time")]),
        ((20.01, 20.02), "hold_s = 2", [("confirmed", "entry"), ("exit", "time")]),
    ],
)
def test_what_becomes_of_a_signal(
    prices: tuple[float, ...], parameters: str, becomes: list[tuple[str, str]]
) -> None:
    tape = own(parameters)
    tape.print("10:01:00", 20.0)
    for i, price in enumerate(prices, 1):
        tape.print(f"10:01:0{i}", price)
    assert tape.exits() == becomes


def test_a_trailing_stop_takes_over_after_the_first_target() -> None:
    tape = own(trails=True)
    for i, price in enumerate([20.0, 20.01, 20.6, 21.4, 21.2, 21.0]):
        tape.print(f"10:01:0{i}", price)
    assert tape.exits() == [
        ("confirmed", "entry"), ("exit", "target"), ("exit", "target"), ("exit", "stop"),
    ]  # fmt: skip
    assert tape.signals[-1].values["stop"] == pytest.approx(21.1)


def test_all_is_flat_before_the_close() -> None:
    tape = own()
    tape.minute("15:50", 19.5, 19.5, 19.5, 19.5)
    tape.print("15:54:50", 20.0)
    tape.print("15:54:51", 20.01)
    tape.at("15:54:59.95")
    assert tape.exits() == [("confirmed", "entry")]
    tape.at("15:55:00")
    assert tape.exits()[1:] == [("exit", "time")]
    tape.print("15:56:00", 19.0)
    assert tape.print("15:57:00", 20.0) == []
    assert tape.failing() == ["minutes_to_close"]


def test_a_halt_voids_what_was_not_traded_and_waits_with_the_rest() -> None:
    tape = own()
    waiting = tape.fork()
    for each in (tape, waiting):
        each.print("10:01:00", 20.0)
    tape.print("10:01:01", 20.01)
    for each in (tape, waiting):
        each.halt("10:01:02", True, "LUDP")
        each.at("10:01:02.05")
    assert waiting.exits() == [("halted", "halted")]
    tape.print("10:01:03", 19.0)
    tape.halt("10:06:00", False)
    tape.print("10:06:01", 19.0)
    assert tape.exits() == [("confirmed", "entry"), ("halted", "halted"), ("exit", "stop")]
    assert waiting.rule.course["state"].tolist() == [0]


def test_a_row_in_doubt_makes_no_signal_and_waits() -> None:
    tape = own()
    tape.feed("10:01:00", "gap", since="10:01:00")
    assert tape.print("10:01:00", 20.0) == []
    assert {"provisional"} <= set(tape.failing())
    tape.feed("10:01:03", "live")
    assert [s.state for s in tape.print("10:01:04", 20.0)] == ["fired"]


@pytest.mark.parametrize(
    ("leaf", "changes"),
    [
        ("last", {"parameters": "last_min = 21"}),
        ("last", {"parameters": "last_max = 19"}),
        ("adv20 or rvol_tod", {"adv20": 499_999.0, "parameters": "rvol_tod_or = 99"}),
        ("spread_pct", {"spread": 0.11}),
        ("trade_rate", {"parameters": "trade_rate_min = 5"}),
        ("minutes_since_open", {"parameters": "begin_min = 60"}),
        ("minutes_since_open", {"parameters": "end_min = 30"}),
        ("minutes_to_close", {"parameters": "last_entry_min = 359"}),
        ("risk_pct", {"parameters": "risk_pct_min = 2.6"}),
        ("risk_pct", {"parameters": "risk_pct_max = 2.4"}),
        ("risk", {"parameters": "risk_spreads_min = 26"}),
        ("side is known", {"parameters": "way = 0"}),
        ("level", {"parameters": "level = 20.01"}),
    ],
)
def test_each_gate_stops_alone(leaf: str, changes: dict[str, object]) -> None:
    source = f"ARMS = TRAILS = False\n{OWN}"
    tape = StrategyTape("own", source=source, prev_close=19.0, **changes)  # type: ignore[arg-type]
    tape.minute("10:00", 19.5, 19.5, 19.5, 19.5)
    assert tape.print("10:01:00", 20.0) == []
    missing = ["risk_pct", "risk"] if leaf == "side is known" else []
    assert [name for name in tape.failing() if name not in missing] == [leaf]


def test_stale_and_halted_rows_make_no_signal() -> None:
    tape = own()
    tape.mark("10:01:00", complete="10:00:54")
    assert tape.failing()[0] == "stale"
    tape.at("10:01:01")
    tape.halt("10:01:02", True, "T1")
    assert tape.print("10:01:03", 20.0) == []
    assert tape.failing() == ["halted"]


def test_it_is_silent_for_a_while_after_a_resume() -> None:
    tape = own("mute_resume_s = 60")
    tape.halt("10:01:00", True, "LUDP")
    tape.halt("10:06:00", False)
    assert tape.print("10:06:59", 20.0) == []
    assert tape.failing() == ["secs_since_resume"]
    tape.print("10:07:00", 19.9)
    assert len(tape.print("10:07:01", 20.0)) == 1


def test_cooldown_and_tries() -> None:
    tape = own("cooldown_s = 60\ntries = 2")

    def fires(below: str, above: str) -> bool:
        tape.print(below, 19.4)
        return bool(tape.print(above, 20.0))

    assert fires("10:01:00", "10:01:01")
    assert not fires("10:01:30", "10:01:59")
    assert tape.failing() == ["secs_since_signal"]
    assert fires("10:03:00", "10:03:01")
    assert not fires("10:05:00", "10:05:01")
    assert tape.failing() == ["signals_today"]


def test_one_live_signal_a_symbol() -> None:
    tape = own()
    tape.print("10:01:00", 20.0)
    tape.print("10:01:01", 20.01)
    tape.print("10:01:02", 19.9)
    assert tape.print("10:01:03", 20.0) == []
    assert tape.failing() == ["live signal"]


def test_an_armed_signal_keeps_its_id() -> None:
    tape = own(arms=True)
    (armed,) = tape.print("10:01:00", 19.95)
    tape.print("10:01:01", 19.96)
    (fired,) = tape.print("10:01:02", 20.0)
    assert (armed.state, fired.state, armed.id) == ("armed", "fired", fired.id)


def test_an_armed_signal_whose_setup_goes_is_invalid() -> None:
    tape = own(arms=True)
    tape.print("10:01:00", 19.95)
    (gone,) = tape.print("10:01:01", 19.5)
    assert (gone.state, gone.reason) == ("invalidated", "setup")


def test_shorts_are_mirrored_and_signals_only() -> None:
    tape = own("way = -1\nlevel = 19")
    (fired,) = tape.print("10:01:00", 19.0)
    plan = fired.plan
    assert plan is not None
    assert (plan.side, plan.stop, plan.targets) == ("short", 19.5, (18.5, 18.0))
    assert plan.limit == pytest.approx(18.97)
    assert plan.signal_only
    tape.print("10:01:01", 18.99)
    tape.print("10:01:02", 18.5)
    tape.print("10:01:03", 19.5)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "target"), ("exit", "stop")]


def test_a_restricted_short_stays_above_the_bid() -> None:
    source = f"ARMS = TRAILS = False\n{OWN}"
    tape = StrategyTape("own", parameters="way = -1\nlevel = 17", source=source, prev_close=19.0)
    tape.print("10:00:00", 17.05)
    (fired,) = tape.print("10:00:01", 17.0)
    assert tape("ssr")
    assert fired.plan is not None
    assert fired.plan.limit == pytest.approx(tape("bid") + 0.01)


def test_a_new_session_forgets() -> None:
    tape = own()
    tape.print("10:01:00", 20.0)
    tape.mark("04:00:00", days=3)
    assert tape.rule.course["state"].tolist() == [0]
    assert tape.rule.memory["seen"].tolist() == [0]


def test_a_snapshot_holds_all_that_is_remembered() -> None:
    tape = own(trails=True)
    tape.print("10:01:00", 20.0)
    twin = tape.fork()
    for each in (tape, twin):
        for i, price in enumerate([20.01, 20.6, 21.4, 21.2, 21.0], 1):
            each.print(f"10:01:0{i}", price)
    assert twin.signals == tape.signals
    assert twin.engine.digest == tape.engine.digest
    assert twin.rule.memory["top"].tolist() == [21.4]


# --- isolation ---------------------------------------------------------------------------------

WRONG = """
import numpy as np
from tapelight.scan.strategy import Entries, Strategy, longs

class Wrong(Strategy):
    def signals(self, look):
        last = look["last"]
        {body}
        return Entries(when=(), side=longs(look), entry=last, stop=last - 1.0)
"""


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("if last[0] > 11: last[5]", "IndexError: index 5 is out of bounds"),
        ("if last[0] > 11: last[0] = 1.0", "ValueError: assignment destination is read-only"),
        ("if last[0] > 11: last = last[:0]", "ValueError: entry has shape (0,)"),
        ("if last[0] > 11: return None", "TypeError: signals returned NoneType"),
        ("if last[0] > 11: look['la' + 'st_']", "KeyError: 'last_'"),
        ("if last[0] > 11: raise ValueError('so')", "ValueError: so"),
    ],
)
def test_one_that_fails_is_off_and_harms_nothing(body: str, fault: str) -> None:
    tape = StrategyTape("wrong", source=WRONG.format(body=body))
    tape.engine.apply(
        Strategies({
            "wrong": choose("wrong", "", WRONG.format(body=body)),
            "good": choose("good", "level = 11.5", f"ARMS = TRAILS = False\n{OWN}"),
        })
    )  # fmt: skip
    tape.minute("10:00", 10.0, 10.0, 10.0, 10.0)
    assert tape.rule.fault == ""
    tape.print("10:01:00", 11.5)
    assert tape.rule.fault.startswith(fault)
    assert [s.scan for s in tape.signals if s.state == "fired"] == ["good"]
    assert tape.fork().rule.fault == tape.rule.fault


def test_one_that_fails_while_it_is_explained_goes_on() -> None:
    tape = StrategyTape("wrong", source=WRONG.format(body="if last[0] > 11: last[5]"))
    tape.prints("A", [tape.ns("10:01:00")], [11.5], [100.0])
    assert (tape.failing(), tape.rule.fault) == (["strategy is on"], "")


def test_a_record_disables_and_other_parameters_enable() -> None:
    tape = own()
    tape.engine.apply(Disabled(tape.ns("10:00:59"), "own", "took 80 ms"))
    assert tape.print("10:01:00", 20.0) == []
    assert tape.failing() == ["strategy is on"]
    choice = choose("own", "level = 21", f"ARMS = TRAILS = False\n{OWN}")
    tape.engine.apply(Strategies({"own": choice}))
    assert len(tape.print("10:01:01", 21.0)) == 1


@pytest.mark.parametrize("traded", [False, True])
def test_what_is_open_when_the_session_ends_is_ended_by_the_first_mark_of_the_next(
    traded: bool,
) -> None:
    tape = own()
    (fired,) = tape.print("10:01:00", 20.0)
    if traded:
        tape.print("10:01:01", 20.01)
        tape.halt("10:01:02", True, "T1")
        for time in ("10:01:03", "15:55:00", "16:00:00"):
            tape.at(time)
    before = len(tape.signals)
    next_ns = tape.ns("04:00:00", 3)
    assert tape.engine.enter_session(next_ns)
    twin = tape.fork()
    for each in (tape, twin):
        (end,) = each.beat(next_ns)
        kind, of = ("exit", fired.id) if traded else ("entry", "")
        assert (end.kind, end.of, end.reason) == (kind, of, "time")
        assert (end.state, end.text) == (
            "fired" if traded else "expired",
            f"Own: {'exit' if traded else 'expired'}, the session ended",
        )
        assert each.beat(next_ns + NS) == []
    assert [s.state for s in tape.signals[before - 1 :]] == [
        "halted" if traded else "fired",
        "fired" if traded else "expired",
    ]
    assert twin.engine.digest == tape.engine.digest


@pytest.mark.parametrize("traded", [False, True])
@pytest.mark.parametrize("how", ["changed", "removed", "disabled", "failed"])
def test_a_strategy_that_goes_ends_its_signals(how: str, traded: bool) -> None:
    source = f"ARMS = TRAILS = False\n{OWN}".replace(
        "p, last =", "if look['last'][0] > 20.2: raise ValueError('so')\n        p, last ="
    )
    tape = StrategyTape("own", source=source, prev_close=19.0)
    tape.minute("10:00", 19.5, 19.5, 19.5, 19.5)
    tape.print("10:01:00", 20.0)
    if traded:
        tape.print("10:01:01", 20.01)
    if how == "changed":
        tape.engine.apply(Strategies({"own": choose("own", "level = 30", source)}))
    elif how == "removed":
        tape.engine.apply(Strategies({}))
    elif how == "disabled":
        tape.engine.apply(Disabled(tape.ns("10:01:01"), "own", "slow"))
    else:
        tape.print("10:01:02", 20.21)
    tape.at("10:01:03")
    tape.at("10:01:04")
    ends = [("confirmed", "entry"), ("exit", "invalid")] if traded else [("expired", "strategy")]
    assert tape.exits() == ends


@pytest.mark.parametrize("how", ["changed", "removed", "disabled"])
def test_what_a_strategy_leaves_is_in_a_snapshot_before_the_next_mark(how: str) -> None:
    tape = own()
    tape.print("10:01:00", 20.0)
    if how == "disabled":
        tape.engine.apply(Disabled(tape.ns("10:01:01"), "own", "slow"))
    else:
        other = choose("own", "level = 30", f"ARMS = TRAILS = False\n{OWN}")
        tape.engine.apply(Strategies({"own": other} if how == "changed" else {}))
    twin = tape.fork()
    ends = [each.at("10:01:01") for each in (tape, twin)]
    assert [s.state for s in ends[0]] == ["expired"]
    assert ends[1] == ends[0]
    assert twin.engine.digest == tape.engine.digest
    assert [each.at("10:01:02") for each in (tape, twin)] == [[], []]


def test_the_records_pass_through_the_journal() -> None:
    records = [Strategies({"own": choose("own", "", OWN)}), Disabled(1, "own", "slow")]
    assert [decode(encode(record)) for record in records] == records


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("momentum_bust", "", "Unknown strategy 'momentum_bust': did you mean momentum_burst?"),
        ("momentum_burst", "chg_1_min = 2", "unknown parameter 'chg_1_min', did you mean"),
        ("momentum_burst", "buy_pct_min = 101", "buy_pct_min: Expected `float` <= 100.0"),
        ("momentum_burst", "buy_pct_min = 'x'", "buy_pct_min: Expected `float`, got `str`"),
        ("momentum_burst", "buy_pct_min =", "momentum_burst: Invalid value"),
    ],
)
def test_bad_parameters_are_refused_by_name(name: str, text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        choose(name, text)
    assert fault in str(raised.value)


def test_shipped_strategies_declare_what_they_are() -> None:
    for name, kind in shipped().items():
        assert kind.title, name
        assert kind.doc.endswith("."), name
        for parameter in parameters(kind):
            assert parameter.doc.endswith("."), (name, parameter)
        assert load(name, shipped_source(name)).title == kind.title


PICKY = OWN.replace(
    "    def signals(self, look):\n",
    "    def concerns(self, look):\n        return CONCERNS\n\n    def signals(self, look):\n",
)


def test_a_row_that_does_not_concern_is_not_shown_unless_a_signal_of_it_lives() -> None:
    source = f"ARMS = TRAILS = False\n{PICKY}".replace("CONCERNS", 'look["last"] >= 19.9')
    tape = StrategyTape("own", source=source, prev_close=19.0)
    tape.minute("10:00", 19.5, 19.5, 19.5, 19.5)
    tape.print("10:01:00", 19.8)
    assert tape.rule.memory["seen"][0] == 0.0
    tape.print("10:01:01", 20.0)
    tape.print("10:01:02", 20.01)
    seen = tape.rule.memory["seen"][0]
    tape.print("10:01:03", 19.4)
    assert tape.exits() == [("confirmed", "entry"), ("exit", "stop")]
    assert tape.rule.memory["seen"][0] > seen


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        ("True", "ValueError: concerns has shape (), it must be 1 truths"),
        ('look["last"]', "ValueError: concerns has shape (1,), it must be 1 truths"),
        ('look["lastt"]', "KeyError: 'lastt'"),
    ],
)
def test_a_malformed_mask_switches_the_strategy_off(mask: str, sentence: str) -> None:
    source = f"ARMS = TRAILS = False\n{PICKY}".replace("CONCERNS", mask)
    tape = StrategyTape("own", source=source, prev_close=19.0)
    assert tape.print("10:01:00", 20.0) == []
    assert tape.rule.fault == sentence
