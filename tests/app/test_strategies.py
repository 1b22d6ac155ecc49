"""Which strategies run: the configuration, the user's folder, and the budget of time."""

from pathlib import Path
from typing import Any

import pytest

from market.tape import DAY
from tapelight.app.listing import listing
from tapelight.app.runs import restore
from tapelight.app.scanner import Scanner
from tapelight.app.strategies import Budget, StrategyFiles
from tapelight.config import Config, convert
from tapelight.errors import ConfigError
from tapelight.model.records import Disabled, Questions
from tapelight.model.session import calendar
from tapelight.scan.source import shipped

OWN = """
from tapelight.scan.strategy import Entries, Strategy, longs

class Own(Strategy):
    title = "Own"

    def signals(self, look):
        last = look["last"]
        return Entries(when=(), side=longs(look), entry=last, stop=last - {stop})
"""


def test_the_shipped_ones_run_as_declared(tmp_path: Path) -> None:
    running = StrategyFiles(tmp_path, {}).strategies.chosen
    assert set(running) == {name for name, kind in shipped().items() if kind.enabled}
    enabled = {kind.code for kind in shipped().values() if kind.enabled}
    assert {"S1", "S2", "S3", "S5", "S6"} <= enabled <= {"S1", "S2", "S3", "S5", "S6", "S11"}


def test_the_configuration_switches_and_sets(tmp_path: Path) -> None:
    tables = {
        "gap_fade": {"enabled": True, "gap_min": 8.0},
        "new_hod": {"enabled": False},
        "opening_range": {"stop": "range", "tries": 2},
    }
    running = StrategyFiles(tmp_path, tables).strategies.chosen
    assert running["gap_fade"].parameters == "gap_min = 8.0"
    assert running["opening_range"].parameters == 'stop = "range"\ntries = 2'
    assert "new_hod" not in running


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"gap_fad": {}}, r"\[strategy.gap_fad\]: there is no strategy 'gap_fad', did you mean"),
        ({"new_hod": {"base": 1}}, "unknown parameter 'base', did you mean 'base_s'?"),
        ({"new_hod": {"base_s": -1}}, "base_s: Expected `float` >= 0.0"),
    ],
)
def test_a_wrong_table_is_refused(
    tmp_path: Path, tables: dict[str, dict[str, object]], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        StrategyFiles(tmp_path, tables)


def test_a_column_that_is_not_is_told_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(stop='look["rvol_todd"]'))
    files = StrategyFiles(tmp_path, {})
    assert files.faults["own"] == (
        "strategy own: line 9: there is no column 'rvol_todd', did you mean rvol_tod?"
    )
    assert "own" not in files.strategies.chosen


def test_the_list_tells_which_run_with_what(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(stop=1.0))
    (tmp_path / "bad.py").write_text("import os")
    (tmp_path / "still.py").write_text(OWN.format(stop=1.0))
    tables: dict[str, dict[str, Any]] = {
        "bull_flag": {"enabled": True}, "opening_range": {"stop": "range"},
        "still": {"enabled": False},
    }  # fmt: skip
    config = Config(strategies=str(tmp_path), strategy=tables)
    told = {row["name"]: row for row in listing("strategies", config)}
    assert set(told) == {*shipped(), "own", "bad", "still"}
    on = {name: (row["enabled"], row["whose"]) for name, row in told.items()}
    assert (on["bull_flag"], on["own"]) == (("yes", "shipped"), ("yes", "own"))
    assert (on["bad"], on["still"], on["gap_fade"][0]) == (("no", "own"), ("no", "own"), "no")
    assert "stop=range" in told["opening_range"]["parameters"]
    assert told["opening_range"]["text"].endswith("[stop=range]")
    assert "own file, off: strategy bad: line 1" in told["bad"]["text"]


def test_the_configuration_file_has_tables_for_them() -> None:
    config = convert({"strategy": {"own": {"enabled": True}}}, Config, "x")
    assert (config.strategies, config.strategy) == ("strategies", {"own": {"enabled": True}})


def test_own_files_come_change_and_go(tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("x = 1")
    files = StrategyFiles(tmp_path, {})
    assert not files.poll()
    path = tmp_path / "own.py"
    path.write_text(OWN.format(stop=1.0))
    assert files.poll()
    first = files.strategies.chosen["own"]
    assert first.source == OWN.format(stop=1.0)
    path.write_text(OWN.format(stop=1.25) + "import time\n")
    assert files.poll()
    assert files.strategies.chosen["own"] == first
    assert "may not import time" in files.faults["own"]
    path.write_text(OWN.format(stop=1.125))
    assert files.poll()
    assert files.strategies.chosen["own"].version != first.version
    assert files.faults == {}
    path.unlink()
    assert files.poll()
    assert "own" not in files.strategies.chosen


def test_a_bad_own_file_at_the_start_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def (")
    (tmp_path / "raw.py").write_bytes(b"\xff")
    files = StrategyFiles(tmp_path, {})
    assert "own" not in files.strategies.chosen
    assert "line 1" in files.faults["own"]
    assert set(files.faults) == {"own", "raw"}


def test_an_own_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "new_hod.py").write_text(OWN.format(stop=1.0))
    files = StrategyFiles(tmp_path, {})
    assert files.strategies.chosen["new_hod"].source
    (tmp_path / "own.py").write_text(OWN.format(stop=1.0))
    off = StrategyFiles(tmp_path, {"own": {"enabled": False}})
    assert "own" not in off.strategies.chosen


def test_who_takes_too_long_three_times_is_named() -> None:
    steps = iter([0, 9, 10, 10.06, 11, 11.01, 12, 12.06, 13, 13.07, 14, 14.08, 15, 15.01])
    budget = Budget(most_s=0.05, times=3, clock=lambda: 0.0, spent=lambda: float(next(steps)))
    told = []
    for _ in range(7):
        assert budget.watch("slow", list) == []
        told.append(budget.take())
    assert told[:5] == [{}] * 5
    words = "took 0 ms at a mark, 80 ms of the processor; 50 ms of it are allowed"
    assert told[5] == {"slow": words}
    assert told[6] == {}


def test_a_busy_machine_is_no_fault_of_a_strategy_that_waits_for_nothing() -> None:
    steps = iter(0.6 * k for k in range(100))
    budget = Budget(clock=lambda: float(next(steps)), spent=lambda: 0.0)
    for _ in range(9):
        budget.watch("starved", list)
    assert budget.take() == {}
    steps = iter(1.1 * k for k in range(100))
    for _ in range(9):
        budget.watch("waiting", list)
    assert list(budget.take()) == ["waiting"]


def test_a_run_records_its_strategies_and_goes_on_with_them(tmp_path: Path) -> None:
    session = calendar("XNYS").session_on(DAY)
    assert session is not None
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own.py").write_text(OWN.format(stop=1.0))
    files = StrategyFiles(folder, {})
    scanner = Scanner(tmp_path / "data", Questions({}), "XNYS")
    scanner.follow(files.strategies)
    scanner.clock.set(session.open_ns, 0.0)
    assert set(scanner.engine.strategies) == set(files.strategies.chosen)
    scanner.put(Disabled(session.open_ns, "own", "took 80 ms"))
    assert scanner.engine.strategies["own"].fault == "took 80 ms"
    assert scanner.status()["strategies"] == {
        "running": len(files.strategies.chosen) - 1, "off": {"own": "took 80 ms"}, "faults": {},
    }  # fmt: skip
    scanner.follow(files.strategies)
    assert scanner.engine.strategies["own"].fault == "took 80 ms"
    (folder / "own.py").write_text(OWN.format(stop=2.0))
    files.poll()
    scanner.follow(files.strategies)
    assert scanner.engine.strategies["own"].fault == ""
    assert scanner.recording is not None
    run = scanner.recording.writer.folder
    scanner.close()
    engine, _tail = restore(run)
    assert engine.roster.chosen == files.strategies
