"""The real command line in a process of its own."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from tapelight.cli import main

TIMEOUT_S = 100


@dataclass(frozen=True)
class Answer:
    """Hold what a command left."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def replay_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Answer:
    """Run the same command in this process: the start of another one costs seconds."""
    return here(capsys, "replay", *arguments)


def here(capsys: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    """Run `tapelight ARGUMENTS` in this process."""
    before, sys.argv = sys.argv, ["tapelight", *map(str, arguments)]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")
            main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    told = capsys.readouterr()
    return Answer(code, told.out, told.err)


def replay(*arguments: str | Path, **environment: str) -> Answer:
    """Run `tapelight replay ...`, away from any tapelight.toml."""
    done = subprocess.run(
        [sys.executable, "-m", "tapelight", "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=ROOT / "tests",
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
