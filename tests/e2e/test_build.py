"""The build hook: a changed ui/ is never stale, an unchanged one is not built again."""

import gzip
from pathlib import Path

import hatch_build
import pytest


@pytest.fixture
def dashboard(tmp_path: Path) -> hatch_build.Dashboard:
    """Return a small ui/ that looks built."""
    source, static = tmp_path / "ui", tmp_path / "static"
    (source / "src").mkdir(parents=True)
    (source / "src" / "main.ts").write_text("one")
    (source / "node_modules").mkdir()
    static.mkdir()
    (static / "index.html").write_text("<html>")
    made = hatch_build.Dashboard(source, static)
    (static / hatch_build.STAMP).write_text(made.fingerprint())
    return made


def test_an_unchanged_dashboard_is_fresh(dashboard: hatch_build.Dashboard) -> None:
    assert not dashboard.is_stale()


@pytest.mark.parametrize("name", ["src/main.ts", "src/new.ts", "package-lock.json"])
def test_any_change_of_the_source_makes_it_stale(
    dashboard: hatch_build.Dashboard, name: str
) -> None:
    (dashboard.source / name).write_text("two")
    assert dashboard.is_stale()


def test_a_renamed_or_deleted_file_makes_it_stale(dashboard: hatch_build.Dashboard) -> None:
    (dashboard.source / "src" / "main.ts").rename(dashboard.source / "src" / "other.ts")
    assert dashboard.is_stale()
    (dashboard.source / "src" / "other.ts").unlink()
    assert dashboard.is_stale()


def test_packages_and_tests_do_not_count(dashboard: hatch_build.Dashboard) -> None:
    (dashboard.source / "node_modules" / "x.js").write_text("x")
    (dashboard.source / "test").mkdir()
    (dashboard.source / "test" / "x.test.ts").write_text("x")
    assert not dashboard.is_stale()


@pytest.mark.parametrize("name", ["index.html", hatch_build.STAMP])
def test_a_missing_output_is_built_again(dashboard: hatch_build.Dashboard, name: str) -> None:
    (dashboard.static / name).unlink()
    assert dashboard.is_stale()


def test_without_source_the_built_output_stands(
    dashboard: hatch_build.Dashboard, tmp_path: Path
) -> None:
    assert not hatch_build.Dashboard(tmp_path / "absent", dashboard.static).is_stale()
    with pytest.raises(SystemExit, match="build from a checkout or an sdist"):
        hatch_build.Dashboard(tmp_path / "absent", tmp_path).is_stale()


def test_without_node_the_build_says_what_to_install(
    dashboard: hatch_build.Dashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hatch_build.machine_node() is None
    if hatch_build.wheel_node() is None:
        with pytest.raises(SystemExit, match="needs Node"):
            dashboard.build()


@pytest.mark.integration
@pytest.mark.parametrize(("told", "found"), [("v20.18.3", False), ("v20.19.0", True)])
def test_a_node_too_old_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, found: bool
) -> None:
    binary = tmp_path / "bin" / "node"
    binary.parent.mkdir()
    binary.write_text(f"#!/bin/sh\necho {told}\n")
    binary.chmod(0o755)
    npm = tmp_path / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm.parent.mkdir(parents=True)
    npm.touch()
    monkeypatch.setenv("PATH", str(binary.parent))
    node = hatch_build.machine_node()
    assert (node == hatch_build.Node(str(binary), str(npm))) is found
    assert (node is None) is not found


def test_the_lock_names_no_registry() -> None:
    lock = Path(__file__).parents[2] / "ui" / "package-lock.json"
    assert "resolved" not in lock.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_built_dashboard_keeps_to_its_budget() -> None:
    static = Path(__file__).parents[2] / "src" / "tapelight" / "web" / "static"
    if not (static / "index.html").is_file():
        pytest.skip("the dashboard is not built")
    files = [path for path in static.rglob("*") if path.is_file()]
    total = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    assert total < 350_000, f"{total:,} bytes gzip"
