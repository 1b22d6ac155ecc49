"""The Massive feed against a scripted service: handshake, snapshot, holes, refusals."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest

from feeds.massive_service import (
    KEY,
    NOW_NS,
    Service,
    day,
    massive_service,
    quote,
    ticker,
    trade,
)
from tapelight.errors import ConfigError
from tapelight.feeds._websocket import Backoff, RetryPolicy
from tapelight.feeds.massive import MassiveConfig, MassiveFeed, Secret
from tapelight.model.batch import Batch
from tapelight.model.clock import MarketClock
from tapelight.model.records import (
    FeedState,
    Healed,
    History,
    Record,
    Reference,
    References,
    Rules,
    Snapshot,
)
from tapelight.model.universe import Universe

pytestmark = pytest.mark.integration

SNAPSHOT = "/v2/snapshot/locale/us/markets/stocks/tickers"
_R = TypeVar("_R")


class Tape:
    """A sink that remembers all it was given, in order."""

    def __init__(self) -> None:
        self.universe = Universe()
        self.clock = MarketClock(NOW_NS)
        self.records: list[Record] = []
        self.rejected: list[tuple[str, bytes | str]] = []
        self.complete_ns = 0
        self._news = asyncio.Event()

    def put(self, record: Record) -> None:
        self.records.append(record)
        self._news.set()

    def alive(self, complete_ns: int) -> None:
        self.complete_ns = complete_ns
        self._news.set()

    def raw(self, frames: Sequence[bytes]) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append((kind, sample))

    def of(self, kind: type[_R]) -> list[_R]:
        return [r for r in self.records if isinstance(r, kind)]

    @property
    def states(self) -> list[str]:
        return [s.state for s in self.of(FeedState)]

    @property
    def seqs(self) -> list[int]:
        """Return the sequence numbers of all trades in the order in which they were put."""
        batches = [b.trades for b in self.of(Batch) if b.trades is not None]
        return [int(q) for trades in batches for q in trades.seq]

    async def until(self, true: Callable[["Tape"], bool]) -> None:
        async with asyncio.timeout(20):
            while not true(self):
                self._news.clear()
                await self._news.wait()


def feed_of(service: Service, **settings: Any) -> MassiveFeed:
    config = MassiveConfig(
        **{
            "url": f"ws://127.0.0.1:{service.port}/stocks",
            "rest": f"http://127.0.0.1:{service.port}",
            "api_key": KEY,
            "history_sessions": 0,
            "backfill": 0,
            **settings,
        }
    )
    return MassiveFeed(config=config, backoff=Backoff(RetryPolicy(base_s=0.01, budget=50)))


@contextlib.asynccontextmanager
async def running(service: Service, **settings: Any) -> AsyncIterator[tuple[MassiveFeed, Tape]]:
    tape, feed = Tape(), feed_of(service, **settings)
    task = asyncio.create_task(feed.run(tape))
    # A feed that fails ends the test at once, instead of at its time-out.
    task.add_done_callback(lambda _: tape._news.set())
    try:
        yield feed, tape
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]


def is_live(tape: Tape) -> bool:
    return tape.states[-1:] == ["live"]


async def test_the_order_of_records_at_a_start() -> None:
    async with massive_service() as service, running(service) as (_, tape):
        await tape.until(is_live)
        kinds = [type(r).__name__ for r in tape.records]
        assert kinds == ["FeedState", "References", "Rules", "Snapshot", "FeedState"]
        assert tape.states == ["connecting", "live"]
        assert service.subscriptions == ["LULD.*", "Q.*", "T.*"]
        live = tape.of(FeedState)[-1]
        assert (live.feed, live.provisional, live.since_ns) == ("massive", False, 0)
    assert tape.states == ["connecting", "live", "closed"]
    assert tape.clock.rate == 1.0
    assert 0 <= tape.clock.now_ns() - NOW_NS < 60_000_000_000


async def test_references_from_the_last_days() -> None:
    answers = {
        "/v3/reference/tickers": lambda query: (
            {"results": [{"ticker": "MSFT", "type": "ADRC"}, {"ticker": "ZVZZT"}]}
            if "cursor" in query
            else {
                "results": [
                    {
                        "ticker": "AAPL",
                        "name": "Apple Inc.",
                        "primary_exchange": "XNAS",
                        "type": "CS",
                    }
                ],
                "next_url": "https://elsewhere.invalid/v3/reference/tickers?cursor=2",
            }
        ),
        "/stocks/vX/float": {
            "results": [{"ticker": "AAPL", "free_float": 15e9, "effective_date": "2026-11-01"}]
        },
        "/stocks/v1/short-interest": {
            "results": [
                {"ticker": "AAPL", "settlement_date": "2026-11-13", "short_interest": 7.0},
                {"ticker": "AAPL", "settlement_date": "2026-10-31", "short_interest": 5.0},
            ]
        },
    }
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
    (found,) = tape.of(References)
    assert found.session == "2026-11-20"
    assert tape.universe.symbols == ["AAPL", "MSFT"]
    assert found.references == [
        Reference(
            symbol="AAPL",
            name="Apple Inc.",
            exchange="XNAS",
            exchange_id=12,
            type="CS",
            prev_close=98.0,
            prev_high=99.0,
            prev_low=97.0,
            prev_volume=1000.0,
            prev_chg_pct=(98.0 / 97.0 - 1) * 100,
            adv20=2000.0,
            adv_sessions=2,
            float_shares=15e9,
            float_asof="2026-11-01",
            float_src="massive",
            short_interest=7.0,
        ),
        Reference(
            symbol="MSFT",
            type="ADR",
            prev_close=298.0,
            prev_high=299.0,
            prev_low=297.0,
            prev_volume=1000.0,
            prev_chg_pct=(298.0 / 297.0 - 1) * 100,
            adv20=1000.0,
            adv_sessions=2,
        ),
    ]


@pytest.mark.parametrize("adjusted_close", [49.0, 98.0])
async def test_a_split_effective_today_is_applied_exactly_once(adjusted_close: float) -> None:
    grouped = "/v2/aggs/grouped/locale/us/market/stocks/2026-11-19"

    def last_day(query: dict[str, list[str]]) -> Any:
        shown = adjusted_close if query["adjusted"] == ["true"] else 98.0
        return {"results": [day("AAPL", shown, 1000.0 * 98.0 / shown)]}

    split = {"ticker": "AAPL", "execution_date": "2026-11-20", "split_from": 1, "split_to": 2}
    answers = {
        grouped: last_day,
        "/v2/aggs/grouped/locale/us/market/stocks/2026-11-18": {"results": []},
        "/stocks/v1/splits": {"results": [split]},
    }
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
    reference = tape.of(References)[0].references[0]
    assert (reference.prev_close, reference.split_today) == (49.0, 0.5)
    assert (reference.prev_volume, reference.adv20) == (2000.0, 2000.0)
    snapshot = tape.of(Snapshot)[0]
    before = dict(zip(snapshot.row.tolist(), snapshot.prev_close.tolist(), strict=True))
    assert before == {0: 49.0, 1: 298.0}


async def test_rules_add_to_the_fallback() -> None:
    def rule(number: int, *, oc: bool, hl: bool = True, volume: bool = True) -> dict[str, Any]:
        flags = {"updates_open_close": oc, "updates_high_low": hl, "updates_volume": volume}
        return {
            "id": number,
            "data_types": ["trade"],
            "update_rules": {"consolidated": flags, "market_center": {"updates_volume": False}},
        }

    conditions = [
        rule(35, oc=False, hl=False),
        rule(10, oc=False),
        rule(17, oc=False),
        rule(1, oc=True),
        {**rule(9, oc=False), "data_types": ["quote"]},
    ]
    answers = {"/v3/reference/conditions": {"results": conditions}}
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
    from tapelight.model.conditions import US_RULES

    rules = tape.of(Rules)[0].rules
    assert rules.no_last == US_RULES.no_last | 1 << 35
    assert rules.no_high_low == US_RULES.no_high_low | 1 << 35
    assert rules.no_volume == US_RULES.no_volume
    assert rules.first_only == US_RULES.first_only


async def test_frames_before_the_snapshot_come_after_it() -> None:
    async def on_live(service: Service, _: Any) -> None:
        await service.send(trade("AAPL", 100.5, 1), quote("AAPL", 100.4, 2))
        await service.send(trade("AAPL", 100.6, 3))

    async with massive_service(on_live=on_live) as service, running(service) as (_, tape):
        await tape.until(is_live)
        await service.send(trade("MSFT", 300.5, 4))
        await tape.until(lambda t: len(t.seqs) == 3)
        kinds = [type(r).__name__ for r in tape.records]
        assert kinds.index("Snapshot") < kinds.index("Batch")
        assert tape.seqs == [1, 3, 4]
        stamps = [r.ts_recv_ns for r in tape.records if isinstance(r, Snapshot | Batch)]
        assert stamps == sorted(stamps)
        await tape.until(lambda t: t.complete_ns >= stamps[-1])


async def test_the_snapshots_columns() -> None:
    before_open = {
        "ticker": "MSFT",
        "updated": NOW_NS,
        "day": {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0},
        "min": {"av": 700, "dav": "700.5", "c": 301.0, "t": NOW_NS // 1_000_000},
        "prevDay": {"c": 298.0},
        "lastTrade": {"p": 555.0, "c": [37], "t": NOW_NS + 5},
        "lastQuote": {"p": 0, "s": 0, "P": 301.5, "S": 40},
    }
    bare = {"ticker": "NEW", "lastTrade": {"p": 7.0, "c": None, "t": 0}}
    tickers = [ticker("AAPL", 100.0, 5000.0), before_open, bare, ticker("ZVZZT", 1.0, 1.0)]
    answers = {SNAPSHOT: {"tickers": tickers}}
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
    found = tape.of(Snapshot)[0]
    nan = np.nan
    assert [tape.universe.symbols[row] for row in found.row] == ["AAPL", "MSFT", "NEW"]
    assert found.updated_ns.tolist() == [NOW_NS, NOW_NS + 5, 0]
    # An odd lot moves no last: the minute bar's close stands in.
    expected = {
        "last": [100.0, 301.0, 7.0],
        "volume": [5000.0, 700.5, 0.0],
        "open": [100.0, nan, nan],
        "high": [101.0, nan, nan],
        "low": [99.0, nan, nan],
        "vwap": [100.0, nan, nan],
        "bid": [99.99, nan, nan],
        "ask": [100.01, 301.5, nan],
        "bid_size": [200.0, nan, nan],
        "ask_size": [300.0, 40.0, nan],
        "prev_close": [98.0, 298.0, nan],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


async def test_a_broken_connection_is_a_hole_until_the_next_snapshot() -> None:
    async with massive_service() as service, running(service, heal=0) as (_, tape):
        await tape.until(is_live)
        await service.send(trade("AAPL", 100.5, 1))
        await tape.until(lambda t: t.seqs == [1])
        last_ns = tape.complete_ns
        service.live[-1].transport.abort()
        await tape.until(lambda t: t.states.count("live") == 2)
        await service.send(trade("AAPL", 100.6, 2))
        await tape.until(lambda t: t.seqs == [1, 2])
        assert tape.states == ["connecting", "live", "gap", "live"]
        gap, live = tape.of(FeedState)[2:4]
        assert (gap.provisional, gap.since_ns) == (True, last_ns)
        assert "closed with code 1006" in gap.detail
        assert (live.provisional, live.since_ns) == (False, 0)
        kinds = [type(r).__name__ for r in tape.records]
        assert kinds[-4:] == ["FeedState", "Snapshot", "FeedState", "Batch"]
    assert service.most_open == 1
    assert service.connections == 2


def past(price: float, seq: int, ns: int, **more: Any) -> dict[str, Any]:
    """Return a print of /v3/trades."""
    given = {"price": price, "size": 10, "sip_timestamp": ns, "sequence_number": seq}
    return {**given, "conditions": [37], "exchange": 4, "decimal_size": "10.5", **more}


async def test_what_a_hole_missed_is_fetched_and_put_as_one_record() -> None:
    asked: list[dict[str, list[str]]] = []

    def trades(query: dict[str, list[str]]) -> Any:
        asked.append(query)
        return {"results": [
            past(100.5, 1, NOW_NS), past(100.6, 2, NOW_NS + 1), past(1.0, 3, NOW_NS, correction=8),
        ]}  # fmt: skip

    snapshot = {"tickers": [ticker("AAPL", 100.0, 5000.0), ticker("MSFT", 300.0, 9000.0, 1)]}
    answers = {SNAPSHOT: snapshot, "/v3/trades/AAPL": trades}
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
        await service.send(trade("AAPL", 100.5, 1))
        await tape.until(lambda t: t.seqs == [1])
        last_ns = tape.complete_ns
        service.live[-1].transport.abort()
        await tape.until(lambda t: t.states.count("live") == 2)
    assert tape.states[2:] == ["gap", "healing", "live", "closed"]
    assert [s.provisional for s in tape.of(FeedState)[2:5]] == [True, True, False]
    (healed,) = tape.of(Healed)
    assert healed.since_ns == last_ns
    assert last_ns < healed.until_ns <= healed.ts_recv_ns
    assert healed.missing.tolist() == []
    trades_ = healed.trades
    assert trades_.seq.tolist() == [1, 2]
    assert trades_.row.tolist() == [tape.universe.rows["AAPL"]] * 2
    assert trades_.price.tolist() == [100.5, 100.6]
    assert trades_.size.tolist() == [10.5, 10.5]
    assert trades_.conditions.tolist() == [1 << 37] * 2
    assert trades_.ts_ns.tolist() == [NOW_NS, NOW_NS + 1]
    (query,) = asked
    assert int(query["timestamp.gte"][0]) == last_ns - 2_000_000_000
    assert query["order"] == ["asc"]


async def test_a_symbol_whose_trades_cannot_be_had_is_named() -> None:
    answers = {"/v3/trades/AAPL": {"results": []}, "/v3/trades/MSFT": b"no json"}
    async with massive_service(answers=answers) as service, running(service, heal=1) as (_, tape):
        await tape.until(is_live)
        service.live[-1].transport.abort()
        await tape.until(lambda t: t.states.count("live") == 2)
    (healed,) = tape.of(Healed)
    rows = tape.universe.rows
    assert healed.missing.tolist() == [rows["AAPL"], rows["MSFT"]]
    assert [kind for kind, _ in tape.rejected] == ["missed trades"]


async def test_a_plan_without_past_trades_leaves_the_snapshots_day() -> None:
    async with massive_service() as service, running(service) as (_, tape):
        await tape.until(is_live)
        service.live[-1].transport.abort()
        await tape.until(lambda t: t.states.count("live") == 2)
    assert tape.of(Healed) == []
    assert tape.states[2:] == ["gap", "healing", "live", "closed"]


async def test_a_mute_connection_is_a_hole() -> None:
    async with (
        massive_service() as service,
        running(service, silence_s=0.3) as (_, tape),
    ):
        await tape.until(lambda t: t.states.count("live") == 2)
        assert tape.states[:3] == ["connecting", "live", "gap"]
        assert "brings no data" in tape.of(FeedState)[2].detail
    assert service.most_open == 1


async def test_silence_is_normal_while_the_market_is_closed() -> None:
    midnight = NOW_NS - 9 * 3_600_000_000_000
    answers = {"/simulator/clock": {"now_ns": midnight, "rate": 1.0}}
    async with (
        massive_service(answers=answers) as service,
        running(service, silence_s=0.05, quiet_silence_s=0.05) as (_, tape),
    ):
        await tape.until(is_live)
        await asyncio.sleep(0.3)
        assert tape.states == ["connecting", "live"]


async def test_a_wrong_key_names_the_setting_and_stops() -> None:
    async with massive_service() as service:
        with pytest.raises(ConfigError, match=r"feed\.massive\.api_key") as caught:
            await feed_of(service, api_key="other-canary-9").run(Tape())
    assert "other-canary-9" not in str(caught.value)


@pytest.mark.parametrize("name", ["auth_failed", "error"])
async def test_a_key_that_the_stream_refuses_stops(name: str) -> None:
    async with massive_service(auth=name) as service:
        with pytest.raises(ConfigError, match=r"feed\.massive\.api_key"):
            await feed_of(service).run(Tape())
    assert service.connections == 1


async def test_a_refused_channel_is_named_and_the_rest_goes_on() -> None:
    async with (
        massive_service(refused=frozenset({"Q"})) as service,
        running(service) as (_, tape),
    ):
        await tape.until(is_live)
        assert "refused by the plan: Q" in tape.of(FeedState)[-1].detail
        await service.send(trade("AAPL", 100.5, 1))
        await tape.until(lambda t: t.seqs == [1])


@pytest.mark.parametrize(("refused", "asked"), [({"T"}, ["A.*"]), ({"T", "A"}, ["A.*", "AM.*"])])
async def test_without_trades_the_feed_steps_down(refused: set[str], asked: list[str]) -> None:
    async with (
        massive_service(refused=frozenset(refused)) as service,
        running(service, channels=("T",)) as (_, tape),
    ):
        await tape.until(is_live)
    assert service.subscriptions == ["T.*", *asked]


async def test_a_plan_without_prices_stops() -> None:
    async with massive_service(refused=frozenset({"T", "A", "AM"})) as service:
        with pytest.raises(ConfigError, match="none of the channels T, A and AM"):
            await feed_of(service).run(Tape())


async def test_an_eviction_stands_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapelight.feeds._standing.Evicted.wait_s", 3600.0)

    async def on_live(service: Service, connection: Any) -> None:
        await service.send({"ev": "status", "status": "max_connections", "message": "exceeded"})
        await connection.close()

    async with massive_service(on_live=on_live) as service, running(service) as (_, tape):
        await tape.until(lambda t: any("Another program uses" in s.detail for s in t.of(FeedState)))
        await asyncio.sleep(0.2)
        assert service.connections == 1


async def test_the_first_failed_try_is_told_while_the_next_one_waits() -> None:
    answers = {"/v1/marketstatus/now": (503, b"", {"Retry-After": "60"})}
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(lambda t: len(t.of(FeedState)) == 2)
        assert len(service.requests) == 1
        told = tape.of(FeedState)[-1]
        assert (told.state, told.provisional) == ("connecting", False)
        assert told.detail == ("/v1/marketstatus/now answers 503. Check the network; trying again.")


async def test_a_failing_snapshot_leaves_the_day_provisional() -> None:
    answers = {SNAPSHOT: (403, {"status": "NOT_AUTHORIZED"}, {})}
    async with massive_service(answers=answers) as service, running(service) as (_, tape):
        await tape.until(is_live)
        live = tape.of(FeedState)[-1]
        assert live.provisional
        assert live.since_ns == NOW_NS - 335 * 60 * 10**9
        assert "no snapshot: /v2/snapshot" in live.detail
        await service.send(trade("AAPL", 100.5, 1))
        await tape.until(lambda t: t.seqs == [1])
        assert tape.of(Snapshot) == []


async def test_listed_symbols_are_subscribed_with_a_canary() -> None:
    tickers = [ticker(s, 10.0, 100.0) for s in ("AAPL", "SPY", "OTHER")]
    answers = {SNAPSHOT: {"tickers": tickers}}
    async with (
        massive_service(answers=answers) as service,
        running(service, symbols=("AAPL",), channels=("T",)) as (_, tape),
    ):
        await tape.until(is_live)
        assert service.subscriptions == ["T.AAPL", "T.SPY"]
        assert tape.universe.symbols == ["AAPL", "SPY"]
        asked = next(r for r in service.requests if r.startswith(SNAPSHOT))
        assert asked.endswith("tickers=AAPL%2CSPY")


def _minutes(*starts: int) -> dict[str, Any]:
    bar = {"o": 1.0, "h": 3.0, "l": 0.5, "c": 2.0, "v": 10.0, "vw": 1.5, "n": 4}
    return {"results": [{**bar, "t": start // 1_000_000} for start in starts]}


async def test_history_holds_closed_minutes_once_a_connection() -> None:
    minute = 60_000_000_000
    path = "/v2/aggs/ticker/AAPL/range/1/minute"
    opened = NOW_NS - 5 * minute
    start_ns = opened - 330 * minute
    asked: list[str] = []
    bars = _minutes(start_ns, NOW_NS - 2 * minute, NOW_NS - minute, NOW_NS)

    def answer(_: Any) -> Any:
        asked.append("AAPL")
        return bars

    async with (
        massive_service(prefixes={path: answer}) as service,
        running(service) as (feed, tape),
    ):
        await tape.until(is_live)
        await feed.history("AAPL")
        await feed.history("AAPL")
        (found,) = tape.of(History)
        assert found.bars.start_ns.tolist() == [start_ns, NOW_NS - 2 * minute, NOW_NS - minute]
        assert found.bars.row.tolist() == [tape.universe.rows["AAPL"]] * 3
        assert found.bars.span_s.tolist() == [60] * 3
        assert (found.bars.open[0], found.bars.high[0], found.bars.low[0]) == (1.0, 3.0, 0.5)
        assert (found.bars.close[0], found.bars.volume[0], found.bars.vwap[0]) == (2.0, 10.0, 1.5)
        assert found.bars.trades[0] == 4.0
        assert asked == ["AAPL"]


async def test_the_snapshot_tells_of_its_own_minute_until_that_has_been_published() -> None:
    minute, path = 60_000_000_000, "/v2/aggs/ticker/AAPL/range/1/minute"
    before = NOW_NS - minute
    clock = {"now_ns": NOW_NS + 20_000_000_000, "rate": 100.0}
    part = {"o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 7.0, "vw": 1.2, "n": 3, "av": 500.0}
    told = ticker("AAPL", 1.5, 500.0, NOW_NS + 20_500_000_000)
    told["min"] = {**part, "t": NOW_NS // 1_000_000}
    answers = {"/simulator/clock": clock, SNAPSHOT: {"tickers": [told]}}
    async with (
        massive_service(answers=answers, prefixes={path: _minutes(before)}) as service,
        running(service, backfill=1) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(History)) == 1)
        service.prefixes[path] = _minutes(NOW_NS)
        await tape.until(lambda t: len(t.of(History)) == 2)
    first, second = (h.bars for h in tape.of(History))
    assert first.start_ns.tolist() == [before, NOW_NS]
    assert first.span_s.tolist() == [60, 20]
    assert (first.volume[1], first.vwap[1], first.trades[1]) == (7.0, 1.2, 3.0)
    assert second.start_ns.tolist() == [NOW_NS]
    assert second.span_s.tolist() == [60]


async def test_malformed_frames_are_counted_and_survived() -> None:
    async with massive_service() as service, running(service) as (feed, tape):
        await tape.until(is_live)
        await service.live[-1].send("[{")
        await service.live[-1].send(b"\xff\xfe")
        await service.send({**trade("AAPL", 1.0, 1), "p": -1}, trade("AAPL", 100.5, 2))
        await tape.until(lambda t: t.seqs == [2])
        assert [kind for kind, _ in tape.rejected] == ["frame", "frame", "T"]
        counts = feed.counts()
        assert (counts["rejected"], counts["trades"], counts["connections"]) == (3, 1, 1)


async def test_the_key_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with massive_service() as service, running(service) as (feed, tape):
        await tape.until(is_live)
        service.live[-1].transport.abort()
        await tape.until(lambda t: t.states.count("live") == 2)
        shown = [repr(feed), repr(feed.counts()), repr(tape.records), repr(service.requests)]
        shown += [repr(MassiveConfig(api_key=KEY)), repr(Secret(KEY)), f"{Secret(KEY)}"]
    # The scripted service, in this same process, logs what it receives.
    logged = [r.getMessage() for r in caplog.records if r.name != "websockets.server"]
    assert len(logged) > 10
    assert not any(KEY in text for text in (*shown, *logged))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"channels": ("T", "X")}, "feed.massive.channels has 'X'"),
        ({"channels": ("Q",)}, "feed.massive.channels needs T, A or AM"),
        ({"url": "https://x"}, "feed.massive.url"),
        ({"rest": "ws://x"}, "feed.massive.rest"),
        ({"api_key": ""}, "feed.massive.api_key is empty"),
        ({"silence_s": 0.0}, "feed.massive.silence_s"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MassiveFeed(config=MassiveConfig(**{"api_key": KEY, **settings}))
    assert named in str(caught.value)


@pytest.mark.slow
async def test_a_year_is_read_behind_and_the_next_session_ahead() -> None:
    evening_ns = NOW_NS + 615 * 60 * 10**9
    grouped = "/v2/aggs/grouped/locale/us/market/stocks"
    answers = {"/simulator/clock": {"now_ns": evening_ns, "rate": 1.0}}
    async with (
        massive_service(answers=answers, prefixes={grouped: {"results": [day("AAPL", 50.0)]}}) as s,
        running(s, history_sessions=22) as (_, tape),
    ):
        await tape.until(lambda t: len(t.of(References)) == 2)
        # The weekend in half a second.
        tape.clock.set(evening_ns, 400_000.0)
        await tape.until(lambda t: any(r.session == "2026-11-23" for r in t.of(References)))
    first, deep, ahead = tape.of(References)[:3]
    assert (first.session, deep.session, ahead.session) == (
        "2026-11-20",
        "2026-11-20",
        "2026-11-23",
    )
    shallow, full = first.references[0], deep.references[0]
    assert (shallow.symbol, shallow.prev_close, shallow.w52_high) == ("AAPL", 98.0, None)
    assert (full.prev_close, full.w52_high, full.w52_low) == (98.0, 99.0, 49.0)
    assert full.atr14 is not None
    # Friday's own bar counts from Monday's point of view.
    assert ahead.references[0].prev_close == 50.0
