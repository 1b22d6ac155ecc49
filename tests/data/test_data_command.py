"""`tapelight data`: status and its audit, as a user sees them."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tapelight.commands.data import data as command
from tapelight.errors import ConfigError

pytestmark = pytest.mark.integration

DATES = [dt.date(2026, 11, d) for d in (16, 17, 18, 19)]
CLOSES = [100.0, 104.0, 11.0, 12.0]
"""As traded: ten for one before the third."""


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    days = pl.DataFrame(
        {
            "symbol": ["ACME"] * 4, "date": DATES, "o": CLOSES, "h": [c + 1 for c in CLOSES],
            "l": [c - 1 for c in CLOSES], "c": CLOSES, "v": [1e4, 1e4, 1e5, 1e5],
        }
    )  # fmt: skip
    splits = pl.DataFrame(
        {
            "symbol": ["ACME"], "date": [dt.date(2026, 11, 18)], "split_from": [1.0],
            "split_to": [10.0],
        }
    )  # fmt: skip
    facts = pl.DataFrame(
        {
            "symbol": ["ACME"], "valid_from": [dt.date(2026, 11, 1)], "name": ["Acme Inc"],
            "float_shares": [5e6], "known_at": [dt.datetime(2026, 11, 19, 20, tzinfo=dt.UTC)],
        }
    )  # fmt: skip
    for name, frame in (("days", days), ("splits", splits), ("facts", facts)):
        frame.write_parquet(tmp_path / f"{name}.parquet")
        rows(capsys, "import", str(tmp_path / f"{name}.parquet"), "--origin", "massive-sip",
             "--data", str(tmp_path / "d"))  # fmt: skip
    return tmp_path / "d"


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """Return what the command prints as JSON lines."""
    command([*words, "--json"], result_action="return_value")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(*words: str) -> str:
    with pytest.raises(ConfigError) as error:
        command(words, result_action="return_value")
    return str(error.value)


def audit(capsys: pytest.CaptureFixture[str], data: Path, date: str) -> dict[str, Any]:
    found = rows(capsys, "status", "ACME", "--at", date, "--data", str(data))
    return {row["what"]: row["value"] for row in found}


def test_every_level_is_adjusted_once_and_the_audit_says_how(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = audit(capsys, data, "2026-11-17"), audit(capsys, data, "2026-11-19")
    assert (before["prev_close"], before["prev_high"]) == (100.0, 101.0)
    assert "split" not in before
    assert "w52_high" not in before, "a few days are no year"
    assert after["prev_close"] == 11.0
    assert after["prev_chg_pct"] == pytest.approx((11.0 / 10.4 - 1) * 100)
    assert after["adv20"] == 1e5
    assert after["split"] == (
        "2026-11-18: 1 became 10; levels before it x 0.1, volumes / 0.1, once "
        "(104 -> 10.4, then 11)."
    )


def test_on_the_day_of_the_split_it_is_applied_and_not_yet_proven(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = audit(capsys, data, "2026-11-18")
    assert (found["prev_close"], found["split_today"]) == (10.4, 0.1)
    assert found["split"].endswith("once; no price on both sides proves it yet.")


def test_what_became_known_later_is_not_seen(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "float_shares" not in audit(capsys, data, "2026-11-19")
    assert audit(capsys, data, "2026-11-20")["float_shares"] == 5e6


def test_the_overview_counts_sessions_by_origin(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = rows(capsys, "status", "--data", str(data))[0]
    assert (first["what"], first["origin"], first["count"]) == ("days", "massive-sip", 4)
    assert (first["from"], first["to"]) == ("2026-11-16", "2026-11-19")


def test_faults_are_one_sentence(data: Path, tmp_path: Path) -> None:
    where = ("--data", str(data))
    assert "Nothing is kept of NONE before 2026-11-19" in refused(
        "status", "NONE", "--at", "2026-11-19", *where
    )
    assert "does not trade on 2026-11-21" in refused("status", "ACME", "--at", "2026-11-21", *where)
    assert "give a session's date" in refused("status", "ACME", "--at", "soon", *where)
    assert "holds no reference data yet" in refused("status", "--data", str(tmp_path / "new"))
    assert "Name the files to import" in refused("import", *where)
    assert "has no reference data to pull" in refused("pull", "--feed", "binance", *where)
