"""The matched control on grids and files whose answers are known."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backtest.made import bars_file
from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.backtest.control import OTHER_DAYS, SAME_DAY, Asked, matched
from tapelight.app.backtest.grid import Grid
from tapelight.app.backtest.result import Backtest, buckets, lines
from tapelight.model.outcomes import HORIZONS

ONE, FIVE, CLOSE = HORIZONS.index("1m"), HORIZONS.index("5m"), HORIZONS.index("close")
NAN = float("nan")


def grid(
    folder: Path, date: str, prices: dict[str, list[float]], true: dict[str, list[int]]
) -> Path:
    """Write a grid whose first line is minute 331, the close at 340."""
    symbols = tuple(prices)
    price = np.array([prices[s] for s in symbols], np.float32).T
    held = np.zeros(price.shape, np.bool_)
    for symbol, minutes in true.items():
        held[[m - 331 for m in minutes], symbols.index(symbol)] = True
    return Grid(date, 331, 340, symbols, np.ascontiguousarray(price), held).save(folder)


def asked(*rows: tuple[str, str, int, float]) -> Asked:
    dates, symbols, minutes, sides = zip(*rows, strict=True)
    return Asked(np.array(dates), np.array(symbols), np.array(minutes), np.array(sides))


def rise(first: float, step: float) -> list[float]:
    return [first + step * i for i in range(10)]


def test_a_grid_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = grid(tmp_path, "2026-11-20", {"A": rise(10, 1), "B": rise(20, 0)}, {"B": [333]})
    found = Grid.load(path)
    assert (found.date, found.first, found.close, found.symbols) == (
        "2026-11-20",
        331,
        340,
        ("A", "B"),
    )
    assert found.price[:, 0].tolist() == rise(10, 1)
    assert np.argwhere(found.true).tolist() == [[2, 1]]
    assert found.rows_of(["B", "X"]).tolist() == [1, -1]


def test_other_days_give_the_same_symbol_at_the_same_minute(tmp_path: Path) -> None:
    grids = [
        grid(tmp_path, "2026-11-18", {"A": rise(10, 1), "B": rise(1, 0)}, {}),
        grid(tmp_path, "2026-11-19", {"B": rise(1, 0), "A": rise(100, 1)}, {}),
        grid(tmp_path, "2026-11-20", {"A": rise(50, 5)}, {"A": [333]}),
    ]
    found = matched(asked(("2026-11-20", "A", 333, 1.0), ("2026-11-20", "A", 333, -1.0)), grids)
    expected = (100 * (13 / 12 - 1) + 100 * (103 / 102 - 1)) / 2
    assert found.kind == OTHER_DAYS
    assert found.mean[:, ONE] == pytest.approx([expected, -expected], rel=1e-5)
    assert found.count[0].tolist() == [2, 2, 0, 0, 2], "15 minutes are beyond the grid"
    at_close = (100 * (19 / 12 - 1) + 100 * (109 / 102 - 1)) / 2
    assert found.mean[0, CLOSE] == pytest.approx(at_close, rel=1e-5)


def test_where_the_condition_was_true_there_is_no_control(tmp_path: Path) -> None:
    grids = [
        grid(tmp_path, "2026-11-19", {"A": rise(100, 1)}, {"A": [333]}),
        grid(tmp_path, "2026-11-20", {"A": rise(50, 5)}, {"A": [333]}),
    ]
    found = matched(asked(("2026-11-20", "A", 333, 1.0), ("2026-11-20", "A", 334, 1.0)), grids)
    assert found.count[:, ONE].tolist() == [0, 1]
    assert np.isnan(found.mean[0]).all()


def test_an_unknown_price_or_symbol_is_no_control(tmp_path: Path) -> None:
    grids = [
        grid(tmp_path, "2026-11-19", {"A": [NAN] * 3 + rise(1, 1)[:7], "B": rise(1, 1)}, {}),
        grid(tmp_path, "2026-11-20", {"A": rise(50, 5), "C": rise(1, 1)}, {}),
    ]
    found = matched(asked(("2026-11-20", "A", 333, 1.0), ("2026-11-20", "C", 333, 1.0)), grids)
    assert found.count.sum() == 0


def test_a_single_day_gives_the_others_at_the_same_minute(tmp_path: Path) -> None:
    prices = {"A": rise(50, 5), "B": rise(10, 1), "C": rise(100, 1), "D": [NAN] * 10}
    grids = [grid(tmp_path, "2026-11-20", prices, {"A": [333]})]
    found = matched(asked(("2026-11-20", "A", 333, 1.0), ("2026-11-20", "A", 334, -1.0)), grids)
    expected = (100 * (13 / 12 - 1) + 100 * (103 / 102 - 1)) / 2
    assert found.kind == SAME_DAY
    assert found.count[0, ONE] == 2
    assert found.mean[0, ONE] == pytest.approx(expected, rel=1e-5)
    three = np.mean([100 * (b / a - 1) for a, b in ((65, 70), (13, 14), (103, 104))])
    assert found.mean[1, ONE] == pytest.approx(-three, rel=1e-5)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    """Return a backtest of AAA, which jumps to 11 at 10:05 on the last day alone."""
    folder = tmp_path_factory.mktemp("file")
    rows = []
    for day, top in (("2026-11-18", 10.1), ("2026-11-19", 10.3), ("2026-11-20", 11.0)):
        for minute in range(40):
            price = top if minute >= 5 else 10.0
            price += 0.2 if minute >= 8 else 0.0
            rows.append((day, f"10:{minute:02d}", "AAA", price, price, price, price))
            rows.append((day, f"10:{minute:02d}", "BBB", 5.0, 5.0, 5.0, 5.0))
    path = bars_file(folder / "bars.parquet", rows)
    sql = folder / "jump.sql"
    sql.write_text(
        '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE last >= 11'
    )
    return run_backtest(BacktestOptions(
        sql=sql, data=folder, files=Files(folder / "none"), parquet=path, workers=1, quiet=True,
        by=("last", "symbol"), half_spread_bps=10.0,
    ))  # fmt: skip


def test_the_edge_is_the_gain_less_that_of_the_days_on_which_it_was_false(tested: Backtest) -> None:
    one = tested.fires.row(0, named=True)
    assert (len(tested.fires), one["symbol"], one["time"]) == (1, "AAA", "10:06:00")
    assert one["entry"] == 11.0
    assert one["gross_5m"] == pytest.approx(100 * (11.2 / 11.0 - 1))
    control = (100 * (10.3 / 10.1 - 1) + 100 * (10.5 / 10.3 - 1)) / 2
    assert one["control_5m"] == pytest.approx(control, rel=1e-4)
    assert one["edge_5m"] == pytest.approx(one["gross_5m"] - control, abs=1e-4)
    assert (one["controls_5m"], tested.control_kind) == (2, OTHER_DAYS)
    assert (one["half_spread"], one["quoted"]) == (pytest.approx(0.011), False)
    assert one["net_5m"] == pytest.approx(100 * ((11.2 - 0.0112) / 11.011 - 1))


def test_a_summary_has_a_line_for_each_horizon(tested: Backtest) -> None:
    found = {line.horizon: line for line in lines(tested.fires)}
    assert list(found) == list(HORIZONS)
    assert found["5m"].median.value == pytest.approx(tested.fires["net_5m"][0])
    assert found["close"].n == 0
    assert found["close"].median.value is None


def test_buckets_are_quintiles_of_numbers_and_words_of_texts() -> None:
    n = 100
    empty = {f"{k}_{h}": [0.0] * n for k in ("net", "edge", "control") for h in HORIZONS}
    extremes = {name: [0.0] * n for name in ("mae_30m", "mfe_30m", "mae", "mfe")}
    fires = pl.DataFrame({
        "session": ["d"] * n, "gap": [*map(float, range(99)), None],
        "word": ["a"] * 50 + ["b"] * 30 + [None] * 20, **empty, **extremes,
    })  # fmt: skip
    by_gap = {line.bucket: line.fires for line in buckets(fires, "gap") if line.horizon == "5m"}
    assert list(by_gap.values()) == [20, 20, 19, 20, 20, 1]
    assert next(iter(by_gap)).startswith("0 .. ")
    assert list(by_gap)[-1] == "unknown"
    by_word = {line.bucket: line.fires for line in buckets(fires, "word") if line.horizon == "5m"}
    assert by_word == {"a": 50, "b": 30, "unknown": 20}
