"""Halts by RSS: what is put, once, in order, with its resumption; and what cannot be read."""

import datetime as dt

import pytest

from sources.service import RECORDED, Site, Tape, running, site
from tapelight.errors import ConfigError, Rejected
from tapelight.model.records import Halt
from tapelight.model.session import NEW_YORK, NS
from tapelight.sources import nasdaq_halts
from tapelight.sources.nasdaq_halts import Config, NasdaqHalts, items_of

pytestmark = pytest.mark.integration

SAMPLE = (RECORDED / "halts.xml").read_bytes()
NAME = "nasdaq_halts"


def at(time: str, day: int = 20) -> int:
    hour, minute, second = time.split(":")
    when = dt.datetime(2026, 11, day, int(hour), int(minute), tzinfo=NEW_YORK)
    return int(when.timestamp()) * NS + int(float(second) * 1000) * 1_000_000


def source(served: Site, every_s: float = 0.02) -> NasdaqHalts:
    return NasdaqHalts(served.url("/rss"), every_s, "tapelight test", look_s=0.02)


def watching(time: str, rate: float = 0.0) -> Tape:
    return Tape(at(time), "ACME", "WAIT", "LONG", "PAST", "ODD", rate=rate)


async def test_halts_in_force_and_of_today_are_put_once_in_their_order() -> None:
    tape = watching("09:46:00")
    async with site(answers={"/rss": (200, SAMPLE)}) as served:
        one = source(served)
        async with running(one, tape):
            await served.until_asked(4)
            status = one.status()
    assert tape.of(Halt) == [
        Halt(at("19:50:01", 16), "LONG", True, "T12", 0, NAME),
        Halt(at("07:32:12.540"), "WAIT", True, "T1", 0, NAME),
        Halt(at("09:45:12.345"), "ACME", True, "LUDP", at("09:50:12"), NAME),
    ]
    assert set(served.agents) == {"tapelight test"}
    assert (status["state"], status["halts"], status["told"]) == ("live", 5, 3)
    assert ("nasdaq_halts", "ODD: time data '11/20/2026 25:00:00' does not match format "
            "'%m/%d/%Y %H:%M:%S'") in tape.rejected  # fmt: skip


async def test_an_announced_resumption_is_put_when_it_is_due() -> None:
    tape = watching("09:50:05", rate=10.0)
    async with (
        site(answers={"/rss": (200, SAMPLE)}) as served,
        running(source(served, every_s=30.0), tape),
    ):
        await tape.until(lambda t: any(not h.halted for h in t.of(Halt)))
    assert len(served.asked) == 1
    assert tape.of(Halt)[-1] == Halt(at("09:50:12"), "ACME", False, "", 0, NAME)
    assert tape.clock.now_ns() >= at("09:50:12")


async def test_a_code_a_time_and_an_extension_that_come_later_are_told() -> None:
    first = SAMPLE.replace(b"09:50:12", b"").replace(b"LUDP", b"M")
    bodies = iter([first, SAMPLE])
    last = [first]

    def answer(_path: str) -> tuple[int, bytes]:
        last[0] = next(bodies, last[0])
        return 200, last[0]

    tape = watching("09:55:00")
    async with site(answers={"/rss": answer}) as served, running(source(served), tape):
        await tape.until(lambda t: any(not h.halted for h in t.of(Halt)))
        last[0] = SAMPLE.replace(b"09:50:12", b"10:20:00")
        await tape.until(lambda t: t.of(Halt)[-1].resume_ns == at("10:20:00"))
    told = [(h.ts_ns, h.halted, h.code) for h in tape.of(Halt) if h.symbol == "ACME"]
    assert told == [
        (at("09:45:12.345"), True, "M"),
        (at("09:45:12.345"), True, "LUDP"),
        (at("09:50:12"), False, ""),
        (at("09:55:00"), True, "LUDP"),
    ]


async def test_a_symbol_that_is_watched_later_gets_its_halt_then() -> None:
    tape = Tape(at("09:46:00"), "ACME")
    answers = {"/rss": (200, SAMPLE)}
    async with site(answers=answers, etags=True) as served, running(source(served), tape):
        await tape.until(lambda t: len(t.of(Halt)) == 1)
        await served.until_asked(2)
        tape.universe.add("WAIT")
        await tape.until(lambda t: len(t.of(Halt)) == 2)
    assert [h.symbol for h in tape.of(Halt)] == ["ACME", "WAIT"]
    assert served.unchanged > 0


async def test_a_new_session_is_told_what_is_in_force() -> None:
    tape = watching("10:00:00")
    async with site(answers={"/rss": (200, SAMPLE)}) as served, running(source(served), tape):
        await tape.until(lambda t: len(t.of(Halt)) == 4)
        tape.records.clear()
        tape.clock.set(at("04:00:05", 23), 0.0)
        await tape.until(lambda t: len(t.of(Halt)) == 2)
    assert [(h.symbol, h.halted) for h in tape.of(Halt)] == [("LONG", True), ("WAIT", True)]


async def test_halts_of_another_day_than_the_markets_are_left_out() -> None:
    tape = Tape(at("09:46:00", 13), "ACME", "WAIT", "LONG")
    async with site(answers={"/rss": (200, SAMPLE)}) as served, running(source(served), tape):
        await served.until_asked(3)
    assert tape.of(Halt) == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b"", "127.0.0.1 refuses us (HTTP 403): give a user_agent"),
        (429, b"", "127.0.0.1 says that we ask too often (HTTP 429): raise every_s."),
        (500, b"", "127.0.0.1 answers HTTP 500: trying again."),
        (200, b"<html><body>", "The answer is no XML"),
        (200, b"<feed/>", "The answer is no RSS of halts."),
        (200, b'<!DOCTYPE x [<!ENTITY a "aa">]><rss/>', "The answer is no plain XML"),
        (200, b"\xff\xfe<\x00r\x00", "The answer is no plain XML"),
    ],
)
async def test_a_failure_is_said_counted_and_halts_nobody(
    status: int, body: bytes, said: str
) -> None:
    tape = watching("09:46:00")
    async with site(answers={"/rss": (status, body)}) as served:
        one = source(served)
        async with running(one, tape):
            await tape.until(lambda t: len(t.rejected) > 1)
            found = one.status()
            served.answers["/rss"] = (200, SAMPLE)
            await tape.until(lambda t: bool(t.of(Halt)))
    assert found["state"] == "failing"
    assert said in str(found["detail"])
    assert tape.rejected[0] == (NAME, found["detail"])


async def test_no_service_is_said_with_the_remedy() -> None:
    tape = watching("09:46:00")
    one = NasdaqHalts("http://127.0.0.1:9/rss", 0.02, "tapelight")
    async with running(one, tape):
        await tape.until(lambda t: bool(t.rejected))
    assert "127.0.0.1 can't be reached" in tape.rejected[0][1]
    assert tape.rejected[0][1].endswith("check the network.")


@pytest.mark.parametrize("symbol", ["", "A" * 40, "<b>", "A\u202eB", "Ä"])
def test_only_plain_symbols_are_taken(symbol: str) -> None:
    text = symbol.replace("<", "&lt;").encode()
    items, faults = items_of(
        SAMPLE.replace(b"<ndaq:IssueSymbol>ACME<", b"<ndaq:IssueSymbol>" + text + b"<")
    )
    if symbol == "<b>":
        assert "<b>" in [i.symbol for i in items]
    else:
        assert len(items) == 4
        assert len(faults) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://x"}, "must begin with https://"),
        ({"every_s": 1.0}, "must be 15 at the least"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        nasdaq_halts.open(Config(**settings))  # type: ignore[arg-type]


def test_an_answer_of_another_kind_is_rejected() -> None:
    with pytest.raises(Rejected):
        items_of(b"<rss/>")
