"""Scans over a recorded day whose indicators worker processes reckoned: for its own questions."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from scan.test_tiers import records, worked
from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, run_backtest
from tapelight.app.scanplay import Span, play
from tapelight.model.records import Record
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.slow

MINE = """-- kind = "events"
-- gate = "none"
SELECT symbol, last, rsi(3, '1m') AS heat FROM market WHERE rsi(3, '1m') > 60"""
MINUTES = 8


def recorded(data: Path, given: Iterable[Record]) -> Path:
    """Record a day; return the data folder."""
    writer = Writer(data / "journal" / "2026-11-20" / "0001")
    for record in given:
        writer.append(record)
    writer.close()
    return data


@pytest.fixture(scope="module")
def morning() -> list[Record]:
    return records(MINUTES)


def test_an_indicator_that_the_day_did_not_ask_for_is_reckoned(
    morning: list[Record], tmp_path: Path
) -> None:
    told = []
    for name, given in (("inline", morning), ("worker", worked(morning))):
        data = recorded(tmp_path / name, given)
        told.append(play(Span("2026-11-20"), {"mine": MINE}, ["mine"], data).fires)
    inline, worker = told
    assert len(inline) >= 3
    assert worker == inline


@pytest.mark.parametrize(
    ("late_marks", "name", "notes"), [(0, "scan", 0), (4, "scan", 1), (4, "plain", 0)]
)
def test_a_backtest_notes_what_workers_had_ready_late(
    morning: list[Record], tmp_path: Path, late_marks: int, name: str, notes: int
) -> None:
    given = list(worked(morning, late_marks))
    data = recorded(tmp_path, given)
    plain = tmp_path / "plain.sql"
    plain.write_text(MINE.replace("rsi(3, '1m') > 60", "last > 50").replace("rsi(3, '1m')", "vol"))
    which = {"sql": plain} if name == "plain" else {"name": name}
    options = BacktestOptions(
        data=data, files=Files(tmp_path / "none"), workers=1, quiet=True, **which
    )
    found = run_backtest(options)
    late = [note for note in found.notes if "Workers had indicators ready" in note]
    assert len(late) == notes
    assert all(" on 2026-11-20. Live they were seen" in note for note in late)
