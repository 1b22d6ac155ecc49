"""A session that was seen whole is kept when it ends, and its recording can be imported again."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from tapelight.app.data.imports import import_files
from tapelight.app.data.origin import origin_of
from tapelight.app.scanner import Scanner
from tapelight.errors import ConfigError
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import FeedState, Questions
from tapelight.model.session import NS, Session, calendar, session_after
from tapelight.stores.cold.store import ColdStore

pytestmark = pytest.mark.integration

FAR_NS = 1 << 62
SESSION = calendar("XNYS").session_on(dt.date(2026, 11, 18))
assert SESSION is not None


def reach(scanner: Scanner, ts_ns: int) -> None:
    scanner.clock.set(ts_ns - 1, 0.0)
    scanner.clock.set(ts_ns, 0.0)
    scanner.make_marks()


async def record(data: Path, begin_ns: int, *, hole: bool = False) -> Path:
    """Record a session of two symbols; return the run's folder."""
    scanner = Scanner(data, Questions({}), "XNYS")
    scanner.origin = lambda: "test-feed"
    scanner.clock.set(begin_ns, 0.0)
    reach(scanner, begin_ns + NS)
    rows = [scanner.universe.add(s) for s in ("AA", "BB")]
    for minutes, price, size in ((10, 5.0, 100.0), (60, 7.0, 300.0), (389, 6.0, 50.0)):
        at = SESSION.open_ns + minutes * 60 * NS
        reach(scanner, at)
        if hole:
            scanner.put(FeedState(at, "test", "gap", "", True, at - NS))
        zero = [0, 0]
        trades = trades_of(rows, [at] * 2, [price] * 2, [size, 2 * size], zero, zero, zero)
        scanner.put(Batch(at, trades=trades))
        reach(scanner, at + 60 * NS)
    reach(scanner, SESSION.end_ns + NS)
    reach(scanner, SESSION.end_ns + 2 * NS)
    await scanner.ahead.settled()
    assert scanner.recording is not None
    run = scanner.recording.folder
    scanner.close()
    return run


def kept(data: Path, origin: str) -> tuple[list[float], list[float]]:
    store, session = ColdStore(data), SESSION
    bars = store.day(origin, session.date, FAR_NS)
    assert bars is not None
    after: Session = session_after(calendar("XNYS"), session.start_ns)
    usual = store.usual_volumes(origin, after.date, after.start_ns)
    assert usual is not None
    assert bars.symbols == usual.symbols == ["AA", "BB"]
    day = [float(getattr(bars, n)[1]) for n in ("open", "high", "low", "close", "volume")]
    return day, usual.mean[1][np.flatnonzero(usual.mean[1])].tolist()


async def test_a_whole_session_is_kept_at_its_end_and_equals_its_recording(tmp_path: Path) -> None:
    run = await record(tmp_path, SESSION.start_ns)
    found = kept(tmp_path, "test-feed")
    assert found == ([5.0, 7.0, 5.0, 6.0, 900.0], [200.0, 600.0, 100.0])
    (imported,) = import_files([run], tmp_path / "other", "test-feed", lambda *_: None)
    assert imported.text == "day: 2 symbols, new; minute volumes: 2 symbols, new"
    assert kept(tmp_path / "other", "test-feed") == found


async def test_a_late_start_or_a_hole_makes_no_baseline(tmp_path: Path) -> None:
    late = await record(tmp_path / "late", SESSION.open_ns)
    holed = await record(tmp_path / "hole", SESSION.start_ns, hole=True)
    for name in ("late", "hole"):
        assert not ColdStore.there(tmp_path / name) or not ColdStore(tmp_path / name).dates(
            "test-feed", FAR_NS
        )
    with pytest.raises(ConfigError, match="begins after its session did"):
        list(import_files([late], tmp_path, "test-feed", lambda *_: None))
    with pytest.raises(ConfigError, match="has a hole at 2026-11-18T15:59:00"):
        list(import_files([holed], tmp_path, "test-feed", lambda *_: None))


async def test_a_recording_must_be_told_whose_it_is(tmp_path: Path) -> None:
    run = await record(tmp_path, SESSION.start_ns)
    with pytest.raises(ConfigError, match="add --origin"):
        list(import_files([run], tmp_path, None, lambda *_: None))


@pytest.mark.parametrize(
    ("feed", "coverage", "origin"),
    [
        ("massive", "SIP", "massive-sip"),
        ("massive", "SIP, 15 min delayed", "massive-sip"),
        ("alpaca", "IEX", "alpaca-iex"),
        ("coinbase", "one venue", "coinbase-one-venue"),
        ("massive", "", "massive"),
    ],
)
def test_an_origin_is_a_feed_and_what_it_covers(feed: str, coverage: str, origin: str) -> None:
    assert origin_of(feed, coverage) == origin
