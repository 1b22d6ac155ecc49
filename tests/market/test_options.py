"""Figures of tier 3 on the table: seen when due, for a quarter of an hour, and in a snapshot."""

import numpy as np
import pytest

from market.tape import Tape
from tapelight.engine import Engine
from tapelight.market.options import FIGURES, LASTS_NS, MOST_CHAINS, OptionStore
from tapelight.market.view import View
from tapelight.model import codec
from tapelight.model.options import empty_chain
from tapelight.model.records import Reference, TierResult, TierValues
from tapelight.model.session import NS
from tapelight.scan.sql import compile_query


def result(cut_ns: int, rows: list[int], **figures: list[float]) -> TierResult:
    values = np.array([figures[name] for name in figures])
    part = TierValues(tuple(figures), np.array(rows, np.int32).tobytes(), values.tobytes())
    return TierResult(cut_ns, cut_ns + 10 * NS, (part,), tier=3)


def test_figures_are_seen_from_the_mark_at_which_they_are_due() -> None:
    tape = Tape("A", "B")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [1], iv30=[0.42], iv_rank=[61.0]))
    tape.mark("10:05:09.950")
    assert np.isnan(View(tape.table)["iv30"]).all()
    tape.mark("10:05:10")
    view = View(tape.table)
    assert view["iv30"].tolist()[1] == pytest.approx(42.0)
    assert view["iv_rank"].tolist()[1] == 61.0
    assert np.isnan(view["iv30"][0])
    assert np.isnan(view["iv_pctl"]).all()
    assert view["iv_age_s"].tolist()[1] == 10.0
    assert View(tape.table, np.array([1]))["iv30"].tolist() == view["iv30"].tolist()[1:]


def test_a_row_in_play_with_figures_is_in_tier_three() -> None:
    tape = Tape("A", "B", "C")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [0, 1], iv30=[0.4, 0.5]))
    tape.mark("10:05:10")
    tape.table.tiers.level[[1, 2]] = 2
    assert View(tape.table)["tier"].tolist() == [1.0, 3.0, 2.0]


def test_a_late_result_is_seen_at_the_mark_after_it() -> None:
    tape = Tape("A")
    tape.mark("10:05:30")
    tape.engine.apply(result(tape.ns("10:05:00"), [0], put_call_vol=[0.8]))
    assert np.isnan(View(tape.table)["put_call_vol"][0])
    tape.mark("10:05:31")
    assert View(tape.table)["put_call_vol"].tolist() == [0.8]


def test_what_is_not_renewed_is_unknown_again() -> None:
    tape = Tape("A")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [0], iv30=[0.4]))
    tape.mark("10:20:00")
    assert View(tape.table)["iv30"].tolist() == [40.0]
    tape.mark("10:20:01")
    assert np.isnan(View(tape.table)["iv30"]).all()
    assert LASTS_NS == 900 * NS


def test_a_query_asks_for_them() -> None:
    tape = Tape("A", "B")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [0, 1], iv30=[0.4, 0.9], iv_rank=[10.0, 90.0]))
    tape.mark("10:05:10")
    query = compile_query("SELECT symbol, iv30 FROM market WHERE iv_rank > 50")
    assert query.where is not None
    assert np.flatnonzero(query.where(View(tape.table))).tolist() == [1]


def test_a_snapshot_holds_figures_and_what_is_not_due() -> None:
    tape = Tape("A", "B")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [0], iv30=[0.4]))
    tape.mark("10:05:10")
    tape.engine.apply(result(tape.ns("10:10:00"), [1], iv30=[0.5]))
    tape.engine.apply(empty_chain(tape.ns("10:10:00"), "B"))
    store = OptionStore()
    store.thaw(tape.table.options.freeze())
    now = tape.ns("10:10:10")
    assert store.figure("iv30", now, 2).tolist()[0] == 0.4
    assert np.isnan(store.figure("iv30", now, 2)[1])
    store.step(now, 2)
    assert store.figure("iv30", now, 2).tolist() == [0.4, 0.5]
    assert list(store.chains) == ["B"]
    assert "options" in tape.engine.parts()


def test_a_new_session_knows_nothing() -> None:
    tape = Tape("A")
    tape.mark("10:05:00")
    tape.engine.apply(result(tape.ns("10:05:00"), [0], iv30=[0.4]))
    tape.mark("10:05:10")
    tape.engine.table.options.clear()
    assert np.isnan(View(tape.table)["iv30"]).all()
    assert np.isnan(View(tape.table)["iv_age_s"]).all()


def test_chains_are_bounded_and_the_newest_stay() -> None:
    store = OptionStore()
    for i in range(MOST_CHAINS + 3):
        store.take_chain(empty_chain(i, f"S{i}"))
    store.take_chain(empty_chain(999, "S5"))
    assert len(store.chains) == MOST_CHAINS
    assert "S2" not in store.chains
    assert list(store.chains)[-1] == "S5"


def test_a_result_is_a_record() -> None:
    one = result(1_000, [3, 4], **{name: [0.1, np.nan] for name in FIGURES})
    again = codec.decode(codec.encode(one))
    assert isinstance(again, TierResult)
    assert (again.tier, again.due_ns, again.parts) == (3, one.due_ns, one.parts)
    engine = Engine()
    engine.apply(again)
    assert engine.table.options.figure("iv30", 0, 0).tolist() == []


def test_relative_strength_is_what_beta_does_not_explain() -> None:
    tape = Tape("SPY", "A", "B")
    tape.refer(
        Reference(symbol="A", beta_spy=1.5, corr_spy_20d=0.7, corr_sector_20d=0.8),
        Reference(symbol="SPY", beta_spy=1.0),
    )
    for minute in range(31):
        for symbol, price in (("SPY", 100.0), ("A", 10.0), ("B", 20.0)):
            tape.trade(f"10:{minute:02d}:05", price, symbol=symbol)
    tape.trade("10:31:10", 99.0, symbol="SPY")
    tape.trade("10:31:10", 10.2, symbol="A")
    tape.mark("10:31:30")
    view = View(tape.table)
    assert view["rs_spy_15m"].tolist()[:2] == pytest.approx([0.0, 2.0 + 1.5 * 1.0])
    assert view["rs_spy_30m"].tolist()[:2] == pytest.approx([0.0, 3.5])
    assert np.isnan(view["rs_spy_15m"][2]), "no beta"
    part = View(tape.table, np.array([1]))
    assert part["rs_spy_15m"].tolist() == view["rs_spy_15m"].tolist()[1:2]
    assert (view["corr_spy_20d"][1], view["corr_sector_20d"][1]) == (0.7, 0.8)


def test_without_spy_there_is_no_relative_strength() -> None:
    tape = Tape("A")
    tape.refer(Reference(symbol="A", beta_spy=1.5))
    tape.trade("10:00:05", 10.0)
    tape.trade("10:30:10", 10.2)
    tape.mark("10:30:30")
    assert np.isnan(View(tape.table)["rs_spy_15m"]).all()
