"""The router and the price levels: who is told of what, and how often."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tapelight.alerts.levels import Levels
from tapelight.alerts.router import Key, Moment, Router
from tapelight.errors import Rejected
from tapelight.model.alerts import Level, Quiet, Rule, check_level, check_rule, sentence
from tapelight.model.signals import Hops, Signal

S = 1_000_000_000
NINE = int(dt.datetime(2026, 11, 20, 9, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) * S
KEY = Key("ann", "r")


def fired(symbol: str = "AAPL", n: int = 0, scan: str = "hod", state: str = "fired") -> Signal:
    return Signal(
        id=f"{scan}-{symbol}-{n}", scan=scan, symbol=symbol, state=state, ts_ns=NINE + n * S,
        mark=NINE + n * S, values={"last": 10.0}, text=f"{symbol} new high {n}",
    )  # fmt: skip


def router(rule: Rule, symbols: frozenset[str] | None = None) -> Router:
    made = Router()
    made.follow({KEY: rule}, {} if symbols is None else {KEY: symbols})
    return made


def at(s: float, phase: str = "regular", session: str = "2026-11-20") -> Moment:
    return Moment(NINE + int(s * S), phase, session)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(scans=("hod",)), True),
        (Rule(scans=("gap",)), False),
        (Rule(symbols=("AAPL",)), True),
        (Rule(symbols=("TSLA",)), False),
        (Rule(scans=("hod",), phases=("pre",)), False),
        (Rule(scans=("hod",), phases=("pre", "regular")), True),
        (Rule(scans=("hod",), states=("armed",)), False),
        (Rule(scans=("hod",), enabled=False), False),
        (Rule(scans=("hod",), snoozed_until_ns=NINE + 10 * S), False),
        (Rule(scans=("hod",), snoozed_until_ns=NINE - 10 * S), True),
        (Rule(scans=("hod",), per_hour=0), False),
    ],
)
def test_a_rule_chooses(rule: Rule, told: bool) -> None:
    assert bool(router(rule).route([fired()], at(0))) is told


def test_a_watchlist_chooses_and_one_that_is_gone_chooses_nothing() -> None:
    rule = Rule(watchlist="core")
    assert router(rule, frozenset({"AAPL"})).route([fired()], at(0))
    assert not router(rule, frozenset()).route([fired()], at(0))


def test_a_cooldown_is_of_one_symbol() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=60))
    asked = [("AAPL", 0), ("AAPL", 59), ("TSLA", 59), ("AAPL", 60), ("AAPL", 61)]
    told = [bool(made.route([fired(symbol, n)], at(n))) for symbol, n in asked]
    assert told == [True, False, True, True, False]
    assert made.held == {"cooldown": 2}


def test_new_only_is_once_a_session() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=0, new_only=True))
    assert made.route([fired(n=0)], at(0))
    assert not made.route([fired(n=5_000)], at(5_000))
    assert made.route([fired(n=90_000)], at(90_000, session="2026-11-23"))


def test_a_burst_is_told_at_its_beginning_and_at_its_end() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=60, group_s=30))
    told = [made.route([fired(n=n)], at(n)) for n in (0, 5, 10, 20)]
    assert [len(alerts) for alerts in told] == [1, 0, 0, 0]
    assert made.tick(at(29)) == []
    (alert,) = made.tick(at(30))
    assert (alert.count, alert.text) == (
        3,
        "AAPL: hod 3 times more; the last: new high 20, last 10",
    )
    assert made.tick(at(31)) == []
    assert not made.route([fired(n=40)], at(40)), "the cooldown begins at the group's end"
    assert made.route([fired(n=95)], at(95))


def test_a_record_that_is_given_again_is_counted_once_in_a_group() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=0, group_s=30))
    for n in (0, 5, 5, 10, 0):
        made.route([fired(n=n)], at(n))
    (alert,) = made.tick(at(30))
    assert (alert.count, made.held) == (2, {"grouped": 2, "repeated": 2})


def test_what_is_gathered_is_told_when_the_process_ends() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=60, group_s=30))
    for n in (0, 5):
        made.route([fired(n=n)], at(n))
    (alert,) = made.end(Moment(at(6).now_ns))
    assert (alert.count, alert.session) == (1, "2026-11-20"), (
        "who was seen in it is known after a restart"
    )
    assert made.end(at(7)) == []


def test_signals_that_come_late_are_judged_as_of_their_marks() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=0, per_hour=3))
    assert made.route([fired(n=900)], at(900)), "a worker is ahead"
    assert made.route([fired("AAPL", 5), fired("TSLA", 6)], at(6))
    assert made.route([fired("TSLA", 7)], at(7))
    assert not made.route([fired("AMD", 8)], at(8)), "three in the hour before 09:30:08"
    assert made.route([fired("AMD", 4_000)], at(4_000))
    cooling = router(Rule(scans=("hod",), cooldown_s=60))
    told = [bool(cooling.route([fired(n=n)], at(n))) for n in (900, 850, 5, 870, 950, 961)]
    assert told == [True, False, True, False, False, True]


def test_groups_of_a_backlog_end_in_their_own_time() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=60, group_s=30))
    made.route([fired(n=0)], at(0))
    made.route([fired(n=5)], at(5))
    assert [alert.count for alert in made.tick(at(3_600))] == [1], "the present is an hour on"
    assert made.route([fired(n=100)], at(100)), "the cooldown began at 09:30:30"


@pytest.mark.parametrize(
    ("rule", "mutes", "cause"),
    [
        (Rule(scans=("hod",), group_s=30), {Key("ann", "AAPL"): NINE + 60 * S}, "muted"),
        (Rule(scans=("hod",), group_s=30, snoozed_until_ns=NINE + 60 * S), {}, "snoozed"),
        (Rule(scans=("hod",), group_s=30, enabled=False), {}, "off"),
        (Rule(scans=("hod",), group_s=30, per_hour=1), {}, "rate"),
    ],
)
def test_a_groups_end_is_silent_where_its_owner_wants_it_no_more(
    rule: Rule, mutes: dict[Key, int], cause: str
) -> None:
    made = router(Rule(scans=("hod",), group_s=30))
    for n in (0, 5, 10):
        made.route([fired(n=n)], at(n))
    made.follow({KEY: rule}, {}, mutes)
    made.held.clear()
    assert made.tick(at(30)) == []
    assert made.held == {cause: 2}


def test_a_restart_forgets_neither_who_was_seen_nor_cooldown_and_budget() -> None:
    rule = Rule(scans=("hod",), cooldown_s=0, new_only=True, per_hour=3)
    told = router(rule).route([fired("AAPL"), fired("TSLA", 1)], at(1))
    after = router(rule)
    after.remember(told)
    again = [bool(after.route([fired(s, n)], at(n))) for s, n in (("AAPL", 9), ("NVDA", 9))]
    assert again == [False, True]
    assert not after.route([fired("AMD", 10)], at(10)), "three an hour"
    assert after.held == {"seen": 1, "rate": 1}
    assert after.route([fired("AAPL", 90_000)], at(90_000, session="2026-11-23"))
    cooling = router(Rule(scans=("hod",), cooldown_s=60))
    cooling.remember(told)
    assert not cooling.route([fired("AAPL", 30)], at(30))
    assert cooling.route([fired("AAPL", 60)], at(60))


def test_an_alert_bears_the_latency_of_its_signal() -> None:
    quick = Hops(exchange_ns=NINE, dispatch_ns=NINE + S // 7, text="142 ms (net 61)")
    for hops, late in ((quick, False), (Hops(exchange_ns=NINE, dispatch_ns=NINE + 3 * S), True)):
        signal = msgspec.structs.replace(fired(), hops=hops)
        (alert,) = router(Rule(scans=("hod",))).route([signal], at(0))
        assert (alert.latency, alert.late) == (hops.text, late)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ({"text": "new high of the day"}, "AAPL: new high of the day, last 10"),
        ({"text": "AAPL: new high"}, "AAPL: new high, last 10"),
        ({"text": "long from 10", "state": "expired"}, "AAPL expired: long from 10"),
        ({"text": ""}, "AAPL: hod, last 10"),
        ({"text": "halted", "values": {"last": None}}, "AAPL: halted"),
        ({"text": "up", "values": {"last": 123_456.78}}, "AAPL: up, last 123456.78"),
    ],
)
def test_the_sentence_names_symbol_state_and_price(signal: dict[str, Any], words: str) -> None:
    assert sentence(msgspec.structs.replace(fired(), **signal)) == words


def test_a_rule_has_its_number_an_hour_and_a_person_a_minute() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=0, per_hour=3))
    told = [bool(made.route([fired(n=n)], at(n))) for n in (0, 1, 2, 3, 3_601)]
    assert told == [True, True, True, False, True]
    many = Router()
    many.follow({Key("ann", str(n)): Rule(scans=("hod",)) for n in range(200)}, {})
    assert len(many.route([fired()], at(0))) == 120
    assert many.held == {"rate": 80}


def test_what_is_given_again_is_told_and_counted_once() -> None:
    made = router(Rule(scans=("hod",), cooldown_s=0, per_hour=3))
    burst = [fired(symbol) for symbol in ("AAPL", "TSLA")]
    assert len(made.route(burst, at(0))) == 2
    assert made.route(burst * 9, at(0)) == []
    assert made.held == {"repeated": 18}
    assert len(made.route([fired("AMD"), fired("NVDA")], at(1))) == 1
    assert made.held == {"repeated": 18, "rate": 1}
    assert len(made.route([fired("NVDA", 1)], at(3_700))) == 1, "an hour later there is room"


def test_a_muted_symbol_is_silent_for_its_owner_alone() -> None:
    made = Router()
    rules = {Key(owner, "r"): Rule(scans=("hod",)) for owner in ("ann", "bob")}
    made.follow(rules, {}, {Key("ann", "AAPL"): NINE + 60 * S})
    assert [alert.owner for alert in made.route([fired()], at(0))] == ["bob"]
    assert [alert.owner for alert in made.route([fired(n=61)], at(61))] == ["ann", "bob"]


def test_in_quiet_hours_the_dashboard_alone_is_told_without_a_sound() -> None:
    rule = Rule(scans=("hod",), channels=("hook", "browser"), sound="ping", speak=True)
    (loud,) = router(rule).route([fired()], at(0))
    assert (loud.channels, loud.sound, loud.speak) == (("browser", "hook"), "ping", True)
    hours = Quiet("20:00", "10:00")
    quiet = Rule(
        scans=("hod",), channels=("hook",), sound="ping", speak=True, quiet=(hours,)
    )  # fmt: skip
    (alert,) = router(quiet).route([fired()], at(0))
    assert (alert.channels, alert.sound, alert.speak) == (("browser",), "", False)


@pytest.mark.parametrize(
    ("hours", "day", "time", "held"),
    [
        (Quiet("20:00", "04:00"), 20, "19:59", False),
        (Quiet("20:00", "04:00"), 20, "20:00", True),
        (Quiet("20:00", "04:00"), 20, "03:59", True),
        (Quiet("20:00", "04:00"), 20, "04:00", False),
        (Quiet("12:00", "13:00", days=(4,)), 20, "12:30", True),
        (Quiet("12:00", "13:00", days=(3,)), 20, "12:30", False),
        (Quiet("20:00", "04:00", days=(4,)), 21, "03:00", True),
        (Quiet("20:00", "04:00", days=(4,)), 20, "03:00", False),
        (Quiet("09:00", "10:00", zone="Europe/Berlin"), 20, "03:30", True),
    ],
)
def test_quiet_hours(hours: Quiet, day: int, time: str, held: bool) -> None:
    hour, minute = map(int, time.split(":"))
    when = dt.datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo("America/New_York"))
    assert hours.holds(int(when.timestamp()) * S) is held


def test_the_same_thing_told_again_has_the_same_id() -> None:
    one = router(Rule(scans=("hod",))).route([fired()], at(0))
    two = router(Rule(scans=("hod",))).route([fired()], at(100))
    other = router(Rule(scans=("hod",))).route([fired(state="fired", n=1)], at(0))
    assert one[0].id == two[0].id != other[0].id


def test_rules_that_change_keep_what_was_told() -> None:
    made = router(Rule(scans=("hod",)))
    made.route([fired()], at(0))
    made.follow({KEY: Rule(scans=("hod", "gap"))}, {})
    assert not made.route([fired(n=1)], at(1))


# --- price levels ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "prices", "reached_by"),
    [
        ("above", [9.0, 9.99, 10.0, 11.0], 2),
        ("above", [11.0], 0),
        ("below", [11.0, 10.01, 10.0], 2),
        ("cross", [9.0, 9.5, 10.5], 2),
        ("cross", [11.0, 10.5, 9.5], 2),
        ("cross", [9.0, 10.0], 1),
        ("cross", [9.0, 9.5], None),
    ],
)
def test_a_level_is_reached_once(side: str, prices: list[float], reached_by: int | None) -> None:
    levels = Levels()
    levels.follow({KEY: (1, Level("AAPL", 10.0, side))})
    found = [levels.check({"AAPL": price, "TSLA": 10.0}, NINE) for price in prices]
    assert [i for i, reached in enumerate(found) if reached] == (
        [] if reached_by is None else [reached_by]
    )


def test_a_level_expires_rests_and_keeps_its_side_while_others_change() -> None:
    levels = Levels()
    soon, late = Key("ann", "soon"), Key("ann", "late")
    both = {
        soon: (1, Level("AAPL", 10.0, expires_ns=NINE + S)),
        late: (1, Level("AAPL", 10.0, note="sell half")),
    }
    levels.follow(both)
    levels.check({"AAPL": 9.0}, NINE)
    levels.follow({**both, Key("ann", "new"): (1, Level("TSLA", 1.0))})
    (reached,) = levels.check({"AAPL": 11.0}, NINE + S)
    assert (reached.key, reached.version) == (late, 1)
    assert reached.alert.text == "AAPL has crossed 10, last 11: sell half"
    rests = {late: (2, Level("AAPL", 10.0, reached_ns=NINE + S))}
    levels.follow(rests)
    assert (levels.count, levels.symbols) == (0, frozenset())


def test_a_level_to_be_crossed_keeps_its_side_over_a_restart_until_it_is_moved() -> None:
    before, level = Levels(), Level("AAPL", 10.0, "cross")
    before.follow({KEY: (1, level)})
    before.check({"AAPL": 9.5}, NINE)
    assert [(side.version, side.above) for side in before.noted] == [(1, False)]
    after, moved = Levels(), Levels()
    for made, version in ((after, 1), (moved, 2)):
        made.recall(before.noted)
        made.follow({KEY: (version, level)})
    assert len(after.check({"AAPL": 10.5}, NINE)) == 1
    assert moved.check({"AAPL": 10.5}, NINE) == [], "the side of another version"


BAD_RULES = [
    ({}, "helps nobody"),
    ({"scans": ["x"], "phases": ["night"]}, "use closed, pre, regular, post"),
    ({"scans": ["x"], "states": ["won"]}, "use armed"),
    ({"scans": ["x"], "cooldown_s": -1}, "cooldown_s is from 0"),
    ({"scans": ["x"], "per_hour": 10**6}, "per_hour is from 0"),
    ({"scans": [""]}, "is no name"),
    ({"scans": ["x"], "colour": "red"}, "has the keys scans, symbols"),
    ({"scans": ["x"], "quiet": [{"from": "8", "to": "09:00"}]}, "Quiet hours are"),
    ({"scans": ["x"], "quiet": [{"from": "08:00", "to": "09:00", "zone": "Mars/X"}]}, "Quiet"),
    ({"scans": ["x"], "quiet": [{"from": "08:00", "to": "09:00", "zone": "../x"}]}, "Quiet"),
    ({"scans": ["x"], "quiet": [{"from": "08:00", "to": "09:00", "days": [7]}]}, "0 (Monday)"),
]


@pytest.mark.parametrize(("body", "words"), BAD_RULES)
def test_a_wrong_rule_is_told(body: dict[str, object], words: str) -> None:
    with pytest.raises(Rejected) as told:
        check_rule(body)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"symbol": "A", "price": 0}, "above 0"),
        ({"symbol": "A", "price": 1, "side": "near"}, "use above, below, cross"),
        ({"symbol": "", "price": 1}, "is no name"),
        ({"price": 1}, "missing required field"),
        ({"symbol": "A", "price": 1, "note": "x" * 501}, "up to 500"),
    ],
)
def test_a_wrong_level_is_told(body: dict[str, object], words: str) -> None:
    with pytest.raises(Rejected) as told:
        check_level(body)
    assert words in str(told.value)
