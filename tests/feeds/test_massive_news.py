"""News of the Massive feed: what is new, once, as plain text; and the simulator's own."""

import asyncio
from typing import Any

import httpx
import pytest

from feeds import simulator_service
from feeds.massive_service import NOW_NS, massive_service
from feeds.test_massive_feed import running
from tapelight.feeds.massive.newsroom import MOST_FAILED, _utc
from tapelight.model.records import News
from tapelight.model.session import NS

pytestmark = pytest.mark.integration

NEWS = "/v2/reference/news"
CLOSE = "2026-11-19T21:00:00Z"
ITEM = {
    "id": "8ec638777ca03b553ae516761c2a22ba2fdd2f37befae3ab6fdab74e9e5193eb",
    "publisher": {"name": "Investing.com", "homepage_url": "https://www.investing.com/"},
    "title": "FDA clears <i>Acme&#39;s</i> device",
    "author": "Sam Boughedda",
    "published_utc": "2026-11-20T14:30:00Z",
    "article_url": "https://uk.investing.com/news/acme",
    "tickers": ["ACME", "ACM"],
    "insights": [{"ticker": "ACME", "sentiment": "positive"}],
}


async def test_articles_are_put_once_and_plain() -> None:
    asked: list[dict[str, list[str]]] = []
    second = ITEM | {"id": "two", "published_utc": "2026-11-20T14:34:00Z", "title": "Two"}
    broken = ITEM | {"id": "three", "published_utc": "yesterday"}
    wide = ITEM | {"id": "four", "tickers": [f"S{i}" for i in range(40)]}

    def answer(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        return {"results": [ITEM] if len(asked) == 1 else [ITEM, second, broken, wide]}

    async with (
        massive_service(answers={NEWS: answer}) as service,
        running(service, news_s=0.05) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(News)) == 2)
        first, more = tape.of(News)
    assert first.ts_ns >= NOW_NS
    (article,) = first.articles
    assert article.headline == "FDA clears Acme's device"
    assert article.symbols == ("ACM", "ACME")
    assert (article.source, article.tags) == ("Investing.com", ("FDA",))
    assert article.published_ns == 1_795_185_000 * 10**9
    assert [(a.id, a.symbols) for a in more.articles] == [("two", ("ACM", "ACME")), ("four", ())]
    assert ("news", "three: published_utc 'yesterday'") in tape.rejected
    assert asked[0]["published_utc.gte"] == [CLOSE]
    assert asked[1]["published_utc.gte"] == ["2026-11-20T14:28:00Z"]


async def test_a_malformed_answer_is_counted_and_asked_again() -> None:
    asked: list[dict[str, list[str]]] = []

    def answer(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        return {"results": 5} if 1 < len(asked) <= 2 + MOST_FAILED else {"results": [ITEM]}

    async with (
        massive_service(answers={NEWS: answer}) as service,
        running(service, news_s=0.01) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(News)) == 3)
        told = tape.of(News)
    assert [(len(n.articles), n.gone) for n in told] == [(1, False), (0, True), (0, False)]
    faults = [sample for kind, sample in tape.rejected if kind == "news"]
    assert len(faults) == MOST_FAILED + 1
    assert "in a shape that is not documented" in str(faults[0])
    assert {q["published_utc.gte"][0] for q in asked[1:]} == {"2026-11-20T14:28:00Z"}


async def test_times_that_cannot_be_are_counted_and_move_nothing() -> None:
    bad = (
        "2099-01-01T00:00:00Z",
        "2026-11-20T14:31:00",
        "0001-01-01T00:00:00Z",
        "1960-01-01T00:00:00Z",
    )
    items = [ITEM | {"id": f"bad {i}", "published_utc": text} for i, text in enumerate(bad)]
    ahead = ITEM | {"id": "ahead", "published_utc": _utc(NOW_NS + 60 * NS)}
    asked: list[dict[str, list[str]]] = []

    def answer(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        return {"results": [ITEM, *items] if len(asked) < 3 else [ahead]}

    async with (
        massive_service(answers={NEWS: answer}) as service,
        running(service, news_s=0.01) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(News)) == 2)
        first, second = tape.of(News)
    assert [a.id for a in first.articles] == [ITEM["id"]]
    assert asked[1]["published_utc.gte"] == ["2026-11-20T14:28:00Z"]
    assert [a.id for a in second.articles] == ["ahead"]
    assert NOW_NS <= second.articles[0].published_ns <= second.ts_ns
    told = {str(sample) for kind, sample in tape.rejected if kind == "news"}
    assert told == {f"bad {i}: published_utc {text!r}" for i, text in enumerate(bad)}


async def test_a_plan_that_loses_its_news_makes_them_unknown() -> None:
    asked: list[int] = []

    def answer(_query: dict[str, list[str]]) -> Any:
        asked.append(1)
        return {"results": [ITEM]} if len(asked) == 1 else (403, {"status": "NOT_AUTHORIZED"}, {})

    async with (
        massive_service(answers={NEWS: answer}) as service,
        running(service, news_s=0.01) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(News)) == 2)
    assert [n.gone for n in tape.of(News)] == [False, True]
    assert len(asked) == 2


async def test_a_plan_without_news_is_asked_once() -> None:
    asked = asyncio.Event()

    def refuse(_query: dict[str, list[str]]) -> Any:
        assert not asked.is_set()
        asked.set()
        return (403, {"status": "NOT_AUTHORIZED"}, {})

    async with (
        massive_service(answers={NEWS: refuse}) as service,
        running(service, news_s=0.01) as (_, tape),
    ):
        async with asyncio.timeout(10):
            await asked.wait()
        await tape.until(lambda t: bool(t.states) and t.states[-1] == "live")
        assert tape.of(News) == []


async def test_the_simulator_publishes_overnight_and_with_runs() -> None:
    async with (
        simulator_service.running(symbols=400, start="10:30:00") as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        params = {"limit": 1000, "order": "asc", "apiKey": "demo"}
        items = (await client.get(NEWS, params=params)).json()["results"]
    times = [item["published_utc"] for item in items]
    assert times == sorted(times)
    assert sum(t < "2026-11-20T14:30:00Z" for t in times) >= 3
    assert sum("2026-11-20T14:30:00Z" <= t <= "2026-11-20T15:31:00Z" for t in times) >= 3
