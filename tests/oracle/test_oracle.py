"""The oracle itself, by hand: small tapes whose boards can be told on paper."""

import ast
import copy
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from oracle.boards import BOARDS, Membership
from oracle.market import NAN, Columns, Hours, Ledger, Reference, Row, states, unsure_dollars
from oracle.sales import LastSale, Print, counts, is_regular, moves_high_low, moves_last
from oracle.verdict import NS, Second, Trial, agree, timeline

HOURS = Hours(open_ns=1_000 * NS, close_ns=2_000 * NS)
LISTING, ELSEWHERE = 12, 4


def sale(
    at_s: float, *conditions: int, price: float = 10.0, size: float = 100.0, **more: Any
) -> Print:
    given: dict[str, Any] = {"symbol": "AAA", "exchange": ELSEWHERE, "bad": False} | more
    return Print(int(at_s * NS), price=price, size=size, conditions=conditions, **given)


def row(**more: Any) -> Row:
    given: dict[str, Any] = {
        "type": "CS", "prev_close": 10.0, "listing": LISTING, "float_shares": 1e6, "vol": 0.0,
        "dollar_vol": 0.0, "last": NAN, "bid": 9.99, "ask": 10.01, "pm_vol": 0.0,
    }  # fmt: skip
    return Row(**(given | more))


def columns(**rows: Row) -> Columns:
    return Columns(rows)


@pytest.mark.parametrize(
    ("conditions", "last", "high_low", "volume"),
    [
        ((), True, True, True),
        ((14, 41), True, True, True),
        ((14, 37), False, False, True),
        ((2,), False, False, True),
        ((10, 41), False, True, True),
        ((32,), False, True, True),
        ((16,), False, False, False),
        ((38,), True, True, False),
        ((12,), False, False, True),
        ((99,), False, False, True),
    ],
)
def test_every_condition_must_allow_it(
    conditions: tuple[int, ...], last: bool, high_low: bool, volume: bool
) -> None:
    print_, past = sale(1_500, *conditions), LastSale(regular=True, exchange=LISTING)
    assert moves_last(print_, True, past, LISTING) is last
    assert moves_high_low(print_, True) is high_low
    assert counts(conditions) is volume


def test_some_move_last_only_as_the_first_and_sold_last_only_from_known_places() -> None:
    none, some = LastSale(), LastSale(regular=True, exchange=8)
    assert moves_last(sale(1_500, 10), True, none, LISTING)
    assert not moves_last(sale(1_500, 10), True, some, LISTING)
    assert [
        moves_last(sale(1_500, 30, exchange=venue), True, some, LISTING)
        for venue in (LISTING, 8, ELSEWHERE)
    ] == [True, True, False]


def test_outside_hours_form_t_moves_last_and_auctions_are_regular_whatever_their_time() -> None:
    assert moves_last(sale(900, 12), False, LastSale(), LISTING)
    assert not moves_last(sale(900, 12, 37), False, LastSale(), LISTING)
    assert not moves_last(sale(900, 13), False, LastSale(), LISTING)
    assert not is_regular(sale(900, 12), *HOURS)
    assert is_regular(sale(2_001, 8), *HOURS)


def test_a_bad_print_counts_at_the_last_price_and_moves_nothing() -> None:
    found = row()
    found.trade(sale(900, 12, price=10.0), HOURS)
    found.trade(sale(901, 12, price=15.0, size=50.0, bad=True), HOURS)
    assert (found.last, found.vol, found.dollar_vol, found.pm_vol) == (10.0, 150.0, 1_500.0, 150.0)


@pytest.mark.parametrize(
    ("last", "price", "after_s", "held"),
    [(10.0, 8.9, 1, True), (2.0, 1.61, 1, False), (2.0, 1.59, 1, True), (0.5, 0.7, 1, False),
     (10.0, 15.0, 60, True), (10.0, 15.0, 61, False)],
)  # fmt: skip
def test_a_bad_print_is_held_only_far_from_a_fresh_last(
    last: float, price: float, after_s: int, held: bool
) -> None:
    found = row()
    found.trade(sale(900, 12, price=last), HOURS)
    found.trade(sale(900 + after_s, 12, price=price, bad=True), HOURS)
    assert found.last == (last if held else price)


def test_the_open_is_the_first_eligible_print_until_the_listing_market_speaks() -> None:
    found = row()
    found.trade(sale(900, 12, price=9.0), HOURS)
    found.trade(sale(1_000, 37, price=9.5), HOURS)
    found.trade(sale(1_001, price=10.0), HOURS)
    assert (found.open, found.pm_vol) == (10.0, 100.0)
    found.trade(sale(1_002, 16, price=11.0, exchange=ELSEWHERE), HOURS)
    assert found.open == 10.0
    found.trade(sale(1_003, 16, price=10.5, exchange=LISTING), HOURS)
    assert (found.open, found.last, found.vol) == (10.5, 10.0, 300.0)


def test_a_row_enters_after_half_a_second_and_leaves_late_and_below_the_bound() -> None:
    board, everyone = Membership(BOARDS["gainers"]), np.ones(1, np.bool_)

    def members(at_s: int, last: float) -> list[str]:
        now = columns(AAA=row(last=last, vol=200_000.0))
        board.step(now, at_s * NS, HOURS.open_ns, everyone)
        return board.order(now)

    assert members(0, 10.30) == []
    assert members(1, 10.30) == ["AAA"]
    assert members(2, 10.20) == ["AAA"], "held for 15 s"
    assert members(15, 10.20) == ["AAA"]
    assert members(16, 10.25) == ["AAA"], "2.5 % is above 3 % let out by a fifth"
    assert members(17, 10.239) == []


def test_ranks_are_by_value_then_symbol_and_the_gate_holds() -> None:
    board = Membership(BOARDS["top_volume"])
    rows = {
        "BBB": row(last=5.0, vol=7.0), "AAA": row(last=5.0, vol=7.0), "CCC": row(last=5.0, vol=9.0),
        "ETF": row(last=5.0, vol=99.0, type="ETF"), "LOW": row(last=0.99, vol=99.0),
        "WIDE": row(last=5.0, vol=99.0, bid=9.8), "NUL": row(vol=99.0),
    }  # fmt: skip
    now = columns(**rows)
    for second in (0, 1):
        board.step(now, second * NS, HOURS.open_ns, np.ones(7, np.bool_))
    assert board.order(now) == ["CCC", "AAA", "BBB"]


def test_a_missed_second_is_like_one_neighbour_or_the_other() -> None:
    known = {s * NS: Second(s * NS, (s, s), stale=False) for s in (1, 4)}
    assert [s.taken[0] for s in timeline(known, NS, late=False)] == [1, 1, 1, 4]
    assert [s.taken[0] for s in timeline(known, NS, late=True)] == [1, 4, 4, 4]


def test_values_agree_exactly_or_to_a_billionth_and_null_with_unknown_alone() -> None:
    assert agree(1.0 + 1e-10, 1.0, exactly=False)
    assert not agree(1.0 + 1e-8, 1.0, exactly=False)
    assert not agree(1.0 + 1e-10, 1.0, exactly=True)
    assert agree(None, NAN, exactly=False)
    assert not agree(None, 1.0, exactly=False)
    assert not agree(1.0, NAN, exactly=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Two companies and a test symbol; AAA trades at 100 s and 101 s, BBB is quoted at 101 s."""
    symbols = ["AAA", "BBB", "ZVZZT"]
    pl.DataFrame({
        "symbol": symbols, "listing_exchange": [LISTING] * 3, "volume_before": [500.0, 300.0, 9.0],
        "last_before": [10.0, 20.0, 1.0],
        "last_ts_ns": [98 * NS, 99 * NS, None], "bid": [9.99, 19.99, 1.0], "ask": [10.01, 20.01, 1.1],
    }).write_parquet(tmp_path / "start.parquet")  # fmt: skip
    pl.DataFrame({
        "n": [0, 1, 2], "ts_ns": [100 * NS, 100 * NS, 101 * NS],
        "symbol": ["AAA", "ZVZZT", "AAA"], "price": [10.5, 1.0, 11.0], "size": [100.0, 1.0, 50.0],
        "conditions": [[12], [12], [12, 37]], "exchange": [4, 4, 4], "truth": ["ok"] * 3,
    }).write_parquet(tmp_path / "trades-00000.parquet")  # fmt: skip
    pl.DataFrame({
        "symbol": ["BBB"], "bid": [19.0], "ask": [21.0],
    }).write_parquet(tmp_path / "quotes-00000.parquet")  # fmt: skip
    return Ledger(tmp_path, symbols[:2])


REFERENCES = {
    "AAA": Reference("CS", 10.0, 1e6, 5_000.0), "BBB": Reference("ADRC", 20.0, 1e6, 6_000.0),
}  # fmt: skip


def test_states_follow_the_counts_of_what_was_seen(ledger: Ledger) -> None:
    before, one, all_ = states(ledger, REFERENCES, HOURS, [(0, 0), (1, 0), (2, 1)])
    assert before.vol.tolist() == [500.0, 300.0]
    assert (one.last[0], one.vol[0], one.dollar_vol[0]) == (10.5, 600.0, 6_050.0)
    assert (all_.last[0], all_.vol[0], all_.dollar_vol[0]) == (10.5, 650.0, 6_600.0)
    assert all_.type.tolist() == ["CS", "ADR"]
    assert (one.spread_pct[1], all_.spread_pct[1]) == (pytest.approx(0.1), 10.0)


def test_dollars_are_unsure_by_the_rounding_and_by_special_sales(ledger: Ledger) -> None:
    assert unsure_dollars(ledger, HOURS, 101 * NS) == {"AAA": 0.005}
    assert unsure_dollars(ledger, HOURS, 102 * NS) == {"AAA": pytest.approx(0.0075 + 0.02 * 550.0)}


def answer(taken: int, *rows: dict[str, Any]) -> dict[str, Any]:
    said = {"trades": taken, "quotes": 0, "superseded": 0}
    return {"taken": said, "rows": [{"stale": False, **r} for r in rows]}


def test_a_wrong_rank_or_value_is_found(ledger: Ledger) -> None:
    aaa, bbb = {"symbol": "AAA", "vol": 600.0, "last": 10.5}, {"symbol": "BBB", "vol": 300.0}
    said: dict[str, dict[int, Any]] = {
        "top_volume": {99 * NS: answer(0), 100 * NS: answer(1), 101 * NS: answer(1, aaa, bbb)},
        "most_active": {},
    }

    def differences(tampered: dict[str, dict[int, Any]]) -> list[str]:
        trial = Trial(tampered, 0, HOURS)
        trial.run(ledger, REFERENCES)
        return [d.what for d in trial.differences]

    assert differences(said) == []
    swapped = copy.deepcopy(said)
    swapped["top_volume"][101 * NS]["rows"].reverse()
    assert differences(swapped) == ["order"]
    wrong = copy.deepcopy(said)
    wrong["top_volume"][101 * NS]["rows"][0]["last"] = 10.50001
    assert differences(wrong) == ["AAA last"]
    lacking = copy.deepcopy(said)
    del lacking["top_volume"][101 * NS]["rows"][1]
    assert differences(lacking) == ["order"]


def test_the_oracle_shares_no_code_with_the_scanner() -> None:
    oracles = [p for p in Path(__file__).parent.glob("*.py") if not p.name.startswith("test_")]
    for path in [*oracles, Path(__file__), Path(__file__).with_name("test_live_boards.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            assert not any(name.split(".")[0] == "tapelight" for name in names), path.name
