"""The engine: pure, and the same however its input was cut, conflated or numbered."""

import dataclasses
import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.tape import Tape
from market_tape import Day, begin_engine, cut, make_day, play
from tapelight.engine import Engine
from tapelight.feeds._conflate import seen
from tapelight.model.batch import Quotes, Trades
from tapelight.model.records import Digest, Mark, Questions
from tapelight.model.session import NS, calendar

pytestmark = pytest.mark.integration

DATE = dt.date(2026, 11, 20)
SESSION = calendar("XNYS").session_on(DATE)
assert SESSION is not None
NEXT = calendar("XNYS").session_on(dt.date(2026, 11, 23))
assert NEXT is not None


@pytest.fixture(scope="module")
def opening() -> Day:
    """20,000 trades around the bell: pre-market, the open, the first minutes."""
    return make_day(SESSION, SESSION.open_ns - 40 * NS, seed=1, n=20_000)


def digests(day: Day, size: int, **how: object) -> list[str]:
    return play(begin_engine(day, DATE.isoformat()), day, size, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(opening: Day) -> list[str]:
    return digests(opening, 2_000)


def test_batches_of_1_7_and_2000_give_one_digest(opening: Day, whole: list[str]) -> None:
    assert len(set(whole)) > 100
    assert digests(opening, 7) == whole
    assert digests(opening, 1) == whole


def test_conflated_quotes_give_the_same_digest(opening: Day, whole: list[str]) -> None:
    kept = []

    def conflate(quotes: Quotes, trades: Trades) -> np.ndarray:
        kept.append((int(seen(quotes, trades).sum()), len(quotes.row)))
        return seen(quotes, trades)

    assert digests(opening, 2_000, conflate=conflate) == whole
    assert sum(k for k, _ in kept) < sum(n for _, n in kept)


def test_other_row_numbers_give_the_same_digest(opening: Day, whole: list[str]) -> None:
    order = np.random.default_rng(3).permutation(len(opening.symbols))
    new_row = np.argsort(order).astype(np.int32)
    moved = dataclasses.replace(
        opening,
        trades=dataclasses.replace(opening.trades, row=new_row[opening.trades.row]),
        quotes=dataclasses.replace(opening.quotes, row=new_row[opening.quotes.row]),
    )
    engine = begin_engine(opening, DATE.isoformat(), order.tolist())
    assert play(engine, moved, 2_000) == whole


def test_across_a_session_roll_batches_give_one_digest() -> None:
    assert NEXT is not None
    first = make_day(SESSION, SESSION.end_ns - 20 * NS, seed=5, n=1_500, span_s=18.0)
    second = make_day(NEXT, NEXT.start_ns - 2 * NS, seed=6, n=1_500, span_s=30.0)
    found = set()
    for size in (1, 7, 2_000):
        engine = begin_engine(first, DATE.isoformat())
        play(engine, first, size)
        found.add(play(engine, second, size)[-1])
        assert engine.table.rolls == 1
    assert len(found) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.sampled_from([1, 2, 3, 5, 11, 400]))
def test_any_cut_of_any_tape_gives_one_digest(seed: int, symbols: int, size: int) -> None:
    day = make_day(SESSION, SESSION.open_ns - 2 * NS, seed, 300, symbols, span_s=6.0)
    assert digests(day, size) == digests(day, 300)


def test_more_than_one_piece_a_batch_gives_one_digest() -> None:
    day = make_day(SESSION, SESSION.open_ns, seed=9, n=9_000, span_s=0.02)
    assert digests(day, 9_000) == digests(day, 1_000)


def test_sums_are_those_of_one_print_at_a_time(opening: Day) -> None:
    engine = begin_engine(opening, DATE.isoformat())
    play(engine, opening, 2_000)
    volume = np.zeros(len(opening.symbols))
    t = opening.trades
    heard = set()
    for row, size, number in zip(t.row.tolist(), t.size.tolist(), t.seq.tolist(), strict=True):
        if number == 0 or (row, number) not in heard:
            volume[row] += size
        heard.add((row, number))
    assert engine.table.live["vol"].tolist() == volume.tolist()


def test_a_digest_record_changes_nothing(opening: Day) -> None:
    engine = begin_engine(opening, DATE.isoformat())
    before = engine.digest
    assert engine.apply(Digest(1, "x")) is None
    assert engine.digest == before


def test_marks_between_whole_seconds_rank_nothing() -> None:
    tape = Tape()
    tape.ask(all='-- title = "a"\n-- gate = "none"\nSELECT symbol FROM market')
    tape.trade("10:00:00", 10.0)
    part = tape.mark("10:00:00.050")
    whole = tape.mark("10:00:01")
    assert (part.whole, part.rankings) == (False, [])
    assert (whole.whole, whole.rankings[0].order) == (True, ["A"])


def test_unchanged_questions_keep_their_memory() -> None:
    tape = Tape()
    texts = {n: f'-- title = "{n}"\n-- gate = "none"\nSELECT symbol FROM market' for n in "ab"}
    tape.engine.apply(Questions(texts))
    boards = tape.engine.boards
    changed = {**texts, "b": texts["b"] + " LIMIT 1"}
    tape.engine.apply(Questions(changed))
    assert tape.engine.boards["a"] is boards["a"]
    assert tape.engine.boards["b"] is not boards["b"]


def test_a_new_session_clears_boards_and_scans() -> None:
    tape = Tape()
    tape.ask(
        up='-- title = "u"\n-- gate = "none"\nSELECT symbol FROM market WHERE last > 1',
        hit='-- title = "h"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 86400\n'
        "SELECT symbol FROM market WHERE last > 1",
    )
    tape.trade("15:00:00", 10.0)
    assert [s.scan for s in tape.mark("15:00:00.05").signals] == ["hit"]
    tape.mark("15:00:01")
    assert tape.mark("15:00:02").rankings[0].order == ["A"]
    assert tape.mark("04:00:00", days=3).rankings[0].order == []
    tape.trade("04:00:01", 10.0, 100.0, 12, days=3)
    assert len(tape.mark("04:00:01.05", days=3).signals) == 1


def test_an_empty_engine_takes_marks() -> None:
    engine = Engine()
    cycle = engine.apply(Mark(SESSION.open_ns, SESSION.open_ns))
    assert cycle is not None
    assert cycle.signals == []
    assert cut(Trades(*[np.zeros(0)] * 7), 0, 0).row.size == 0  # type: ignore[arg-type]
