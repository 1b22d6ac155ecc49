"""Another scanner's alerts beside ours: pairs, lead, what one missed, and why."""

import asyncio
import json
from pathlib import Path

import pytest

from app.test_scanner import OPEN_NS
from notebook.test_recording import record
from replay.command import here
from tapelight.app.alertfile import Alert
from tapelight.app.compare import CompareOptions, Comparison, compare, match
from tapelight.errors import ConfigError
from tapelight.model.session import NS
from tapelight.model.signals import Hops, Signal


def alert(second: float, symbol: str = "A") -> Alert:
    return Alert(OPEN_NS + int(second * NS), symbol, "theirs", 1)


def signal(second: float, symbol: str = "A", sent: float | None = None) -> Signal:
    hops = None if sent is None else Hops(dispatch_ns=OPEN_NS + int(sent * NS))
    ts_ns = OPEN_NS + int(second * NS)
    return Signal(id=f"{symbol}{second}", scan="ours", symbol=symbol, state="fired", ts_ns=ts_ns,
                  mark=ts_ns, values={}, hops=hops)  # fmt: skip


def leads(pairs: list[object]) -> list[float]:
    return [pair.lead_s for pair in pairs]  # type: ignore[attr-defined]


def test_each_is_matched_once_with_the_nearest_of_its_symbol() -> None:
    ours = [signal(10), signal(12), signal(100), signal(11, "B")]
    theirs = [alert(11.5), alert(12.5), alert(13), alert(11, "C")]
    pairs, missed, left = match(theirs, ours, 5 * NS)
    assert [(p.alert.ts_ns, p.signal.id) for p in pairs] == [
        (alert(11.5).ts_ns, "A12"),
        (alert(12.5).ts_ns, "A10"),
    ]
    assert leads(list(pairs)) == [-0.5, 2.5]
    assert [a.ts_ns for a in missed] == [alert(13).ts_ns, alert(11).ts_ns]
    assert [s.id for s in left] == ["A100", "B11"]


def test_ours_counts_when_it_was_sent() -> None:
    pairs, _, _ = match([alert(10)], [signal(9, sent=9.25)], NS)
    assert leads(list(pairs)) == [0.75]


def test_the_summary_counts_and_measures() -> None:
    pairs, missed, left = match([alert(10), alert(20), alert(40)], [signal(9), signal(22)], 5 * NS)
    told = Comparison("2026-11-20", pairs, [], left, ["line 9: x"]).summary()
    assert (told["both"], told["first"], told["lead_s"], told["rejected"]) == (2, 1, -0.5, 1)
    assert len(missed) == 1
    empty = Comparison("2026-11-20", [], [], [], []).summary()
    assert (empty["theirs"], empty["lead_s"], empty["lead_s_p10"]) == (0, None, None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(record(folder))
    return folder


EXPORT = """time,symbol,alert
09:30:03,AAA,new high
09:30:30,BBB,new high
09:30:31,ZZZ,new high
09:50:00,AAA,new high
"""


def test_what_we_missed_is_explained(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alerts.csv"
    path.write_text(EXPORT)
    found = compare(
        CompareOptions(alerts=path, data=data, day="2026-11-20", scan="highs", window_s=5)
    )
    (pair,) = found.pairs
    assert (pair.alert.symbol, pair.signal.symbol) == ("AAA", "AAA")
    assert abs(pair.lead_s) <= 5
    why = {missed.alert.symbol: missed.why for missed in found.missed_by_us}
    assert "new_hod" in why["BBB"]
    assert why["ZZZ"] == "not watched"
    assert why["AAA"].startswith("not recorded: the journal spans 2026-11-20T09:30:0")
    assert found.missed_by_them
    capsys.readouterr()
    told = here(capsys, "compare", path, "--data", data, "--scan", "highs", "--window", 5)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("2026-11-20: 4 of theirs, ")
    assert "  09:30:31 ZZZ      new high: not watched\n" in told.out
    rows = here(capsys, "compare", path, "--data", data, "--json").rows
    assert rows[0]["both"] == 1
    assert {m["line"] for m in rows[0]["only_theirs"]} == {3, 4, 5}
    assert json.dumps(rows[0]["pairs"][0]).count("AAA") == 1


def test_what_cannot_be_compared_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alerts.csv"
    path.write_text(EXPORT)
    with pytest.raises(ConfigError, match=r"No journal of 2026-11-19"):
        compare(CompareOptions(alerts=path, data=data, day="2026-11-19"))
    told = here(capsys, "compare", path, "--data", tmp_path)
    assert told.code == 2
    assert "holds no journal: give --data DIR of a recording" in told.err
    unknown = here(capsys, "compare", path, "--data", data, "--scan", "hihgs")
    assert "There is no board, scan or strategy 'hihgs'. Did you mean highs?" in unknown.out
