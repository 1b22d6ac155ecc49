"""The simulated tape: the same seed gives the same bytes, and it looks like a market."""

import datetime as dt
import hashlib
import re
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from tapelight.errors import ConfigError
from tapelight.feeds.simulator import SimulatorOptions, sales, scenarios
from tapelight.feeds.simulator.hub import Client, Hub
from tapelight.feeds.simulator.ledger import Ledger
from tapelight.feeds.simulator.listing import listing_of
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.moves import gaps_of
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.snapshot import snapshot_bytes
from tapelight.feeds.simulator.window import BAD, LATE, Prints, Window
from tapelight.feeds.simulator.window import join as joined
from tapelight.model.conditions import US_RULES, mask_of

pytestmark = pytest.mark.slow

ALL = {"T.*", "Q.*", "A.*", "AM.*", "LULD.*"}


def simulation(**given: object) -> Simulation:
    options = {"port": 1, "symbols": 150, "rate": 500.0, "seed": 7, **given}
    return Simulation(msgspec.convert(options, SimulatorOptions))


def windows(market: Simulation, count: int) -> list[Window]:
    return [market.advance().window for _ in range(count)]


def trades_of(found: list[Window]) -> Prints:
    return joined([window.trades for window in found])


def frames_of(market: Simulation, topics: set[str], count: int) -> list[str]:
    hub, client = Hub(market.frames, market.totals), Client(1 << 40, market.row_of)
    client.subscribe(topics)
    hub.admit("key", client)
    for _ in range(count):
        hub.broadcast(market.advance())
    return list(client.outbox)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    digests = []
    for seed in (7, 7, 8):
        frames = frames_of(simulation(seed=seed, start="09:29:58"), ALL, 500)
        digests.append(hashlib.sha256("".join(frames).encode()).hexdigest())
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_listed_subscriptions_get_exactly_their_share_of_the_wildcards_events() -> None:
    whole = frames_of(simulation(start="09:29:58"), {"T.*", "Q.*"}, 400)
    some = frames_of(simulation(start="09:29:58"), {"T.SPY", "Q.AAPL", "Q.NVDA"}, 400)
    events = [e for frame in whole for e in msgspec.json.decode(frame)]
    wanted = [
        e for e in events if (e["ev"], e["sym"]) in {("T", "SPY"), ("Q", "AAPL"), ("Q", "NVDA")}
    ]
    assert len(wanted) > 20
    assert [e for frame in some for e in msgspec.json.decode(frame)] == wanted


def test_events_have_exactly_the_documented_fields() -> None:
    frames = frames_of(simulation(start="09:29:58", rate=5000.0), ALL, 700)
    events = [e for frame in frames for e in msgspec.json.decode(frame)]
    kinds: dict[str, dict[str, object]] = {}
    for event in events:
        kinds.setdefault(event["ev"], event)
        if event["ev"] == "T":
            assert set(event) - {"c", "ds"} == set("ev sym x i z p s t q".split())
            assert "c" not in event or event["c"]
    assert set(kinds) == {"T", "Q", "A", "AM", "LULD"}
    assert set(kinds["Q"]) == set("ev sym bx bp bs ax ap as c i t q z".split())
    bar = set("ev sym v av op vw o c h l a z s e dv dav".split())
    assert set(kinds["A"]) == set(kinds["AM"]) == bar
    assert set(kinds["LULD"]) == set("ev T h l i z t q".split())
    assert int(str(kinds["LULD"]["t"])) > 10**18
    assert 10**12 < int(str(kinds["T"]["t"])) < 10**13
    assert isinstance(kinds["T"]["i"], str)
    fractions = [e for e in events if "ds" in e]
    assert fractions
    assert all(int(float(e["ds"])) == e["s"] for e in fractions)


def test_sequence_numbers_rise_by_symbol_and_windows_are_in_time_order() -> None:
    market = simulation(start="09:29:59")
    last: dict[tuple[str, str], int] = {}
    for frame in frames_of(market, {"T.*", "Q.*"}, 300):
        for event in msgspec.json.decode(frame):
            key = (event["ev"], event["sym"])
            assert event["q"] > last.get(key, 0)
            last[key] = event["q"]
    for window in windows(market, 300):
        prompt = window.trades.ts_ms[window.trades.truth != LATE]
        assert np.all((prompt >= window.start_ms) & (prompt < window.end_ms))


async def test_snapshot_and_later_trades_make_the_ledgers_totals(tmp_path: Path) -> None:
    market = simulation(start="09:29:55")
    ledger = Ledger(tmp_path, market)
    for window in windows(market, 700):
        ledger.add(window)
    rows = np.arange(len(market.listing))
    snapshot = msgspec.json.decode(b"[" + b",".join(await snapshot_bytes(market, rows)) + b"]")
    for window in windows(market, 300):
        ledger.add(window)
    ledger.flush()
    trades = pl.read_parquet(tmp_path / "trades-*.parquet").with_columns(
        counts=pl.col("conditions").map_elements(
            lambda ids: mask_of(ids) & US_RULES.no_volume == 0, return_dtype=pl.Boolean
        )
    )
    assert trades["n"].to_list() == list(range(len(trades)))
    later: dict[str, float] = {}
    whole: dict[str, float] = {}
    updated = snapshot[0]["updated"]
    for row in trades.filter("counts").iter_rows(named=True):
        whole[row["symbol"]] = whole.get(row["symbol"], 0.0) + row["size"]
        if row["ts_ns"] > updated:
            later[row["symbol"]] = later.get(row["symbol"], 0.0) + row["size"]
    start = pl.read_parquet(tmp_path / "start.parquet")
    before = dict(zip(start["symbol"], start["volume_before"], strict=True))
    assert sum(later.values()) > 0
    for at, ticker in enumerate(snapshot):
        symbol = ticker["ticker"]
        assert ticker["lastTrade"]["t"] <= ticker["updated"] == updated
        total = before[symbol] + whole.get(symbol, 0.0)
        assert ticker["min"]["av"] + later.get(symbol, 0.0) == total
        assert market.totals.volume[at] == total


async def test_the_day_bar_is_empty_until_the_bell_and_min_carries_the_pre_market() -> None:
    market = simulation(start="09:29:30")
    spy = np.array([market.row_of["SPY"]])
    before = msgspec.json.decode((await snapshot_bytes(market, spy))[0])
    assert before["day"]["v"] == 0.0
    assert before["day"]["o"] == 0.0
    assert before["min"]["av"] > 0.0
    assert before["prevDay"]["c"] == market.totals.prev_close[0]
    windows(market, 30 * 100 + 500)
    after = msgspec.json.decode((await snapshot_bytes(market, spy))[0])
    assert after["day"]["v"] == after["min"]["av"] > before["min"]["av"]
    assert after["day"]["l"] <= after["day"]["o"] <= after["day"]["h"]


def test_todays_minutes_before_the_start_add_up_to_the_volume() -> None:
    market = simulation(start="11:00")
    total = np.zeros(len(market.listing))
    for bars in market.totals.minute_bars():
        total[bars.row] += bars.volume
        assert np.all(bars.low <= np.minimum(bars.open, bars.close))
        assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.array_equal(total, market.totals.volume)
    assert market.totals.open[0] > 0


@pytest.fixture(scope="module")
def opening() -> tuple[Simulation, list[Window]]:
    market = simulation(symbols=2000, rate=3000.0, seed=1, start="09:29:50")
    return market, windows(market, 7000)


def test_the_open_is_calibrated(opening: tuple[Simulation, list[Window]]) -> None:
    _, found = opening
    counts = np.array([len(w.trades) for w in found]).reshape(-1, 100).sum(axis=1)
    before, after = counts[:10], counts[10:]
    assert 0.1 * 3000 < before.mean() < 0.35 * 3000
    assert 0.7 * 3000 < after.mean() < 1.6 * 3000
    assert after[0] > 1.5 * 3000
    assert counts.max() < 6 * 3000
    trades = trades_of(found[1000:])
    assert 0.40 < np.mean(trades.size == 100.0) < 0.77
    assert 0.05 < np.mean(trades.size < 100.0) < 0.4
    quotes = sum(len(w.quotes) for w in found)
    assert 0.8 < quotes / sum(len(w.trades) for w in found) < 1.2


def test_trades_come_in_bursts_and_mostly_do_not_move_the_price(
    opening: tuple[Simulation, list[Window]],
) -> None:
    _, found = opening
    trades = trades_of(found[1000:])
    trades = trades.take(sales.MOVES_LAST[trades.kind] & (trades.truth != LATE))
    busiest = np.argsort(-np.bincount(trades.row))[:20].tolist()
    same_ms, unchanged, fano = [], [], []
    for row in busiest:
        mine = trades.take(trades.row == row)
        same_ms.append(np.mean(np.diff(mine.ts_ms) == 0))
        unchanged.append(np.mean(np.diff(mine.price) == 0))
        seconds = np.bincount((mine.ts_ms - found[1000].start_ms) // 1000, minlength=60)
        fano.append(seconds.var() / seconds.mean())
    assert 0.22 < np.mean(same_ms) < 0.60
    assert 0.50 < np.mean(unchanged) < 0.92
    assert np.mean(fano) > 4.0


def test_the_opening_auction_prints_and_bands_come_from_the_listing_market(
    opening: tuple[Simulation, list[Window]],
) -> None:
    market, found = opening
    trades = trades_of(found)
    official = trades.take(trades.kind == sales.kind(16))
    assert len(official) > 1500
    assert np.array_equal(official.venue, market.listing.venue[official.row])
    auction = trades.take(np.isin(trades.kind, [sales.kind(17), sales.kind(25)]))
    price = dict(zip(auction.row.tolist(), auction.price.tolist(), strict=True))
    agree = [price.get(r) == p for r, p in zip(official.row, official.price, strict=True)]
    assert np.mean(agree) > 0.9
    bands = [w.bands for w in found if w.bands is not None]
    assert sum(len(b.row) for b in bands) > 1500
    assert all(np.all(b.lower < b.upper) for b in bands)


def test_a_market_gaps_as_often_as_the_real_one() -> None:
    gaps = gaps_of(listing_of(6000, 3), np.random.default_rng(3))
    share = np.mean(np.abs(np.expm1(gaps.log_return)) >= 0.04)
    assert 0.015 < share < 0.045


def test_symbols_are_distinct_and_look_real() -> None:
    listing = listing_of(11_000, 1)
    assert len(set(listing.symbols)) == 11_000
    assert all(re.fullmatch(r"[A-Z]{1,5}(pA|w|r|\.[A-Z])?", s) for s in listing.symbols)
    assert {"SPY", "QQQ", "AAPL", "XLK", "ZVZZT"} <= set(listing.symbols)
    assert listing.weight.sum() == pytest.approx(1.0)


def test_halts_pause_for_five_minutes_and_reopen_with_a_reopening_print() -> None:
    market = simulation(symbols=200, rate=100.0, scenario="halts", speed=100.0)
    halted_at: dict[int, int] = {}
    reopened, silent_trades = 0, 0
    for _ in range(900):
        halted = np.flatnonzero(~market.tape.day.luld.trading)
        window = market.advance().window
        still = np.intersect1d(halted, np.flatnonzero(~market.tape.day.luld.trading))
        silent_trades += int(np.isin(window.trades.row, still).sum())
        prints = window.trades.take(window.trades.kind == sales.kind(28))
        reopened += len(prints)
        for row in np.setdiff1d(np.flatnonzero(~market.tape.day.luld.trading), halted).tolist():
            halted_at[row] = window.start_ms
    assert len(halted_at) >= 5
    assert reopened >= 3
    assert silent_trades == 0


def test_bad_prints_are_far_off_and_late_ones_are_old() -> None:
    market = simulation(scenario="badprints", rate=4000.0, start="09:35")
    found = windows(market, 6000)
    trades = trades_of(found)
    bad = trades.take(trades.truth == BAD)
    assert len(bad) > 5
    middle = (market.totals.bid + market.totals.ask)[bad.row] / 2
    assert np.all(np.abs(bad.price / middle - 1.0) > 0.10)
    late = trades.take(trades.truth == LATE)
    assert len(late) > 5
    assert set(late.kind.tolist()) <= {sales.kind(30), sales.kind(32)}
    assert late.ts_ms.min() >= market.start_ms


def test_a_late_print_amends_its_bar_and_the_bar_is_sent_again() -> None:
    market = simulation(rate=4000.0, start="09:35", symbols=30)
    sent: dict[tuple[int, int, int], float] = {}
    again = 0
    for _ in range(6000):
        for span, bars in market.advance().spans:
            for row, volume in zip(bars.row.tolist(), bars.volume.tolist(), strict=True):
                key = (span, bars.start_ms, row)
                if key in sent:
                    again += 1
                    assert volume > sent[key]
                sent[key] = volume
    assert again > 10


def test_the_close_prints_the_auction_and_the_official_close_and_then_form_t() -> None:
    market = simulation(scenario="close", start="15:59:50", rate=2000.0)
    trades = trades_of(windows(market, 3000))
    close_ms = market.tape.day.plan.session.close_ns // MS
    kinds = set(trades.kind.tolist())
    assert {sales.kind(15)} | {sales.kind(8), sales.kind(19)} <= kinds
    auction = np.isin(trades.kind, [sales.kind(n) for n in (8, 15, 19)])
    after = trades.take((trades.ts_ms >= close_ms) & ~auction)
    assert len(after) > 0
    extended = np.concatenate([sales.EXTENDED_ROUND.kinds, sales.EXTENDED_ODD.kinds])
    assert np.all(np.isin(after.kind, extended) | (after.truth == LATE))
    assert np.mean(sales.IS_EXTENDED[after.kind]) > 0.98
    assert market.totals.official_close[0] > 0


def test_the_next_day_begins_with_yesterdays_official_close() -> None:
    market = simulation(start="19:59:58", speed=1000.0, symbols=40)
    windows(market, 3)
    closes = market.totals.end_close()
    first = market.tape.day.plan.session.date
    market.tape.now_ms = int(dt.datetime(2026, 11, 23, 8, 29, tzinfo=dt.UTC).timestamp() * 1000)
    windows(market, 120)
    assert first == dt.date(2026, 11, 20)
    assert market.tape.day.plan.session.date == dt.date(2026, 11, 23)
    assert np.array_equal(market.totals.prev_close, closes)
    assert market.totals.volume.sum() == 0.0
    assert np.array_equal(market.past.daily(first).close, closes)  # type: ignore[union-attr]
    market.tape.now_ms = int(dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC).timestamp() * 1000)
    assert len(trades_of(windows(market, 60))) > 0


def test_past_days_end_at_the_previous_close_and_undo_splits() -> None:
    market = simulation()
    daily = market.past.daily(dt.date(2026, 11, 19))
    assert daily is not None
    assert np.array_equal(daily.close, market.totals.prev_close)
    assert market.past.daily(dt.date(2026, 11, 15)) is None
    assert market.past.daily(dt.date(2026, 11, 21)) is None
    raw = daily.raw(market.listing)
    for row, (split_from, split_to) in market.listing.splits.items():
        assert raw.close[row] * split_from / split_to == pytest.approx(daily.close[row], rel=1e-3)
    year_ago = market.past.daily(dt.date(2025, 11, 19))
    assert year_ago is not None
    assert np.all(year_ago.low <= year_ago.high)


@pytest.mark.parametrize("name", list(scenarios()))
def test_every_scenario_trades(name: str) -> None:
    market = simulation(scenario=name, speed=100.0, symbols=60)
    assert len(trades_of(windows(market, 180))) > 0


def test_a_bad_option_is_told_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="Unknown scenario 'opne': use one of open, calm"):
        simulation(scenario="opne")
    with pytest.raises(ConfigError, match="is not a time"):
        simulation(start="9 o'clock")
    with pytest.raises(ConfigError, match="2026-11-21 is no trading day"):
        simulation(start="2026-11-21T10:00:00-05:00")
    with pytest.raises(ConfigError, match="symbols is 0"):
        simulation(symbols=0)
