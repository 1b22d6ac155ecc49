"""`tapelight why`, on a recorded day made by hand: the float comes late, and with it the signal."""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapelight.app.localkey import local_address, write_address, write_local_key
from tapelight.app.past import Live, Past
from tapelight.app.reasons import EngineReasons
from tapelight.app.runs import restore
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.app.why import WhyOptions, last_mark, why
from tapelight.buses.memory import MemoryBus
from tapelight.cli import main
from tapelight.errors import ConfigError
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import (
    CalendarChoice,
    Mark,
    Questions,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import KOLKATA, NEW_YORK, NS, calendar, parse_time
from tapelight.stores.journal.writer import Writer
from tapelight.web.server import Gateway

DAY = dt.date(2026, 11, 20)
SESSION = calendar("XNYS").session_on(DAY)
HEAD = '-- gate = "none"\n-- kind = "events"\n'
TEXTS = {
    "hod_momo": f'{HEAD}-- cooldown_s = 5.0\n-- armed = "last > 9.5"\n-- text = "new high"\n'
    "SELECT symbol, last FROM market\n"
    "WHERE new_hod AND last > 10 AND float_shares <= 50_000_000",
    "movers": '-- gate = "none"\nSELECT symbol, last FROM market WHERE last >= 10.5',
}
SYMBOLS = ["ABC", "XYZ"]
NOBODY = "http://127.0.0.1:9"


def ns(time: str) -> int:
    assert SESSION is not None
    return parse_time(time, SESSION)


def trade(ts_ns: int, row: int, price: float) -> Batch:
    return Batch(ts_ns, trades_of([row], [ts_ns], [price], [100.0], [0], [0], [0]))


def records() -> Iterator[Record]:
    """ABC gains a cent a second from 10.01 at 09:41:00; its float is known from 09:41:30 on."""
    yield CalendarChoice("XNYS")
    yield Symbols(0, SYMBOLS)
    yield Questions(TEXTS)
    yield References(str(DAY), [Reference(symbol="XYZ", type="CS", float_shares=1e6)])
    begin = ns("09:40:50")
    for second in range(70):
        ts = begin + second * NS
        if second == 40:
            yield References(str(DAY), [Reference(symbol="ABC", type="CS", float_shares=2e7)])
        yield trade(ts + 10_000_000, 0, round(9.9 + second / 100, 2))
        if second == 2:
            yield trade(ts + 20_000_000, 1, 9.7)
        yield Mark(ts + 50_000_000, ts + 50_000_000)
        yield Mark(ts + NS, ts + NS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    writer = Writer(folder / "journal" / str(DAY) / "0001")
    for record in records():
        writer.append(record)
    writer.close()
    return folder


def asked(data: Path, capsys: pytest.CaptureFixture[str], **how: Any) -> dict[str, Any]:
    given = {"symbol": "ABC", "scan": "hod_momo", "url": NOBODY, "json": True} | how
    assert why(WhyOptions(data=data, **given)) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_signal_that_never_came_is_explained_and_the_next_one_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(data, capsys, at="09:41:07")
    assert told["text"] == (
        "armed since 09:40:50; failed: float_shares unknown; fired at 09:41:30, 24 s later"
    )
    assert told["true"] is None
    assert [(leaf["name"], leaf["true"]) for leaf in told["leaves"]] == [
        ("new_hod", True), ("last", True), ("float_shares", None),
    ]  # fmt: skip
    assert (told["run"], told["signal"]) == ("2026-11-20/0001", None)
    assert told["next_ns"] == ns("09:41:30.05")


def test_what_fired_is_explained_with_its_signal(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(data, capsys, at="09:41:30.5", ahead_s=0)
    assert (told["ts_ns"], told["true"], told["failed"]) == (ns("09:41:30.05"), True, [])
    assert told["signal"]["ts_ns"] == ns("09:41:30.05")
    assert told["signal"]["why"] == told["leaves"]
    assert told["text"] == "true; muted until 09:41:35: it fired at 09:41:30"
    muted = asked(data, capsys, at="09:41:32.5")
    assert muted["text"].startswith("true; muted until 09:41:35: it fired at 09:41:30; fired at")


def test_a_board_is_explained_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(data, capsys, scan="movers", at="2026-11-20T09:41:07-05:00")
    assert told["text"] == "failed: last 10.06 >= 10.5 false; listed at 09:41:52, 45 s later"
    later = asked(data, capsys, scan="movers", at="09:41:55")
    assert later["text"] == "on the board since 09:41:52"


def test_what_did_not_come_is_said_to_be_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(data, capsys, symbol="XYZ", at="09:41:00", ahead_s=20)
    assert told["text"].endswith(
        "failed: new_hod false; last 9.7 > 10 false; did not fire in the 20 s after"
    )


@pytest.mark.integration
def test_without_a_scanner_the_end_of_the_last_recording_answers(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert last_mark(data / "journal" / str(DAY) / "0001") == ns("09:42:00")
    told = asked(data, capsys)
    assert told["source"] == "2026-11-20/0001"
    assert ns("09:41:59") < told["ts_ns"] <= ns("09:42:00")


def test_near_misses_of_a_recorded_second(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(data, capsys, scan="movers", at="09:41:07", near=True, symbol="")
    assert [(m["symbol"], m["text"]) for m in told["misses"]] == [
        ("ABC", "last 10.06 >= 10.5 false"), ("XYZ", "last 9.7 >= 10.5 false"),
    ]  # fmt: skip
    armed = asked(data, capsys, at="09:41:07", near=True, symbol="")
    assert armed["armed"] == ["ABC", "XYZ"]


def test_people_read_lines(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked_for = WhyOptions("ABC", "hod_momo", data, NOBODY, at="09:41:30.5", journal=str(DAY))
    assert why(asked_for) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ABC  Hod momo  2026-11-20T09:41:30.050-05:00  (2026-11-20/0001)"
    assert lines[1:4] == ["  ✓ new_hod", "  ✓ last 10.3 > 10", "  ✓ float_shares 20,000,000 <= 50,000,000"]  # fmt: skip
    assert lines[4].startswith("true; muted until 09:41:35")
    assert lines[5] == "last fired at 09:41:30"
    assert why(WhyOptions("", "movers", data, NOBODY, at="09:41:07", near=True)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  ABC      last 10.06 >= 10.5 false   by 4.19 %"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"symbol": "ABX"}, "Symbol 'ABX' is not watched. Did you mean ABC?"),
        ({"symbol": "Q"}, "Symbol 'Q' is not watched. There are ABC, XYZ."),
        ({"scan": "hod_moma"}, "no board, scan or strategy 'hod_moma'. Did you mean hod_momo?"),
        ({"at": "noon"}, "'noon' is not a time"),
        ({"at": "05:00:00"}, "Nothing is recorded at 2026-11-20T05:00:00"),
        ({"journal": "2026-11-19"}, "No journal of 2026-11-19"),
        ({"ahead_s": -1}, "--ahead is -1: give seconds from 0 to 21,600."),
    ],
)
def test_what_nobody_knows_is_one_sentence(data: Path, how: dict[str, Any], says: str) -> None:
    given = {"symbol": "ABC", "scan": "hod_momo", "url": NOBODY, "at": "09:41:07"} | how
    with pytest.raises(ConfigError) as caught:
        why(WhyOptions(data=data, **given))
    assert says in str(caught.value)


@pytest.mark.integration
def test_without_scanner_and_recording_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No scanner runs at .* holds no journal: start one"):
        why(WhyOptions("ABC", "hod_momo", tmp_path, NOBODY))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ABC"], "Name a symbol and a scan"),
        (["ABC", "--near", "movers"], "--near movers lists all symbols: leave ABC out."),
        (["ABX", "hod_momo", "--at", "09:41:07"], "Did you mean ABC?"),
    ],
)
def test_the_command_exits_with_two(
    data: Path, arguments: list[str], says: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["tapelight", "why", *arguments, "--data", str(data)])
    with pytest.raises(SystemExit) as end, pytest.warns(UserWarning, match="without tokens"):
        main()
    assert end.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.integration
async def test_the_running_scanner_is_asked_first(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, _ = restore(data / "journal" / str(DAY) / "0001")
    boards = EngineBoards(engine)
    past = Past(data, "XNYS", lambda: Live(engine.last_mark_ns))
    gateway = Gateway(
        boards, EngineMarket(engine, dict), MemoryBus(), port=0,
        reasons=EngineReasons(engine, boards, past), past=past,
    )  # fmt: skip
    url = f"http://127.0.0.1:{gateway.port}"
    serving = asyncio.create_task(gateway.serve())
    try:
        now = await asyncio.to_thread(asked, data, capsys, url=url)
        assert (now["source"], now["ts_ns"]) == (url, ns("09:42:00"))
        near = await asyncio.to_thread(asked, data, capsys, url=url, near=True, symbol="")
        assert near["title"] == "Hod momo"
        empty = data.parent / "empty"
        then = await asyncio.to_thread(asked, empty, capsys, url=url, at="09:41:07")
        assert (then["source"], then["ts_ns"]) == (url, ns("09:41:06.05"))
        with pytest.raises(ConfigError, match="Did you mean ABC"):
            await asyncio.to_thread(why, WhyOptions("ABX", "hod_momo", data, url))
        write_local_key(data, "not this gateway's")
        with pytest.raises(ConfigError, match="isn't valid"):
            await asyncio.to_thread(why, WhyOptions("ABC", "hod_momo", data, url))
        write_local_key(data, gateway.gate.local_token)
        assert (await asyncio.to_thread(asked, data, capsys, url=url))["source"] == url
    finally:
        (data / "gateway.key").unlink(missing_ok=True)
        serving.cancel()
        await asyncio.wait({serving})
        past.close()


@pytest.mark.parametrize(("market", "zone"), [("24x7", NEW_YORK), ("XNSE", KOLKATA)])
def test_times_are_those_of_the_market_asked_and_answered(
    market: str, zone: dt.tzinfo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = calendar(market).session_on(DAY)
    assert session is not None
    begin = parse_time("10:15:00", session, zone)
    writer = Writer(tmp_path / "journal" / str(DAY) / "0001")
    for record in (CalendarChoice(market), Symbols(0, SYMBOLS), Questions(TEXTS)):
        writer.append(record)
    writer.append(References(str(DAY), [Reference(symbol="ABC", type="CS", float_shares=1e6)]))
    for second in range(10):
        writer.append(trade(begin + second * NS, 0, 10.0 + second / 100))
        writer.append(Mark(begin + second * NS + 50_000_000, begin + second * NS + 50_000_000))
    writer.close()
    told = asked(tmp_path, capsys, at="10:15:03", ahead_s=0)
    assert told["ts_ns"] // NS == begin // NS + 2
    assert told["text"].endswith("muted until 10:15:06: it fired at 10:15:01")
    assert why(WhyOptions("ABC", "hod_momo", tmp_path, NOBODY, at="10:15:03")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "T10:15:02" in lines[0]
    assert lines[-1].startswith("last fired at 10:15:01")


def test_the_address_of_the_folders_scanner_is_at_hand(tmp_path: Path) -> None:
    assert local_address(tmp_path) == ""
    for host, there in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")):
        write_address(tmp_path, host, 8911)
        assert local_address(tmp_path) == f"http://{there}:8911"
