"""A running scanner asked over REST: frames, and what is refused with the remedy."""

import asyncio

import polars as pl
import pytest

import tapelight as tl
from notebook.test_stream import running
from tapelight.errors import ConfigError, Missing, Unavailable

pytestmark = pytest.mark.integration


def asked(url: str) -> dict[str, object]:
    """Ask everything, as a notebook would."""
    with tl.connect(url) as live:
        found: dict[str, object] = {
            "market": live.market("last > 100", order="last DESC", limit=5),
            "board": live.board("gainers"),
            "boards": live.boards(),
            "symbol": live.symbol("BTC/USD"),
            "bars": live.bars("AAPL", "5m"),
            "signals": live.signals(limit=1),
            "status": live.status(),
        }
        with pytest.raises(ConfigError, match="'nope' isn't known: did you mean 'last'"):
            live.market("nope > 1")
        with pytest.raises(Missing, match="Board 'gainer' isn't known"):
            live.board("gainer")
        with pytest.raises(Missing, match="isn't watched"):
            live.bars("ZZZ")
    return found


async def test_everything_is_asked_over_rest() -> None:
    async with running() as desk:
        found = await asyncio.to_thread(asked, desk.url)
        (sql, *_) = desk.market.asked
    assert sql == "SELECT * FROM market WHERE (last > 100) ORDER BY last DESC LIMIT 5"
    market, board, bars = found["market"], found["board"], found["bars"]
    assert isinstance(market, pl.DataFrame)
    assert isinstance(board, pl.DataFrame)
    assert isinstance(bars, pl.DataFrame)
    assert market["symbol"].to_list() == ["AAPL", "TSLA", "BTC/USD"]
    assert market["chg_pct"].to_list() == [None, 3.25, None]
    assert board.rows() == [("TSLA", 250.0, 3.25), ("AAPL", 190.5, None)]
    assert found["boards"]["name"].to_list() == ["gainers", "losers"]  # type: ignore[index]
    assert found["symbol"]["last"] == 90_000.0  # type: ignore[index]
    assert bars.columns == ["start", "open", "high", "low", "close", "volume"]
    assert len(bars) == 2
    assert found["signals"]["id"].to_list() == ["s2"]  # type: ignore[index]
    assert found["status"]["ok"] is True  # type: ignore[index]


async def test_changes_come_by_subscription() -> None:
    async with running() as desk:
        live = tl.notebook.Live(desk.url)
        async with asyncio.timeout(20):
            async for update in live.subscribe("board:gainers"):
                assert update.frame()["symbol"].to_list() == ["TSLA", "AAPL"]
                break
        live.close()


def test_no_scanner_is_said_with_the_remedy() -> None:
    with pytest.raises(Unavailable, match=r"No scanner answers at http://127.0.0.1:9: start one"):
        tl.connect("http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="is no address"):
        tl.connect("127.0.0.1:8787")


def test_there_is_nothing_else_in_the_package() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'conect'"):
        tl.conect  # noqa: B018
