"""Scans as files: read while the scanner runs, refused without harm, undone for 30 days."""

import os
from pathlib import Path

import pytest

from tapelight.app.questions import QuestionFiles, shipped
from tapelight.app.scanfiles import HISTORY, ScanFiles, history, undo, version_of
from tapelight.errors import ConfigError, Conflict, Missing

GOOD = "SELECT symbol, last FROM market WHERE last > {} ORDER BY last DESC LIMIT 5\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "mine.sql").write_text(GOOD.format(1))
    return tmp_path


def change(path: Path, text: str | None) -> None:
    """Write as an editor does, at a later time."""
    if text is None:
        path.unlink()
        return
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_a_changed_an_added_and_a_deleted_file_are_taken(own: Path) -> None:
    files = QuestionFiles(own)
    assert not files.poll()
    change(own / "mine.sql", GOOD.format(2))
    change(own / "other.sql", GOOD.format(3))
    assert files.poll()
    assert files.questions.texts["mine"] == GOOD.format(2)
    assert files.questions.texts["other"] == GOOD.format(3)
    change(own / "mine.sql", None)
    assert files.poll()
    assert "mine" not in files.questions.texts
    assert not files.poll()


def test_a_deleted_file_gives_the_shipped_one_back(own: Path) -> None:
    change(own / "gainers.sql", GOOD.format(9))
    files = QuestionFiles(own)
    assert files.questions.texts["gainers"] == GOOD.format(9)
    change(own / "gainers.sql", None)
    files.poll()
    assert files.questions.texts["gainers"] == shipped()["gainers"]


def test_a_bad_file_is_refused_and_its_running_version_stays(own: Path) -> None:
    files = QuestionFiles(own)
    change(own / "mine.sql", GOOD.format("lst"))
    change(own / "other.sql", GOOD.format(3))
    assert files.poll()
    assert files.questions.texts["mine"] == GOOD.format(1)
    assert "Unknown column 'lst', did you mean last?" in files.faults["mine"]
    assert files.questions.texts["other"] == GOOD.format(3), "a good one does not wait for it"
    assert not files.poll(), "told once"
    change(own / "mine.sql", GOOD.format(4))
    assert files.poll()
    assert (files.faults, files.questions.texts["mine"]) == ({}, GOOD.format(4))


@pytest.mark.parametrize("name", ["größe", "Mine", "my-scan", "a.b", "1st", "x" * 65])
def test_a_file_whose_name_is_no_name_is_refused_with_the_remedy(own: Path, name: str) -> None:
    files = QuestionFiles(own)
    change(own / f"{name}.sql", GOOD.format(1))
    assert files.poll()
    assert files.faults[name].startswith(f"{own / name}.sql must be renamed: '{name}' is no name")
    assert name not in files.questions.texts
    again = QuestionFiles(own)
    assert "a letter, then letters, digits and _, all small" in again.faults[name]
    assert again.questions.texts["mine"] == GOOD.format(1), "at the start too it is alone"
    change(own / f"{name}.sql", None)
    assert files.poll()
    assert files.faults == {}


def test_a_bad_file_hinders_no_start(own: Path) -> None:
    change(own / "broken.sql", GOOD.format("lst"))
    change(own / "gainers.sql", "SELECT nothing")
    files = QuestionFiles(own)
    assert sorted(files.faults) == ["broken", "gainers"]
    assert "Unknown column 'lst', did you mean last?" in files.faults["broken"]
    assert "broken" not in files.questions.texts
    assert files.questions.texts["mine"] == GOOD.format(1)
    assert files.questions.texts["gainers"] == shipped()["gainers"]
    assert not files.poll()
    change(own / "broken.sql", GOOD.format(2))
    assert files.poll()
    assert (sorted(files.faults), files.questions.texts["broken"]) == (["gainers"], GOOD.format(2))


def test_what_waited_for_a_bad_file_runs_when_that_is_mended(own: Path) -> None:
    change(own / "broken.sql", "SELECT symbol, lst * 2 AS twice FROM market")
    change(own / "user.sql", GOOD.format(3).replace("last > 3", "broken.twice > 3"))
    files = QuestionFiles(own)
    assert sorted(files.faults) == ["broken", "user"]
    change(own / "broken.sql", "SELECT symbol, last * 2 AS twice FROM market")
    assert files.poll()
    assert files.faults == {}
    assert "user" in files.questions.texts


def test_a_change_that_breaks_an_unchanged_file_takes_no_other_with_it(own: Path) -> None:
    change(own / "mine.sql", "SELECT symbol, last * 2 AS twice FROM market ORDER BY last LIMIT 5")
    change(own / "other.sql", GOOD.format(3).replace("last > 3", "mine.twice > 3"))
    files = QuestionFiles(own)
    change(own / "mine.sql", GOOD.format(1))
    change(own / "third.sql", GOOD.format(4))
    assert files.poll()
    assert list(files.faults) == ["mine"]
    assert files.questions.texts["third"] == GOOD.format(4)


def test_a_file_that_others_need_is_not_taken_away(own: Path) -> None:
    change(own / "mine.sql", "SELECT symbol, last * 2 AS twice FROM market ORDER BY last LIMIT 5")
    change(own / "other.sql", GOOD.format(3).replace("last > 3", "mine.twice > 3"))
    files = QuestionFiles(own)
    change(own / "mine.sql", GOOD.format(1))
    assert files.poll()
    assert "twice" in files.faults["mine"]
    assert "twice" in files.questions.texts["mine"]


def test_what_is_no_text_is_refused(own: Path) -> None:
    files = QuestionFiles(own)
    (own / "other.sql").write_bytes(b"\xff\xfe")
    assert files.poll()
    assert "can't be read as UTF-8 text" in files.faults["other"]


def scans(own: Path) -> tuple[ScanFiles, QuestionFiles]:
    files = QuestionFiles(own)
    return ScanFiles(files), files


def test_a_scan_is_written_changed_and_deleted(own: Path) -> None:
    mine, files = scans(own)
    first = mine.put("fresh", GOOD.format(7), "")
    assert (first["own"], first["running"], first["fault"]) == (True, True, "")
    assert (own / "fresh.sql").read_text() == GOOD.format(7)
    second = mine.put("fresh", GOOD.format(8), str(first["version"]))
    assert files.questions.texts["fresh"] == GOOD.format(8)
    assert mine.put("fresh", None, str(second["version"])) == {"name": "fresh", "deleted": True}
    assert not (own / "fresh.sql").exists()
    assert [p.read_text() for p in history(own, "fresh")] == [GOOD.format(8), GOOD.format(7)]
    assert not files.poll(), "what it wrote itself is no news"


def test_two_editors_do_not_overwrite_each_other(own: Path) -> None:
    mine, _ = scans(own)
    seen = str(mine.scan("mine")["version"])
    mine.put("mine", GOOD.format(2), seen)
    with pytest.raises(Conflict, match="was changed meanwhile"):
        mine.put("mine", GOOD.format(3), seen)
    with pytest.raises(Conflict, match="is there already"):
        mine.put("mine", GOOD.format(3), "")
    change(own / "mine.sql", GOOD.format(5))
    with pytest.raises(Conflict, match="was changed meanwhile"):
        mine.put("mine", GOOD.format(3), version_of(GOOD.format(2)))
    assert (own / "mine.sql").read_text() == GOOD.format(5)


def test_a_bad_text_is_refused_and_nothing_is_written(own: Path) -> None:
    mine, files = scans(own)
    for name, text, words in (
        ("mine", GOOD.format("lst"), "Unknown column 'lst'"),
        ("mine", "-- titel = 1\n" + GOOD.format(1), "unknown header key 'titel'"),
        ("../evil", GOOD.format(1), "no name for a scan"),
        ("UPPER", GOOD.format(1), "no name for a scan"),
        ("long", GOOD.format(1) + "-- x\n" * 9_000, "keep it within"),
    ):
        with pytest.raises(ConfigError, match=words):
            mine.put(name, text, "*")
    assert (own / "mine.sql").read_text() == GOOD.format(1)
    assert sorted(p.name for p in own.iterdir()) == ["mine.sql"]
    assert files.questions.texts["mine"] == GOOD.format(1)


def test_only_own_scans_are_deleted_and_a_shipped_one_is_overruled(own: Path) -> None:
    mine, files = scans(own)
    with pytest.raises(Missing, match="not one of your own"):
        mine.put("gainers", None, "*")
    told = mine.put("gainers", GOOD.format(9), "")
    assert (told["own"], told["shipped"]) == (True, True)
    back = mine.put("gainers", None, "*")
    assert (back["own"], back["text"]) == (False, shipped()["gainers"])
    assert files.questions.texts["gainers"] == shipped()["gainers"]


def test_undo_puts_the_text_before_back_and_undo_again_takes_it_away(own: Path) -> None:
    mine, files = scans(own)
    mine.put("mine", GOOD.format(2), "*")
    assert undo(mine, files, "mine")["text"] == GOOD.format(1)
    assert undo(mine, files, "mine")["text"] == GOOD.format(2)
    mine.put("mine", None, "*")
    assert undo(mine, files, "mine")["text"] == GOOD.format(2)
    with pytest.raises(Missing, match="nothing to undo"):
        undo(mine, files, "gainers")


def test_what_an_editor_replaced_while_it_ran_is_undone_too(own: Path) -> None:
    mine, files = scans(own)
    change(own / "mine.sql", GOOD.format(2))
    files.poll()
    change(own / "mine.sql", GOOD.format("lst"))
    files.poll()
    change(own / "mine.sql", GOOD.format(3))
    files.poll()
    assert [p.read_text() for p in history(own, "mine")] == [GOOD.format(2), GOOD.format(1)]
    assert undo(mine, files, "mine")["text"] == GOOD.format(2)
    assert files.questions.texts["mine"] == GOOD.format(2)


def test_what_was_kept_for_thirty_days_goes(own: Path) -> None:
    mine, _ = scans(own)
    mine.put("mine", GOOD.format(2), "*")
    (old,) = history(own, "mine")
    os.utime(old, (0, 0))
    mine.put("mine", GOOD.format(3), "*")
    assert [p.read_text() for p in history(own, "mine")] == [GOOD.format(2)]
    assert (own / HISTORY).is_dir()


def test_a_text_is_checked_without_being_saved(own: Path) -> None:
    mine, _ = scans(own)
    bad = mine.check("mine", '-- title = "x"\n' + GOOD.format("lst"))
    assert (bad["ok"], bad["cost_us"]) == (False, None)
    assert bad["faults"] == [
        {"line": 2, "column": 46, "message": "Unknown column 'lst', did you mean last? (line 2, column 46): lst"}
    ]  # fmt: skip
    good = mine.check("mine", GOOD.format(1).replace(" LIMIT 5", ""))
    assert (good["ok"], good["kind"], good["columns"]) == (True, "board", ["symbol", "last"])
    assert [w["rule"] for w in good["warnings"]] == ["cost"]
    assert good["cost_us"] > 0
    assert (own / "mine.sql").read_text() == GOOD.format(1)


def test_the_list_tells_what_each_is(own: Path) -> None:
    mine, files = scans(own)
    change(own / "broken.sql", "SELECT nothing")
    files.poll()
    told = {s["name"]: s for s in mine.scans()}
    assert len(told) == len(shipped()) + 2
    assert (told["mine"]["own"], told["gainers"]["own"]) == (True, False)
    assert told["broken"]["running"] is False
    assert "broken.sql: " in str(told["broken"]["fault"])
    assert told["hod_momo"]["kind"] == "events"
