"""Whose strategies a journal may run: mine, those of this data's runs, and what I say."""

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest

from app.test_strategies import OWN
from tapelight import cli
from tapelight.app import past, run
from tapelight.app.backtest.work import _begin
from tapelight.app.feeds import open_feed
from tapelight.app.trust import KNOWN, Trust, remember
from tapelight.commands.why import why
from tapelight.config import Config, Web
from tapelight.errors import ConfigError
from tapelight.model.records import CalendarChoice, Mark, Strategies, Symbols
from tapelight.model.session import NS, iso
from tapelight.scan.source import anything, choose, load, trusted, trusting
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.slow

TEXT = OWN.format(stop=1.0)
AT_NS = 1_795_190_400 * NS
REFUSED = "strategy own: its text comes from a journal.*give --trust-strategies"


@dataclass
class Place:
    """A user's folder, with a data folder of its own and somebody else's recording."""

    mine: Path
    run: Path

    def replay(self, **options: bool) -> int | str | None:
        with pytest.raises(SystemExit) as ended:
            cli.replay(str(self.run), data=self.mine / "data", **options)
        return ended.value.code


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs" / "journal" / "2026-11-20" / "0001"
    mine.mkdir()
    monkeypatch.chdir(mine)
    writer = Writer(theirs)
    chosen = Strategies({"own": choose("own", "", TEXT)})
    for record in (CalendarChoice("XNYS"), Symbols(0, ["AA"]), chosen, Mark(AT_NS, AT_NS)):
        writer.append(record)
    writer.close()
    # Who gives a data folder away may also write which strategies it ran: on another machine.
    plain = hashlib.blake2b(TEXT.encode(), digest_size=32, key=b"theirs").hexdigest()
    (theirs.parents[2] / KNOWN).write_text(f"{plain}\n")
    return Place(mine, theirs)


def test_somebody_elses_journal_runs_nothing(place: Place) -> None:
    with pytest.raises(ConfigError, match=REFUSED):
        cli.replay(str(place.run), data=place.mine / "data")
    with pytest.raises(ConfigError, match=REFUSED):
        why("AA", "own", journal=str(place.run), data=place.run.parents[2])
    assert trusted() is anything


def test_it_runs_when_the_user_says_so(place: Place) -> None:
    assert place.replay(trust_strategies=True) == 0


@pytest.mark.parametrize(
    "mine",
    [
        lambda mine: remember(mine / "data", {"x": choose("own", "", TEXT)}),
        lambda mine: (mine / "strategies" / "other.py").write_text(TEXT),
    ],
    ids=["of a run of this data", "a file of mine"],
)
def test_what_is_mine_runs(place: Place, mine: Callable[[Path], object]) -> None:
    (place.mine / "strategies").mkdir()
    mine(place.mine)
    assert place.replay() == 0


def test_a_text_is_noted_once_and_a_shipped_strategy_not_at_all(tmp_path: Path) -> None:
    remember(tmp_path / "new", {"new_hod": choose("new_hod")})
    assert not (tmp_path / "new").exists()
    for _ in range(2):
        remember(tmp_path, {"own": choose("own", "", TEXT)})
    assert len((tmp_path / KNOWN).read_text().splitlines()) == 1
    assert Trust(tmp_path)(TEXT)
    assert not Trust(tmp_path)(TEXT + " ")


def test_a_run_notes_its_own_strategies(tmp_path: Path) -> None:
    own = tmp_path / "strategies"
    own.mkdir()
    (own / "own.py").write_text(TEXT)
    config = Config(
        feed={"kraken": {}}, web=Web(port=0), questions=str(own), strategies=str(own), workers=0
    )
    parts = run.assemble(config, open_feed(config, "kraken"), tmp_path / "data")
    parts.gateway.close()
    parts.past.close()
    assert Trust(tmp_path / "data")(TEXT)


def test_processes_of_a_backtest_trust_what_it_does(tmp_path: Path) -> None:
    with trusting(Trust(tmp_path)):
        with pytest.raises(ConfigError, match=REFUSED):
            load("own", TEXT)
        with ProcessPoolExecutor(1, get_context("spawn"), _begin, (trusted(),)) as pool:
            told = pool.submit(load, "own", TEXT).exception()
    assert isinstance(told, ConfigError)
    assert re.match(REFUSED, str(told))
    assert load("own", TEXT).title == "Own"


@pytest.mark.slow
async def test_a_question_about_the_past_runs_nobody_elses(place: Place) -> None:
    asked = past.Past(place.run.parents[2], "XNYS", lambda: past.Live(AT_NS))
    try:
        with pytest.raises(ConfigError, match=REFUSED):
            await asked.query("SELECT symbol FROM market", iso(AT_NS))
    finally:
        asked.close()
