"""Massive's REST answers: retries and pages, and the figures reckoned from daily bars."""

import datetime as dt
import itertools
import math
import random
import statistics
from typing import Any

import pytest
import stamina

from feeds.massive_service import KEY, Service, massive_service
from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._rest import ATTEMPTS, Busy, NotServed
from tapelight.feeds.massive.config import Secret
from tapelight.feeds.massive.library import Library, past_month, past_year
from tapelight.feeds.massive.payloads import (
    DayBar,
    Details,
    FreeFloat,
    ShortInterest,
    Split,
    Ticker,
    Tickers,
)
from tapelight.feeds.massive.reference import Facts, page_of, told_of
from tapelight.feeds.massive.rest import Rest, _retry_after_s
from tapelight.model.compose import compose
from tapelight.model.daily import DailyFold
from tapelight.model.past import Told
from tapelight.model.records import Reference
from tapelight.model.session import calendar

PATH = "/v3/reference/tickers"
SESSION = dt.date(2026, 11, 20)


def references(facts: Facts, fold: DailyFold) -> list[Reference]:
    return compose(told_of(facts, SESSION, 1), fold, SESSION)


@pytest.fixture(autouse=True)
def _no_waits() -> Any:
    """Let retries happen without their pauses."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


async def asked(service: Service, key: str = KEY) -> Any:
    rest = Rest(f"http://127.0.0.1:{service.port}", Secret(key))
    try:
        return await rest.pages(PATH, Tickers, {"limit": 1})
    finally:
        await rest.close()


@pytest.mark.integration
@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_busy_service_is_asked_again(code: int) -> None:
    left = [(code, {"error": "busy"}, {}), (code, b"", {})]

    def answer(_: Any) -> Any:
        return left.pop() if left else {"results": [{"ticker": "AAPL"}]}

    async with massive_service(answers={PATH: answer}) as service:
        assert await asked(service) == [Ticker("AAPL")]
    assert len(service.requests) == 3


@pytest.mark.integration
async def test_a_service_that_stays_busy_is_unavailable() -> None:
    async with massive_service(answers={PATH: (503, b"", {})}) as service:
        with pytest.raises(Unavailable, match="/v3/reference/tickers answers 503"):
            await asked(service)
    assert len(service.requests) == ATTEMPTS


@pytest.mark.integration
async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with massive_service() as service:
        pass
    with pytest.raises(Unavailable, match="gives no answer"):
        await asked(service)


async def test_retry_after_is_honoured_and_bounded() -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    in_http = soon.strftime("%a, %d %b %Y %H:%M:%S GMT")
    found = _retry_after_s(in_http)
    assert found is not None
    assert 25 < found <= 30
    waits = [Busy("", _retry_after_s(h)).after_s for h in ("7", "0.5", "-3", "9999")]
    assert waits == [7.0, 0.5, 0.0, 65.0]
    assert [_retry_after_s(h) for h in (None, "", "soon", "nan")] == [None] * 4


@pytest.mark.integration
@pytest.mark.parametrize("code", [400, 403, 404])
async def test_what_the_plan_lacks_is_not_asked_again(code: int) -> None:
    async with massive_service(answers={PATH: (code, {"message": "no"}, {})}) as service:
        with pytest.raises(NotServed, match=f"answers {code}"):
            await asked(service)
    assert len(service.requests) == 1


@pytest.mark.integration
async def test_a_wrong_key_is_the_users_fault() -> None:
    async with massive_service() as service:
        with pytest.raises(ConfigError, match=r"feed\.massive\.api_key"):
            await asked(service, "wrong")
    assert len(service.requests) == 1


@pytest.mark.integration
@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[1]", b'{"results":[{"ticker":1}]}'])
async def test_a_body_of_another_shape_is_rejected(body: bytes) -> None:
    async with massive_service(answers={PATH: (200, body, {})}) as service:
        with pytest.raises(Rejected, match="not documented"):
            await asked(service)


@pytest.mark.integration
async def test_pages_are_followed_on_this_service_only() -> None:
    def answer(query: dict[str, list[str]]) -> Any:
        page = int(query.get("cursor", ["0"])[0])
        more = {"next_url": f"https://evil.invalid{PATH}?cursor={page + 1}"} if page < 2 else {}
        return {"results": [{"ticker": f"P{page}"}], **more}

    async with massive_service(answers={PATH: answer}) as service:
        assert [t.ticker for t in await asked(service)] == ["P0", "P1", "P2"]
    assert service.requests == [f"{PATH}?limit=1", f"{PATH}?cursor=1", f"{PATH}?cursor=2"]


@pytest.mark.integration
async def test_pages_without_end_are_bounded() -> None:
    endless = {"results": [{"ticker": "A"}], "next_url": f"https://x{PATH}?cursor=1"}
    async with massive_service(answers={PATH: endless}) as service:
        assert len(await asked(service)) == 201


def test_the_past_month_reaches_over_half_days() -> None:
    cal = calendar("XNYS")
    session = cal.session_on(dt.date(2026, 12, 29))
    assert session is not None
    past = past_month(cal, session)
    assert past.sessions[-1].date == dt.date(2026, 12, 28)
    assert [s.date.isoformat() for s in past.sessions if s.half_day] == ["2026-11-27", "2026-12-24"]
    assert sum(not s.half_day for s in past.sessions) == 21
    assert len(past_year(cal, session, 252).sessions) == 252
    assert past.year_from == dt.date(2025, 12, 30)


def _history(days: int, seed: int) -> list[DayBar]:
    draw = random.Random(seed)
    close, bars = 50.0, []
    for _ in range(days):
        open_ = close * (1 + draw.uniform(-0.03, 0.03))
        close = open_ * (1 + draw.uniform(-0.05, 0.05))
        high, low = max(open_, close) * 1.01, min(open_, close) * 0.99
        bars.append(DayBar("X", open_, high, low, close, float(draw.randint(1000, 9000))))
    return bars


def _wilder(bars: list[DayBar]) -> float:
    """Return the average true range by Wilder's own two steps."""
    ranges = [max(b.h - b.l, abs(b.h - a.c), abs(b.l - a.c)) for a, b in itertools.pairwise(bars)]
    average = statistics.fmean(ranges[:14])
    for true_range in ranges[14:]:
        average = (average * 13 + true_range) / 14
    return average


def test_figures_of_a_year_equal_an_independent_reckoning() -> None:
    bars = _history(260, seed=3)
    first = dt.date(2025, 11, 1)
    fold = DailyFold(first + dt.timedelta(days=8), deep=True)
    full = [n % 10 != 3 for n in range(260)]
    for n, bar in enumerate(bars):
        fold.add(first + dt.timedelta(days=n), [bar], full=full[n])
    (found,) = references(Facts(), fold)
    volumes = [b.v for b, whole in zip(bars, full, strict=True) if whole][-20:]
    closes = [b.c for b in bars]
    returns = [math.log(b / a) for a, b in zip(closes[-21:], closes[-20:], strict=False)]
    assert found.prev_close == closes[-1]
    assert (found.prev_high, found.prev_low) == (bars[-1].h, bars[-1].l)
    assert found.prev_chg_pct == pytest.approx((closes[-1] / closes[-2] - 1) * 100, rel=1e-12)
    assert found.adv20 == pytest.approx(statistics.fmean(volumes), rel=1e-12)
    assert found.adv_sessions == 20
    assert found.atr14 == pytest.approx(_wilder(bars), rel=1e-12)
    assert found.hv20 == pytest.approx(statistics.stdev(returns) * 252**0.5 * 100, rel=1e-9)
    assert found.w52_high == max(b.h for b in bars[8:])
    assert found.w52_low == min(b.l for b in bars[8:])
    assert found.sma50d == pytest.approx(statistics.fmean(closes[-50:]), rel=1e-12)
    assert found.sma200d == pytest.approx(statistics.fmean(closes[-200:]), rel=1e-12)


def test_what_a_short_history_cannot_tell_is_null() -> None:
    fold = DailyFold(dt.date(2026, 1, 1), deep=True)
    for n, bar in enumerate(_history(14, seed=4)):
        fold.add(dt.date(2026, 2, 1) + dt.timedelta(days=n), [bar], full=True)
    (found,) = references(Facts(), fold)
    assert (found.atr14, found.hv20, found.sma50d, found.sma200d) == (None, None, None, None)
    assert found.adv_sessions == 14
    assert (
        references(Facts(tickers=[Ticker("NEW")]), fold)[0]
        == references(Facts(tickers=[Ticker("NEW")]), DailyFold(dt.date(2026, 1, 1), deep=True))[0]
    )


def test_days_without_a_trade_count_in_the_mean_since_the_first() -> None:
    fold = DailyFold(dt.date(2026, 1, 1), deep=False)
    bar = _history(1, seed=5)[0]
    other = DayBar("OTHER", 1, 1, 1, 1, 5)
    for n in range(4):
        traded = [bar] if n in (1, 2) else []
        fold.add(dt.date(2026, 2, 1) + dt.timedelta(days=n), [other, *traded], full=True)
    found = {r.symbol: r for r in references(Facts(), fold)}["X"]
    assert found.adv_sessions == 3
    assert found.adv20 == pytest.approx(bar.v * 2 / 3)
    assert found.prev_close == bar.c


def test_impossible_daily_bars_are_left_out() -> None:
    fold = DailyFold(dt.date(2026, 1, 1), deep=False)
    good = DayBar("A", 1, 2, 1, 1.5, 10)
    bad = [DayBar("B", 1, 1, 2, 1, 1), DayBar("C", 1, 1, 0, 1, 1), DayBar("D", 1, 1, 1, 1, -1)]
    fold.add(dt.date(2026, 2, 2), [good, *bad], full=True)
    assert list(fold.index) == ["A"]


def test_a_ticker_page_tells_more() -> None:
    told = told_of(Facts(tickers=[Ticker("A", "Alpha")]), SESSION, 1)
    page = page_of("A", Details("A", None, 5e6, "SERVICES", "2020-01-02", "7372"), SESSION, 2)
    fold = DailyFold(dt.date(2026, 1, 1), deep=False)
    (found,) = compose(Told([*told.facts, page]), fold, SESSION)
    assert (found.shares_out, found.industry, found.ipo_date) == (5e6, "SERVICES", "2020-01-02")
    assert (found.name, found.sector) == ("Alpha", "Technology")
    assert page_of("A", Details("A"), SESSION, 3).values == {}


def test_the_lists_come_in_our_words() -> None:
    facts = Facts(
        tickers=[Ticker("A", "Alpha", "XNAS", "ADRC"), Ticker("ZVZZT", "A test")],
        floats=[FreeFloat("A", 4e6, "2026-11-13"), FreeFloat("B", 0.0, "2026-11-13")],
        shorts=[ShortInterest("A", "2026-10-15", 7.0), ShortInterest("A", "2026-10-30", 9.0)],
        splits=[Split("A", "2026-11-20", 8, 1), Split("A", "2026-01-05", 1, 2)],
    )
    (found,) = references(facts, DailyFold(dt.date(2026, 1, 1), deep=False))
    assert (found.symbol, found.exchange, found.exchange_id, found.type) == ("A", "XNAS", 12, "ADR")
    assert (found.float_shares, found.float_asof, found.float_src) == (4e6, "2026-11-13", "massive")
    assert found.short_interest == 9.0
    assert found.split_today == 8.0


@pytest.mark.integration
async def test_a_day_that_cannot_be_had_is_left_out_and_named() -> None:
    grouped = "/v2/aggs/grouped/locale/us/market/stocks"
    bar = {"T": "A", "o": 1, "h": 2, "l": 1, "c": 1.5, "v": 100}
    cal = calendar("XNYS")
    session = cal.session_on(dt.date(2026, 11, 20))
    assert session is not None
    answers = {f"{grouped}/2026-11-18": (403, b"", {})}
    async with massive_service(answers=answers, prefixes={grouped: {"results": [bar]}}) as service:
        del service.answers[f"{grouped}/2026-11-19"]
        rest = Rest(f"http://127.0.0.1:{service.port}", Secret(KEY))
        library = Library(rest)
        month = past_month(cal, session)
        fold = await library.fold(month, [], session.date, deep=False, at_once=4)
        await rest.close()
    assert fold.bars.tolist() == [20]
    assert fold.adv20()[0].tolist() == [100.0]
    assert library.missing == [f"daily bars: {grouped}/2026-11-18 answers 403."]
