"""What `tapelight backtest` prints, writes and refuses."""

import json
import sys
import warnings
from pathlib import Path

import pytest

from backtest.made import SCAN, bars_file
from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BARS_ALONE, BacktestOptions, answer
from tapelight.cli import main
from tapelight.errors import ConfigError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("file")
    rows = [
        (day, f"10:{m:02d}", symbol, p, p + 0.05, p - 0.05, p)
        for day in ("2026-11-19", "2026-11-20")
        for m in range(40)
        for symbol, p in (("AAA", 10.0 + m % 10 / 10), ("BBB", 9.0))
    ]
    bars_file(folder / "bars.parquet", rows)
    (folder / "above.sql").write_text(SCAN)
    return folder


def options(folder: Path, **more: object) -> BacktestOptions:
    given = {
        "sql": folder / "above.sql", "data": folder, "files": Files(folder / "none"),
        "parquet": folder / "bars.parquet", "workers": 1, "quiet": True,
    }  # fmt: skip
    return BacktestOptions(**(given | more))  # type: ignore[arg-type]


def test_the_report_and_the_exports_are_written(folder: Path, tmp_path: Path) -> None:
    told, code = answer(options(folder, out=tmp_path, by=("last",)))
    assert code == 0
    assert told.startswith("Above: 8 fires in 2 sessions, 2026-11-19 to 2026-11-20")
    written = {"report.html", "fires.csv", "fires.parquet", "summary.json"}
    assert {path.name for path in tmp_path.iterdir()} == written
    assert all(str(tmp_path / name) in told for name in written)


def test_json_is_the_summary(folder: Path) -> None:
    told, code = answer(options(folder, json=True))
    figures = json.loads(told)
    assert (code, figures["fires"], figures["sessions"]) == (0, 8, ["2026-11-19", "2026-11-20"])
    assert figures["horizons"][0]["n"] == 8


def test_the_check_names_what_it_looked_at(folder: Path) -> None:
    told, code = answer(options(folder), check=True)
    assert code == 0
    assert (
        told
        == "above looks at nothing later than its mark (bars.parquet 2026-11-20..2026-11-20).\n"
    )
    assert answer(options(folder, json=True), check=True) == ('{"leaks": []}\n', 0)


def test_a_strategy_on_bars_alone_is_told_why_it_keeps_silent(folder: Path) -> None:
    told, _ = answer(options(folder, sql=None, name="momentum_burst"))
    assert BARS_ALONE.partition(",")[0] in " ".join(told.split())
    assert "was not true once" in told


def test_the_scoreboard_takes_no_scan(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--scoreboard tells of every scan"):
        answer(options(folder), scoreboard=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--parquet", "nowhere.parquet", "hod_momo"], "nowhere.parquet can't be read as Parquet"),
        (["hod_momo", "--data", "nowhere"], "No recorded session of any day under nowhere"),
        (["hod_momo", "--last", "0"], "--last is 0"),
    ],
)
def test_what_is_not_there_ends_in_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tapelight", "backtest", *arguments])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
