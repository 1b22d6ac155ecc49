"""What every test may ask for, and what a run says at its end about what it left out."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
LAST_MARKS = ("slow", "service", "browser")
NO_SHARED = "shared data absent"
TOGETHER = (
    "tests/architecture/",
    "tests/deploy/test_prometheus.py",
    "tests/oracle/test_live_boards.py",
    "tests/replay/test_recorded_runs.py::test_a_killed_run",
)
"""Tests whose ids begin so share what takes long to make: one worker runs them all."""


def shared_folder() -> Path:
    """Return where the real-market data lies: TAPELIGHT_SHARED, or ../shared of the checkout."""
    return Path(os.environ.get("TAPELIGHT_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real-market data, or skip the test, loudly, where there is none."""
    folder = shared_folder()
    if not (folder / "data").is_dir():
        pytest.skip(f"{NO_SHARED}: {folder} is no folder; set TAPELIGHT_SHARED to it.")
    return folder


_spoken: list[str] = []


def _listen(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "subprocess.Popen"):
        _spoken.append(event)


sys.addaudithook(_listen)


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold the unit part to its meaning: no socket is connected to, no process is started."""
    _spoken.clear()
    yield
    marks = {mark.name for mark in request.node.iter_markers()}
    if _spoken and not marks & {"integration", *LAST_MARKS}:
        pytest.fail(f"{_spoken[0]}: give the test the mark integration, or let it speak to nobody.")


class Together(LoadScopeScheduling):
    """Give each worker one test after the other, or one file, and what shares to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what `nodeid` belongs to."""
        own = nodeid.partition("::")[0] if self.by_file else nodeid
        return next((prefix for prefix in TOGETHER if nodeid.startswith(prefix)), own)

    @property
    def by_file(self) -> bool:
        """Tell whether short tests are dealt out, of which each one costs more than it takes."""
        return bool(self.config.getvalue("dist") == "loadfile")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Return who deals the tests out (pytest 9.2 takes no notice of xdist_group)."""
    return Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the unit part first; slow, service and browser tests last, undisturbed by it."""

    def order(item: pytest.Item) -> int:
        if any(item.get_closest_marker(name) for name in LAST_MARKS):
            return 2
        return item.get_closest_marker("integration") is not None

    items.sort(key=order)


def pytest_collection_finish() -> None:
    """Leave the thousands of tests out of the collections of garbage that the tests cause."""
    gc.collect()
    gc.freeze()


def _skips(config: pytest.Config) -> list[str]:
    """Return the reason of each skipped test."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return []
    reports = reporter.stats.get("skipped", [])
    return [_reason(report) for report in reports if not hasattr(report, "wasxfail")]


def _reason(report: pytest.TestReport) -> str:
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def _forbidden(reasons: list[str]) -> Iterator[str]:
    """Yield the skips that CI does not allow: all but those for want of the shared data."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        yield from (reason for reason in reasons if not reason.startswith(NO_SHARED))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and list(_forbidden(_skips(session.config))):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what tests told by record_property("told", ...), and what was skipped, and why."""
    ended = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    for report in ended:
        for name, value in getattr(report, "user_properties", []):
            if name == "told":
                terminalreporter.line(f"{report.nodeid}: {value}")
    reasons = _skips(config)
    if not reasons:
        return
    terminalreporter.section(f"{len(reasons)} skipped", sep="!", yellow=True, bold=True)
    for reason in sorted(set(reasons)):
        terminalreporter.line(f"{reasons.count(reason):4d} x {reason}")
    if list(_forbidden(reasons)):
        terminalreporter.line("CI=true: a skip is a failure.", red=True, bold=True)
