"""Option chains of the Massive feed: decoded at the border, on demand, gently."""

import asyncio
import copy
import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from feeds import simulator_service
from feeds.massive_service import NOW_NS, massive_service
from feeds.test_massive_feed import Tape, running
from tapelight.analytics.chain import figures
from tapelight.feeds.massive.chains import ContractSnapshots, chain_of
from tapelight.feeds.massive.feed import MassiveFeed
from tapelight.model import codec
from tapelight.model.options import Chain, empty_chain
from tapelight.model.session import calendar
from tapelight.ports import OptionFeed

CALENDAR = calendar("XNYS")
NOTHING = np.zeros(0)
AAPL = "/v3/snapshot/options/AAPL"
QUOTED_NS = NOW_NS - 2 * 10**9
CONTRACT: dict[str, Any] = {
    "day": {"volume": 8, "last_updated": NOW_NS - 4 * 3600 * 10**9},
    "details": {
        "contract_type": "call", "exercise_style": "american", "expiration_date": "2026-12-18",
        "shares_per_contract": 100, "strike_price": 150, "ticker": "O:AAPL261218C00150000",
    },
    "greeks": {"delta": 0.64}, "implied_volatility": 0.357, "open_interest": 8133,
    "last_quote": {"ask": 29.25, "bid": 28.9, "last_updated": QUOTED_NS},
    "underlying_asset": {"last_updated": QUOTED_NS, "price": 159.9606, "ticker": "AAPL"},
}  # fmt: skip


def contract(**changed: Any) -> dict[str, Any]:
    """Return CONTRACT with `part__field=value` changed; None takes it away."""
    made = copy.deepcopy(CONTRACT)
    for name, value in changed.items():
        *parts, last = name.split("__")
        at = made
        for part in parts:
            at = at[part]
        if value is None:
            at.pop(last)
        else:
            at[last] = value
    return made


def chain(*contracts: dict[str, Any], now_ns: int = NOW_NS) -> Chain:
    page = msgspec.json.decode(json.dumps({"results": contracts}), type=ContractSnapshots)
    return chain_of("AAPL", page.results or [], NOTHING, CALENDAR, now_ns)


def test_the_providers_own_example_is_read(shared: Path) -> None:
    raw = (shared / "data/ws_frames/massive_rest/v3_snapshot_options_AAPL.json").read_bytes()
    page = msgspec.json.decode(raw, type=ContractSnapshots)
    now_ns = 1_651_254_300 * 10**9
    found = chain_of("AAPL", page.results or [], NOTHING, CALENDAR, now_ns)
    close = dt.datetime(2023, 6, 16, 20, tzinfo=dt.UTC)
    assert found.expiry_ns.tolist() == [int(close.timestamp()) * 10**9]
    assert (found.symbol, found.spot, found.call.tolist()) == ("AAPL", 159.9606, [1])
    assert (found.strike[0], found.bid[0], found.ask[0]) == (150.0, 28.9, 29.25)
    assert (found.volume[0], found.open_interest[0]) == (8.0, 8133.0)
    assert found.volatility[0] == 0.3570277203465058


@pytest.mark.parametrize(
    "stamp", [-1, NOW_NS // 10**9, NOW_NS // 10**6, NOW_NS * 10, 2**63, 10**30]
)
@pytest.mark.parametrize("part", ["day", "last_quote"])
def test_a_contract_whose_stamp_is_no_time_in_ns_is_left_out(part: str, stamp: int) -> None:
    wrong = contract(**{f"{part}__last_updated": stamp})
    assert len(chain(wrong)) == 0
    assert len(chain(wrong, CONTRACT)) == 1


def test_what_may_be_absent_is_unknown() -> None:
    bare = contract(
        day=None, greeks=None, implied_volatility=None, last_quote=None, open_interest=None,
        underlying_asset=None,
    )  # fmt: skip
    found = chain(bare)
    assert found.volume.tolist() == [0.0]
    unknown = (found.bid, found.ask, found.open_interest, found.volatility)
    assert np.isnan(unknown).all()
    assert math.isnan(found.spot)
    index = contract(underlying_asset={"value": 6800.5, "last_updated": QUOTED_NS})
    assert chain(index).spot == 6800.5


def test_an_old_quote_is_no_price_and_an_old_day_no_volume() -> None:
    old = contract(last_quote__last_updated=NOW_NS - 1801 * 10**9)
    assert np.isnan(chain(old).bid[0])
    delayed = contract(last_quote__last_updated=NOW_NS - 905 * 10**9)
    assert chain(delayed).bid[0] == 28.9
    assert np.isnan(chain(contract(last_quote__last_updated=None)).bid[0])
    yesterday = contract(day__last_updated=NOW_NS - 24 * 3600 * 10**9)
    assert chain(yesterday).volume.tolist() == [0.0]


@pytest.mark.parametrize(
    "odd",
    [
        {"details__ticker": "O:AAPL1261218C00150000"},
        {"details__ticker": "AAPL"},
        {"details__shares_per_contract": 73},
        {"details__contract_type": "other"},
        {"details__strike_price": 0},
        {"details__expiration_date": "soon"},
    ],
)
def test_odd_contracts_are_left_out(odd: dict[str, Any]) -> None:
    assert len(chain(contract(**odd))) == 0
    assert len(chain(contract(**odd), CONTRACT)) == 1


def test_contracts_stand_in_order_of_expiration() -> None:
    put = contract(details__contract_type="put", details__ticker="O:AAPL261218P00150000")
    holiday = contract(details__expiration_date="2026-12-25")
    high = contract(details__strike_price=160)
    found = chain(holiday, high, CONTRACT, put)
    assert found.call.tolist() == [0, 1, 1, 1]
    assert found.strike.tolist() == [150.0, 150.0, 160.0, 150.0]
    eve = CALENDAR.session_on(dt.date(2026, 12, 24))
    assert eve is not None
    assert found.expiry_ns[-1] == eve.close_ns


def test_a_chain_is_a_record() -> None:
    put = contract(details__contract_type="put", last_quote=None)
    for one in (chain(CONTRACT, put), empty_chain(NOW_NS, "BRK.B")):
        again = codec.decode(codec.encode(one))
        assert isinstance(again, Chain)
        assert (again.ts_recv_ns, again.symbol) == (one.ts_recv_ns, one.symbol)
        assert again.spot == one.spot or math.isnan(one.spot)
        for name in Chain.__slots__[3:]:
            left, right = getattr(again, name), getattr(one, name)
            assert left.dtype == right.dtype
            assert np.array_equal(left, right, equal_nan=right.dtype.kind == "f")


@pytest.mark.integration
async def test_pages_are_followed_and_the_window_is_sixty_days() -> None:
    asked: list[dict[str, list[str]]] = []

    def answer(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        if "cursor" in query:
            return {"results": [contract(details__strike_price=160)]}
        return {"results": [CONTRACT], "next_url": f"https://api.massive.com{AAPL}?cursor=x"}

    async with (
        massive_service(answers={AAPL: answer}) as service,
        running(service) as (feed, tape),
    ):
        await tape.until(lambda t: "live" in t.states)
        await feed.chains(["AAPL", "NONE"])
        (found,) = tape.of(Chain)
        assert found.strike.tolist() == [150.0, 160.0]
        assert asked[0] == {
            "expiration_date.gte": ["2026-11-20"], "expiration_date.lte": ["2027-01-19"],
            "limit": ["250"],
        }  # fmt: skip
        await feed.chains(["AAPL", "NONE"])
        assert sum("/options/NONE" in path for path in service.requests) == 1, "asked once a day"
        assert sum("/simulator/volatility" in path for path in service.requests) == 1


@pytest.mark.integration
async def test_a_plan_without_options_is_left_in_peace() -> None:
    refused = (403, {"status": "NOT_AUTHORIZED"}, {})
    async with (
        massive_service(prefixes={"/v3/snapshot/options/": refused}) as service,
        running(service) as (feed, tape),
    ):
        await tape.until(lambda t: "live" in t.states)
        for round_ in range(3):
            await feed.chains([f"S{round_}{i}" for i in range(10)])
        assert sum("/options/" in path for path in service.requests) <= 3 + 4
        assert tape.of(Chain) == []


@pytest.mark.integration
async def test_a_fault_loses_one_chain_and_is_counted() -> None:
    answers = {AAPL: {"results": "many"}, "/v3/snapshot/options/MSFT": {"results": [CONTRACT]}}
    async with massive_service(answers=answers) as service, running(service) as (feed, tape):
        await tape.until(lambda t: "live" in t.states)
        await feed.chains(["AAPL", "MSFT"])
        assert [c.symbol for c in tape.of(Chain)] == ["MSFT"]
        ((kind, words),) = [r for r in tape.rejected if r[0] == "chain"]
        assert kind == "chain"
        assert "AAPL: /v3/snapshot/options/AAPL answered in a shape" in str(words)


@pytest.mark.integration
async def test_the_simulators_chains_give_its_own_volatility() -> None:
    """From the endpoint through the feed and the analytics back to the surface's own figure."""
    async with simulator_service.running(start="10:00:00", hold=False) as port:
        feed = MassiveFeed(f"ws://127.0.0.1:{port}/stocks", f"http://127.0.0.1:{port}", "demo")
        assert isinstance(feed, OptionFeed)
        tape = Tape()
        task = asyncio.create_task(feed.run(tape))
        try:
            await feed.chains(["AAPL"])
            assert tape.of(Chain) == [], "not before the stream is live"
            await tape.until(lambda t: "live" in t.states)
            await feed.chains(["SPY", "AAPL", "ZVZZT"])
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    chains = {c.symbol: c for c in tape.of(Chain)}
    assert set(chains) == {"SPY", "AAPL"}
    for one in chains.values():
        found = figures(one, one.ts_recv_ns)
        assert found.iv30 == pytest.approx(one.past[-1], rel=0.2)
        assert 0.0 <= found.iv_rank <= 100.0
        assert 0.4 < found.delta < 0.6
        assert found.theta < 0.0 < found.vega
        assert 0.3 < found.put_call_vol < 1.5
