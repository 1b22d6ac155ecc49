"""The README says what is there: its counts and its commands."""

import re
from pathlib import Path

from tapelight.cli import app
from tapelight.market.column import columns

ROOT = Path(__file__).parents[1]


def test_the_number_of_columns_is_the_real_one() -> None:
    for name in ("README.md", "CHANGELOG.md"):
        said = re.search(r"(\d+) columns", (ROOT / name).read_text("utf-8"))
        assert said is not None
        assert int(said[1]) == len(columns()), name


def test_the_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"tapelight ([a-z]+)", text))
    assert named <= set(app), sorted(named - set(app))


def test_every_picture_of_the_readme_is_there() -> None:
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8")):
        assert (ROOT / path).is_file(), path
