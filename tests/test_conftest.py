"""What CI makes of skips, tried on throw-away test files."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

SKIPS = """
import pytest

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.skip(reason="no Chromium")
def test_skipped(): pass

def test_quick(): pass
"""
NEEDS_SHARED = "def test_data(shared): assert (shared / 'data').is_dir()"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    shutil.copy(Path(__file__).parent / "conftest.py", pytester.path / "conftest.py")
    pytester.makeini("[pytest]\nmarkers =\n    slow\n    service\n    browser\n")
    monkeypatch.delenv("CI", raising=False)
    return pytester


def run(project: pytest.Pytester) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-v")


def test_a_skip_is_told_and_passes_at_home(project: pytest.Pytester) -> None:
    project.makepyfile(SKIPS)
    result = run(project)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*1 skipped*", "   1 x no Chromium"])


def test_a_skip_fails_in_ci(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile(SKIPS)
    result = run(project)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["CI=true: a skip is a failure."])


def test_absent_shared_data_is_a_skip_in_ci_too(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TAPELIGHT_SHARED", str(project.path / "nowhere"))
    project.makepyfile(NEEDS_SHARED)
    result = run(project)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["   1 x shared data absent: *nowhere*set TAPELIGHT_SHARED*"])


def test_shared_data_are_found_by_the_environment(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.mkdir("elsewhere").joinpath("data").mkdir()
    monkeypatch.setenv("TAPELIGHT_SHARED", str(project.path / "elsewhere"))
    project.makepyfile(NEEDS_SHARED)
    run(project).assert_outcomes(passed=1)


def test_slow_tests_come_last(project: pytest.Pytester) -> None:
    project.makepyfile(SKIPS)
    result = run(project)
    result.stdout.fnmatch_lines(["*::test_quick PASSED*", "*::test_slow PASSED*"])
