"""A replay and a backtest of a past day see what was known before it, and nothing later."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tapelight.app.backtest.files import survey, tape_records
from tapelight.app.data.kept import Kept
from tapelight.app.playback import ReplayOptions, replay_max
from tapelight.errors import ConfigError
from tapelight.model.past import DayBars, Fact, Split, Told
from tapelight.model.records import Profile, References
from tapelight.model.session import NS, Session, calendar
from tapelight.stores.cold.store import ColdStore

SIP = "massive-sip"
DAY_NS = 86_400 * NS


def session(date: str) -> Session:
    found = calendar("XNYS").session_on(dt.date.fromisoformat(date))
    assert found is not None
    return found


FIRST, SECOND = session("2026-11-18"), session("2026-11-19")


def keep(store: ColdStore, date: str, close: float, now_ns: int, volume: float = 1000.0) -> None:
    one = session(date)
    column = np.array([close])
    bars = DayBars(["ACME"], column, column + 1, column - 1, column, np.array([volume]))
    store.keep_day(SIP, one, bars, "test", now_ns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = ColdStore(tmp_path)
    far_ns = SECOND.end_ns + 300 * DAY_NS
    keep(store, "2026-11-16", 100.0, far_ns)
    keep(store, "2026-11-17", 104.0, far_ns)
    keep(store, "2026-11-17", 999.0, SECOND.open_ns)  # a correction that came on the 19th, at 09:30
    keep(store, "2026-11-18", 11.0, far_ns)
    keep(store, "2026-11-19", 12.0, far_ns)
    splits = [Split("ACME", "2026-11-18", 1, 10), Split("ACME", "2026-12-01", 1, 7)]
    facts = [
        Fact(
            symbol="ACME", kind="float", values={"float_shares": shares}, source="test",
            valid_from=valid, known_ns=known_ns,
        )
        for shares, valid, known_ns in (
            (5e6, "2026-10-30", FIRST.start_ns - DAY_NS),
            (6e6, "2026-11-15", SECOND.start_ns + 1),
            (7e6, "2026-12-15", FIRST.start_ns - DAY_NS),
        )
    ]  # fmt: skip
    store.keep(Told(facts, splits), far_ns)
    for date in (
        "2026-11-10",
        "2026-11-11",
        "2026-11-12",
        "2026-11-13",
        "2026-11-16",
        "2026-11-18",
    ):
        matrix = np.full((1, 960), 500.0 if date < "2026-11-18" else 9e9, np.float32)
        store.keep_minutes(SIP, session(date), ["ACME"], matrix, "test", far_ns)
    bars = pl.DataFrame(
        {
            "symbol": ["ACME"] * 2, "ts": [FIRST.open_ns, SECOND.open_ns],
            "o": [11.0, 12.0], "h": [11.0, 12.0], "l": [11.0, 12.0], "c": [11.0, 12.0],
            "v": [500.0, 500.0],
        }
    ).with_columns(pl.from_epoch("ts", time_unit="ns").dt.replace_time_zone("UTC"))  # fmt: skip
    bars.write_parquet(tmp_path / "bars.parquet")
    return tmp_path


def told(folder: Path) -> dict[str, Any]:
    """Return by session date what a backtest is told of ACME."""
    tape = survey(folder / "bars.parquet", kept=Kept(folder, SIP))
    records = list(tape_records(tape, tape.sessions, ()))
    return {r.session: r.references[0] for r in records if isinstance(r, References)}


def test_a_backtest_is_told_what_was_known_before_each_session(folder: Path) -> None:
    found = told(folder)
    first, second = found["2026-11-18"], found["2026-11-19"]
    assert first.prev_close == pytest.approx(10.4), "in the shares of the 18th, uncorrected"
    assert first.prev_high == pytest.approx(10.5)
    assert first.w52_high is None, "a few days are no year"
    assert first.split_today == 0.1
    assert first.float_shares == 5e6
    assert second.prev_close == 11.0
    assert second.prev_chg_pct == pytest.approx((11 / 10.4 - 1) * 100)
    assert second.split_today is None
    assert second.float_shares == 5e6, "6e6 became known a moment later"


def test_a_baseline_holds_the_sessions_before_in_the_shares_of_the_day(folder: Path) -> None:
    tape = survey(folder / "bars.parquet", kept=Kept(folder, SIP))
    profiles = [r for r in tape_records(tape, tape.sessions, ()) if isinstance(r, Profile)]
    _, first, second = profiles
    assert (first.sessions.tolist(), first.volume[0, 7]) == ([5], 5000.0)
    assert second.sessions.tolist() == [6]
    assert second.volume[0, 7] > 1e9


def rows(capsys: pytest.CaptureFixture[str], folder: Path, at: str) -> dict[str, Any]:
    options = ReplayOptions(
        source=str(folder / "bars.parquet"), data=folder, reference=SIP, at=at, json=True,
        sql=("SELECT prev_close, gap_pct, rvol_tod, float_shares FROM market",),
    )  # fmt: skip
    assert replay_max(options) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[0])
    return row


def test_a_replay_sees_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, folder, "2026-11-18T09:31:00-05:00")
    assert found["prev_close"] == pytest.approx(10.4)
    assert found["gap_pct"] == pytest.approx((11 / 10.4 - 1) * 100)
    assert found["rvol_tod"] == pytest.approx(500 / 5000)
    assert found["float_shares"] == 5e6
    assert rows(capsys, folder, "2026-11-19T09:31:00-05:00")["prev_close"] == 11.0


def test_what_is_not_kept_is_one_sentence(folder: Path, tmp_path_factory: Any) -> None:
    nobody, acme = frozenset[str](), frozenset(["ACME"])
    with pytest.raises(
        ConfigError, match=r"No days of alpaca-iex are kept .*: there is massive-sip"
    ):
        Kept(folder, "alpaca-iex").open(acme)
    with pytest.raises(ConfigError, match="holds no reference data"):
        Kept(tmp_path_factory.mktemp("new"), SIP).open(nobody)
    both = ReplayOptions(
        source=str(folder / "bars.parquet"), data=folder, reference=SIP, daily=folder / "d.parquet"
    )
    with pytest.raises(ConfigError, match="both tell of past days"):
        replay_max(both)
