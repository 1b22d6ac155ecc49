"""Real kills of a real trader, at any time and at named sites, at both kinds of venue."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tapelight.model.trading import TraderReport
from tapelight.stores.commands import Commands
from tapelight.stores.traderstate import told
from tapelight.testing.kills.sites import SITES, choose, chosen
from tapelight.testing.kills.town import Town, play
from tapelight.testing.kills.trips import play as play_trips

TOOL = Path(__file__).parents[2] / "tools" / "kill_trader.py"
COMMAND = [sys.executable, str(TOOL), "--child"]


def test_there_are_twelve_sites_and_the_file_names_one(tmp_path: Path) -> None:
    assert len(set(SITES)) == len(SITES) >= 12
    path = tmp_path / "site"
    assert chosen(path) == ("", 0)
    choose(path, SITES[3], 2)
    assert chosen(path) == (SITES[3], 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("idempotent", [True, False], ids=["refuses ids", "ids are labels"])
def test_fifty_kills_duplicate_lose_and_forget_nothing(
    tmp_path: Path, idempotent: bool, record_property: Callable[[str, object], None]
) -> None:
    """A hundred at both; a thousand: tools/kill_trader.py --count 1000, make chaos."""
    outcome = play(tmp_path, 7, idempotent, 50, COMMAND)
    assert outcome.violations == []
    assert outcome.kills >= 50
    assert outcome.orders >= 50
    p50, p99 = outcome.quantile_s(0.5), outcome.quantile_s(0.99)
    record_property("told", f"{outcome.kills} kills, recovery p50 {p50:.2f} s, p99 {p99:.2f} s")


FORGETFUL = """
import runpy, sys
from tapelight.stores.orders import SqliteOrderLog
SqliteOrderLog.append = lambda log, records: None
sys.argv[0] = TOOL
runpy.run_path(TOOL, run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_trader_that_sends_what_it_did_not_write_down_is_found(tmp_path: Path) -> None:
    script, folder = tmp_path / "forgetful.py", tmp_path / "town"
    script.write_text(FORGETFUL.replace("TOOL", repr(str(TOOL))))
    folder.mkdir()
    town = Town(folder, 7, False, [sys.executable, str(script), "--child"])
    town.calm_s = 1.0
    outcome = asyncio.run(town.run(6))
    assert any("was sent and is not in the log" in v for v in outcome.violations)
    assert any("at the venue and in no book" in v for v in outcome.violations)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tripped_switch_cancels_and_holds_with_the_gateway_dead_and_after_kills(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A thousand: tools/kill_trader.py --trips 1000, on a machine that has nothing else to do."""
    outcome, trips = play_trips(tmp_path, 3, 4, COMMAND)
    assert outcome.violations == []
    assert trips.count == 4
    last_s, cancel_s = max(trips.last_s), max(trips.cancel_s)
    record_property("told", f"last order {last_s:.3f} s, last cancel {cancel_s:.3f} s after a trip")


class ScannerDown(Town):
    """The scanner goes while positions are open, and comes back as another one on the same port."""

    async def befall(self, kills: int) -> None:
        assert await self.until(self._holds, 60.0)
        before = self.pid()
        await self.gateway.stop()
        assert await self.until(lambda: self._told().clock_sure is False, 60.0)
        entries = self._entries()
        for symbol in self._held():
            self._command(self._commands, "close", symbol)
        assert await self.until(lambda: not self._held(), 60.0), "a position can always be closed"
        assert self.pid() == before, "the trader keeps its process"

        self.end(before)
        assert await self.until(lambda: self.pid() not in (0, before), 60.0)
        now = self.pid()
        assert await self.until(
            lambda: self._told().pid == now and self._told().desks[0].ready, 60.0
        )
        assert self._entries() == entries, "no entry goes without a clock"

        await self.gateway.start(self.port)
        assert await self.until(lambda: self._told().clock_sure, 60.0)
        assert await self.until(lambda: self._entries() > entries, 60.0)
        assert self.pid() == now, "an upgrade of the scanner leaves the trader alone"
        self._commands.close()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 11, idempotent=True, command=COMMAND)
        self.server.lost, self.signal_s = 0.0, 0.08
        self._commands = Commands(folder)

    def _told(self) -> TraderReport:
        report = told(self.folder)
        assert report is not None
        return report

    def _held(self) -> list[str]:
        self.read_log()
        return [symbol for symbol, p in self.book.positions.items() if p.quantity]

    def _holds(self) -> bool:
        return bool(self._held())

    def _entries(self) -> int:
        return sum(not o.request.reduces for o in self.venue.orders)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_trader_outlives_the_scanner_and_goes_on_with_the_next_one(tmp_path: Path) -> None:
    outcome = asyncio.run(ScannerDown(tmp_path).run(0))
    assert outcome.violations == []
