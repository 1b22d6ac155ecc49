"""Tiers: who is in play, when its bars and indicators are seen, and that no shape changes them."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import talib

from market.tape import Tape
from tapelight.app.frozen import freeze, thaw
from tapelight.engine import Engine
from tapelight.errors import ConfigError
from tapelight.market.bank import Bank, result_of
from tapelight.market.indicators import Ask, ask
from tapelight.market.view import View
from tapelight.model.batch import Batch, trades_of
from tapelight.model.codec import decode, encode
from tapelight.model.records import (
    CalendarChoice,
    History,
    Mark,
    Pin,
    Questions,
    Record,
    Reference,
    References,
    Symbols,
    TierGate,
    TierResult,
    TierWorkers,
)
from tapelight.model.session import MINUTE_NS, NS
from tapelight.scan.gate import ALL, BARS, IN_PLAY

OPEN = Tape().ns("09:30:00")
SYMBOLS = ["SPY", "AAA", "BBB", "CCC", "DDD"]
BOARD = """-- title = "Indicators"
-- gate = "none"
SELECT symbol, tier, tier_why, ema9, rsi2_5m, squeeze_bars,
  rsi(3, '1m', forming) AS peek, ema(3, '5m', forming) AS peek5 FROM market
WHERE last > 0 ORDER BY ema9 DESC LIMIT 50"""
SCAN = """-- kind = "events"
-- gate = "none"
SELECT symbol, rsi2, macd_hist FROM market WHERE rsi2 > 70 AND last > ema9"""


def records(minutes: int = 13, seed: int = 3) -> list[Record]:
    """Return a morning of five symbols: prints, some late, one backfill, marks and questions."""
    rng = np.random.default_rng(seed)
    known = [Reference(symbol=s, type="CS", prev_close=50.0, adv20=1e5) for s in SYMBOLS]
    found: list[Record] = [
        CalendarChoice("XNYS"),
        Symbols(0, SYMBOLS),
        References("2026-11-20", known),
        Questions({"board": BOARD, "scan": SCAN}),
        Pin("BBB"),
        Mark(OPEN, OPEN),
    ]
    price = np.array([50.0, 50.0, 52.0, 50.0, 49.0])
    for second in range(10, minutes * 60, 10):
        now = OPEN + second * NS
        if second % 60 == 10:
            found += [Mark(now - t, now - t) for t in (10 * NS, 19 * NS // 2, 9 * NS)]
        row = rng.integers(0, len(SYMBOLS) - (second < 400), 9)
        late = (rng.random(9) < 0.03) * 70 * NS
        ts = np.sort(now - rng.integers(1, 9 * NS, 9)) - late
        price = np.round(price * np.exp(rng.normal(0, 0.0015, len(SYMBOLS))), 2)
        columns = [row, ts, price[row], rng.integers(1, 9, 9) * 100.0, *[[0] * 9] * 2, ts]
        found.append(Batch(now, trades_of(*(list(c) for c in columns))))
        if second == 620:
            found.append(backfill(now))
        found.append(Mark(now, now))
    return found


def backfill(now: int) -> History:
    bars = Tape(*SYMBOLS).make_bars(60, ("09:32", 50, 51, 49, 50.5, 9e5), symbol="BBB")
    return History(now, bars)


def play(given: Iterable[Record], engine: Engine | None = None) -> tuple[Engine, list[str]]:
    """Apply records; return the engine, and its digest after each mark."""
    engine = engine or Engine()
    return engine, [engine.digest for record in given if engine.apply(record) is not None]


def worked(given: list[Record], late_marks: int = 0) -> Iterator[Record]:
    """Yield the records as a run with a worker puts them: each result before a later mark."""
    engine, bank, owed = Engine(), Bank(), []  # type: ignore[var-annotated]
    for record in (given[0], TierWorkers(1), *given[1:]):
        if isinstance(record, Mark):
            ready = [r for due, r in owed if due <= 0]
            owed = [(due - 1, r) for due, r in owed if due > 0]
            for result in ready:
                engine.apply(result)
                yield result
        engine.apply(record)
        owed += [(late_marks, result_of(w, bank.reckon(w))) for w in engine.tiers.work]
        engine.tiers.work.clear()
        yield record


@pytest.fixture(scope="module")
def morning() -> list[Record]:
    return records()


@pytest.fixture(scope="module")
def journal(morning: list[Record]) -> list[Record]:
    return [decode(encode(r)) for r in worked(morning)]


def test_a_worker_gives_what_the_engine_reckons_itself(
    morning: list[Record], journal: list[Record]
) -> None:
    _, inline = play(morning)
    assert sum(isinstance(r, TierResult) for r in journal) > 12
    assert play(journal)[1] == inline
    assert len(set(inline)) > 50


def test_work_that_nobody_takes_goes_with_the_next_mark(journal: list[Record]) -> None:
    engine = Engine()
    for record in journal:
        engine.apply(record)
        assert {work.cut_ns for work in engine.tiers.work} <= {engine.last_mark_ns}


def test_late_results_are_seen_late_in_the_run_and_in_its_replay(morning: list[Record]) -> None:
    _, inline = play(morning)
    journal = list(worked(morning, late_marks=4))
    digests = play(journal)[1]
    assert digests != inline
    assert play([decode(encode(r)) for r in journal])[1] == digests


@pytest.mark.parametrize("at", [62, 63, 64, 65, 150])
@pytest.mark.parametrize("shape", ["inline", "worker"])
def test_a_snapshot_changes_nothing(
    morning: list[Record], journal: list[Record], at: int, shape: str
) -> None:
    given = morning if shape == "inline" else journal
    engine, _ = play(given[:at])
    twin = thaw(freeze(engine))
    assert play(given[at:], twin)[1] == play(given[at:], engine)[1]


def test_every_value_is_that_of_the_rows_closed_bars(morning: list[Record]) -> None:
    engine, _ = play(morning)
    table, session = engine.table, engine.table.session
    assert session is not None
    view = View(table)
    until = engine.last_mark_ns // MINUTE_NS
    for symbol in ("SPY", "BBB"):
        row = table.universe.rows[symbol]
        bars = table.bars.of_row(row)
        closes = np.ascontiguousarray(bars["close"][bars["minute"] < until])
        assert view.indicator(ask("ema", (9,)))[row] == talib.EMA(closes, 9)[-1]
        assert view.indicator(ask("rsi", (2,)))[row] == talib.RSI(closes, 2)[-1]
        shown = view.candles("1m", 5)
        assert shown.close[row].tolist() == closes[-5:].tolist()


class Minutes(Tape):
    """Print minute by minute: pinned A unless told otherwise."""

    def __init__(self, *symbols: str, pinned: bool = True, asks: tuple[Ask, ...] = ()) -> None:
        super().__init__(*(symbols or ("A",)))
        if pinned:
            self.engine.apply(Pin(self.symbols[0]))
        self.engine.tiers.want(asks)

    def minute(self, time: str, *prices: float, symbol: str = "A", settle: bool = True) -> None:
        """Trade at the given prices from HH:MM on, then let the minute be seen."""
        begin = self.ns(f"{time}:00")
        for i, price in enumerate(prices):
            self.at(begin + i * NS + NS // 4, price, symbol)
        if settle:
            for after in (0, NS // 2, NS):
                ts = begin + MINUTE_NS + after
                self.engine.apply(Mark(ts, ts))

    def at(self, ts: int, price: float, symbol: str = "A", recv: int = 0) -> None:
        row = self.symbols.index(symbol)
        trades = trades_of([row], [ts], [price], [100.0], [0], [0], [0])
        self.engine.apply(Batch(recv or ts, trades))

    def candle(self, timeframe: str = "1m", count: int = 1, row: int = 0) -> list[list[float]]:
        candles = View(self.table).candles(timeframe, count)
        fields = (candles.minute, candles.open, candles.high, candles.low, candles.close)
        return [[float(f[row, i]) for f in (*fields, candles.volume)] for i in range(count)]

    def value(self, asked: Ask, row: int = 0) -> float:
        return float(View(self.table).indicator(asked)[row])


def test_a_minute_is_seen_a_second_after_its_end_and_no_sooner() -> None:
    tape = Minutes()
    tape.mark("09:29:59")
    tape.minute("09:30", 10.0, 10.2, 10.1, settle=False)
    for time in ("09:30:59", "09:31:00", "09:31:00.5", "09:31:00.95"):
        tape.mark(time)
        assert np.isnan(tape.candle()[0][1])
        assert tape.candle()[0][0] == -1
    tape.mark("09:31:01")
    assert tape.candle() == [[330, 10.0, 10.2, 10.0, 10.1, 300.0]]


def test_prints_that_come_within_half_a_second_count_later_ones_a_minute_on() -> None:
    tape = Minutes()
    tape.mark("09:29:59")
    tape.minute("09:30", 10.0, settle=False)
    tape.mark("09:31:00")
    tape.at(tape.ns("09:30:59.9"), 10.3, recv=tape.ns("09:31:00.3"))
    tape.mark("09:31:00.5")
    tape.at(tape.ns("09:30:59.8"), 9.9, recv=tape.ns("09:31:00.7"))
    tape.mark("09:31:01")
    assert tape.candle() == [[330, 10.0, 10.3, 10.0, 10.0, 200.0]]
    tape.minute("09:31", 10.1)
    assert tape.candle(count=2)[0] == [330, 10.0, 10.3, 9.9, 10.0, 300.0]


def test_a_minute_without_a_print_has_no_bar() -> None:
    tape = Minutes()
    tape.mark("09:29:59")
    for time, price in (("09:30", 10.0), ("09:33", 11.0)):
        tape.minute(time, price)
    assert [c[0] for c in tape.candle(count=3)] == [-1, 330, 333]


def test_longer_bars_begin_at_the_open_and_are_seen_when_over() -> None:
    tape = Minutes()
    tape.mark("04:00:00")
    for i in range(4):
        tape.minute(f"04:{27 + i}", 10.0 + i / 8, 9.875 + i / 8)
    assert tape.candle("60m") == [[0, 10.0, 10.25, 9.875, 10.125, 600.0]]
    assert tape.candle("30m") == [[0, 10.0, 10.25, 9.875, 10.125, 600.0]]
    for i in range(5):
        tape.minute(f"09:{30 + i}", 10.2 + i / 10)
        assert (tape.candle("5m")[0][0] == 330) == (i == 4)
    assert tape.candle("5m", 2)[1] == [330, 10.2, 10.6, 10.2, 10.6, 500.0]
    assert tape.candle("15m") == [[30, 10.375, 10.375, 10.25, 10.25, 200.0]]


def test_a_late_print_reopens_longer_bars_too() -> None:
    asked = ask("sma", (1,), "5m")
    tape = Minutes(asks=(asked, ask("vwap")))
    tape.mark("09:29:59")
    for i in range(6):
        tape.minute(f"09:{30 + i}", 10.0 + i / 10)
    assert tape.value(asked) == 10.4
    tape.at(tape.ns("09:32:10"), 10.9, recv=tape.ns("09:36:20"))
    tape.minute("09:36", 10.6)
    assert tape.candle("5m") == [[330, 10.0, 10.9, 10.0, 10.4, 600.0]]
    bars = tape.table.bars.of_row(0)
    fields = (np.ascontiguousarray(bars[n]) for n in ("high", "low", "close", "volume"))
    assert tape.value(ask("vwap")) == talib.VWAP(*fields)[-1]


def test_a_row_outside_tier_2_knows_neither_candles_nor_indicators() -> None:
    tape = Minutes("A", "B", asks=(ask("sma", (1,)),))
    tape.mark("09:29:59")
    tape.minute("09:30", 10.0, settle=False)
    tape.minute("09:30", 10.0, symbol="B")
    assert tape.many("tier tier_why") == [2.0, "pinned"]
    assert tape.many("tier tier_why", "B") == [1.0, "every row"]
    assert tape.value(ask("sma", (1,)), 0) == 10.0
    assert np.isnan(tape.value(ask("sma", (1,)), 1))
    assert np.isnan(tape.candle(row=1)[0][1])


def test_benchmarks_are_always_pinned_and_a_pin_can_be_taken_back() -> None:
    tape = Minutes("A", "QQQ")
    tape.mark("09:30:00")
    assert [tape("tier", s) for s in tape.symbols] == [2.0, 2.0]
    tape.engine.apply(Pin("A", pinned=False))
    tape.engine.apply(TierGate(stay_s=5.0))
    tape.mark("09:30:05")
    assert tape("tier") == 2.0
    tape.mark("09:30:06")
    assert [tape("tier", s) for s in tape.symbols] == [1.0, 2.0]


def test_a_row_comes_into_play_and_leaves_when_no_reason_has_held_for_a_while() -> None:
    tape = Minutes("A", pinned=False, asks=(ask("sma", (1,)),))
    tape.engine.apply(TierGate("chg_pct >= 5", stay_s=30.0))
    tape.mark("09:29:59")
    tape.minute("09:30", 10.2)
    assert tape("tier") == 1.0
    tape.at(tape.ns("09:31:05"), 10.5)
    tape.mark("09:31:06")
    assert tape.many("tier tier_why") == [2.0, "gate"]
    assert np.isnan(tape.value(ask("sma", (1,))))
    tape.mark("09:31:07")
    assert tape.value(ask("sma", (1,))) == 10.2
    tape.mark("09:32:30")
    assert tape("tier") == 2.0
    tape.at(tape.ns("09:32:31"), 10.49)
    tape.mark("09:32:32")
    tape.mark("09:33:00")
    assert tape("tier") == 2.0
    tape.mark("09:33:01")
    assert tape.many("tier tier_why") == [1.0, "every row"]
    assert np.isnan(tape.value(ask("sma", (1,))))
    assert np.isnan(tape.candle()[0][1])


def test_of_more_than_the_most_those_with_most_dollars_come_in() -> None:
    tape = Minutes("A", "B", "C")
    tape.engine.apply(TierGate("last > 0", most=2))
    for symbol, price in (("A", 1.0), ("B", 5.0), ("C", 9.0)):
        tape.at(tape.ns("09:30:01"), price, symbol)
    tape.mark("09:30:02")
    assert [tape("tier", s) for s in "ABC"] == [2.0, 1.0, 2.0]
    assert tape.engine.tiers.in_play().tolist() == [0, 2]


def test_of_the_reasons_those_of_which_more_is_followed_come_first() -> None:
    followed = [series for _, _, series in IN_PLAY]
    assert all(one >= other for one, other in pairwise(followed))
    assert followed[0] == ALL
    assert {word for word, _, series in IN_PLAY if series == BARS} == {"level", "range"}


@pytest.mark.parametrize(
    ("where", "said"),
    [("chg_pc > 3", "did you mean"), ("rsi14 > 70", "asks for rsi14, which only rows in tier 2")],
)
def test_a_gate_that_cannot_be_asked_is_refused(where: str, said: str) -> None:
    tape = Minutes()
    with pytest.raises(ConfigError) as caught:
        tape.engine.apply(TierGate(where))
    assert said in str(caught.value)
    tape.mark("09:30:00")
    assert tape("tier") == 2.0


def test_a_new_session_begins_with_nothing_but_the_pins() -> None:
    tape = Minutes(asks=(ask("sma", (1,)),))
    tape.mark("15:58:59")
    tape.minute("15:59", 10.0)
    assert tape.value(ask("sma", (1,))) == 10.0
    tape.mark("04:00:00", days=3)
    assert tape("tier") == 2.0
    assert np.isnan(tape.value(ask("sma", (1,))))
    assert tape.candle()[0][0] == -1
    ts = tape.ns("04:01:10", days=3)
    tape.engine.apply(Batch(ts, trades_of([0], [ts], [12.0], [100.0], [0], [0], [0])))
    for time in ("04:02:00", "04:02:00.5", "04:02:01"):
        tape.mark(time, days=3)
    assert tape.candle() == [[1, 12.0, 12.0, 12.0, 12.0, 100.0]]


def test_what_is_asked_later_is_there_two_whole_seconds_on() -> None:
    tape = Minutes(asks=(ask("sma", (1,)),))
    tape.mark("09:29:59")
    tape.minute("09:30", 10.0, 10.1)
    tape.engine.tiers.want([ask("ema", (1,))])
    tape.mark("09:31:02")
    assert np.isnan(tape.value(ask("ema", (1,))))
    tape.mark("09:31:03")
    assert tape.value(ask("ema", (1,))) == 10.1


def test_forming_values_peek_at_whole_seconds() -> None:
    one, five = ask("sma", (2,), "1m", True), ask("max", (2,), "5m", True)
    tape = Minutes(asks=(one, five))
    tape.mark("09:29:59")
    for i in range(12):
        tape.minute(f"09:{30 + i}", 10.0 + i / 8)
    assert tape.value(one) == (11.25 + 11.375) / 2
    assert tape.value(five) == 11.375
    tape.at(tape.ns("09:42:04"), 11.75)
    tape.mark("09:42:04.5")
    assert tape.value(one) == (11.25 + 11.375) / 2
    tape.mark("09:42:05")
    assert tape.value(one) == (11.375 + 11.75) / 2
    assert tape.value(five) == 11.75
    tape.at(tape.ns("09:42:06"), 11.5)
    tape.mark("09:42:07")
    assert tape.value(one) == (11.375 + 11.5) / 2
    assert tape.value(five) == 11.5


def test_what_nobody_follows_is_reckoned_when_asked_and_is_the_same() -> None:
    tape = Minutes("A", "B", asks=(ask("sma", (3,)),))
    tape.mark("09:29:59")
    for i in range(12):
        tape.minute(f"09:{30 + i}", 10.0 + i / 8, settle=False)
        tape.minute(f"09:{30 + i}", 10.0, symbol="B")
    assert tape.value(ask("ema", (1,))) == 11.375
    assert tape.value(ask("sma", (2,))) == (11.25 + 11.375) / 2
    assert tape.value(ask("max", (2,), "5m")) == 11.125
    assert np.isnan(tape.value(ask("ema", (1,)), 1))
    tape.engine.tiers.want([ask("sma", (2,))])
    tape.mark("09:42:02")
    tape.mark("09:42:03")
    assert tape.value(ask("sma", (2,))) == (11.25 + 11.375) / 2


def test_the_default_gate_lets_movers_in_and_only_what_scans_look_at() -> None:
    tape = Minutes("A", "B", "C", "D", pinned=False)
    tape.refer(Reference(symbol="B", type="ETF", prev_close=10.0))
    for symbol, price in (("A", 10.5), ("B", 10.5), ("C", 10.4), ("D", 9.5)):
        tape.at(tape.ns("09:30:01"), price, symbol)
        tape.quote("09:30:01", price - 0.01, price + 0.01, symbol)
    tape.mark("09:30:02")
    assert [tape("tier_why", s) for s in "ABCD"] == ["change", "every row", "every row", "change"]
    assert tape.engine.tiers.status()["in_play"] == 2
    tape.halt("09:30:03", halted=True, code="T1")
    tape.quote("09:30:03", 10.0, 11.0, "D")
    tape.at(tape.ns("09:30:04"), 10.1, "A")
    for time in ("09:30:05", "09:35:01", "09:35:02", "09:35:05", "09:35:06"):
        tape.mark(time)
    assert [tape("tier", s) for s in "AD"] == [2.0, 1.0]


def test_a_scan_is_asked_when_a_value_is_new_though_nothing_trades() -> None:
    tape = Minutes("A")
    tape.ask(up="-- kind = 'events'\n-- gate = 'none'\nSELECT symbol FROM market WHERE last > ema9")
    tape.mark("09:29:59")
    for i in range(9):
        tape.minute(f"09:{30 + i}", 10.0, settle=i < 8)
        tape.at(tape.ns(f"09:{30 + i}:30"), 10.0 + (i == 8) / 10)
    assert tape.mark("09:39:00").signals == []
    assert tape.mark("09:39:00.5").signals == []
    assert [s.symbol for s in tape.mark("09:39:01").signals if s.state == "fired"] == ["A"]


def test_bars_are_kept_for_no_forming_series_once_none_is_asked_or_stepped() -> None:
    tape = Minutes(asks=(ask("sma", (2,), "1m", True),))
    watches = tape.table.bars._watches
    tape.mark("09:29:59")
    tape.minute("09:30", 10.0)
    assert len(watches) == 2
    tape.engine.tiers.still = True
    for i in range(1, 5):
        tape.minute(f"09:{30 + i}", 10.0)
    assert [len(w) for w in watches] == [0, 0]
    tape.engine.tiers.still = False
    tape.engine.tiers.want([])
    assert len(tape.table.bars._watches) == 1
    tape.engine.tiers.want([ask("sma", (2,), "1m", True)])
    tape.minute("09:35", 10.5)
    tape.at(tape.ns("09:36:02"), 11.0)
    tape.mark("09:36:03")
    assert tape.value(ask("sma", (2,), "1m", True)) == (10.5 + 11.0) / 2


EVENTS = "-- kind = 'events'\n-- gate = 'none'\nSELECT symbol FROM market WHERE "
QUIET = EVENTS + "chg_5m < 0.2 AND quiet_s > 5"
OTHERS = {"closed": "rsi(7, '1m') > 50", "forming": "rsi(7, '1m', forming) > 50"}


def quiet_signals(other: str = "", still: bool = False) -> list[tuple[int, str]]:
    """Return the signals of a scan of tier 1, over twelve minutes of one print each.

    Another scan is there from the start on, a second one comes as the last minute falls quiet.
    """
    tape, found = Minutes("A"), []
    tape.engine.tiers.still = still
    others = {"other": EVENTS + OTHERS[other]} if other else {}
    tape.ask(quiet=QUIET, **others)
    tape.mark("09:29:59")
    for minute in range(30, 42):
        tape.at(tape.ns(f"09:{minute}:30.25"), 10.0)
        if other and minute == 41:
            tape.ask(quiet=QUIET, **others, late=EVENTS + "ema9 > 50")
        for second in (*((35, 35.5, 36) if minute % 2 else (36.5, 40)), 60, 60.5, 61):
            time = f"09:{minute + int(second >= 60):02}:{second % 60:04.1f}"
            found += [(s.mark, s.symbol) for s in tape.mark(time).signals if s.scan == "quiet"]
    return found


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("other", OTHERS)
def test_what_another_scan_looks_at_changes_no_signal(other: str, still: bool) -> None:
    alone = quiet_signals()
    assert alone
    assert quiet_signals(other, still) == alone


def test_a_value_between_seconds_is_asked_by_who_looks_at_it_and_only_when_it_is_new() -> None:
    tape = Minutes("A")
    tape.mark("09:29:59")
    for i in range(9):
        tape.minute(f"09:{30 + i}", 10.0)
    tape.at(tape.ns("09:39:02"), 10.1)
    up, still_up = EVENTS + "last > ema9", EVENTS + "last > ema9 AND quiet_s >= 8.5"
    tape.mark("09:39:02.5")
    tape.ask(up=up, still_up=still_up, quiet=EVENTS + "quiet_s > 1")
    assert tape.mark("09:39:03").signals == []
    fired = [s.scan for s in tape.mark("09:39:03.5").signals if s.state == "fired"]
    assert fired == ["up"]
    tape.mark("09:39:09")
    tape.ask(up=up, still_up=still_up, more=EVENTS + "rsi2 > 200")
    assert tape.mark("09:39:10").signals == []
    assert tape.mark("09:39:10.5").signals == []
    assert [s.scan for s in tape.mark("09:39:11").signals] == ["still_up"]
