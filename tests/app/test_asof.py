"""As of: what stood at any recorded second, from snapshot and journal."""

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.limits import no_more_files
from replay.tape import NS, SYMBOLS, Live, Tape, live
from tapelight.app import past
from tapelight.app.asof import AsOf, Stopped, begin_of, of_tiers, packed, recorded_days
from tapelight.app.frozen import freeze
from tapelight.app.past import Past
from tapelight.app.views import EngineBoards, EngineMarket
from tapelight.errors import ConfigError, Missing, Unavailable
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.model.records import Mark, Questions
from tapelight.model.session import calendar, iso
from tapelight.scan.sql import compile_query
from tapelight.stores.journal.snapshots import places, write_snapshot
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.slow

XNYS = calendar("XNYS")
TAPE = Tape(seconds=20)
PROBE = '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last, hod FROM market WHERE new_hod'
CHANGE_S = 9


class Day:
    """A recorded day with snapshots, and what its own run answered at each whole second."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = data / "journal" / "2026-11-20" / "0001"
        self.boards: dict[int, dict[str, object]] = {}
        self.symbols: dict[int, dict[str, object]] = {}
        self._record()

    def _record(self) -> None:
        writer = Writer(self.folder)
        done = Live(live([], None).engine)
        view = EngineBoards(done.engine)
        market = EngineMarket(done.engine, dict)
        for drawn in TAPE.records():
            asks = isinstance(drawn, Questions)
            record = Questions({**drawn.texts, "probe": PROBE}) if asks else drawn  # type: ignore[union-attr]
            writer.append(record)
            cycle = done.engine.apply(record)
            if cycle is None:
                continue
            view.keep(cycle.rankings, cycle.signals)
            if not cycle.whole:
                continue
            ts = cycle.mark.ts_ns
            self.boards[ts] = {b["name"]: plain(view.board(b["name"])) for b in view.board_names()}
            self.symbols[ts] = {s: plain(market.symbol(s)) for s in SYMBOLS[:3]}
            if (second := (ts - TAPE.start_ns) // NS) in (4, 8, 13):
                writer.tick(force=True)
                write_snapshot(
                    self.folder, writer.seq, freeze(done.engine) | packed(view.newest), ts
                )
            if second == CHANGE_S:
                texts = {**done.engine.questions.texts}  # type: ignore[union-attr]
                texts["top_volume"] = texts["top_volume"].replace("DESC", "ASC")
                writer.append(Questions(texts))
                done.engine.apply(Questions(texts))
            writer.tick(force=True)
        writer.close()


def plain(state: object) -> object:
    """Return what the gateway would send, without the feed's totals."""
    values = msgspec.json.decode(msgspec.json.encode(state))
    assert isinstance(values, dict)
    return {k: v for k, v in values.items() if k not in ("taken", "run", "as_of_ns")}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("data"))


def then_board(asof: AsOf, name: str, at_ns: int) -> object:
    return plain(past.board_then(asof.at(at_ns, frozenset([name])), name))


def test_any_second_in_any_order_gives_the_board_of_its_mark(day: Day) -> None:
    draw, asof = np.random.default_rng(3), AsOf(day.data, XNYS)
    names = [n for n, b in day.boards[TAPE.start_ns + 20 * NS].items() if b["rows"]]  # type: ignore[index]
    assert {"top_volume", "probe", "gainers"} <= set(names)
    assert len([p for p in places(day.folder) if p.seq]) == 3
    for _ in range(16):
        ts = TAPE.start_ns + int(draw.integers(1, 21)) * NS
        name = str(draw.choice(names))
        listed = day.boards[ts][name]["kind"] == "board" and ts < TAPE.start_ns + 20 * NS  # type: ignore[index]
        within = ts + int(draw.integers(0, NS)) * listed
        assert then_board(asof, name, within) == day.boards[ts][name], (name, iso(ts))


def test_symbols_and_queries_are_those_of_the_mark(day: Day) -> None:
    asof = AsOf(day.data, XNYS)
    for second in (3, 17, 12, 5):
        ts = TAPE.start_ns + second * NS
        symbol = SYMBOLS[second % 3]
        told = past.symbol_then(asof.at(ts), symbol)
        assert plain(told) == day.symbols[ts][symbol]
        rows = past.query_then(
            asof.at(ts), f"SELECT symbol, vol FROM market WHERE symbol='{symbol}'"
        )
        assert rows == [{"symbol": symbol, "vol": told["vol"]}]


def test_a_time_between_two_marks_is_that_of_the_earlier_one(day: Day) -> None:
    then = AsOf(day.data, XNYS).at(TAPE.start_ns + 3 * NS + 70_000_000)
    assert then.mark_ns == TAPE.start_ns + 3 * NS + 50_000_000
    assert then.run == "2026-11-20/0001"


def test_what_is_not_recorded_is_told_with_the_days_that_are(day: Day) -> None:
    asof = AsOf(day.data, XNYS)
    first, last = TAPE.start_ns, TAPE.start_ns + 20 * NS
    with pytest.raises(Missing, match=r"Recorded are 2026-11-20\.$"):
        asof.at(first - 60 * NS)
    with pytest.raises(Missing, match=r"2026-11-20/0001 ends at 2026-11-20T09:30:15\.000-05:00"):
        asof.at(last + 2 * NS)
    assert asof.at(last + NS).mark_ns == last
    with pytest.raises(Missing, match="Recorded are 2026-11-20"):
        asof.at(first - 5 * 86_400 * NS)
    with pytest.raises(Missing, match="No day is recorded yet"):
        AsOf(day.data / "nothing", XNYS).at(first)
    assert recorded_days(day.data) == ["2026-11-20"]


def test_an_unknown_board_and_symbol_are_missing(day: Day) -> None:
    then = AsOf(day.data, XNYS).at(TAPE.start_ns + 2 * NS)
    with pytest.raises(Missing, match="no board 'nobody'"):
        past.board_then(then, "nobody")
    with pytest.raises(Missing, match="'NOBODY' was not watched"):
        past.symbol_then(then, "NOBODY")


def test_work_that_is_stopped_is_taken_up_where_it_stood(day: Day) -> None:
    asof, marks = AsOf(day.data, XNYS), 0

    def check() -> None:
        nonlocal marks
        marks += 1
        if marks == 30:
            raise Stopped("enough")

    ts = TAPE.start_ns + 4 * NS
    with pytest.raises(Stopped):
        asof.at(ts, frozenset(["gainers"]), check)
    begun = marks
    then = asof.at(ts, frozenset(["gainers"]), check)
    assert plain(past.board_then(then, "gainers")) == day.boards[ts]["gainers"]
    assert marks - begun < 60


def test_an_engine_that_an_error_left_half_applied_is_not_asked_again(day: Day) -> None:
    asof = AsOf(day.data, XNYS)
    first = asof.at(TAPE.start_ns + 5 * NS, frozenset(["top_volume"]))

    def fail(_engine: object) -> None:
        raise LookupError("a fault in whoever looks on")

    first.engine.on_look = fail
    with pytest.raises(LookupError):
        first.cursor.go_to(TAPE.start_ns + 6 * NS)
    first.engine.on_look = None
    ts = TAPE.start_ns + 7 * NS
    assert then_board(asof, "top_volume", ts) == day.boards[ts]["top_volume"]
    assert asof.engine_at(ts, frozenset(["top_volume"])) is not first.engine


class Still:
    """Stand for what must not be looked at while tier 2 stands still."""

    def __getattr__(self, name: str) -> object:
        raise BufferError(name)


def test_every_column_fed_by_candles_indicators_or_tiers_is_found(day: Day) -> None:
    table = AsOf(day.data, XNYS).engine_at(TAPE.start_ns + 5 * NS).table
    for part in ("candles", "indicators", "tiers"):
        setattr(table, part, Still())
    fed = set()
    for name in columns():
        try:
            View(table)[name]
        except BufferError:
            fed.add(name)
    assert {"high_5m", "low_60m", "adx14", "tier"} <= fed
    for name in columns():
        query = compile_query(f"SELECT symbol FROM market WHERE {name} IS NOT NULL")
        assert of_tiers(query) == (name in fed), name
    assert of_tiers(compile_query("SELECT symbol FROM market WHERE last > high_5m"))


def test_of_two_runs_of_a_day_the_one_that_ran_is_asked(day: Day, tmp_path: Path) -> None:
    for number, begin in ((1, 0), (2, 6)):
        writer = Writer(tmp_path / "journal" / "2026-11-20" / f"{number:04d}")
        records = [r for r in TAPE.records() if not isinstance(r, Mark)][:6]
        marks = [Mark(TAPE.start_ns + s * NS, 0) for s in range(begin + 1, begin + 4)]
        live([*records, *marks], writer)
        writer.close()
    asof = AsOf(tmp_path, XNYS)
    assert asof.at(TAPE.start_ns + 2 * NS).run == "2026-11-20/0001"
    assert asof.at(TAPE.start_ns + 8 * NS).run == "2026-11-20/0002"
    assert begin_of(tmp_path / "journal" / "2026-11-20" / "0002") == TAPE.start_ns + 7 * NS
    with pytest.raises(Missing, match="0001 ends at"):
        asof.at(TAPE.start_ns + 6 * NS)


def test_a_run_that_began_later_and_ended_sooner_hides_nothing(day: Day, tmp_path: Path) -> None:
    """A demo that is started again begins at 09:28 again, in the same folder."""
    for number, begin, seconds in ((1, 0, 9), (2, 2, 3)):
        writer = Writer(tmp_path / "journal" / "2026-11-20" / f"{number:04d}")
        records = [r for r in TAPE.records() if not isinstance(r, Mark)][:6]
        marks = [Mark(TAPE.start_ns + s * NS, 0) for s in range(begin + 1, begin + seconds + 1)]
        live([*records, *marks], writer)
        writer.close()
    asof = AsOf(tmp_path, XNYS)
    runs = {s: asof.at(TAPE.start_ns + s * NS).run[-1] for s in range(1, 10)}
    assert runs == dict.fromkeys((1, 2), "1") | dict.fromkeys((3, 4, 5, 6), "2") | dict.fromkeys(
        (7, 8, 9), "1"
    )
    first = tmp_path / "journal" / "2026-11-20" / "0001"
    assert AsOf(tmp_path, XNYS, first).at(TAPE.start_ns + 4 * NS).run == "2026-11-20/0001"
    with pytest.raises(Missing, match="0002 ends at"):
        asof.at(TAPE.start_ns + 20 * NS)
    with pytest.raises(Missing, match="0002 begins at"):
        AsOf(tmp_path, XNYS, first.parent / "0002").at(TAPE.start_ns + NS)


def test_a_cursor_goes_on_in_a_journal_that_grows(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal" / "2026-11-20" / "0001")
    records, asof = list(TAPE.records()), AsOf(tmp_path, XNYS)
    marks = [i for i, r in enumerate(records) if isinstance(r, Mark) and r.ts_ns % NS == 0]
    begin, engine = 0, live([], None).engine
    for second in (3, 4, 9):
        live(records[begin : marks[second] + 1], writer, engine)
        begin = marks[second] + 1
        writer.tick(force=True)
        assert writer.wait_for(writer.seq, 5.0)
        then = asof.at(TAPE.start_ns + (second + 1) * NS, frozenset(["gainers"]))
        assert then.mark_ns == TAPE.start_ns + (second + 1) * NS
        asof.at(TAPE.start_ns + (second + 1) * NS)
    writer.close()


def running(day: Day, now_ns: int, limit_s: float = 30.0) -> Past:
    return Past(day.data, "XNYS", lambda: past.Live(now_ns), limit_s)


@pytest.mark.slow
async def test_a_process_of_its_own_answers_refuses_and_is_bounded(day: Day) -> None:
    mine = running(day, TAPE.start_ns + 21 * NS)
    ts = TAPE.start_ns + 11 * NS
    try:
        told, *others = await asyncio.gather(
            mine.board("top_volume", iso(ts)),
            *(mine.query("SELECT symbol FROM market LIMIT 1", "09:30:10") for _ in range(7)),
            mine.query("SELECT symbol FROM market LIMIT 1", "09:30:10"),
            return_exceptions=True,
        )
        assert plain(told) == day.boards[ts]["top_volume"]
        assert [type(o) for o in others] == [dict] * 7 + [Unavailable]
        assert isinstance(others[0], dict)
        assert others[0]["as_of_ns"] == TAPE.start_ns + 15 * NS, "09:30:10"
        with pytest.raises(ConfigError, match="Unknown column 'lst', did you mean last"):
            await mine.query("SELECT lst FROM market", iso(ts))
        with pytest.raises(Missing, match="was not watched"):
            await mine.symbol("NOBODY", iso(ts))
        with pytest.raises(ConfigError, match="lies in the future"):
            await mine.symbol("S000", iso(ts + 86_400 * NS))
        with pytest.raises(ConfigError, match="is not a time"):
            await mine.symbol("S000", "yesterday")
        mine._limit_s = 0.0
        with pytest.raises(Stopped, match="takes more than 0 s"):
            await mine.query("SELECT symbol FROM market", "09:30:14")
        asker = asyncio.ensure_future(mine.symbol("S000", iso(ts)))
        await asyncio.sleep(0)
        asker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asker
    finally:
        mine.close()


@pytest.mark.slow
async def test_a_process_that_cannot_start_or_ends_is_begun_anew(day: Day) -> None:
    mine = running(day, TAPE.start_ns + 21 * NS)
    try:
        with no_more_files():
            await mine.warm()
            with pytest.raises(Unavailable, match="ask again"):
                await mine.query("SELECT symbol FROM market", "09:30:10")
        warming = asyncio.ensure_future(mine.warm())
        await asyncio.sleep(0)
        assert mine._pool is not None
        for pid in mine._pool._processes:
            os.kill(pid, signal.SIGKILL)
        await warming
        assert mine._pool is None
        assert await mine.query("SELECT symbol FROM market LIMIT 1", "09:30:10")
    finally:
        mine.close()
