import copy
import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tapelight.buses.memory import MemoryBus
from tapelight.web.spans import SPANS, widen
from tapelight.web.topic import HISTORY, Address, Topic
from tapelight.web.wire import encode

SYMBOLS = st.sampled_from(["AAPL", "BRK.B", "TSLA", "BTC/USD", "<b>X</b>", "é"])
CELLS = st.one_of(
    st.none(),
    st.floats(width=32),
    st.text(max_size=3),
    st.sampled_from([0.0, 1.5, math.nan]),
)
COLUMNS = st.sampled_from([["last"], ["last", "vol"]])


@st.composite
def boards(draw: st.DrawFn) -> dict[str, Any]:
    columns = draw(COLUMNS)
    order = draw(st.lists(SYMBOLS, unique=True, max_size=4))
    others = draw(st.lists(SYMBOLS, max_size=1))
    cells = st.lists(CELLS, min_size=len(columns), max_size=len(columns))
    return {
        "name": "gainers",
        "title": draw(st.sampled_from(["a", "b"])),
        "board_kind": "list",
        "columns": [{"name": name, "unit": "", "doc": ""} for name in columns],
        "order": order,
        "rows": {symbol: draw(cells) for symbol in {*order, *others}},
    }


def bars() -> st.SearchStrategy[dict[str, Any]]:
    price = st.floats(1, 2, width=16)
    bar = st.tuples(st.integers(0, 8), price, price, price, price, price)
    return st.lists(bar, unique_by=lambda b: b[0], max_size=6).map(
        lambda found: {"bars": sorted([60 * b[0], *b[1:]] for b in found)}
    )


SYMBOL_STATES = st.fixed_dictionaries(
    {"columns": st.just([]), "values": st.dictionaries(st.sampled_from("abcd"), CELLS)}
)
SIGNALS = st.lists(
    st.builds(
        lambda n, s: {"id": f"s{n}", "state": s, "ts_ns": n, "values": {}},
        st.integers(0, 300),
        st.sampled_from(["fired", "expired"]),
    ),
    max_size=60,
).map(lambda signals: {"signals": signals})
ARMED = st.dictionaries(
    st.tuples(st.sampled_from(["hod", "gap"]), SYMBOLS), st.integers(0, 3), max_size=8
).map(
    lambda found: {
        "armed": [
            {"scan": scan, "symbol": symbol, "since_ns": -age}
            for age, scan, symbol in sorted((-n, *row) for row, n in found.items())
        ]
    }
)
STATUSES = st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)).map(
    lambda status: {"status": status}
)


class Reader:
    """A client that knows only the wire contract."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}
        self.seq: int | None = None

    def read(self, text: str) -> None:
        message = json.loads(text)
        head = {message.pop(k) for k in ("topic", "epoch", "mark", "ts_ns")}
        assert head
        kind, seq = message.pop("kind"), message.pop("seq")
        if kind == "snapshot":
            assert message.pop("recovered") in (True, False)
            self.body = message
        else:
            assert self.seq is not None
            assert seq == self.seq + 1
            self._apply(message)
        self.seq = seq

    def _apply(self, diff: dict[str, Any]) -> None:
        body = self.body
        for symbol, row in diff.get("rows", {}).items():
            body["rows"][symbol] = row
        for symbol, column, value in diff.get("cells", []):
            body["rows"][symbol][column] = value
        if "order" in diff:
            body["order"] = diff["order"]
            body["rows"] = {symbol: body["rows"][symbol] for symbol in diff["order"]}
        if "values" in diff:
            body["values"] |= diff["values"]
        if "bars" in diff:
            merged = {bar[0]: bar for bar in [*body["bars"], *diff["bars"]]}
            body["bars"] = [merged[start] for start in sorted(merged)]
        if "signals" in diff:
            body["signals"] = [*diff["signals"], *body["signals"]][:100]
        if "gone" in diff:
            gone = {tuple(row) for row in diff["gone"]}
            rows = {(one["scan"], one["symbol"]): one for one in [*body["armed"], *diff["armed"]]}
            left = [one for row, one in rows.items() if row not in gone]
            left.sort(key=lambda one: (-one["since_ns"], one["scan"], one["symbol"]))
            body |= {"armed": left, "total": diff["total"]}
        if "status" in diff:
            body["status"] = diff["status"]


def address(name: str) -> Address:
    prefix, _, rest = name.partition(":")
    span = SPANS[rest.rpartition(":")[2]] if prefix == "bars" else 60
    return Address(name, prefix, rest, name, span)


def follow(name: str, states: list[dict[str, Any]]) -> tuple[Topic, Reader, int]:
    """Publish `states`; return the topic, a client that read all, and how often it was told."""
    topic, reader, told = Topic(address(name), "e", 5), Reader(), 0
    for mark, state in enumerate(states):
        text = topic.advance({"mark": mark, "ts_ns": mark, **copy.deepcopy(state)})
        if text is not None:
            told += 1
            reader.read(text)
    return topic, reader, told


def assert_whole(name: str, states: list[dict[str, Any]]) -> None:
    topic, reader, told = follow(name, states)
    fresh = Reader()
    fresh.read(topic.snapshot(recovered=True))
    assert reader.body == fresh.body
    assert reader.seq == fresh.seq == 5 + told


@settings(max_examples=200, deadline=None)
@given(st.lists(boards(), min_size=1, max_size=8))
def test_a_board_is_its_snapshot_and_diffs(states: list[dict[str, Any]]) -> None:
    assert_whole("board:gainers", states)
    _, reader, _ = follow("board:gainers", states)
    last = states[-1]
    rows = {symbol: last["rows"][symbol] for symbol in last["order"]}
    assert reader.body == json.loads(encode({**last, "rows": rows}))


@settings(max_examples=100, deadline=None)
@given(st.lists(SYMBOL_STATES, min_size=1, max_size=6))
def test_a_symbol_is_its_snapshot_and_diffs(states: list[dict[str, Any]]) -> None:
    assert_whole("symbol:AAPL", states)
    _, reader, _ = follow("symbol:AAPL", states)
    known = {k: v for k, v in reader.body["values"].items() if v is not None}
    last = json.loads(encode(states[-1]["values"]))
    assert known == {k: v for k, v in last.items() if v is not None}


@settings(max_examples=100, deadline=None)
@given(st.lists(bars(), min_size=1, max_size=6), st.sampled_from(["1m", "5m"]))
def test_bars_are_their_snapshot_and_diffs(states: list[dict[str, Any]], span: str) -> None:
    assert_whole(f"bars:AAPL:{span}", states)
    _, reader, _ = follow(f"bars:AAPL:{span}", states)
    assert reader.body["bars"] == widen(states[-1]["bars"], SPANS[span])


@settings(max_examples=50, deadline=None)
@given(st.lists(SIGNALS, min_size=1, max_size=5))
def test_signals_are_their_snapshot_and_diffs(states: list[dict[str, Any]]) -> None:
    assert_whole("signals", states)


@settings(max_examples=50, deadline=None)
@given(st.lists(ARMED, min_size=1, max_size=5))
def test_who_is_armed_is_its_snapshot_and_diffs(states: list[dict[str, Any]]) -> None:
    assert_whole("armed", states)


def test_a_mark_that_brings_more_than_a_view_holds_tells_all_of_it() -> None:
    def record(n: int, state: str) -> dict[str, Any]:
        return {"id": f"s{n}", "state": state, "ts_ns": 1_000, "values": {}}

    burst = [*(record(n, "armed") for n in range(150)), record(999, "fired")]
    topic = Topic(address("signals"), "e", 5)
    topic.advance({"mark": 0, "ts_ns": 0, "signals": []})
    text = topic.advance({"mark": 1, "ts_ns": 1, "signals": [*burst, burst[0]]})
    assert text is not None
    told = json.loads(text)["signals"]
    assert (len(told), told[-1]["id"]) == (151, "s999")
    assert topic.view is not None
    assert len(topic.view["signals"]) == 100

    alerts = [{"id": f"a{n}"} for n in range(150)]
    topic = Topic(address("alerts:ann"), "e", 5)
    topic.advance({"mark": 0, "ts_ns": 0, "alerts": []})
    text = topic.advance({"mark": 1, "ts_ns": 1, "alerts": alerts})
    assert text is not None
    assert len(json.loads(text)["alerts"]) == 150


def test_more_than_a_view_holds_are_armed() -> None:
    topic = Topic(address("armed"), "e", 5)
    rows = [{"scan": "hod", "symbol": f"S{n}", "since_ns": 1_000 - n} for n in range(502)]
    topic.advance({"mark": 0, "ts_ns": 0, "armed": rows})
    assert topic.view is not None
    assert (len(topic.view["armed"]), topic.view["total"]) == (500, 502)
    text = topic.advance({"mark": 1, "ts_ns": 1, "armed": rows[2:]})
    assert text is not None
    diff = json.loads(text)
    assert [one["symbol"] for one in diff["armed"]] == ["S500", "S501"]
    assert (diff["gone"], diff["total"]) == ([["hod", "S0"], ["hod", "S1"]], 500)


@settings(max_examples=50, deadline=None)
@given(st.lists(STATUSES, min_size=1, max_size=5))
def test_status_is_its_snapshot_and_diffs(states: list[dict[str, Any]]) -> None:
    assert_whole("status", states)


GAINERS: dict[str, Any] = {
    "name": "gainers",
    "title": "Top gainers",
    "kind": "list",
    "columns": [
        {"name": "last", "unit": "USD", "doc": ""},
        {"name": "chg", "unit": "%", "doc": ""},
    ],
    "order": ["A", "B"],
    "rows": {"A": [1.0, math.nan], "B": [2.0, 5.0]},
}


def test_a_board_diff_says_only_what_changed() -> None:
    topic = Topic(address("board:gainers"), "e", 0)
    topic.advance({"mark": 1, "ts_ns": 10, **GAINERS})
    assert topic.advance({"mark": 2, "ts_ns": 20, **copy.deepcopy(GAINERS)}) is None
    rows = {"A": [1.0, math.nan], "B": [2.0, 6.0], "C": [3.0, None]}
    state = {"mark": 3, "ts_ns": 30, **GAINERS, "order": ["B", "C"], "rows": rows}
    assert json.loads(topic.advance(state) or "") == {
        "topic": "board:gainers",
        "epoch": "e",
        "seq": 2,
        "mark": 3,
        "ts_ns": 30,
        "kind": "diff",
        "order": ["B", "C"],
        "rows": {"C": [3.0, None]},
        "cells": [["B", 1, 6.0]],
    }


def test_a_snapshot_is_whole_and_numbers_that_are_not_finite_are_null() -> None:
    topic = Topic(address("board:gainers"), "e", 0)
    topic.advance({"mark": 1, "ts_ns": 10, **GAINERS})
    assert json.loads(topic.snapshot(recovered=False)) == {
        "topic": "board:gainers",
        "epoch": "e",
        "seq": 1,
        "mark": 1,
        "ts_ns": 10,
        "kind": "snapshot",
        "name": "gainers",
        "title": "Top gainers",
        "board_kind": "list",
        "columns": GAINERS["columns"],
        "order": ["A", "B"],
        "rows": {"A": [1.0, None], "B": [2.0, 5.0]},
        "recovered": False,
    }


def test_the_history_is_bounded_and_tells_how_far_it_reaches() -> None:
    topic = Topic(address("status"), "e", 0)
    for n in range(HISTORY + 50):
        topic.advance({"mark": n, "ts_ns": n, "status": {"n": n}})
    assert topic.seq == 150
    assert topic.missed(150) == []
    assert [json.loads(m)["seq"] for m in topic.missed(147) or []] == [148, 149, 150]
    assert len(topic.missed(50) or []) == HISTORY
    assert topic.missed(49) is None
    assert topic.missed(151) is None


def test_the_history_is_bounded_in_bytes_too() -> None:
    topic = Topic(address("status"), "e", 0)
    for n in range(5):
        topic.advance({"mark": n, "ts_ns": n, "status": {"n": n, "pad": "x" * 400_000}})
    assert topic.missed(2) is None
    assert len(topic.missed(3) or []) == 2


def test_bars_join_by_utc_time() -> None:
    minute = [[60.0 * m, m, m + 2, m - 1, m + 1, 10.0] for m in (3, 4, 5, 9, 12)]
    assert widen(minute, 300) == [
        [0.0, 3, 6, 2, 5, 20.0],
        [300.0, 5, 11, 4, 10, 20.0],
        [600.0, 12, 14, 11, 13, 10.0],
    ]
    assert widen([], 300) == []


def test_the_memory_bus_counts_who_wants_a_topic() -> None:
    bus, heard = MemoryBus(), []
    bus.subscribe(lambda topic, state: heard.append((1, topic, state["n"])))
    bus.subscribe(lambda topic, state: heard.append((2, topic, state["n"])))
    bus.want("status", True)
    bus.want("status", True)
    bus.want("signals", True)
    bus.want("status", False)
    assert bus.wanted() == frozenset({"status", "signals"})
    bus.want("status", False)
    assert bus.wanted() == frozenset({"signals"})
    bus.publish("status", {"n": 1})
    bus.publish("signals", {"n": 2})
    assert heard == [
        (1, "status", 1),
        (2, "status", 1),
        (1, "signals", 2),
        (2, "signals", 2),
    ]
