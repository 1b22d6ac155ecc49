"""Rounds of tier 3: whose chains are fetched, when their figures are seen, what a replay says."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.test_chain import chain
from app.limits import no_more_files
from tapelight.analytics.chain import figures_then
from tapelight.app import run
from tapelight.app.feeds import open_feed
from tapelight.app.scanner import Scanner
from tapelight.app.tier3 import MOST_MISSES, Rounds, Workshop, conviction
from tapelight.config import Config, Options, Web
from tapelight.engine import Cycle, Engine
from tapelight.market.view import View
from tapelight.model.batch import Batch, trades_of
from tapelight.model.options import Chain
from tapelight.model.records import Digest, FeedState, Mark, Questions
from tapelight.model.session import NS
from tapelight.model.signals import Signal
from tapelight.stores.journal.segments import read_records
from tapelight.stores.volatility import read_volatilities, write_volatilities

OPEN_NS = 1_795_185_000 * NS
"""09:30:00 New York on 2026-11-20."""
ROUND_NS = OPEN_NS + 300 * NS
DAY = dt.date(2026, 11, 20)
BOARD = Questions({
    "calm": '-- title = "Calm"\n-- gate = "none"\n'
    "SELECT symbol, iv30, iv_rank, put_call_vol FROM market WHERE iv30 < 90 ORDER BY iv30",
})  # fmt: skip
SURFACE = {"SPY": 0.15, "AAA": 0.40, "BBB": 0.80}


class Listed:
    """A feed that knows options of some symbols: it puts their chains when asked."""

    def __init__(self, scanner: Scanner, past: np.ndarray | None = None) -> None:
        self.asked: list[list[str]] = []
        self.never = asyncio.Event()
        self.stuck = False
        self._scanner = scanner
        self._past = np.zeros(0) if past is None else past

    async def chains(self, symbols: Sequence[str]) -> None:
        self.asked.append(list(symbols))
        for symbol in symbols:
            if symbol in SURFACE:
                self._scanner.put(self.chain(symbol))
        if self.stuck:
            await self.never.wait()

    def chain(self, symbol: str) -> Chain:
        made = chain({23.0: SURFACE[symbol], 51.0: SURFACE[symbol]})
        now_ns = self._scanner.clock.now_ns()
        late = now_ns - made.ts_recv_ns
        return replace(
            made, ts_recv_ns=now_ns, symbol=symbol, expiry_ns=made.expiry_ns + late, past=self._past
        )


class Desk:
    """A scanner whose clock is moved by hand, with rows in play and a round's parts."""

    def __init__(self, data: Path, past: np.ndarray | None = None, most: int = 40) -> None:
        self.scanner = Scanner(data, BOARD, "XNYS")
        self.scanner.clock.set(OPEN_NS - 2 * NS, 0.0)
        self.feed = Listed(self.scanner, past)
        self.rounds = Rounds(self.scanner, self.feed, data, most, apart=False)
        self.cycles: list[Cycle] = []
        self.scanner.listeners += [self.rounds.on_cycle, self.cycles.append]
        for row, symbol in enumerate(("SPY", "AAA", "BBB", "WAR")):
            assert self.scanner.universe.add(symbol) == row
            self.trade(symbol, 100.0)

    def trade(self, symbol: str, price: float) -> None:
        ts, row = self.scanner.clock.now_ns(), self.scanner.universe.rows[symbol]
        size = [1000.0 * (row + 1)]
        self.scanner.put(Batch(ts, trades_of([row], [ts], [price], size, [0], [0], [0])))

    def at(self, ts_ns: int) -> None:
        """Let it be `ts_ns`: what is due is done."""
        self.scanner.clock.set(ts_ns, 0.0)
        self.scanner.put(FeedState(ts_ns, "test", "live"))

    def column(self, name: str) -> list[float]:
        return View(self.scanner.engine.table)[name].tolist()  # type: ignore[union-attr]


def signal(symbol: str) -> Signal:
    return Signal(
        id=symbol, scan="x", symbol=symbol, state="fired", ts_ns=0, mark=0, values={}, kind="entry"
    )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_figures_are_seen_ten_seconds_after_the_round(desk: Desk) -> None:
    desk.at(ROUND_NS)
    await desk.rounds.round(ROUND_NS)
    assert desk.feed.asked == [["SPY", *desk.feed.asked[0][1:]]]
    assert np.isnan(desk.column("iv30")).all()
    desk.at(ROUND_NS + 9 * NS)
    assert np.isnan(desk.column("iv30")).all()
    desk.at(ROUND_NS + 10 * NS)
    assert desk.column("iv30")[0] == pytest.approx(15.0, abs=0.1)
    assert desk.column("put_call_vol")[0] == 1.0
    assert desk.column("iv_age_s")[0] == 10.0
    assert np.isnan(desk.column("iv_rank")).all(), "no past"
    assert list(desk.scanner.engine.table.options.chains) == ["SPY"]
    desk.scanner.close()


async def test_a_replay_reads_the_records_and_agrees(desk: Desk, tmp_path: Path) -> None:
    desk.rounds.positions = lambda: ["AAA", "BBB"]
    desk.at(ROUND_NS)
    await desk.rounds.round(ROUND_NS)
    desk.at(ROUND_NS + 30 * NS)
    ranking = desk.cycles[-1].rankings[0]
    assert ranking.order == ["SPY", "AAA", "BBB"]
    desk.scanner.close()
    again, told = Engine(), ""
    kinds: set[str] = set()
    for record in read_records(tmp_path / "journal" / "2026-11-20" / "0001"):
        kinds.add(type(record).__name__)
        again.apply(record)
        if isinstance(record, Digest):
            assert again.digest == record.digest
            told = record.digest
    assert {"Chain", "TierResult", "Mark"} <= kinds
    assert told == desk.scanner.engine.digest
    assert View(again.table)["iv30"].tolist()[:3] == desk.column("iv30")[:3]


async def test_a_late_result_is_seen_at_the_mark_at_which_it_came(desk: Desk) -> None:
    desk.at(ROUND_NS)
    read = desk.feed.chain("SPY")
    desk.scanner.put(read)
    desk.at(ROUND_NS + 20 * NS)
    desk.feed.stuck = False
    await desk.rounds.round(ROUND_NS)
    assert np.isnan(desk.column("iv30")).all()
    desk.at(ROUND_NS + 21 * NS)
    assert desk.column("iv30")[0] == pytest.approx(15.0, abs=0.1)
    desk.scanner.close()


async def test_a_feed_that_does_not_come_back_loses_only_its_rest(desk: Desk) -> None:
    desk.at(ROUND_NS)
    desk.feed.stuck = True
    desk.scanner.clock.set(ROUND_NS + 8 * NS - 1, 1.0)
    await desk.rounds.round(ROUND_NS)
    desk.at(ROUND_NS + 10 * NS)
    assert desk.column("iv30")[0] == pytest.approx(15.0, abs=0.1)
    desk.scanner.close()


@pytest.mark.parametrize(
    ("ts_ns", "due"),
    [
        (OPEN_NS - 300 * NS, False),
        (OPEN_NS, False),
        (ROUND_NS, True),
        (ROUND_NS + NS, False),
        (ROUND_NS + 300 * NS, True),
        (OPEN_NS + 390 * 60 * NS, False),
    ],
)
def test_rounds_begin_at_whole_five_minutes_of_regular_hours(
    desk: Desk, ts_ns: int, due: bool
) -> None:
    desk.scanner.engine.apply(Mark(ts_ns, ts_ns))
    desk.rounds.on_cycle(Cycle(Mark(ts_ns, ts_ns)))
    assert desk.rounds._due.is_set() == due
    desk.scanner.close()


async def test_the_rounds_run_by_themselves(desk: Desk) -> None:
    task = asyncio.create_task(desk.rounds.run())
    desk.at(ROUND_NS - 299 * NS)
    for second in range(-240, 1, 60):  # a clock set further ahead makes up for no marks
        desk.at(ROUND_NS + second * NS)
    waiting = desk.scanner.engine.table.options._waiting
    async with asyncio.timeout(20):
        while not waiting:  # noqa: ASYNC110 - the record is put from the task that runs beside
            await asyncio.sleep(0.001)
    assert waiting[0].due_ns == ROUND_NS + 10 * NS
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.scanner.close()


def test_pins_positions_signals_and_then_the_busiest(desk: Desk) -> None:
    desk.at(OPEN_NS + 2 * NS)
    engine = desk.scanner.engine
    engine.table.tiers.level[[1, 2, 3]] = 2
    assert conviction(engine, {}, ()) == ["SPY", "WAR", "BBB", "AAA"]
    assert conviction(engine, {"AAA": 5}, ()) == ["SPY", "AAA", "WAR", "BBB"]
    assert conviction(engine, {"AAA": 5, "BBB": 9}, ()) == ["SPY", "BBB", "AAA", "WAR"]
    assert conviction(engine, {"AAA": 5}, ["BBB", "GONE"]) == ["SPY", "BBB", "AAA", "WAR"]
    desk.scanner.close()


async def test_signals_make_conviction_for_half_an_hour(desk: Desk) -> None:
    desk.at(ROUND_NS)
    desk.rounds.on_cycle(Cycle(Mark(ROUND_NS - 1, 0), signals=[signal("BBB")]))
    await desk.rounds.round(ROUND_NS)
    assert "BBB" in desk.feed.asked[0]
    desk.at(ROUND_NS + 2100 * NS)
    await desk.rounds.round(ROUND_NS + 2100 * NS)
    assert "BBB" not in desk.feed.asked[1]
    desk.scanner.close()


async def test_a_symbol_without_options_gives_its_place_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path, most=2)
    desk.rounds.positions = lambda: ["WAR", "AAA"]
    for number in range(MOST_MISSES + 1):
        ts_ns = ROUND_NS + number * 300 * NS
        desk.at(ts_ns)
        await desk.rounds.round(ts_ns)
    assert desk.feed.asked == [["SPY", "WAR"]] * MOST_MISSES + [["SPY", "AAA"]]
    desk.scanner.close()


async def test_where_nothing_comes_no_symbol_is_to_blame(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.feed.chains = _nothing  # type: ignore[method-assign]
    for number in range(MOST_MISSES + 1):
        await desk.rounds.round(ROUND_NS + number * 300 * NS)
    assert desk.rounds._misses == {}
    desk.scanner.close()


async def _nothing(symbols: Sequence[str]) -> None:
    """Bring no chain of any of the `symbols`."""


async def test_the_recorded_past_gives_a_rank(tmp_path: Path) -> None:
    folder = tmp_path / "volatility"
    for number in range(210):
        date = DAY - dt.timedelta(days=300 - number)
        write_volatilities(folder, date, {"SPY": 0.10 + number / 2100.0, "XYZ": 0.3})
    desk = Desk(tmp_path)
    desk.at(ROUND_NS)
    await desk.rounds.round(ROUND_NS)
    desk.at(ROUND_NS + 10 * NS)
    assert desk.column("iv_rank")[0] == pytest.approx(100 * 0.05 / (209 / 2100), abs=0.5)
    assert desk.column("iv_pctl")[0] == pytest.approx(50.0, abs=0.5)
    past = read_volatilities(folder, DAY + dt.timedelta(days=1))
    assert past["SPY"][-1] == pytest.approx(0.15, abs=1e-3), "today's is kept"
    assert np.isnan(past["XYZ"][-1])
    desk.scanner.close()


async def test_a_feeds_own_past_goes_first(tmp_path: Path) -> None:
    desk = Desk(tmp_path, past=np.linspace(0.1, 0.2, 252))
    desk.at(ROUND_NS)
    await desk.rounds.round(ROUND_NS)
    desk.at(ROUND_NS + 10 * NS)
    assert desk.column("iv_rank")[0] == pytest.approx(50.0, abs=0.5)
    desk.scanner.close()


async def test_a_broken_past_is_told_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "volatility").mkdir()
    (tmp_path / "volatility" / "2026-11-19.json").write_text("[]")
    desk = Desk(tmp_path)
    desk.at(ROUND_NS)
    await desk.rounds.round(ROUND_NS)
    desk.at(ROUND_NS + 10 * NS)
    assert desk.column("iv30")[0] == pytest.approx(15.0, abs=0.1)
    assert "holds no volatilities" in desk.scanner.status()["rejected_samples"]["volatility"]
    desk.scanner.close()


async def test_a_worker_that_cannot_start_loses_the_round_alone() -> None:
    workshop = Workshop(apart=True)
    with no_more_files():
        assert workshop.warm() is None
        assert await workshop.reckon([chain({30.0: 0.5})]) == []
    workshop.close()


@pytest.mark.slow
async def test_a_process_of_its_own_reckons_the_same() -> None:
    chains = [chain({23.0: 0.3, 51.0: 0.4}), chain({30.0: 0.5})]
    workshop = Workshop(apart=True)
    found = await workshop.reckon(chains)
    workshop.close()
    assert np.array_equal(found, figures_then(chains), equal_nan=True)


@pytest.mark.parametrize(
    ("feed", "settings", "symbols", "there"),
    [
        ("massive", {"api_key": "k"}, 40, True),
        ("massive", {"api_key": "k"}, 0, False),
        ("kraken", {}, 40, False),
    ],
)
async def test_the_feeds_that_know_options_get_rounds(
    tmp_path: Path, feed: str, settings: dict[str, str], symbols: int, there: bool
) -> None:
    config = Config(
        web=Web(port=0), options=Options(symbols=symbols), feed={feed: settings},
        questions=str(tmp_path / "none"), strategies=str(tmp_path / "none"), workers=0,
    )  # fmt: skip
    parts = run.assemble(config, open_feed(config, feed), tmp_path)
    assert (parts.rounds is not None) == there
    assert not there or parts.rounds.on_cycle in parts.scanner.listeners  # type: ignore[union-attr]
    parts.gateway.close()
    parts.past.close()
    parts.scanner.close()
