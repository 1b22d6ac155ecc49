import copy
import json
import math
from typing import Any

import pytest

from tapelight.web.client import OUTBOX_BYTES, Client
from tapelight.web.session import OPS_A_SECOND, Pace
from tapelight.web.stream import Limits
from tapelight.web.topic import Address, Topic
from web.by_hand import BARS, GAINERS, OPEN_NS, OPEN_S, armed, signal
from web.conftest import HOST, Site, Socket


def board(mark: int, last: float, name: str = "gainers") -> dict[str, Any]:
    state = copy.deepcopy(GAINERS)
    state |= {"mark": mark, "ts_ns": OPEN_NS + mark, "name": name}
    state["rows"]["AAPL"][0] = last
    return state


async def test_a_board_comes_whole_then_by_diffs(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["board:gainers"]})
    snapshot = await socket.get()
    seq = snapshot.pop("seq")
    assert snapshot == {
        "topic": "board:gainers",
        "epoch": "e1",
        "mark": 7,
        "ts_ns": OPEN_NS,
        "kind": "snapshot",
        "name": "gainers",
        "title": "Top gainers",
        "board_kind": "list",
        "columns": GAINERS["columns"],
        "order": ["TSLA", "AAPL"],
        "rows": {"AAPL": [190.5, None], "TSLA": [250.0, 3.25]},
        "recovered": True,
    }
    site.bus.publish("board:gainers", board(8, 190.5))
    site.bus.publish("board:gainers", board(9, 191.0))
    assert await socket.get() == {
        "topic": "board:gainers",
        "epoch": "e1",
        "seq": seq + 1,
        "mark": 9,
        "ts_ns": OPEN_NS + 9,
        "kind": "diff",
        "cells": [["AAPL", 0, 191.0]],
    }


async def test_a_symbol_waits_for_its_first_publication(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["symbol:AAPL"]})
    assert await socket.barrier() == []
    assert site.bus.wanted() == {"symbol:AAPL"}
    columns = [{"name": "last", "unit": "USD", "doc": "Last.", "topic": "price"}]
    state = {"mark": 1, "ts_ns": 10, "columns": columns, "values": {"last": 1.0, "vol": math.nan}}
    site.bus.publish("symbol:AAPL", state)
    site.bus.publish("symbol:AAPL", state | {"mark": 2, "values": {"last": 1.5, "vol": math.nan}})
    first, second = await socket.get(), await socket.get()
    assert (first["kind"], first["values"], first["columns"]) == (
        "snapshot",
        {"last": 1.0, "vol": None},
        columns,
    )
    assert (second["kind"], second["values"], second["seq"]) == (
        "diff",
        {"last": 1.5},
        first["seq"] + 1,
    )


async def test_bars_of_each_span_are_made_from_minute_bars(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["bars:AAPL:1m", "bars:AAPL:5m"]})
    one, five = await socket.get(), await socket.get()
    assert one["bars"] == BARS
    assert five["bars"][1] == [OPEN_S + 300, 15.0, 17.0, 14.0, 16.5, 1_300.0]
    assert site.bus.wanted() == {"bars:AAPL:1m"}
    more = [*BARS, [OPEN_S + 420.0, 17.0, 20.0, 17.0, 18.0, 50.0]]
    site.bus.publish("bars:AAPL:1m", {"mark": 8, "ts_ns": 8, "bars": more})
    one, five = await socket.get(), await socket.get()
    assert (one["kind"], one["bars"]) == ("diff", more[-1:])
    assert five["bars"] == [[OPEN_S + 300, 15.0, 20.0, 14.0, 18.0, 1_350.0]]


async def test_a_board_that_is_no_longer_has_no_rows_until_it_is_back(
    site: Site, connect: Any
) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["board:gainers", "board:losers"]})
    before = [await socket.get(), await socket.get()]
    assert all("gone" not in message for message in before)
    was = site.boards.states.pop("gainers")
    for _ in range(2):
        site.gateway.stream.tidy()
    gone = await socket.get()
    assert (gone["kind"], gone["topic"], gone["gone"], gone["order"], gone["rows"]) == (
        "snapshot", "board:gainers", True, [], {},
    )  # fmt: skip
    assert gone["columns"] == GAINERS["columns"]
    site.boards.states["gainers"] = was
    site.bus.publish("board:gainers", board(8, 190.5))
    back = await socket.get()
    assert (back["kind"], back["order"], "gone" in back) == ("snapshot", ["TSLA", "AAPL"], False)


async def test_guests_see_a_status_without_the_trader(site: Site) -> None:
    site.market.report["trader"] = {"state": "killed", "kill": {"by": "ann", "reason": "mine"}}
    stream = site.gateway.stream
    told = {}
    for is_guest in (True, False):
        client, _ = stream.join(is_guest=is_guest)
        stream.subscribe(client, "status")
        text = client.take()
        site.bus.publish("status", {"mark": 9, "ts_ns": 9, "status": site.market.report | {"n": 1}})
        told[is_guest] = [text, client.take()]
        stream.leave(client)
    for is_guest, texts in told.items():
        for text in texts:
            assert text is not None
            message = json.loads(text)
            assert message["topic"] == "status"
            assert ("trader" in message["status"]) is not is_guest


async def test_who_is_armed_is_a_state_that_also_says_who_is_no_longer(
    site: Site, connect: Any
) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["armed"]})
    snapshot = await socket.get()
    assert (snapshot["armed"], snapshot["total"]) == (site.boards.near, 2)
    now = [armed("hod", "AAPL", 11), armed("gap", "AAPL", 8)]
    site.bus.publish("armed", {"mark": 8, "ts_ns": 8, "armed": now})
    diff = await socket.get()
    assert (diff["kind"], diff["armed"], diff["gone"], diff["total"]) == (
        "diff", [armed("hod", "AAPL", 11)], [["hod", "TSLA"]], 2,
    )  # fmt: skip


async def test_signals_show_the_past_and_then_the_new(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["signals"]})
    snapshot = await socket.get()
    assert [s["id"] for s in snapshot["signals"]] == ["s2", "s1"]
    assert (snapshot["mark"], snapshot["ts_ns"]) == (7, OPEN_NS)
    site.bus.publish("signals", {"mark": 9, "ts_ns": 9, "signals": [signal(2), signal(3)]})
    diff = await socket.get()
    (told,) = diff["signals"]
    assert (
        told.items()
        >= {
            "id": "s3",
            "scan": "hod",
            "symbol": "AAPL",
            "state": "fired",
            "ts_ns": OPEN_NS + 3,
            "mark": 3,
            "text": "AAPL new high 3",
        }.items()
    )
    assert told["values"] == {"last": 193.0, "rvol": None}
    site.bus.publish("status", {"mark": 50, "ts_ns": 50, "status": {}})
    late = await connect()
    late.send({"op": "subscribe", "topics": ["signals"]})
    snapshot = await late.get()
    assert [s["id"] for s in snapshot["signals"]] == ["s3", "s2", "s1"]
    assert (snapshot["mark"], snapshot["ts_ns"]) == (50, 50)


async def test_status_is_replaced_whole(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["status"]})
    assert (await socket.get())["status"] == site.market.report
    site.bus.publish("status", {"mark": 9, "ts_ns": 9, "status": {"phase": "pre"}})
    diff = await socket.get()
    assert (diff["kind"], diff["status"]) == ("diff", {"phase": "pre"})


async def test_a_client_gets_exactly_what_it_asked_for(site: Site, connect: Any) -> None:
    one, two = await connect(), await connect()
    one.send({"op": "subscribe", "topics": ["board:gainers", "board:gainers"]})
    two.send({"op": "subscribe", "topics": ["board:losers", "status"]})
    assert [m["topic"] for m in await one.barrier()] == ["board:gainers"]
    assert [m["topic"] for m in await two.barrier()] == ["board:losers", "status"]
    two.send({"op": "unsubscribe", "topics": ["status"]})
    assert await two.barrier() == []
    for name in ("gainers", "losers"):
        site.bus.publish(f"board:{name}", board(8, 1.0, name) | {"title": name})
    site.bus.publish("status", {"mark": 8, "ts_ns": 8, "status": {"n": 1}})
    site.bus.publish("signals", {"mark": 8, "ts_ns": 8, "signals": [signal(5)]})
    assert [m["topic"] for m in await one.barrier()] == ["board:gainers"]
    assert [m["topic"] for m in await two.barrier()] == ["board:losers"]


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ({"op": "subscribe", "topics": ["board:ganers"]}, "Did you mean 'board:gainers'?"),
        ({"op": "subscribe", "topics": ["statsu"]}, "Did you mean 'status'?"),
        ({"op": "subscribe", "topics": ["symbol:aapl"]}, "Did you mean 'AAPL'?"),
        ({"op": "subscribe", "topics": ["symbol:NOPE"]}, "/api/market?columns=symbol"),
        ({"op": "subscribe", "topics": ["bars:AAPL:2m"]}, "one of 1m, 5m, 15m, 1h"),
        ({"op": "subscribe", "topics": ["bars:NOPE:1m"]}, "isn't watched"),
        ({"op": "subscribe", "topics": ["\x1b[2J" + "x" * 5_000]}, r"'\x1b[2Jxxx"),
        ({"op": "subscribe", "topics": ["status"] * 129}, "at most 128 topics"),
        ({"op": "unsubscribe", "topics": ["status"]}, "isn't subscribed"),
        ({"op": "subscirbe"}, "Did you mean 'subscribe'?"),
        ({"op": "resume", "topics": ["status"]}, "last seq"),
        ({"op": 1}, "Expected `str`"),
        ({"topics": []}, "required field `op`"),
        ("nonsense", "JSON is malformed"),
        ("[" * 60_000, "Expected `object`"),
        ('{"op":"ping","x":' + "[" * 60_000, "recursion"),
        ('{"op":"\\ud800"}', "truncated"),
        ("", "truncated"),
    ],
)
async def test_a_bad_operation_is_answered_and_the_session_goes_on(
    connect: Any, op: Any, words: str
) -> None:
    socket = await connect()
    socket.send(op)
    error = await socket.get()
    assert error["op"] == "error"
    assert words in error["detail"]
    assert len(error["detail"]) < 400
    assert await socket.barrier() == []


async def test_a_binary_message_is_answered(connect: Any) -> None:
    socket = await connect()
    socket.send_bytes(b"{}")
    assert (await socket.get())["detail"] == "Send JSON as a text message, not a binary one."


async def test_a_client_may_have_so_many_topics(site: Site, connect: Any) -> None:
    site.market.rows |= {f"S{n}": {"last": 1.0} for n in range(129)}
    socket = await connect()
    socket.send({"op": "subscribe", "topics": [f"symbol:S{n}" for n in range(128)]})
    socket.send({"op": "subscribe", "topics": ["symbol:S128"]})
    assert (await socket.get())["detail"].startswith("A client may have 128 topics")
    assert len(site.bus.wanted()) == 128


async def _resume(socket: Socket, epoch: str | int, seq: int) -> list[dict[str, Any]]:
    socket.send({"op": "resume", "epoch": epoch, "topics": {"board:gainers": seq}})
    return await socket.barrier()


async def test_what_was_missed_is_sent_on_resume(site: Site, connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["board:gainers"]})
    seq = (await socket.get())["seq"]
    await socket.close()
    for n in range(3):
        site.bus.publish("board:gainers", board(8 + n, 200.0 + n))
    back = await connect()
    *diffs, answer = await _resume(back, "e1", seq + 1)
    assert [(d["kind"], d["seq"], d["cells"][0][2]) for d in diffs] == [
        ("diff", seq + 2, 201.0),
        ("diff", seq + 3, 202.0),
    ]
    assert answer == {"op": "resumed", "epoch": "e1", "recovered": {"board:gainers": True}}
    site.bus.publish("board:gainers", board(12, 300.0))
    assert (await back.get())["seq"] == seq + 4
    assert await _resume(back, "e1", seq + 4) == [answer]


@pytest.mark.parametrize(("epoch", "offset"), [("e0", 0), (17, 0), ("e1", -1_000), ("e1", 1)])
async def test_beyond_history_a_snapshot_says_that_the_gap_stays(
    site: Site, connect: Any, epoch: str | int, offset: int
) -> None:
    first = await connect()
    first.send({"op": "subscribe", "topics": ["board:gainers"]})
    seq = (await first.get())["seq"]
    for n in range(150):
        site.bus.publish("board:gainers", board(8 + n, 200.0 + n))
    back = await connect()
    answer, snapshot = sorted(await _resume(back, epoch, seq + 150 + offset), key=len)
    assert answer["recovered"] == {"board:gainers": False}
    assert (snapshot["kind"], snapshot["recovered"]) == ("snapshot", False)
    assert (snapshot["seq"], snapshot["rows"]["AAPL"][0]) == (seq + 150, 349.0)


async def test_resume_names_unknown_topics(connect: Any) -> None:
    socket = await connect()
    socket.send({"op": "resume", "epoch": "e1", "topics": {"board:ganers": 3}})
    error, answer = await socket.barrier()
    assert error["topic"] == "board:ganers"
    assert answer["recovered"] == {}


async def test_a_topic_lingers_and_a_later_one_never_reuses_its_numbers(
    site: Site, connect: Any
) -> None:
    now_s = 100.0
    site.gateway.stream.clock = lambda: now_s
    socket = await connect()
    socket.send({"op": "subscribe", "topics": ["board:gainers"]})
    await socket.get()
    for n in range(5):
        site.bus.publish("board:gainers", board(8 + n, 200.0 + n))
    seq = (await socket.barrier())[-1]["seq"]
    await socket.close()
    now_s = 109.9
    site.gateway.stream.tidy()
    assert site.bus.wanted() == {"board:gainers"}
    now_s = 110.0
    site.gateway.stream.tidy()
    assert site.bus.wanted() == frozenset()
    assert site.gateway.stream.topics == 0
    back = await connect()
    answer, snapshot = sorted(await _resume(back, "e1", seq), key=len)
    assert answer["recovered"] == {"board:gainers": False}
    assert snapshot["seq"] > seq + 1


async def test_more_clients_than_allowed_are_told(site: Site, connect: Any) -> None:
    site.gateway.stream.limits = Limits(clients=1)
    await connect()
    refused = Socket(site.gateway.app, {"host": HOST}, "127.0.0.1")
    assert (await refused.open())["status"] == 503
    body = json.loads((await refused.message())["body"])
    assert body["detail"].startswith("The gateway serves 1 clients at most")
    await refused.task


def test_operations_are_paced_after_a_burst() -> None:
    now_s = 0.0
    pace = Pace(lambda: now_s)
    assert max(pace.delay_s() for _ in range(OPS_A_SECOND)) < 1e-9
    assert pace.delay_s() == pytest.approx(0.02)
    assert pace.delay_s() == pytest.approx(0.04)
    now_s = 10.0
    assert pace.delay_s() == 0.0


def _topic(name: str) -> Topic:
    topic = Topic(Address(name, "status", "", name), "e", 0)
    topic.advance({"mark": 0, "ts_ns": 0, "status": {"n": 0}})
    return topic


def test_a_client_that_is_behind_gets_one_snapshot_instead_of_its_diffs() -> None:
    now_s = 0.0
    client, busy, calm = Client(lambda: now_s), _topic("busy"), _topic("calm")
    client.tell("answer")
    while not client.conflated:
        now_s += 0.001
        state = {"mark": busy.seq, "ts_ns": 0, "status": {"n": busy.seq, "pad": "x" * 10_000}}
        client.offer(busy, busy.advance(state) or "")
    assert busy.seq == OUTBOX_BYTES // 10_000 + 1
    client.offer(calm, "calm diff")
    busy.advance({"mark": 999, "ts_ns": 0, "status": {"n": 999}})
    client.offer(busy, "a diff that the snapshot will contain")
    assert client.behind_s() == pytest.approx(now_s)
    assert [client.take(), client.take()] == ["answer", "calm diff"]
    snapshot = json.loads(client.take() or "")
    assert (snapshot["kind"], snapshot["status"]) == ("snapshot", {"n": 999})
    assert snapshot["recovered"] is False
    assert client.take() is None
    assert client.behind_s() == 0.0


def test_the_outbox_is_bounded_for_answers_too() -> None:
    client = Client(lambda: 0.0)
    for n in range(2_000):
        client.tell(f"{n}")
    taken = list(iter(client.take, None))
    assert len(taken) <= 512
    assert taken[-1] == "1999"
