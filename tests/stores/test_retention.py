from dataclasses import dataclass
from pathlib import Path

import pytest

from tapelight.stores.journal.retention import prune
from tapelight.stores.journal.writer import Writer


@dataclass(frozen=True)
class Limits:
    sessions: int = 10
    gigabytes: float = 20.0


def make(data: Path, *runs: str, size: int = 1000) -> list[Path]:
    folders = [data / "journal" / run for run in runs]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "00000001.tlj").write_bytes(b"x" * size)
    return folders


def left(data: Path) -> list[str]:
    return sorted(str(p.relative_to(data / "journal")) for p in data.glob("journal/*/*"))


def test_ten_sessions_stay_and_the_oldest_go_first(tmp_path: Path) -> None:
    runs = make(tmp_path, *[f"2026-11-{day:02d}/0001" for day in range(1, 14)])
    assert prune(tmp_path, Limits()) == runs[:3]
    assert left(tmp_path) == [f"2026-11-{day:02d}/0001" for day in range(4, 14)]
    assert not (tmp_path / "journal" / "2026-11-01").exists()


def test_runs_of_one_day_are_one_session_and_go_one_by_one(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-02/0001", "2026-11-02/0002", "2026-11-02/10000", "2026-11-03/0001")
    assert prune(tmp_path, Limits(sessions=2)) == []
    gone = prune(tmp_path, Limits(gigabytes=2000 / 1e9))
    assert [g.name for g in gone] == ["0001", "0002"]
    assert left(tmp_path) == ["2026-11-02/10000", "2026-11-03/0001"]


def test_bytes_bound_too(tmp_path: Path) -> None:
    make(tmp_path, "2026-11-02/0001", "2026-11-03/0001", "2026-11-04/0001", size=600)
    prune(tmp_path, Limits(gigabytes=1300 / 1e9))
    assert left(tmp_path) == ["2026-11-03/0001", "2026-11-04/0001"]


def test_the_running_run_stays_even_when_it_is_the_oldest(tmp_path: Path) -> None:
    runs = make(tmp_path, "2026-11-02/0001", "2026-11-03/0001", "2026-11-04/0001")
    assert prune(tmp_path, Limits(sessions=1), running=runs[0]) == runs[1:]
    assert left(tmp_path) == ["2026-11-02/0001"]


def test_a_run_into_which_another_process_records_stays(tmp_path: Path) -> None:
    runs = make(tmp_path, "2026-11-02/0001", "2026-11-03/0001")
    writer = Writer(runs[0])
    assert prune(tmp_path, Limits(sessions=0)) == [runs[1]]
    writer.close()
    assert prune(tmp_path, Limits(sessions=0)) == [runs[0]]


@pytest.mark.parametrize("name", ["notes/0001", "2026-11-02/keep", "2026-11-02x/0001"])
def test_what_is_no_run_is_left_alone(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert prune(tmp_path, Limits(sessions=0)) == []
    assert left(tmp_path) == [name]


def test_nothing_recorded_is_nothing_to_do(tmp_path: Path) -> None:
    assert prune(tmp_path, Limits()) == []
