"""Every column on an empty and on a busy table; relative volume; new files; derived figures."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tapelight.market.columns as package
from market.tape import Tape
from tapelight.errors import Bug
from tapelight.market.baseline import market_curve
from tapelight.market.column import Values, columns, moves
from tapelight.market.text import Text, Words
from tapelight.market.view import View
from tapelight.model.records import Reference
from tapelight.scan.sql import answer, compile_query

KINDS = {"number", "flag", "text"}
REQUIRED = (
    "symbol name exchange type sector industry phase age_ms quiet_s feed stale provisional tier "
    "last bid ask mid open high low hod lod pm_high pm_low prev_close prev_high prev_low chg "
    "chg_pct gap_pct chg_open_pct post_chg_pct chg_1m chg_2m chg_3m chg_5m chg_10m chg_15m "
    "chg_30m chg_60m accel velocity hod_dist_pct lod_dist_pct range_pos pmh_dist_pct "
    "pdh_dist_pct w52h_dist_pct new_highs_today secs_since_hod streak_1m streak_5m vol trades "
    "vol_rth pm_vol post_vol vol_1m vol_5m vol_15m dollar_vol dv_5m adv20 prev_vol rvol_tod "
    "rvol_thin rvol_src rvol_day rvol_5m rvol_1m vol_burst float_shares float_asof float_src "
    "float_rot mcap short_float_pct days_to_cover spread spread_pct bid_size ask_size imb "
    "trade_rate trade_rate_10s avg_trade_size_1m buy_pct_1m blocks_5m atr14 atr_pct atr_used hv20 "
    "vwap vwap_pm vwap_dist_pct vwap_dist_atr vwap_sd vwap_z sma50d sma200d or5_high or5_low "
    "or15_high or15_low or30_high or30_low halted halt_code halt_time halts_today resume_time "
    "luld_up luld_dn luld_dist_pct ssr halt_suspected ipo_days split_today"
).split()


def dtype_of(values: Values) -> str:
    if isinstance(values, Text):
        return "text"
    return "flag" if values.dtype == np.bool_ else "number"


@pytest.fixture(scope="module")
def busy() -> Tape:
    return lively()


def lively() -> Tape:
    tape = Tape("A", "B", "C")
    tape.refer(Reference(
        symbol="A", name="Alpha", exchange="XNAS", type="CS", sector="Tech", industry="Chips",
        prev_close=9.0, prev_high=9.5, prev_low=8.5, prev_volume=1e6, prev_chg_pct=2.0,
        adv20=1e6, adv_sessions=20, atr14=0.5, hv20=40.0, w52_high=12.0, w52_low=4.0,
        shares_out=2e7, float_shares=1e7, float_asof="2026-11-01", float_src="filing",
        short_interest=1e6, sma50d=8.0, sma200d=0.0, ipo_date="2020-11-20",
    ))  # fmt: skip
    tape.engine.apply(market_curve())
    tape.mark("09:30:00")
    for i in range(120):
        tape.quote(f"09:{30 + i // 60}:{i % 60:02d}", 9.99, 10.01)
        tape.trade(f"09:{30 + i // 60}:{i % 60:02d}.5", 10.0 + (i % 5) / 100, 100.0 + i)
        tape.mark(f"09:{30 + (i + 1) // 60}:{(i + 1) % 60:02d}")
    return tape


@pytest.mark.parametrize("name", list(columns()))
def test_each_column_evaluates_on_an_empty_and_on_a_busy_table(name: str, busy: Tape) -> None:
    info = columns()[name]
    assert info.kind in KINDS
    assert info.doc.endswith(".")
    nothing = Tape("A", "B", known=False)
    for tape in (nothing, busy):
        for rows in (None, np.array([1], np.intp), np.zeros(0, np.intp)):
            view = View(tape.table, rows)
            values = view[name]
            assert dtype_of(values) == info.kind
            assert len(values.codes if isinstance(values, Text) else values) == len(view)


def test_every_promised_column_is_there() -> None:
    assert set(REQUIRED) - set(columns()) == set()
    assert len(columns()) >= 130


def test_numbers_have_units_or_are_counts_and_ratios() -> None:
    bare = {
        n
        for n, i in columns().items()
        if i.kind == "number" and not i.unit and i.topic != "indicators"
    }
    assert bare == {
        "imb", "blocks_5m", "halts_today", "quarantined", "range_pos", "new_highs_today",
        "streak_1m", "streak_5m", "rvol_tod", "rvol_day", "rvol_5m", "rvol_1m", "atr_used",
        "trades", "vol_burst", "float_rot", "vwap_dist_atr", "vwap_z", "beta_spy", "corr_spy_20d",
        "corr_sector_20d", "news_24h", "news_since_close",
    }  # fmt: skip


def test_no_column_gives_infinity(busy: Tape) -> None:
    for name, info in columns().items():
        if info.kind == "number":
            assert not np.isinf(View(busy.table)[name]).any(), name


def test_figures_of_reference_data(busy: Tape) -> None:
    assert busy.many("name exchange type sector industry") == [
        "Alpha", "XNAS", "CS", "Tech", "Chips",
    ]  # fmt: skip
    assert busy("last") == 10.04
    assert busy("mcap") == pytest.approx(10.04 * 2e7)
    assert busy("float_rot") == pytest.approx(sum(100 + i for i in range(120)) / 1e7)
    assert busy.many("short_float_pct days_to_cover ipo_days") == [10.0, 1.0, 2191.0]
    assert busy("atr_used") == pytest.approx(0.04 / 0.5)
    assert busy("atr_pct") == pytest.approx(100 * 0.5 / 9)
    assert busy("sma50d_dist_pct") == pytest.approx(25.5)
    assert busy("sma200d_dist_pct") is None
    assert busy("w52h_dist_pct") == pytest.approx(100 * (10.04 / 12 - 1))
    assert busy("pdh_dist_pct") == pytest.approx(100 * (10.04 / 9.5 - 1))
    assert busy.many("prev_vol prev_chg_pct float_asof float_src") == [
        1e6, 2.0, "2026-11-01", "filing",
    ]  # fmt: skip
    assert busy("spread_pct") == pytest.approx(0.2)
    assert busy("imb") == pytest.approx(-1 / 3)
    assert busy("range_pos") == pytest.approx(1.0)


def test_a_listing_date_that_is_none_gives_null() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", ipo_date="soon"))
    tape.mark("10:00:00")
    assert tape("ipo_days") is None


def test_a_new_52_week_high_is_told_once_per_break() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", w52_high=11.0, w52_low=9.0))
    told = []
    for i, price in enumerate((10.5, 11.0, 11.01, 11.01, 11.02, 10.4, 8.99)):
        tape.trade(f"10:{2 * i:02d}:01", price)
        told.append(tuple(tape.many("new_w52_high new_w52_low")))
        tape.mark(f"10:{2 * i:02d}:02")
    assert [high for high, _ in told] == [False, False, True, False, True, False, False]
    assert [low for _, low in told] == [False] * 6 + [True]


def test_new_highs_are_counted_a_tick_and_five_seconds_apart() -> None:
    tape = Tape()
    prints = [("04:00:00", 10.0), ("04:00:01", 10.01), ("04:00:03", 10.05), ("04:00:06", 10.055),
              ("04:00:07", 10.06), ("04:00:12", 10.065), ("04:00:13", 10.07)]  # fmt: skip
    counts = []
    for time, price in prints:
        tape.trade(time, price, 100.0, 12)
        counts.append(tape("new_highs_today"))
    assert counts == [0, 1, 1, 2, 2, 3, 3]


# Relative volume


def flat(shares: float = 1.0) -> list[float]:
    return [shares / 960] * 960


def test_rvol_has_no_value_without_a_baseline() -> None:
    tape = Tape()
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:01")
    assert tape.many("rvol_tod rvol_5m rvol_src rvol_day rvol_thin") == [None] * 4 + [False]
    tape.profile(flat())
    assert tape.many("rvol_tod rvol_src") == [None, None]


def test_rvol_by_the_markets_curve() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", adv20=960_000.0))
    tape.profile(flat())
    tape.trade("05:00:00", 10.0, 30_000.0, 12)
    tape.mark("05:00:00")
    assert tape.many("usual_vol rvol_tod rvol_src rvol_day") == [
        pytest.approx(60_000), pytest.approx(0.5), "curve", 30_000 / 960_000,
    ]  # fmt: skip
    tape.trade("09:30:10", 10.0, 3_000.0)
    tape.mark("09:30:30")
    assert tape.many("usual_vol rvol_tod rvol_thin") == [
        pytest.approx(1_000), pytest.approx(3.0), True,
    ]  # fmt: skip
    tape.mark("09:31:30")
    assert tape.many("usual_vol rvol_thin") == [pytest.approx(1_500), False]
    tape.mark("16:30:00")
    assert tape("usual_vol") == pytest.approx(750_000)


def test_the_denominator_has_a_floor() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", adv20=96_000.0))
    tape.profile(flat())
    tape.trade("09:34:00", 10.0, 2_000.0)
    tape.mark("09:35:00")
    assert tape.many("usual_vol rvol_tod rvol_thin") == [pytest.approx(500), 2.0, True]


def test_a_rows_own_profile_of_five_sessions_counts() -> None:
    volume = np.zeros(960)
    volume[330], volume[331] = 6_000.0, 3_000.0
    for sessions, source, usual in ((4, "curve", 1_500.0), (5, "profile", 7_500.0)):
        tape = Tape()
        tape.refer(Reference(symbol="A", adv20=960_000.0))
        tape.profile(flat(), volume, sessions)
        tape.mark("09:31:30")
        assert tape.many("rvol_src usual_vol") == [source, pytest.approx(usual)]


def test_rvol_of_the_last_minutes() -> None:
    tape = Tape()
    tape.refer(Reference(symbol="A", adv20=960_000.0))
    tape.profile(flat())
    tape.mark("10:00:00")
    for minute in range(6):
        tape.trade(f"10:0{minute}:30", 10.0, 2_000.0)
        tape.mark(f"10:0{minute + 1}:00")
    assert tape("rvol_5m") == pytest.approx(2.0)
    assert tape("rvol_1m") == pytest.approx(2.0)
    assert tape("vol_burst") == pytest.approx(1.0)


def test_a_market_round_the_clock_has_no_curve() -> None:
    tape = Tape(cal="24x7")
    tape.refer(Reference(symbol="A", adv20=960_000.0))
    tape.profile(flat())
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:01")
    assert tape.many("rvol_tod rvol_5m") == [None, None]


def test_the_shipped_curve_is_a_day() -> None:
    minute = market_curve().minute
    assert minute.sum() == pytest.approx(1.0)
    assert minute[330:720].sum() == pytest.approx(0.978)
    assert (minute > 0).all()


# Text


def test_text_knows_null() -> None:
    words = Words(3)
    words.set(0, "x")
    words.set(2, "y")
    words.set(2, None)
    text = words.text(3)
    assert text.values() == ["x", None, None]
    assert text.where(lambda w: True).tolist() == [True, False, False]
    assert text.where(lambda w: w != "x").tolist() == [False, False, False]
    assert text.known().tolist() == [True, False, False]


# One new file each


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let a folder beside the shipped one hold columns, as a new file in it would."""
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    columns.cache_clear()
    importlib.invalidate_caches()
    yield tmp_path
    columns.cache_clear()
    for name in [n for n in sys.modules if n.startswith("tapelight.market.columns.zz_")]:
        del sys.modules[name]


def test_a_new_column_is_one_new_file(folder: Path) -> None:
    (folder / "zz_mine.py").write_text(
        "from tapelight.market.column import Column, column\n"
        '@column(unit="$")\n'
        "def half_range(hod: Column, lod: Column) -> Column:\n"
        '    """Return half the day\'s range."""\n'
        "    return (hod - lod) / 2.0\n"
    )
    tape = Tape()
    tape.trades(("10:00:00", 10.0), ("10:00:01", 10.6))
    assert tape("half_range") == pytest.approx(0.3)
    assert columns()["half_range"].topic == "zz_mine"
    rows = answer(
        compile_query("SELECT symbol FROM market WHERE half_range > 0.2 -- new"), View(tape.table)
    )
    assert rows == [{"symbol": "A"}]


def test_a_column_twice_or_with_an_unknown_input_is_a_bug(folder: Path) -> None:
    file = folder / "zz_twice.py"
    head = "from tapelight.market.column import column\n@column()\n"
    file.write_text(head + "def last(bid):\n    return bid\n")
    with pytest.raises(Bug, match="last is declared twice"):
        columns()
    columns.cache_clear()
    del sys.modules["tapelight.market.columns.zz_twice"]
    file.unlink()
    (folder / "zz_other.py").write_text(head + "def other(nothing):\n    return nothing\n")
    importlib.invalidate_caches()
    with pytest.raises(Bug, match="asks for nothing"):
        columns()


def test_a_squeeze_is_unknown_where_a_band_is() -> None:
    tape = Tape("A", "B", "C", "D")
    asks = columns()["squeeze_on"].indicators
    tape.table.indicators.want(asks)
    nan = np.nan
    bands = ([10.1, 10.3, nan, 10.1], [9.9] * 4, [10.2, 10.2, nan, 10.2], [9.8, 9.8, nan, nan])
    for ask, values in zip(asks, bands, strict=True):
        tape.table.indicators.put(ask, np.arange(4), np.array(values), 4)
    assert [tape("squeeze_on", s) for s in "ABCD"] == [1.0, 0.0, None, None]
    for where, found in (
        ("squeeze_on = 1", "A"),
        ("NOT squeeze_on = 1", "B"),
        ("squeeze_on IS NULL", "CD"),
    ):
        rows = answer(compile_query(f"SELECT symbol FROM market WHERE {where}"), View(tape.table))
        assert "".join(row["symbol"] for row in rows) == found


def test_what_changes_without_an_event_is_declared_to_move() -> None:
    tape = lively()
    found, before = set[str](), tape.all()
    for time in ("09:32:05", "09:33:01", "09:36:00", "09:46:00", "16:00:30", "19:59:59"):
        tape.mark(time)
        now = tape.all()
        found |= {name for name in before if now[name] != before[name]}
        before = now
    assert {"quiet_s", "vol_1m", "chg_5m", "trade_rate", "close_rth"} <= found
    declared = {name for name, info in columns().items() if moves(name) or info.pulse}
    assert found - declared == set()
