"""The page of docs names nothing that is not there."""

import re

from conftest import ROOT
from tapelight.notebook import Live, Recording


def test_every_call_of_the_page_exists() -> None:
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    for variable, kind in (("live", Live), ("day", Recording)):
        named = set(re.findall(rf"\b{variable}\.(\w+)\(", text))
        assert named, variable
        assert {name for name in named if not hasattr(kind, name)} == set()


def test_the_examples_of_the_page_exist() -> None:
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    scripts = re.findall(r"`(\w+\.py)`", text)
    assert len(scripts) == 3
    assert all((ROOT / "examples" / name).is_file() for name in scripts)
