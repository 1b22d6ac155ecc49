"""The locked requirements: complete, hashed, agreeing, and free of any address or path."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from architecture import rules

FILES = ("base", "image", "dev", "build", "uv")
CLIENTS = ("redis", "rabbitmq", "postgres")
"""The extras that the image has."""
PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)")
GROUPS = {"dev": "dev", "build": "build", "uv": "uv"}


def text(name: str) -> str:
    return (rules.ROOT / "requirements" / f"{name}.txt").read_text()


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall(text(name)))


def wanted(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for in a locked file."""
    project = tomllib.loads((rules.ROOT / "pyproject.toml").read_text())
    asked = list(project["project"]["dependencies"]) if name in {"base", "image", "dev"} else []
    if name == "image":
        extras = project["project"]["optional-dependencies"]
        asked += [line for extra in CLIENTS for line in extras[extra]]
    if name in GROUPS:
        asked += project["dependency-groups"][GROUPS[name]]
    return [Requirement(line) for line in asked]


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_pin_or_its_hash(name: str) -> None:
    lines = [line for line in text(name).splitlines() if not line.startswith("#")]
    strange = [
        line
        for line in lines
        if not re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}|[a-z0-9.\[\],_-]+==.*)( \\)?", line)
    ]
    assert strange == []
    assert not re.search(r"://|file:|/opt/", text(name))
    blocks = re.split(r"\n(?=[a-z])", text(name).strip())
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("name", FILES)
def test_the_lock_keeps_what_pyproject_asks_for(name: str) -> None:
    locked = {key.lower().replace("_", "-"): version for key, version in pins(name).items()}
    for requirement in wanted(name):
        version = locked[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_tests_run_against_the_versions_that_users_get() -> None:
    dev = pins("dev")
    for users in ("base", "image"):
        assert {name: dev.get(name) for name in pins(users)} == pins(users)


def test_the_dashboards_lock_names_no_registry() -> None:
    lock: Path = rules.ROOT / "ui" / "package-lock.json"
    assert [
        name for name, entry in json.loads(lock.read_text())["packages"].items()
        if "resolved" in entry
    ] == []  # fmt: skip
