"""The examples of docs/scans-as-files.md are run as they stand."""

import re
from pathlib import Path

from conftest import ROOT
from tapelight.app.scantest import fixture_of, run_cases
from tapelight.cli import app
from tapelight.scan.lint import lint
from tapelight.scan.questions import read_set

PAGE = (ROOT / "docs" / "scans-as-files.md").read_text("utf-8")


def example(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_scan_and_its_fixture_are_sound(tmp_path: Path) -> None:
    texts = {"movers": example("sql")}
    (question,) = read_set(texts).questions
    assert lint(question) == []
    path = tmp_path / "movers.test.toml"
    path.write_text(example("toml"))
    outcomes = list(run_cases(question, fixture_of(path), texts, tmp_path))
    assert [(o.case, o.ok) for o in outcomes] == [
        ("fires once, and again after the cooldown", True),
        ("too dear", True),
    ]


def test_every_command_of_the_page_exists() -> None:
    named = set(re.findall(r"tapelight scan ([a-z]+)", PAGE))
    assert named == {name for name in app["scan"] if not name.startswith("-")}
