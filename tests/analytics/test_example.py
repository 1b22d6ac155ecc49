"""The worked example runs, and what can be told without it agrees."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[2] / "examples" / "options_position.py"


def test_the_worked_example_says_what_a_condor_may_bring() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert lines[0].split() == ["put", "85", "iv", "37.92%"]
    # At expiration it brings what it took, 1.48 $ a share, or loses the wing's 5 $ less that.
    assert lines[6].startswith("in 45 days: profit in 77.")
    assert lines[6].endswith("-352 to +148 $")
    assert lines[7] == "with $20,000 of SPY: net +19894 $, gross 20106 $"
    assert lines[8].startswith("99 % one-day value at risk 508 $ by delta")
