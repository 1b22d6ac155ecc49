"""A recorded day asked from Python: any second, boards, bars, signals, reasons."""

import asyncio
import json
from pathlib import Path

import polars as pl
import pytest

import tapelight as tl
from app.test_scanner import OPEN_NS, trade
from tapelight.app.scanner import Scanner
from tapelight.errors import ConfigError, Missing
from tapelight.model.records import FeedState, Questions, Reference, References
from tapelight.model.session import NS
from tapelight.model.signals import Signal
from tapelight.stores.signals import SignalLog

TEXTS = Questions({
    "busy": '-- gate = "none"\nSELECT symbol, vol, last FROM market WHERE vol > 0 ORDER BY vol DESC',
    "highs": '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE new_hod',
})  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    asyncio.run(record(folder))
    return folder


async def record(folder: Path) -> None:
    """Record a minute and a half of two symbols: AAA rises by 0.01 a second, BBB trades once."""
    mine = Scanner(folder, TEXTS, "XNYS")
    log = SignalLog(folder)
    mine.listeners.append(lambda cycle: log.append("2026-11-20/0001", cycle.signals))
    mine.clock.set(OPEN_NS, 0.0)
    known = [Reference(symbol=s, type="CS", prev_close=10.0) for s in ("AAA", "BBB")]
    mine.put(References("2026-11-20", known))
    mine.put(FeedState(OPEN_NS, "tape", "live"))
    mine.put(trade(1, OPEN_NS, 20.0, 1))
    for i in range(91):
        now = OPEN_NS + i * NS
        mine.clock.set(now, 0.0)
        mine.alive(now)
        mine.put(trade(0, now, round(10 + i / 100, 2), i + 2))
    mine.close()
    log.append("2026-11-20/0002", [Signal(id="x", scan="highs", symbol="AAA", state="fired",
                                          ts_ns=1, mark=1, values={})])  # fmt: skip
    log.close()


def test_any_second_is_asked(data: Path) -> None:
    day = tl.open("2026-11-20", data=data)
    assert repr(day).startswith("Recording(2026-11-20/0001, 2026-11-20T09:30:0")
    early = day.market("last > 0", columns="last, vol", order="last DESC", at="09:30:10")
    assert early.rows() == [("BBB", 20.0, 100.0), ("AAA", 10.09, 1000.0)]
    late = day.sql("SELECT symbol, last FROM market WHERE symbol = 'AAA'")
    assert late["last"].to_list() == [10.89]
    assert day.board("busy", at="09:31:00").rows() == [("AAA", 6000.0, 10.59), ("BBB", 100.0, 20.0)]
    assert day.symbol("BBB")["last"] == 20.0
    bars = day.bars("AAA")
    assert bars["volume"].to_list() == [6000.0, 3000.0]
    assert (day.begin.hour, day.end.minute) == (9, 31)


def test_signals_and_reasons(data: Path) -> None:
    day = tl.open(data / "journal" / "2026-11-20" / "0001")
    fired = day.signals(scan="highs", state="fired")
    assert isinstance(fired, pl.DataFrame)
    assert set(fired["symbol"]) == {"AAA"}
    assert json.loads(fired["values"][0]) == {"symbol": "AAA", "last": 10.01}
    assert fired["ts_ns"].to_list() == sorted(fired["ts_ns"].to_list())
    assert 1 not in fired["ts_ns"].to_list()
    told = day.why("BBB", "highs", at="09:30:30")
    assert told["true"] is False
    assert day.why("AAA", "highs", at="09:30:30")["true"] is True


def test_what_is_not_recorded_is_said(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"No journal of 2026-11-19.*there are 2026-11-20"):
        tl.open("2026-11-19", data=data)
    day = tl.open("2026-11-20", data=data)
    with pytest.raises(Missing, match="Nothing is recorded at"):
        day.market(at="09:29:00")
    with pytest.raises(ConfigError, match="'soon' is not a time"):
        day.market(at="soon")
    with pytest.raises(ConfigError, match="leave comments and semicolons out"):
        day.market("1 = 1; drop")
    with pytest.raises(Missing, match="was not watched"):
        day.symbol("CCC")


def test_a_backtest_gives_its_fires(data: Path, tmp_path: Path) -> None:
    scan = tmp_path / "breakout.sql"
    scan.write_text(
        '-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 10\n'
        "SELECT symbol, last FROM market WHERE last > 10.30\n"
    )
    found = tl.backtest(sql=scan, data=data, workers=1)
    assert found.sessions == ["2026-11-20"]
    assert sorted(found.fires["symbol"].to_list()) == ["AAA", "BBB"]
    with pytest.raises(ConfigError, match="Say what to test"):
        tl.backtest(data=data)
