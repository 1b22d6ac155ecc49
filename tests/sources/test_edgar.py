"""Filings: which become news, of whom, flagged as dilution; pages, failures, bad answers."""

import json

import pytest

from sources.service import RECORDED, Site, Tape, running, site
from sources.test_nasdaq_halts import at
from tapelight.errors import ConfigError, Rejected
from tapelight.model.records import News
from tapelight.sources import edgar
from tapelight.sources.edgar import Config, Edgar, filings_of, symbols_of

SAMPLE = (RECORDED / "filings.xml").read_bytes()
TICKERS = json.dumps(
    {
        str(i): {"cik_str": cik, "ticker": ticker, "title": "X"}
        for i, (cik, ticker) in enumerate(
            [(1234567, "ACME"), (777, "BRK-B"), (777, "BRK-A"), (779, "LAND"), (780, "SHLF")]
        )
    }
).encode()


def source(served: Site) -> Edgar:
    return Edgar(
        Config(
            user_agent="Ann ann@example.com",
            url=served.url("/latest"),
            tickers=served.url("/tickers"),
            every_s=0.02,
        )
    )


def answers(body: bytes = SAMPLE) -> dict[str, object]:
    return {"/latest": (200, body), "/tickers": (200, TICKERS)}


@pytest.mark.integration
async def test_filings_since_the_previous_close_are_news_once() -> None:
    tape = Tape(at("09:35:00"))
    async with site(answers=answers()) as served, running(source(served), tape):
        await tape.until(lambda t: bool(t.of(News)))
        await served.until_asked(3)
    (news,) = tape.of(News)
    assert (news.source, news.ts_ns) == ("edgar", at("09:35:00"))
    told = [(a.form, a.symbols, a.tags, a.published_ns) for a in news.articles]
    assert told == [
        ("S-3ASR", ("SHLF",), ("filing", "dilution"), at("17:30:00", 19)),
        ("8-K", ("BRK.A", "BRK.B"), ("filing",), at("08:00:00")),
        ("424B5", ("ACME",), ("filing", "dilution"), at("09:34:05")),
    ]
    assert news.articles[2].headline == "424B5: ACME & SONS INC, prospectus of an offering"
    assert {a.source for a in news.articles} == {"SEC EDGAR"}
    assert set(served.agents) == {"Ann ann@example.com"}
    assert served.asked.count("/tickers") == 1


@pytest.mark.integration
async def test_what_is_filed_later_comes_alone() -> None:
    fresh = SAMPLE.replace(b"0000000777-26-000003", b"0000000777-26-000004").replace(
        b"08:00:00", b"09:34:30"
    )
    tape = Tape(at("09:35:00"))
    async with site(answers=answers()) as served, running(source(served), tape):
        await tape.until(lambda t: len(t.of(News)) == 1)
        served.answers["/latest"] = (200, fresh)
        await tape.until(lambda t: len(t.of(News)) == 2)
    assert [a.form for a in tape.of(News)[1].articles] == ["8-K"]


def entry(number: int) -> str:
    return (
        f"<entry><title>8-K - ACME (1234567) (Filer)</title>"
        f"<updated>2026-11-20T08:{number // 60 % 60:02}:{number % 60:02}-05:00</updated>"
        f"<id>urn:tag:sec.gov,2008:accession-number=0001234567-26-{number:06}</id></entry>"
    )


@pytest.mark.integration
async def test_pages_are_read_until_one_is_known() -> None:
    def page(path: str) -> tuple[int, bytes]:
        start = int(path.partition("start=")[2].partition("&")[0])
        entries = [entry(249 - i) for i in range(start, min(start + 100, 250))]
        feed = "".join(entries)
        return 200, f'<feed xmlns="http://www.w3.org/2005/Atom">{feed}</feed>'.encode()

    tape = Tape(at("09:35:00"))
    told = answers() | {"/latest": page}
    async with site(answers=told) as served, running(source(served), tape):
        await tape.until(lambda t: bool(t.of(News)))
        before = len(served.asked)
        await served.until_asked(2)
    assert before == 4
    (news,) = tape.of(News)
    assert len(news.articles) == 250
    assert news.articles[0].id == "edgar 0001234567-26-000000"


@pytest.mark.integration
async def test_a_service_that_fails_makes_filings_unknown_until_it_is_back() -> None:
    tape = Tape(at("09:35:00"))
    async with site(answers=answers()) as served, running(source(served), tape):
        await tape.until(lambda t: len(t.of(News)) == 1)
        served.answers["/latest"] = (403, b"")
        await tape.until(lambda t: len(t.of(News)) == 2)
        served.answers["/latest"] = (200, SAMPLE)
        await tape.until(lambda t: len(t.of(News)) == 3)
    assert [n.gone for n in tape.of(News)] == [False, True, False]
    assert {n.source for n in tape.of(News)} == {"edgar"}
    assert "refuses us (HTTP 403): give a user_agent" in tape.rejected[0][1]


@pytest.mark.parametrize("broken", [b"08:00:00-05:00", b"0000000777-26-000003", b" - BRICK CORP"])
def test_an_entry_that_cannot_be_read_is_counted(broken: bytes) -> None:
    filings, faults = filings_of(SAMPLE.replace(broken, b"", 1))
    assert (len(filings), len(faults)) == (6, 1)


@pytest.mark.parametrize("body", [b"<rss/>", b"{}", b"", b"<!doctype html><html/>"])
def test_another_kind_of_answer_is_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        filings_of(body)


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"0": {"cik_str": "x"}}', b"\xff"])
def test_another_kind_of_ticker_list_is_rejected(body: bytes) -> None:
    with pytest.raises(Rejected, match="list of tickers"):
        symbols_of(body)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "must hold your name and e-mail"),
        ({"user_agent": "a@b", "every_s": 1.0}, "must be 5 at the least"),
        ({"user_agent": "a@b", "forms": ()}, "forms is empty"),
        ({"user_agent": "a@b", "url": "x"}, "url must begin with https://"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        edgar.open(Config(**settings))  # type: ignore[arg-type]
