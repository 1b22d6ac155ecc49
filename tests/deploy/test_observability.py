"""Measures, dashboards, rules and runbook name the same things."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tools.write_dashboards import DASHBOARDS, FOLDER, written

from architecture import rules

pytestmark = pytest.mark.integration

DEPLOY = rules.ROOT / "deploy"
DOCS = (rules.ROOT / "docs/observability.md").read_text("utf-8")
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text("utf-8"))["groups"][0]["rules"]
SUFFIXES = ("_bucket", "_count", "_sum")


def measured() -> set[str]:
    """Return the names that the code gives to measures."""
    made = re.compile(r'(?:Measure|counted)\(\s*"(\w+)",')
    texts = (path.read_text("utf-8") for path in (rules.SRC / "tapelight").rglob("*.py"))
    return {f"tapelight_{name}" for text in texts for name in made.findall(text)}


def used(text: str) -> set[str]:
    """Return the measures that queries use."""
    found = set()
    for name in re.findall(r"tapelight_\w+", text):
        found.add(re.sub(f"({'|'.join(SUFFIXES)})$", "", name))
    return {name for name in found if not name.startswith("tapelight_process_")}


def test_the_docs_list_every_measure_and_no_other() -> None:
    rows = [line for line in DOCS.splitlines() if line.startswith("| `tapelight_")]
    named = {name for row in rows for name in re.findall(r"`(tapelight_\w+?)`", row)}
    assert named - {"tapelight_process_"} == measured()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_what_the_tool_writes_and_asks_for_what_there_is(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    assert text == written(name), "run tools/write_dashboards.py"
    queries = " ".join(t["expr"] for p in json.loads(text)["panels"] for t in p["targets"])
    assert used(queries) - measured() == set()


def test_every_rule_asks_for_what_there_is_and_has_its_runbook() -> None:
    headings = {
        line[4:].strip().lower().replace(" ", "-")
        for line in DOCS.splitlines()
        if line.startswith("### ")
    }
    assert {rule["annotations"]["runbook_url"] for rule in RULES} == {
        f"docs/observability.md#{heading}" for heading in headings
    }
    for rule in RULES:
        assert used(rule["expr"]) - measured() == set(), rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_data_source_and_the_folder_are_the_dashboards_own() -> None:
    folder = DEPLOY / "grafana/provisioning"
    source = yaml.safe_load((folder / "datasources/tapelight.yml").read_text("utf-8"))
    assert source["datasources"][0]["uid"] == "tapelight"
    assert Path(FOLDER).is_dir()
