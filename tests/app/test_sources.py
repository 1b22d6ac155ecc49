"""Sources beside a feed: what they tell is in the journal, so a replay has it too."""

import asyncio
from pathlib import Path

import pytest

from replay.command import replay_here
from sources.service import RECORDED, site
from sources.test_edgar import TICKERS
from sources.test_nasdaq_halts import at
from tapelight.app.scanner import Scanner
from tapelight.app.sources import Sources
from tapelight.config import Config
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.model.records import FeedState, Questions, Reference, References
from tapelight.model.session import NS

TEXTS = Questions({"all": '-- gate = "none"\nSELECT symbol, halted, halt_code, filing FROM market'})


def config(**settings: dict[str, object]) -> Config:
    return Config(sources=tuple(settings), source=settings)


async def record(data: Path) -> None:
    """Record two seconds of a scanner that hears of halts and filings."""
    answers = {
        "/rss": (200, (RECORDED / "halts.xml").read_bytes()),
        "/latest": (200, (RECORDED / "filings.xml").read_bytes()),
        "/tickers": (200, TICKERS),
    }
    mine = Scanner(data, TEXTS, "XNYS")
    async with site(answers=answers) as served:
        edgar = {"url": served.url("/latest"), "tickers": served.url("/tickers")}
        sources = Sources(config(nasdaq_halts={"url": served.url("/rss")}, edgar=edgar))
        mine.source_status = sources.status
        running = asyncio.create_task(sources.run(mine))
        now = at("09:46:00")
        mine.clock.set(now, 0.0)
        known = [Reference(symbol=s, type="CS", prev_close=10.0) for s in ("ACME", "LAND", "WAIT")]
        mine.put(References("2026-11-20", known))
        mine.put(FeedState(now, "tape", "live"))
        sources.opened.set()
        async with asyncio.timeout(20):
            while sum(s["told"] for s in mine.status()["sources"].values()) < 5:  # noqa: ASYNC110 - a status tells no event
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
    mine.clock.set(now + 2 * NS, 0.0)
    mine.put(FeedState(now + 2 * NS, "tape", "live"))
    view = View(mine.engine.table)
    assert view["halted"].tolist() == [True, False, True]
    assert view["halt_code"].values() == ["LUDP", None, "T1"]
    assert view["filing"].values() == ["424B5", None, None]
    assert mine.status()["sources"]["edgar"]["state"] == "live"
    mine.close()


@pytest.mark.integration
def test_what_sources_tell_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(record(tmp_path))
    capsys.readouterr()
    sql = "SELECT symbol, halted, halt_code, filing FROM market ORDER BY symbol"
    (folder,) = tmp_path.glob("journal/*/0001")
    answer = replay_here(capsys, folder, "--verify", "--json", "--sql", sql)
    assert answer.code == 0, answer.err
    assert [row for row in answer.rows if "filing" in row] == [
        {"symbol": "ACME", "halted": True, "halt_code": "LUDP", "filing": "424B5"},
        {"symbol": "LAND", "halted": False, "halt_code": None, "filing": None},
        {"symbol": "WAIT", "halted": True, "halt_code": "T1", "filing": None},
    ]


def test_a_source_that_there_is_not_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="Unknown source 'nasdaq_halt': did you mean nasdaq_halts"
    ):
        Sources(config(nasdaq_halt={}))
    with pytest.raises(ConfigError, match=r"\[source.edgar\].*unknown key 'agent'"):
        Sources(config(edgar={"agent": "x"}))
