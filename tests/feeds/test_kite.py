"""Kite: binary packets, samples that become prints, one day of connections, what is refused."""

import asyncio
import contextlib
import datetime as dt
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from feeds.kite_service import (
    INFY,
    KEY,
    NIFTY,
    NS,
    TCS,
    TOKEN,
    Kite,
    Market,
    Share,
    frame,
    service,
)
from tapelight.config import convert
from tapelight.errors import ConfigError, Rejected
from tapelight.feeds import kite as module
from tapelight.feeds._websocket import Backoff, RetryPolicy
from tapelight.feeds.failover import Failover
from tapelight.feeds.kite.config import KiteConfig
from tapelight.feeds.kite.feed import KiteFeed
from tapelight.feeds.kite.packets import Tick, packets, tick
from tapelight.feeds.kite.pictures import KitePictures
from tapelight.feeds.kite.poller import KitePoller
from tapelight.feeds.kite.samples import Samples
from tapelight.model.records import History
from tapelight.model.session import KOLKATA
from tapelight.plugins import load
from tapelight.ports import Feed

TEN_NS = int(dt.datetime(2026, 11, 20, 10, tzinfo=KOLKATA).timestamp()) * NS
TEN_S = TEN_NS // NS


def from_ten(ahead: Callable[[], int] = lambda: 0) -> Callable[[], int]:
    """Return UTC that begins at ten o'clock, and may jump ahead."""
    begin_ns = time.monotonic_ns()
    return lambda: TEN_NS + time.monotonic_ns() - begin_ns + ahead()


# --- packets ---------------------------------------------------------------------------------


def test_an_ltp_packet() -> None:
    assert tick(bytes.fromhex("000639c1 00027100")) == Tick(0x639C1, 1600.0)


def test_a_quote_packet_has_open_high_low_and_the_previous_close() -> None:
    fields = [INFY, 160005, 7, 159500, 123456, 10, 20, 158000, 161000, 157500, 158500]
    found = tick(struct.pack(">11I", *fields))
    assert (found.last, found.volume, found.average) == (1600.05, 123456, 1595.0)
    assert (found.open, found.high, found.low, found.prev_close) == (1580, 1610, 1575, 1585)
    assert np.isnan(found.bid)


def test_a_full_packet_has_times_and_the_best_of_both_sides() -> None:
    share = Share(INFY, "NSE:INFY", 1600.05, 10, 1, 2, 1, 1, 1.5, TEN_S, (25, 1600.0), (30, 1600.1))
    packet = share.packet("full")
    found = tick(packet)
    assert len(packet) == 184
    assert (found.traded_ns, found.stamped_ns) == (TEN_NS, TEN_NS)
    assert (found.bid, found.ask, found.bid_size, found.ask_size) == (1600.0, 1600.1, 25.0, 30.0)


@pytest.mark.parametrize(("mode", "stamp"), [("quote", 0), ("full", TEN_NS)])
def test_an_index_has_its_fields_in_another_order(mode: str, stamp: int) -> None:
    index = Share(NIFTY, "NSE:NIFTY 50", 25000.5, 0, 24900, 25100, 24800, 24950, traded_s=TEN_S)
    found = tick(index.packet(mode))
    assert (found.open, found.high, found.low, found.prev_close) == (24900, 25100, 24800, 24950)
    assert (found.last, found.volume, found.stamped_ns) == (25000.5, -1, stamp)


@pytest.mark.parametrize(("segment", "price"), [(1, 123456.78), (3, 1.2345678), (6, 1234.5678)])
def test_the_segment_tells_the_unit_of_prices(segment: int, price: float) -> None:
    assert tick(struct.pack(">2I", 0x100 | segment, 12345678)).last == pytest.approx(price)


def test_no_price_is_not_a_price_of_nought() -> None:
    found = tick(struct.pack(">11I", INFY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 158500))
    assert found.last == 0.0
    assert np.isnan([found.average, found.open, found.high, found.low]).all()


def test_frames_are_split_and_heartbeats_are_empty() -> None:
    assert list(packets(b"\x00")) == []
    assert list(packets(frame(b"12345678", b"abcd"))) == [b"12345678", b"abcd"]


@pytest.mark.parametrize(
    "bad",
    [
        frame(b"12345678")[:-1],
        frame(b"12345678") + b"x",
        b"\x00\x02\x00\x08" + b"12345678",
        b"\xff\xff\x00\x00\x00",
    ],
)
def test_frames_whose_lengths_do_not_fit_are_rejected(bad: bytes) -> None:
    with pytest.raises(Rejected, match="a frame of"):
        list(packets(bad))


@pytest.mark.parametrize("length", [1, 7, 9, 40, 45, 183, 185])
def test_packets_of_an_unknown_length_are_rejected(length: int) -> None:
    with pytest.raises(Rejected, match=f"a packet of {length} bytes"):
        tick(bytes(length))


# --- samples ---------------------------------------------------------------------------------


def sampled(
    *ticks: Tick, at_ns: int = TEN_NS, picture_ns: int = TEN_NS, traded_ns: int = 0
) -> tuple[Samples, list[tuple[float, ...]]]:
    samples, prints = Samples(), []
    samples.follow({INFY: 0})
    first = Tick(INFY, 100.0, 1_000, high=101.0, low=99.0, traded_ns=traded_ns)
    samples.picture(first, picture_ns)
    samples.records(at_ns)
    for one in ticks:
        samples.take(one, at_ns)
        batch, _ = samples.records(at_ns)
        if batch is not None and batch.trades is not None:
            t = batch.trades
            prints += zip(t.price.tolist(), t.size.tolist(), t.ts_ns.tolist(), strict=True)
    return samples, prints


def test_what_traded_between_two_samples_is_one_print() -> None:
    samples, prints = sampled(
        Tick(INFY, 100.5, 1_200, traded_ns=TEN_NS + NS),
        Tick(INFY, 100.5, 1_200, traded_ns=TEN_NS + NS),
        Tick(INFY, 100.5, 1_250, traded_ns=TEN_NS + NS),
        Tick(INFY, 100.0, 1_300, traded_ns=TEN_NS + 10**6 * NS),
    )
    assert [p[:2] for p in prints] == [(100.5, 200.0), (100.5, 50.0), (100.0, 50.0)]
    assert [p[2] - TEN_NS for p in prints] == [NS, NS + 1, NS + 2]
    counts = samples.counts
    assert (counts.samples, counts.prints, counts.superseded) == (4, 3, 1)


YESTERDAY_NS = TEN_NS - 24 * 3600 * NS


def test_a_volume_that_begins_anew_on_another_day_is_that_days() -> None:
    _, prints = sampled(Tick(INFY, 90.0, 10), Tick(INFY, 91.0, 25), picture_ns=YESTERDAY_NS)
    assert [p[:2] for p in prints] == [(91.0, 15.0)]


def test_a_picture_of_before_the_open_is_of_the_day_of_its_last_trade() -> None:
    _, prints = sampled(Tick(INFY, 90.0, 10), Tick(INFY, 91.0, 25), traded_ns=YESTERDAY_NS)
    assert [p[:2] for p in prints] == [(91.0, 15.0)]


@pytest.mark.parametrize(("volume", "close"), [(1_000, np.nan), (0, 98.0)])
def test_figures_of_the_day_before_are_not_todays(volume: int, close: float) -> None:
    samples = Samples()
    samples.follow({INFY: 0})
    day = {"open": 99.5, "high": 101.0, "low": 99.0, "average": 99.8, "prev_close": 98.0}
    samples.picture(Tick(INFY, 100.0, volume, traded_ns=YESTERDAY_NS, **day), TEN_NS)
    _, picture = samples.records(TEN_NS)
    assert picture is not None
    shown = [picture.last, picture.volume, picture.open, picture.high, picture.low, picture.vwap]
    np.testing.assert_array_equal(np.concatenate(shown), [np.nan, 0.0, *[np.nan] * 4])
    np.testing.assert_array_equal(picture.prev_close, [close])


def test_samples_of_less_volume_than_the_picture_are_older_than_it() -> None:
    held = [Tick(INFY, 90.0 + k, volume, bid=80.0) for k, volume in enumerate((900, 950, 1_000))]
    samples, prints = sampled(*held, Tick(INFY, 101.0, 1_030))
    assert [p[:2] for p in prints] == [(101.0, 30.0)]
    counts = samples.counts
    assert (counts.samples, counts.prints, counts.superseded) == (4, 1, 3)


def test_without_volume_a_new_price_is_a_print_of_no_shares() -> None:
    _, prints = sampled(Tick(INFY, 100.0), Tick(INFY, 100.5), Tick(INFY, 100.5), Tick(INFY, 0.0))
    assert [p[:2] for p in prints] == [(100.5, 0.0)]


def test_an_instrument_that_nobody_asked_for_is_rejected() -> None:
    with pytest.raises(Rejected, match="instrument 5 was not asked for"):
        sampled(Tick(5, 100.0, 1))


# --- the feed --------------------------------------------------------------------------------


def shares() -> tuple[Share, Share]:
    return (
        Share(INFY, "NSE:INFY", 1600.0, 10_000, 1590.0, 1605.0, 1588.0, 1580.0, 1597.0, TEN_S,
              (50, 1599.95), (70, 1600.05)),
        Share(NIFTY, "NSE:NIFTY 50", 25_000.0, 0, 24_900.0, 25_010.0, 24_890.0, 24_950.0,
              traded_s=TEN_S),
    )  # fmt: skip


def settings(kite: Kite, **changes: object) -> KiteConfig:
    base = KiteConfig(
        api_key=KEY, access_token=TOKEN, symbols=("INFY",), silence_s=5.0,
        url=f"ws://127.0.0.1:{kite.port}/", rest=f"http://127.0.0.1:{kite.port}",
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[Market]:
    market = Market("XNSE")
    task = asyncio.create_task(feed.run(market))
    try:
        async with asyncio.timeout(20):
            yield market
    finally:
        task.cancel()
        await asyncio.wait({task})


def quick() -> Backoff:
    return Backoff(uniform=lambda _low, _high: 0.0)


def live(count: int) -> object:
    return lambda market: [s.state for s in market.states].count("live") == count


@pytest.mark.integration
async def test_a_day_so_far_then_prints_then_a_hole_that_a_picture_closes() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            infy = kite.shares[INFY]
            row = market.row("INFY")
            assert [row[n] for n in "last vol open high low prev_close bid ask".split()] == [
                1600.0, 10_000.0, 1590.0, 1605.0, 1588.0, 1580.0, 1599.95, 1600.05,
            ]  # fmt: skip
            assert kite.modes == {INFY: "full", NIFTY: "full"}
            infy.trade(1602.0, 300, TEN_S + 1)
            infy.high = 1606.5  # a print that no sample showed
            infy.bid = (20, 1601.0)
            await kite.send(INFY, NIFTY)
            await market.until(lambda m: m.row("INFY")["high"] == 1606.5)
            row = market.row("INFY")
            assert (row["last"], row["vol"], row["bid"]) == (1602.0, 10_300.0, 1601.0)
            # What trades while the connection is away is in the next picture.
            infy.trade(1603.0, 700, TEN_S + 2)
            await kite.again()
            await market.until(live(2))
            row = market.row("INFY")
            assert (row["last"], row["vol"], row["provisional"]) == (1603.0, 11_000.0, 0)
            infy.trade(1604.0, 5, TEN_S + 3)
            await kite.send(INFY)
            await market.until(lambda m: m.row("INFY")["vol"] == 11_005.0)
        states = [s.state for s in market.states]
        assert states == ["connecting", "live", "gap", "live", "closed"]
        assert market.rejected == []
        counts = feed.counts()
        assert (counts["samples"], counts["prints"], counts["connections"]) == (3, 2, 2)
        assert counts["samples"] == counts["prints"] + counts["superseded"]


@pytest.mark.integration
async def test_samples_held_while_the_picture_is_fetched_count_once() -> None:
    async with service(*shares()) as kite:
        kite.quotes.clear()
        feed = KiteFeed(settings(kite), quick(), from_ten())
        async with running(feed) as market:
            infy = kite.shares[INFY]
            await kite.subscribed.wait()
            for _ in range(3):
                infy.trade(1602.0, 50, TEN_S + 1)
                await kite.send(INFY)
            await market.until(lambda _: feed.counts()["waiting"] == 3)
            kite.quotes.set()
            await market.until(live(1))
            assert market.row("INFY")["vol"] == 10_150.0
            infy.trade(1603.0, 30, TEN_S + 2)
            await kite.send(INFY)
            await market.until(lambda m: m.row("INFY")["last"] == 1603.0)
            assert market.row("INFY")["vol"] == 10_180.0
        counts = feed.counts()
        assert (counts["samples"], counts["prints"], counts["superseded"]) == (4, 1, 3)


@pytest.mark.integration
async def test_heartbeats_alone_are_silence() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite, silence_s=0.2), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            beats = asyncio.create_task(_beat(kite))
            await market.until(lambda m: any(s.state == "gap" for s in m.states))
            beats.cancel()
        gap = next(s for s in market.states if s.state == "gap")
        assert "brings heartbeats but no prices" in gap.detail or "brings no data" in gap.detail


async def _beat(kite: Kite) -> None:
    with contextlib.suppress(Exception):
        while True:
            await kite.connections[-1].send(b"\x00")
            await asyncio.sleep(0.02)


@pytest.mark.integration
@pytest.mark.parametrize("make", [KiteFeed, KitePoller])
async def test_a_computer_that_slept_connects_anew_by_the_right_clock(
    make: Callable[..., Feed],
) -> None:
    async with service(*shares()) as kite:
        asleep = [0]
        feed = make(settings(kite, poll_s=0.02), quick(), from_ten(lambda: asleep[0]))
        async with running(feed) as market:
            await market.until(live(1))
            asleep[0] = 3600 * NS
            if make is KiteFeed:
                await kite.send(INFY)
            await market.until(live(2))
            assert market.clock.now_ns() > TEN_NS + 3600 * NS
        gap = next(s for s in market.states if s.state == "gap")
        assert gap.detail.startswith("The computer slept, or its time was set: the clock is 3,6")
        assert gap.since_ns < TEN_NS + 1800 * NS


@pytest.mark.integration
async def test_the_poller_reads_the_same_market_without_a_stream() -> None:
    async with service(*shares()) as kite:
        feed = KitePoller(settings(kite, poll_s=0.02), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            kite.shares[INFY].trade(1607.0, 300, TEN_S + 1)
            await market.until(lambda m: m.row("INFY")["vol"] == 10_300.0)
            row = market.row("INFY")
            assert (row["last"], row["high"]) == (1607.0, 1607.0)
            kite.failures["/quote"] = (503, "try later")
            await market.until(lambda m: m.states[-1].state == "gap")
            assert "answers 503: try later" in market.states[-1].detail
            kite.failures.clear()
            await market.until(live(2))
        assert kite.connections == []


@pytest.mark.integration
async def test_history_brings_the_closed_minutes_of_today() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            await feed.history("INFY")
            await feed.history("NOTHING")
        (history,) = [r for r in market.records if isinstance(r, History)]
        assert history.bars.close.tolist() == [11.0, 12.0]
        opened = dt.datetime(2026, 11, 20, 9, 15, tzinfo=KOLKATA).timestamp()
        assert history.bars.start_ns.tolist() == [int(opened + k * 60) * NS for k in (0, 1)]


@pytest.mark.integration
async def test_what_is_malformed_is_counted_and_the_rest_goes_on() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            stream = kite.connections[-1]
            await stream.send(b"\x00\x05\x00\x08rubbish")
            await stream.send(frame(b"odd", kite.shares[INFY].packet("quote")))
            await stream.send('{"type":"error","data":"Not subscribed"}')
            await stream.send('{"type":5}')
            await stream.send('{"type":"order","data":{"order_id":"1"}}')
            kite.shares[INFY].trade(1601.0, 1, TEN_S + 1)
            await kite.send(INFY)
            await market.until(lambda m: m.row("INFY")["last"] == 1601.0)
        kinds = [text.partition(":")[0] for text in market.rejected]
        assert kinds == ["frame", "packet", "error of the service", "text message"]
        assert feed.counts()["rejected"] == 4


@pytest.mark.integration
async def test_without_symbols_the_main_series_is_followed() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite, symbols=None), quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
        assert market.universe.symbols == ["NIFTY 50", "INFY", "TCS", "BAJAJ-AUTO"]
        assert sorted(kite.modes) == sorted([NIFTY, INFY, TCS, 4267265])


@pytest.mark.integration
async def test_a_wrong_token_is_told_in_one_sentence() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite, access_token="yesterday"), quick(), from_ten())
        with pytest.raises(ConfigError) as told:
            await feed.run(Market("XNSE"))
    assert str(told.value) == (
        "Kite refuses api_key or access_token (403, Incorrect `api_key` or `access_token`.): "
        "log in to Kite again and put the new token there; it is valid until about 06:00 IST."
    )


@pytest.mark.integration
async def test_a_token_that_expires_waits_for_the_next_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapelight.feeds.kite.rest.Refused.wait_s", 0.02)
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    async with service(*shares()) as kite:
        wanted = settings(kite, access_token="", access_token_file=str(path))
        feed = KiteFeed(wanted, quick(), from_ten())
        async with running(feed) as market:
            await market.until(live(1))
            kite.token = "tomorrow"
            await kite.connections[-1].close()
            await market.until(lambda m: "log in to Kite again" in m.states[-1].detail)
            assert market.states[-1].state == "gap"
            path.write_text("tomorrow")
            await market.until(live(2))


@pytest.mark.integration
async def test_quotes_serve_while_the_stream_is_gone() -> None:
    infy, nifty = shares()
    async with service(infy, nifty) as kite:
        wanted = settings(kite, symbols=("INFY",))
        often = Backoff(RetryPolicy(budget=1_000), uniform=lambda _low, _high: 0.1)
        feed = KiteFeed(wanted, often, from_ten())
        pictures = KitePictures(wanted)
        async with running(Failover(feed, pictures)) as market:
            await market.until(live(1))
            kite.shut = True
            await kite.connections[-1].close()
            infy.trade(1700.0, 10, TEN_S + 5)
            await market.until(lambda m: m.states[-1].state == "polling")
            told = market.states[-1]
            assert (told.feed, told.provisional) == ("kite quotes", True)
            assert "a picture a second by kite quotes" in told.detail
            await market.until(lambda m: m.row("INFY")["last"] == 1700.0)
            assert [market.row(s)["provisional"] for s in ("INFY", "NIFTY 50")] == [0, 1]
            kite.shut = False
            await market.until(live(2))
            assert feed.counts()["connections"] >= 2


@pytest.mark.integration
async def test_pictures_ask_for_what_has_a_row_and_no_more_than_500() -> None:
    async with service(*shares()) as kite:
        market = Market("XNSE")
        for symbol in ("NIFTY 50", "GONE", *(f"S{i}" for i in range(600)), "INFY"):
            market.universe.add(symbol)
        found = await KitePictures(settings(kite, symbols=None)).poll(market)
        assert found.row.tolist() == [0]
        assert found.last.tolist() == [25_000.0]
        some = KitePictures(settings(kite, symbols=("INFY", "OTHER")))
        assert (await some.poll(market)).row.tolist() == [market.universe.rows["INFY"]]
        assert kite.asked == ["/quote", "/quote"]
        await some.close()


def test_one_process_reads_one_exchange_with_a_key() -> None:
    nse, bse = (KiteConfig(api_key=KEY, access_token=TOKEN, exchange=e) for e in ("NSE", "BSE"))
    assert KiteFeed(nse).owns() == KiteFeed(nse).owns() != KiteFeed(bse).owns()
    assert TOKEN not in KiteFeed(nse).owns(), "tomorrow's token is another, the owner the same"


@pytest.mark.integration
async def test_nobody_there_is_said_and_tried_again() -> None:
    wanted = KiteConfig(api_key=KEY, access_token=TOKEN, rest="http://127.0.0.1:9")
    async with running(KiteFeed(wanted, quick(), from_ten())) as market:
        await market.until(lambda m: len(m.states) == 2)
        assert market.states[1].detail == (
            "127.0.0.1 gives no answer: All connection attempts failed. "
            "Check the network; trying again."
        )


@pytest.mark.integration
async def test_an_unknown_symbol_names_the_nearest() -> None:
    async with service(*shares()) as kite:
        feed = KiteFeed(settings(kite, symbols=("INFI",)), quick(), from_ten())
        with pytest.raises(ConfigError, match="NSE has no 'INFI': did you mean 'INFY'"):
            await feed.run(Market("XNSE"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"api_key": ""}, "feed.kite.api_key is empty"),
        ({"access_token": ""}, "feed.kite.access_token is empty: log in to Kite"),
        ({"mode": "depth"}, "feed.kite.mode is 'depth': use ltp, quote, full"),
        ({"exchange": "NFO"}, "feed.kite.exchange is 'NFO': use NSE or BSE"),
        ({"url": "https://x"}, "feed.kite.url is 'https://x'"),
        ({"symbols": []}, "names 0 instruments: Kite allows 3,000"),
        ({"poll_s": 0.5}, "poll_s 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, object], named: str) -> None:
    wanted = {"api_key": KEY, "access_token": TOKEN} | changes
    with pytest.raises(ConfigError, match=named):
        module.open(convert(wanted, module.Config, "[feed.kite]"))


def test_the_plug_in_is_found_and_shows_no_secret() -> None:
    config = load("feeds", "kite").Config(api_key="abc", access_token="def")
    assert load("feeds", "kite").open(config).calendar == "XNSE"
    assert load("feeds", "kite").poller(config).name == "kite poller"
    assert "abc" not in repr(config)
    assert "def" not in repr(config)
