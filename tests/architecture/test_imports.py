"""Who may know whom, and that no import runs in a circle."""

import subprocess
import sys

import pytest

from architecture import rules

EDGE = {"model", "ports", "errors", "telemetry", "tasks"}
"""What feeds, buses, stores and the like may know; never each other."""

LAYERS: dict[str, set[str] | None] = {
    "": {"notebook"},
    "errors": set(),
    "telemetry": {"errors"},
    "tasks": {"errors"},
    "model": {"errors"},
    "ports": {"errors", "model"},
    "market": {"errors", "model"},
    "scan": {"errors", "model", "market"},
    "analytics": {"errors", "model", "market"},
    "healing": {"errors", "model", "market"},
    "engine": {"errors", "model", "ports", "market", "scan", "analytics", "healing"},
    "feeds": EDGE,
    "sources": EDGE,
    "buses": EDGE,
    "queues": EDGE,
    "stores": EDGE,
    "orders": EDGE,
    "brokers": EDGE,
    "alerts": EDGE,
    "web": EDGE,
    "config": {"errors", "model", "ports"},
    "plugins": {"errors", "ports"},
    "boards": {"errors"},
    "testing": EDGE | {"market", "scan", "analytics", "engine", "orders", "stores"},
    "bench": None,
    "app": None,
    "notebook": None,
    "terminal": {"errors", "notebook"},
    "commands": None,
    "cli": None,
    "__main__": {"cli"},
}
COMPOSITION = {"app", "cli", "bench", "commands", "notebook"}
"""May know everything; app is known to the others, commands and bench to cli alone."""

HEAVY = ("numpy", "numba", "polars", "starlette", "uvicorn", "httpx", "sqlglot")


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return rules.import_graph(rules.read_sources())


def test_imports_go_one_way(graph: dict[str, set[str]]) -> None:
    assert list(rules.wrong_directions(graph, LAYERS)) == []


def test_no_import_runs_in_a_circle(graph: dict[str, set[str]]) -> None:
    assert rules.cycle(graph) is None


@pytest.mark.parametrize(
    ("known", "by"),
    [
        ("app", COMPOSITION),
        ("cli", {"cli", "__main__"}),
        ("bench", {"bench", "cli", "commands"}),
        ("commands", {"commands", "cli"}),
    ],
)
def test_nobody_knows_the_composition(graph: dict[str, set[str]], known: str, by: set[str]) -> None:
    knowing = {
        module
        for module, targets in graph.items()
        if any(rules.part(target) == known for target in targets)
    }
    assert {module for module in knowing if rules.part(module) not in by} == set()


@pytest.mark.integration
def test_help_needs_nothing_heavy() -> None:
    """Importing the commands stays cheap, so that --help takes under 0.3 s."""
    code = f"import sys, tapelight.cli; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30,
        cwd=rules.SRC,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.integration
def test_the_trader_starts_without_what_the_scanner_needs() -> None:
    code = (
        f"import sys, tapelight.app.tradechild; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30,
        cwd=rules.SRC,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_lazy_relative_and_type_checking_imports_count() -> None:
    sources = rules.parse(
        tapelight="",
        tapelight__model="",
        tapelight__model__clock="",
        tapelight__feeds="",
        tapelight__feeds__kite="def run():\n from ..web import server",
        tapelight__web="from . import server",
        tapelight__web__server="if TYPE_CHECKING:\n from tapelight.model.clock import Clock",
    )
    assert rules.import_graph(sources) == {
        "tapelight": set(),
        "tapelight.model": set(),
        "tapelight.model.clock": set(),
        "tapelight.feeds": set(),
        "tapelight.feeds.kite": {"tapelight.web.server"},
        "tapelight.web": {"tapelight.web.server"},
        "tapelight.web.server": {"tapelight.model.clock"},
    }


def test_a_wrong_direction_is_found() -> None:
    sources = rules.parse(
        tapelight__feeds="",
        tapelight__web="import tapelight.feeds",
        tapelight__shiny="",
    )
    assert list(rules.wrong_directions(rules.import_graph(sources), LAYERS)) == [
        "tapelight.shiny: 'shiny' has no place in the layers; give it one.",
        "tapelight.web imports tapelight.feeds: "
        "web may know ['errors', 'model', 'ports', 'tasks', 'telemetry'].",
    ]


def test_a_circle_is_found() -> None:
    sources = rules.parse(
        tapelight__a="from tapelight import b", tapelight__b="def f():\n import tapelight.a"
    )
    found = rules.cycle(rules.import_graph(sources))
    assert found is not None
    assert set(found) == {"tapelight.a", "tapelight.b"}
