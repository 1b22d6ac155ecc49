"""`tapelight scan ...` on a folder of own scans and a recorded day."""

import json
from pathlib import Path

import pytest

from replay.command import Answer, here
from replay.tape import Tape, record_day

pytestmark = pytest.mark.slow

BOARD = """-- title = "Mine"
-- gate = "none"
SELECT symbol, last, vol FROM market WHERE vol > {} ORDER BY vol DESC LIMIT 5
"""
EVENTS = """-- kind = "events"
-- gate = "none"
-- cooldown_s = {}
SELECT symbol, last, hod FROM market WHERE new_hod AND vol > 100 AND last < 60
"""
GATED = """-- kind = "events"
-- cooldown_s = 30.0
SELECT symbol, last FROM market WHERE rvol_5m >= 2 AND rsi(14, '1m') < 30
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    record_day(folder / "journal" / "2026-11-20" / "0001", Tape(seconds=15))
    return folder


class Desk:
    """A working folder with a configuration and own scans."""

    def __init__(self, folder: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.own = folder / "questions"
        self.own.mkdir()
        self.config = folder / "tapelight.toml"
        self.config.write_text(f'questions = "{self.own}"\ndata = "{data}"\n')
        self._capsys = capsys

    def write(self, name: str, text: str) -> None:
        (self.own / name).write_text(text)

    def scan(self, *arguments: object) -> Answer:
        return here(self._capsys, "scan", *arguments, "--config", self.config)


@pytest.fixture
def desk(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, data, capsys)


def test_a_new_scan_is_clean_listed_and_not_written_over(desk: Desk) -> None:
    for name, more in (("fresh", []), ("fires", ["--events"])):
        assert desk.scan("new", name, *more).code == 0
        assert desk.scan("lint", name).out == ""
    rows = {r["name"]: r for r in desk.scan("list", "--json").rows}
    assert (rows["fresh"]["kind"], rows["fires"]["kind"]) == ("board", "events")
    assert (rows["fires"]["whose"], rows["gainers"]["whose"]) == ("own", "shipped")
    again = desk.scan("new", "fresh")
    assert (again.code, "is there already" in again.err) == (1, True)
    assert "no name for a scan" in desk.scan("new", "Not/This").err


def test_lint_tells_place_and_remedy(desk: Desk) -> None:
    desk.write("mine.sql", BOARD.format("5").replace("vol > 5", "NOT float_shares > 5"))
    told = desk.scan("lint", "--json")
    assert told.code == 1
    (row,) = told.rows
    assert (row["scan"], row["rule"], row["line"], row["column"]) == ("mine", "null", 3, 48)
    nobody = desk.scan("lint", "gainerz")
    assert (nobody.code, "did you mean gainers?" in nobody.err) == (2, True)


FIXTURE = """
[defaults]
rvol_5m = 3.0

[[case]]
name = "fires once, and again after the cooldown"
steps = [
  {at = 0, rows = [{symbol = "AAA", "rsi(14, '1m')" = 25}, {symbol = "BBB"}], expect = ["AAA"]},
  {at = 10, rows = [{symbol = "AAA", "rsi(14, '1m')" = 40}], expect = []},
  {at = 20, rows = [{symbol = "AAA", "rsi(14, '1m')" = 20}], expect = []},
  {at = 30, rows = [{symbol = "AAA", "rsi(14, '1m')" = 40}], expect = []},
  {at = 40, rows = [{symbol = "AAA", "rsi(14, '1m')" = 20}], expect = ["AAA"]},
]

[[case]]
name = "a wide spread keeps it silent"
rows = [{symbol = "AAA", "rsi(14, '1m')" = 25, spread_pct = 3.0}]
expect = []

[[case]]
name = "unknown volume is no volume"
rows = [{symbol = "AAA", "rsi(14, '1m')" = 25, rvol_5m = 1.0}]
expect = ["AAA"]
"""


def test_fixtures_run_with_the_scans_memory(desk: Desk) -> None:
    desk.write("mine.sql", GATED)
    desk.write("mine.test.toml", FIXTURE)
    told = desk.scan("test", "--json")
    assert told.code == 1, told.err
    assert [r["ok"] for r in told.rows] == [True, True, False]
    assert (told.rows[2]["expected"], told.rows[2]["got"]) == (["AAA"], [])
    assert "FAIL  mine: unknown volume is no volume" in desk.scan("test", "mine").out


def test_a_boards_fixture_is_its_order_and_a_recording_may_be_asked(desk: Desk, data: Path) -> None:
    desk.write("mine.sql", BOARD.format("100"))
    order = desk_order(desk, data)
    desk.write(
        "mine.test.toml",
        '[[case]]\nname = "order"\nrows = [{symbol = "A", vol = 200}, {symbol = "B", vol = 300}, '
        '{symbol = "C", vol = 100}, {symbol = "D"}]\nexpect = ["B", "A"]\n'
        '[[case]]\nname = "recorded"\nrecording = "2026-11-20"\nat = "09:30:08"\n'
        f"expect = {json.dumps(order)}\n",
    )
    told = desk.scan("test", "--json")
    assert [r["got"] for r in told.rows] == [["B", "A"], order]
    assert (told.code, len(order)) == (0, 5)


def desk_order(desk: Desk, data: Path) -> list[str]:
    """Return the board's order at 09:30:08, from the day's own records."""
    from tapelight.app.runs import open_journal
    from tapelight.model.records import Mark, Questions

    engine, records = open_journal(data / "journal" / "2026-11-20" / "0001")
    engine.apply(Questions({"mine": BOARD.format("100")}))
    order: list[str] = []
    for record in records:
        if isinstance(record, Questions):
            continue
        cycle = engine.apply(record)
        if cycle is not None and cycle.rankings:
            order = cycle.rankings[0].order
        if isinstance(record, Mark) and record.ts_ns == Tape().start_ns + 13 * 10**9:
            break
    return order


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ('rows = [{symbol = "A", lst = 1}]', "unknown column 'lst', did you mean last?"),
        ("rows = [{last = 1}]", "needs a symbol of its own"),
        ('rows = [{symbol = "A", last = "x"}]', "last is a number"),
        ('rows = [{symbol = "A", halted = 1}]', "halted is true or false"),
        ('phase = "night"\nrows = [{symbol = "A"}]', "phase is 'night'"),
        ("rowz = []", "unknown field `rowz`"),
        ('recording = "2020-01-01"', "No journal of 2020-01-01"),
    ],
)
def test_a_bad_fixture_is_told(desk: Desk, case: str, words: str) -> None:
    desk.write("mine.sql", BOARD.format("100"))
    desk.write("mine.test.toml", f'[[case]]\nname = "bad"\n{case}\n')
    told = desk.scan("test", "mine")
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_diff_shows_what_is_new_and_what_is_gone(desk: Desk) -> None:
    desk.write("old.sql", EVENTS.format("1.0"))
    desk.write("new.sql", EVENTS.format("5.0").replace("last < 60", "last < 20"))
    *changes, total = desk.scan("diff", "old", "new", "--json").rows
    gone = [c for c in changes if c["change"] == "-"]
    assert (total["gone"], total["added"]) == (len(gone), len(changes) - len(gone))
    assert total["gone"] > 0
    assert total["same"] > 0
    assert set(gone[0]) == {"run", "change", "symbol", "at", "ts_ns"}
    same = desk.scan("diff", "old", "old", "--day", "2026-11-20")
    assert same.out.startswith("+0, -0 (")
    *board, all_new = desk.scan("diff", "top_volume", "most_active", "--json").rows
    assert all_new["added"] == len([c for c in board if c["change"] == "+"])
    assert "No journal of 1999-01-01" in desk.scan("diff", "old", "new", "--day", "1999-01-01").err


def test_noise_tells_the_rate_by_threshold_and_the_one_that_meets_the_wish(desk: Desk) -> None:
    desk.write("mine.sql", EVENTS.format("0.0"))
    rows = desk.scan("noise", "mine", "--per-hour", "3000", "--json").rows
    written, steps = rows[0], rows[1:]
    assert written["hours"] == pytest.approx(15 / 3600, abs=1e-3)
    volume = [r for r in steps if r["bound"] == "vol > 100" and "value" in r]
    assert [r["value"] for r in volume] == sorted(r["value"] for r in volume)
    price = [r for r in steps if r["bound"] == "last < 60" and "value" in r]
    assert [r["value"] for r in price] == sorted((r["value"] for r in price), reverse=True)
    rates = [r["per_hour"] for r in price]
    assert rates == sorted(rates, reverse=True)
    (meets,) = [r["meets"] for r in steps if r["bound"] == "last < 60" and "meets" in r]
    kept = [r for r in price if r["per_hour"] <= 3000]
    assert meets == (kept[0]["value"] if kept else None)
    assert "at most 3000 an hour" in desk.scan("noise", "mine", "--per-hour", 3000).out
    assert "not varied" not in desk.scan("noise", "mine", "--per-hour", 3000).out
    assert "is a board" in desk.scan("noise", "gainers", "--per-hour", 3).err


def test_bench_measures_over_a_recorded_market(desk: Desk) -> None:
    (row,) = desk.scan("bench", "gainers", "--day", "2026-11-20", "--json").rows
    assert row["rows"] == 40
    assert row["us_at_11000"] == pytest.approx(row["shared_us"] * 11_000 / 40, rel=0.05)
    assert row["share_of_a_core"] == pytest.approx(row["us_at_11000"] / 1e6, abs=1e-6)


def test_undo_puts_the_text_before_back(desk: Desk) -> None:
    desk.scan("new", "fresh")
    desk.write("fresh.sql", BOARD.format("1"))
    nothing = desk.scan("undo", "fresh")
    assert (nothing.code, "nothing to undo" in nothing.err) == (1, True)


def test_a_broken_file_hinders_no_other_command(desk: Desk) -> None:
    desk.write("mine.sql", BOARD.format(1))
    desk.write("messy.sql", BOARD.format("lst"))
    listed = desk.scan("list")
    assert listed.code == 0
    assert "mine " in listed.out
    assert "refused: messy.sql: Unknown column 'lst', did you mean last?" in listed.err
    told = {row["name"]: row for row in desk.scan("list", "--json").rows}
    assert "Unknown column 'lst'" in told["messy"]["fault"]
    assert desk.scan("lint", "mine").code == 0
    everything = desk.scan("lint")
    assert (everything.code, "messy refused: " in everything.out) == (1, True)
    assert "Unknown column 'lst'" in desk.scan("lint", "messy").err
