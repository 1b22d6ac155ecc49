"""Keyless venues: recorded frames give the recorded trades; a venue's stream becomes a market."""

import asyncio
import contextlib
import datetime as dt
import gzip
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from tapelight.errors import ConfigError
from tapelight.feeds import binance, coinbase, kraken
from tapelight.feeds._prints import Prints
from tapelight.feeds._venue import FAULTS, Venue, VenueFeed, utc_ns
from tapelight.model.batch import Batch
from tapelight.model.clock import MarketClock
from tapelight.model.records import FeedState, Record, References, Snapshot
from tapelight.model.universe import Universe

NS = 1_000_000_000


def lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        for line in file:
            yield line.split(b" ", 1)[-1].strip()


def recorded(shared: Path, name: str) -> Path:
    return shared / "data" / "ws_frames" / name


def decoded(venue: Venue, frames: Iterator[bytes]) -> Prints:
    prints = Prints()
    for frame in frames:
        if frame.startswith(b"{"):
            with contextlib.suppress(KeyError):  # of a product that was not asked for
                venue.decode(frame, prints)
    return prints


def truth(shared: Path, *suffixes: str) -> pl.DataFrame:
    frame = pl.read_parquet(shared / "data" / "trades_crypto.parquet")
    wanted = pl.any_horizontal(pl.col("symbol").str.ends_with(s) for s in suffixes)
    return frame.filter(wanted)


@pytest.mark.parametrize("pair", ["BTCUSDT", "ETHUSDT"])
def test_recorded_binance_lines_are_the_recorded_trades(shared: Path, pair: str) -> None:
    venue = binance.Binance(binance.Config(symbols=(pair,)))
    path = recorded(shared, f"binance_{pair.lower()}_20240808.log.gz")
    prints = decoded(venue, lines(path))
    assert len(prints.quotes) > 1_000
    expected = truth(shared, ".SPOT").filter(pl.col("symbol") == f"{pair}.SPOT")
    columns = ("symbol", "ts_ns", "price", "size", "trade_id")
    got = {t[4]: t for t in prints.trades}
    known = {row[4]: row for row in expected.select(columns).iter_rows()}
    both = got.keys() & known.keys()
    assert len(both) > 3_000
    assert all(got[number] == known[number] for number in both)
    first, last = min(got), max(got)
    assert {n for n in known if first <= n <= last} <= got.keys()


def test_recorded_coinbase_lines_are_the_recorded_trades(shared: Path) -> None:
    products = ("SKL-USD", "SKL-BTC", "BAND-GBP", "NMR-EUR", "BAND-BTC", "YFI-BTC", "DASH-BTC",
                "NU-GBP", "CRV-EUR", "SKL-GBP")  # fmt: skip
    venue = coinbase.Coinbase(coinbase.Config(symbols=products))
    frames = (f for f in lines(recorded(shared, "COINBASE.ws.28.0.gz")))
    prints = decoded(venue, frames)
    expected = truth(shared, ".COINBASE")
    live = {(t[0], t[4]): t for t in prints.trades}
    for row in expected.select("symbol", "ts_ns", "price", "size", "trade_id").iter_rows():
        assert live[row[0], row[4]] == row
    # Besides the prints of the file there are the last ones before the recording began.
    assert len(live) - len(expected) <= len(products)
    assert len(prints.quotes) == 107


def test_kraken_messages() -> None:
    venue = kraken.Kraken(kraken.Config(symbols=("BTC/USD",)))
    message = {
        "channel": "trade",
        "type": "update",
        "data": [
            {"symbol": "BTC/USD", "side": "buy", "price": 64000.1, "qty": 0.25, "trade_id": 7,
             "ord_type": "market", "timestamp": "2026-11-21T07:48:36.925533Z"},
        ],
    }  # fmt: skip
    prints = decoded(venue, iter([json.dumps(message).encode(), b'{"channel":"heartbeat"}']))
    when = utc_ns("2026-11-21T07:48:36.925533Z")
    assert prints.trades == [("BTC-USD.KRAKEN", when, 64000.1, 0.25, 7)]
    refusal = {"method": "subscribe", "success": False, "error": "Currency pair not supported X"}
    with pytest.raises(ConfigError, match="written as BTC/USD"):
        venue.decode(json.dumps(refusal).encode(), prints)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", NS),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2021-04-17T16:43:29.571587Z", 1_618_677_809_571_587_000),
        ("2021-04-17T16:43:29.123456789Z", 1_618_677_809_123_456_789),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert utc_ns(text) == ns


BAD = [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"type":5}', b'{"type":"match"}',
    b'{"type":"match","product_id":"BTC-USD","price":"x","size":"1","time":"2021-04-17T16:43:29Z"}',
    b'{"type":"match","product_id":"BTC-USD","price":"-1","size":"1","time":"2021-04-17T16:43:29Z"}',
    b'{"type":"match","product_id":"BTC-USD","price":"nan","size":"1","time":"2021-04-17T16:43:29Z"}',
    b'{"type":"match","product_id":"BTC-USD","price":"1","size":"inf","time":"2021-04-17T16:43:29Z"}',
    b'{"type":"match","product_id":"NONE","price":"1","size":"1","time":"2021-04-17T16:43:29Z"}',
    b'{"type":"match","product_id":"BTC-USD","price":"1","size":"1","time":"yesterday"}',
]  # fmt: skip


@pytest.mark.parametrize("frame", BAD)
def test_malformed_frames_raise_what_the_reader_counts(frame: bytes) -> None:
    venue, prints = coinbase.Coinbase(coinbase.Config()), Prints()
    with pytest.raises(FAULTS):
        venue.decode(frame, prints)
    assert prints.trades == []


BINANCE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT",'
    b'"t":3735683259,"p":"61837.63","q":"0.02","T":1723161255342,"m":true,"M":true}}'
)
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63",'
    b'"B":"3.78","a":"61837.64","A":"1.54"}}'
)
FRAMES = {
    "coinbase": b'{"type":"match","trade_id":881613,"side":"sell","size":"0.04","price":"14.7775",'
    b'"product_id":"BTC-USD","sequence":333938798,"time":"2021-04-17T16:43:30.244075Z"}',
    "kraken": b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
    b'"price":64000.1,"qty":0.25,"ord_type":"market","trade_id":7,'
    b'"timestamp":"2023-09-25T07:48:36.925533Z"}]}',
    "binance": BINANCE,
}
NOW_NS = utc_ns("2026-11-21T00:00:00Z")


def venues() -> dict[str, Venue]:
    return {
        "coinbase": coinbase.Coinbase(coinbase.Config()),
        "kraken": kraken.Kraken(kraken.Config()),
        "binance": binance.Binance(binance.Config()),
    }


def read(venue: Venue, *frames: bytes) -> tuple[Batch | None, list[str]]:
    """Return the batch of frames as the feed makes it, and the faults it counts."""
    prints, universe, faults = Prints(), Universe(), []
    for symbol in venue.symbols:
        universe.add(symbol)
    for frame in frames:
        try:
            venue.decode(frame, prints)
        except (*FAULTS, ConfigError) as error:
            faults.append(type(error).__name__)
    return prints.batch(universe, NOW_NS)[0], faults


@pytest.mark.parametrize("name", list(FRAMES))
def test_mutated_frames_never_raise_anything_else(name: str) -> None:
    rng = np.random.default_rng(3)
    venue, whole = venues()[name], FRAMES[name]
    batch, faults = read(venue, whole)
    assert batch is not None
    assert (len(batch.trades.row), faults) == (1, [])
    lost = 0
    for _ in range(2_000):
        frame = bytearray(whole)
        for at in rng.integers(0, len(frame), rng.integers(1, 6)):
            frame[at] = rng.integers(0, 256)
        digits = [i for i, c in enumerate(whole) if 48 <= c <= 57]
        at = int(rng.choice(digits))
        longer = whole[:at] + b"9" * int(rng.integers(1, 30)) + whole[at:]
        lost += len(read(venue, bytes(frame), longer, QUOTE)[1])
    assert lost > 500


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"3735683259", b"9223372036854775808"),
        (b"3735683259", b"-1"),
        (b"1723161255342", b"9223372036854775807"),
        (b"1723161255342", b"-1723161255342"),
    ],
)
def test_a_time_or_number_of_more_than_64_bits_is_counted(old: bytes, new: bytes) -> None:
    venue = venues()["binance"]
    batch, faults = read(venue, BINANCE, BINANCE.replace(old, new), QUOTE)
    assert batch is not None
    assert (len(batch.trades.row), len(batch.quotes.row), faults) == (1, 1, ["Rejected"])


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("kraken", b'{"result":{"last":1}}'),
        ("kraken", b'{"result":5}'),
        ("kraken", b'{"result":{"XXBTZUSD":[[1700000000,"1","2"]]}}'),
        ("coinbase", b"[[1700000000,1,2]]"),
        ("binance", b'[[1700000000000,"1"]]'),
        ("binance", b"[[]]"),
        ("binance", b'[[1e300,"1","1","1","1","1"]]'),
    ],
)
async def test_malformed_daily_bars_are_none(name: str, body: bytes) -> None:
    found = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    venue = venues()[name]
    async with httpx.AsyncClient(transport=found) as client:
        with contextlib.suppress(*FAULTS):
            assert await venue.days(client, venue.symbols[0]) == []


class Tape:
    """A sink that remembers what it was given."""

    def __init__(self) -> None:
        self.universe = Universe()
        self.clock = MarketClock()
        self.records: list[Record] = []
        self.rejected: list[str] = []
        self._news = asyncio.Event()

    def put(self, record: Record) -> None:
        if isinstance(record, References):
            for reference in record.references:
                self.universe.add(reference.symbol)
        self.records.append(record)
        self._news.set()

    def alive(self, complete_ns: int) -> None:
        pass

    def raw(self, frames: Sequence[bytes]) -> None:
        self._news.set()

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected.append(kind)

    def of(self, kind: type[Any]) -> list[Any]:
        return [r for r in self.records if isinstance(r, kind)]

    async def until(self, true: Callable[["Tape"], bool]) -> None:
        async with asyncio.timeout(20):
            while not true(self):
                self._news.clear()
                await self._news.wait()


def match(number: int, price: float) -> str:
    now = "2021-04-17T16:43:30.244075Z"
    return json.dumps({"type": "match", "trade_id": number, "price": str(price), "size": "2",
                       "product_id": "BTC-USD", "time": now})  # fmt: skip


@contextlib.asynccontextmanager
async def coinbase_server(
    prices: Iterator[int], go_on: asyncio.Event
) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve two prints a connection, the first of which breaks when told; daily bars by REST."""
    asked: list[str] = []
    connections = itertools.count()

    async def stream(connection: ServerConnection) -> None:
        asked.append(str(await connection.recv()))
        number = next(connections)
        for _ in range(2):
            await connection.send(match(k := next(prices), 100.0 + k))
        await connection.send("{broken")
        await (go_on.wait() if number == 0 else connection.wait_closed())

    def rest(connection: ServerConnection, request: Request) -> Response | None:
        if "/candles" not in request.path:
            return None
        day = 86_400
        today = MarketClock().now_ns() // NS // day * day
        rows = [[today - k * day, 90.0, 110.0, 95.0, 100.0 + k, 1000.0] for k in range(3)]
        response = connection.respond(200, json.dumps(rows))
        response.headers["Content-Type"] = "application/json"
        return response

    server: Server
    async with serve(stream, "127.0.0.1", 0, process_request=rest) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.mark.integration
async def test_a_venue_becomes_a_market_and_a_break_is_a_hole() -> None:
    go_on = asyncio.Event()
    async with coinbase_server(itertools.count(1), go_on) as (address, asked):
        config = coinbase.Config(("BTC-USD",), f"ws://{address}", f"http://{address}")
        feed = VenueFeed(coinbase.Coinbase(config))
        tape = Tape()
        task = asyncio.create_task(feed.run(tape))
        await tape.until(lambda t: len(t.of(Batch)) == 1)
        go_on.set()
        await tape.until(lambda t: len([s for s in t.of(FeedState) if s.state == "live"]) == 2)
        await tape.until(lambda t: sum(len(b.trades.row) for b in t.of(Batch)) == 4)
        task.cancel()
        await asyncio.wait({task})
    assert [s.state for s in tape.of(FeedState)] == [
        *("connecting", "live", "gap", "live", "closed"),
    ]
    assert "BTC-USD" in asked[0]
    (references,) = tape.of(References)
    (reference,) = references.references
    assert (reference.symbol, reference.type) == ("BTC-USD.COINBASE", "CRYPTO")
    assert (reference.prev_close, reference.adv20) == (101.0, 1000.0)
    first = tape.of(Snapshot)[0]
    assert (first.last[0], first.volume[0], first.high[0], first.low[0]) == (100, 1000, 110, 90)
    prints = [p for b in tape.of(Batch) for p in b.trades.seq.tolist()]
    assert prints == [1, 2, 3, 4]
    assert tape.rejected == ["DecodeError", "DecodeError"]
    assert feed.counts()["trades"] == 4


@contextlib.asynccontextmanager
async def running(feed: VenueFeed, market: "Tape") -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run(market))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.integration
async def test_what_trades_while_other_symbols_days_are_fetched_counts() -> None:
    products = tuple(f"{c}-USD" for c in ("BTC", "B", "C", "D", "E"))
    hangs, fifth = asyncio.Event(), asyncio.Event()
    market = Tape()

    async def stream(connection: ServerConnection) -> None:
        await connection.recv()
        await fifth.wait()  # four at once are asked for: BTC's answer has come
        at = dt.datetime.fromtimestamp(market.clock.now_ns() / NS, dt.UTC).isoformat()[:26] + "Z"
        await connection.send(match(1, 120.0).replace("2021-04-17T16:43:30.244075Z", at))
        await connection.wait_closed()

    async def rest(connection: ServerConnection, request: Request) -> Response | None:
        if "/candles" not in request.path:
            return None
        seen.append(request.path)
        if len(seen) > len(products) and "/BTC-USD/" not in request.path:
            if len(seen) == 2 * len(products):
                fifth.set()
            await hangs.wait()
        today = market.clock.now_ns() // NS // 86_400 * 86_400
        response = connection.respond(200, json.dumps([[today, 90.0, 110.0, 95.0, 100.0, 1000.0]]))
        response.headers["Content-Type"] = "application/json"
        return response

    seen: list[str] = []
    async with serve(stream, "127.0.0.1", 0, process_request=rest) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = coinbase.Config(products, f"ws://{address}", f"http://{address}")
        feed = VenueFeed(coinbase.Coinbase(config))
        async with running(feed, market):
            await market.until(lambda _: feed.counts()["trades"] == 1)
            hangs.set()
            await market.until(lambda t: len(t.of(Batch)) == 1)
    (snapshot,), (batch,) = market.of(Snapshot), market.of(Batch)
    of_btc = snapshot.row == batch.trades.row[0]
    traded_ns, told_ns = batch.trades.ts_ns[0], snapshot.updated_ns
    assert told_ns[of_btc].item() < traded_ns < told_ns[~of_btc].min()


@pytest.mark.integration
async def test_a_computer_that_slept_connects_anew_by_the_right_clock() -> None:
    asleep, number, tape = [0], itertools.count(1), Tape()

    async def stream(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(match(next(number), 100.0))
        await tape.until(lambda t: asleep[0] > 0)
        await connection.send(match(next(number), 100.0))
        await connection.wait_closed()

    async with serve(stream, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = coinbase.Config(("BTC-USD",), f"ws://{address}", f"http://{address}")
        feed = VenueFeed(coinbase.Coinbase(config), now_ns=lambda: time.time_ns() + asleep[0])
        async with running(feed, tape):
            await tape.until(lambda t: len(t.of(Batch)) == 1)
            asleep[0] = 3600 * NS
            tape.raw([])
            await tape.until(lambda t: len(t.of(Batch)) >= 2)
    assert [s.state for s in tape.of(FeedState)][-4:] == ["live", "gap", "live", "closed"]
    gap = [s for s in tape.of(FeedState) if s.state == "gap"][-1]
    assert "the clock is 3,600 s off; connecting anew." in gap.detail
    assert tape.clock.now_ns() > time.time_ns() + 3599 * NS


def kraken_trade(number: int) -> str:
    now = dt.datetime.now(dt.UTC).isoformat()[:26] + "Z"
    trade = {"symbol": "BTC/USD", "side": "buy", "price": 100.0, "qty": 1.0, "trade_id": number,
             "ord_type": "market", "timestamp": now}  # fmt: skip
    return json.dumps({"channel": "trade", "type": "update", "data": [trade]})


@pytest.mark.integration
async def test_a_pair_refused_after_the_first_trades_is_named_and_stays_provisional() -> None:
    go_on, number, tape = asyncio.Event(), itertools.count(1), Tape()
    refused = {"method": "subscribe", "success": False, "symbol": "ETH/USD", "error": "Rate limit"}

    async def stream(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(kraken_trade(first := next(number)))
        if first == 1:
            await go_on.wait()
            await connection.send(json.dumps(refused))
            await connection.send(kraken_trade(next(number)))
            await tape.until(lambda t: len(t.of(Batch)) == 2)
            return
        await connection.wait_closed()

    async with serve(stream, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        pairs = ("BTC/USD", "ETH/USD")
        feed = VenueFeed(
            kraken.Kraken(kraken.Config(pairs, f"ws://{address}", f"http://{address}"))
        )
        async with running(feed, tape):
            await tape.until(lambda t: len(t.of(Batch)) == 1)
            go_on.set()
            await tape.until(lambda t: len(t.of(Batch)) == 3)
    told = [(s.state, s.absent) for s in tape.of(FeedState)][-5:]
    absent = ("ETH-USD.KRAKEN",)
    assert told == [("live", ()), ("live", absent), ("gap", absent), ("live", ()), ("closed", ())]
    named = next(s.detail for s in tape.of(FeedState) if s.absent)
    assert named == (
        "ETH-USD.KRAKEN: Kraken refuses the subscription (Rate limit): "
        "see feed.kraken.symbols, written as BTC/USD."
    )
    assert tape.rejected == ["refused by the venue"]


@pytest.mark.integration
async def test_a_subscription_refused_as_a_whole_after_the_first_trades_is_a_hole() -> None:
    go_on, tape = asyncio.Event(), Tape()

    async def stream(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(match(1, 100.0))
        await go_on.wait()
        await connection.send('{"type":"error","message":"Failed to subscribe","reason":"busy"}')
        await connection.wait_closed()

    async with serve(stream, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = coinbase.Config(("BTC-USD",), f"ws://{address}", f"http://{address}")
        async with running(VenueFeed(coinbase.Coinbase(config)), tape):
            await tape.until(lambda t: len(t.of(Batch)) == 1)
            go_on.set()
            await tape.until(lambda t: t.of(FeedState)[-1].state == "gap")
    assert "Coinbase refuses the subscription (busy)" in tape.of(FeedState)[-2].detail


@pytest.mark.integration
async def test_a_day_that_begins_has_references_of_its_own() -> None:
    begin_ns, since_ns = utc_ns("2026-11-20T23:59:00Z"), list[int]()
    tape = Tape()

    def elapsed_ns() -> int:
        """Stand until the stream is there, then go at 600 times the pace."""
        return 600 * (time.monotonic_ns() - since_ns[0]) if since_ns else 0

    async def stream(connection: ServerConnection) -> None:
        since_ns.append(time.monotonic_ns())
        await connection.wait_closed()

    def rest(connection: ServerConnection, request: Request) -> Response | None:
        if "/candles" not in request.path:
            return None
        today = tape.clock.now_ns() // NS // 86_400 * 86_400
        rows = [[today - k * 86_400, 90.0, 110.0, 95.0, today / 86_400 - k, 1.0] for k in range(3)]
        response = connection.respond(200, json.dumps(rows))
        response.headers["Content-Type"] = "application/json"
        return response

    tape.clock = MarketClock(begin_ns, 1.0, elapsed_ns)
    async with serve(stream, "127.0.0.1", 0, process_request=rest) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = coinbase.Config(("BTC-USD",), f"ws://{address}", f"http://{address}")
        feed = VenueFeed(coinbase.Coinbase(config), now_ns=lambda: begin_ns + elapsed_ns())
        async with running(feed, tape):
            await tape.until(lambda t: len(t.of(References)) == 2)
    first, second = tape.of(References)
    assert (first.session, second.session) == ("2026-11-20", "2026-11-21")
    closes = [r.references[0].prev_close for r in (first, second)]
    assert closes[1] == closes[0] + 1.0


@pytest.mark.integration
async def test_nobody_there_is_said_and_tried_again() -> None:
    config = coinbase.Config(("BTC-USD",), "ws://127.0.0.1:9", "http://127.0.0.1:9")
    tape, feed = Tape(), coinbase.open(config)
    task = asyncio.create_task(feed.run(tape))
    await tape.until(lambda t: len(t.of(FeedState)) >= 3)
    task.cancel()
    await asyncio.wait({task})
    first, second = (state.detail for state in tape.of(FeedState)[1:3])
    assert first == (
        "coinbase gives no daily bars: All connection attempts failed. "
        "Check the network; trying again."
    )
    assert "Cannot connect to 127.0.0.1" in second
    assert "Check the network; trying again." in second


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: coinbase.open(coinbase.Config(symbols=())), "feed.coinbase.symbols is empty"),
        (lambda: kraken.open(kraken.Config(url="https://x")), "feed.kraken.url is 'https://x'"),
    ],
)
def test_settings_that_cannot_be_are_named(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()
