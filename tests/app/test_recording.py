"""A scanner that lives past the beginning of a session: two runs, each whole in itself."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from replay.command import replay_here
from tapelight.app.frozen import freeze
from tapelight.app.runs import open_journal, restore, roll_of
from tapelight.app.scanner import Scanner
from tapelight.engine import Engine
from tapelight.errors import Rejected
from tapelight.model.batch import Batch, trades_of
from tapelight.model.records import Digest, FeedState, Questions, Reference, References
from tapelight.model.session import NS, calendar
from tapelight.stores.journal.retention import prune
from tapelight.stores.journal.snapshots import places, write_snapshot

pytestmark = pytest.mark.integration

XNYS = calendar("XNYS")
EVE_NS = 1_795_165_195 * NS
"""03:59:55 New York on 2026-11-20."""
EVENING_NS = EVE_NS - 8 * 3600 * NS
SYMBOLS = ["AAA", "BBB", "CCC"]
TEXTS = Questions({
    "all": '-- gate = "none"\nSELECT symbol, last, vol, prev_close, hod FROM market ORDER BY vol DESC',
    "highs": '-- kind = "events"\n-- gate = "none"\nSELECT symbol, last FROM market WHERE new_hod',
})  # fmt: skip


@dataclass(frozen=True)
class Limits:
    sessions: int = 2
    gigabytes: float = 20.0


def scanner(data: Path, calendar_name: str = "XNYS") -> Scanner:
    return Scanner(data, TEXTS, calendar_name)


def begin(mine: Scanner, now_ns: int, date: str) -> None:
    mine.clock.set(now_ns, 0.0)
    known = [Reference(symbol=s, type="CS", prev_close=10.0, adv20=1e5) for s in SYMBOLS]
    mine.put(References(date, known))
    mine.put(FeedState(now_ns, "tape", "live"))


def trade_until(mine: Scanner, begin_ns: int, seconds: float) -> None:
    """Bring a trade each 25 ms of market time; the marks between fall due."""
    draw = np.random.default_rng(begin_ns // NS)
    for i in range(int(seconds * NS / 25_000_000) + 1):
        now = begin_ns + i * 25_000_000
        mine.clock.set(now, 0.0)
        mine.alive(now)
        row, price = int(draw.integers(3)), round(10 + draw.random(), 2)
        number = now // 1_000_000
        mine.put(Batch(now, trades_of([row], [now - 1], [price], [100.0], [0], [0], [number])))


async def stop(mine: Scanner) -> None:
    mine.close()
    pending = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    await asyncio.gather(*pending)


async def lived(data: Path, seconds: float = 10.0) -> Scanner:
    mine = scanner(data)
    begin(mine, EVENING_NS, "2026-11-19")
    trade_until(mine, EVENING_NS, 1)
    trade_until(mine, EVE_NS, seconds)
    await stop(mine)
    return mine


def verified(folder: Path) -> tuple[int, Engine]:
    """Replay a folder alone; return how many digests agreed."""
    engine, records = open_journal(folder)
    same = 0
    for record in records:
        if isinstance(record, Digest):
            assert record.digest == engine.digest
            same += 1
        engine.apply(record)
    return same, engine


def folders(data: Path) -> list[str]:
    return sorted(str(p.relative_to(data / "journal")) for p in data.glob("journal/*/*"))


OLD, NEW = "2026-11-19/0001", "2026-11-20/0001"


async def test_two_folders_and_each_is_replayed_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = await lived(tmp_path)
    capsys.readouterr()
    assert folders(tmp_path) == [OLD, NEW]
    old, new = verified(tmp_path / "journal" / OLD), verified(tmp_path / "journal" / NEW)
    assert (old[0], new[0]) == (5, 6)
    assert new[1].digest == mine.engine.digest
    assert old[1].table.session is not None
    assert old[1].table.session.date.isoformat() == "2026-11-19", "its end is the day's own"
    for day, digests in (("2026-11-19", 5), ("2026-11-20", 6)):
        told = replay_here(capsys, day, "--data", tmp_path, "--verify", "--json")
        assert (told.code, told.rows[0]["identical"], told.rows[0]["of"]) == (0, digests, digests)
    told = replay_here(
        capsys, "2026-11-20", "--data", tmp_path, "--at", "04:00:02", "--json",
        "--sql", "SELECT symbol, vol FROM market ORDER BY symbol",
    )  # fmt: skip
    assert [row["symbol"] for row in told.rows] == SYMBOLS
    assert 0 < sum(row["vol"] for row in told.rows) < 100 * 81


async def test_what_an_edit_just_before_the_roll_ends_is_told_in_the_new_folder(
    tmp_path: Path,
) -> None:
    text = TEXTS.texts["highs"].replace("SELECT", '-- confirm = "last > 99"\nSELECT')
    mine = Scanner(tmp_path, Questions({"highs": text}), "XNYS")
    begin(mine, EVENING_NS, "2026-11-19")
    trade_until(mine, EVENING_NS, 1)
    trade_until(mine, EVE_NS, 4.975)
    live = len(mine.engine.scans["highs"].life.live)
    told: list[str] = []
    mine.listeners.append(lambda cycle: told.extend(s.reason for s in cycle.signals))
    mine.ask(Questions({"highs": text.replace("99", "98")}))
    trade_until(mine, EVE_NS + 5 * NS, 1)
    await stop(mine)
    assert folders(tmp_path) == [OLD, NEW]
    assert told.count("the scan was changed or removed") == live > 0
    assert verified(tmp_path / "journal" / NEW)[1].digest == mine.engine.digest


async def test_the_round_the_clock_market_rolls_at_midnight(tmp_path: Path) -> None:
    mine = scanner(tmp_path, "24x7")
    midnight_ns = 1_795_219_200 * NS
    begin(mine, midnight_ns - 2 * NS, "2026-11-20")
    trade_until(mine, midnight_ns - 2 * NS, 4)
    await stop(mine)
    assert folders(tmp_path) == [OLD.replace("19", "20"), NEW.replace("20/", "21/")]
    assert [verified(tmp_path / "journal" / f)[0] for f in folders(tmp_path)] == [1, 3]


async def test_a_kill_after_the_roll_goes_on_in_the_new_folder(tmp_path: Path) -> None:
    await lived(tmp_path)
    new = tmp_path / "journal" / NEW
    segment = new / "00000001.tlj"
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) * 3 // 5])
    engine, _ = restore(new)
    second = scanner(tmp_path)
    second.clock.set(EVE_NS + 20 * NS, 0.0)
    assert second.engine.last_mark_ns == engine.last_mark_ns
    trade_until(second, EVE_NS + 21 * NS, 3)
    await stop(second)
    assert folders(tmp_path) == [OLD, NEW]
    assert verified(new)[1].digest == second.engine.digest


async def test_a_kill_before_the_first_block_leaves_an_empty_run(tmp_path: Path) -> None:
    await lived(tmp_path)
    new = tmp_path / "journal" / NEW
    for path in new.glob("*.tl*"):
        path.unlink()
    second = scanner(tmp_path)
    begin(second, EVE_NS + 20 * NS, "2026-11-20")
    trade_until(second, EVE_NS + 20 * NS, 2)
    await stop(second)
    assert folders(tmp_path) == [OLD, NEW, "2026-11-20/0002"]
    assert verified(tmp_path / "journal" / "2026-11-20/0002")[0] == 2
    assert verified(tmp_path / "journal" / OLD)[0] == 5


async def test_retention_holds_at_each_roll_and_spares_the_running_run(tmp_path: Path) -> None:
    for day in ("2026-11-16", "2026-11-17"):
        (tmp_path / "journal" / day / "0001").mkdir(parents=True)
    mine = scanner(tmp_path)
    mine.on_roll = lambda running: prune(tmp_path, Limits(), running)
    begin(mine, EVENING_NS, "2026-11-19")
    trade_until(mine, EVE_NS, 6)
    await stop(mine)
    assert folders(tmp_path) == [OLD, NEW]


async def test_a_folder_that_can_not_be_made_leaves_the_old_run_going(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "2026-11-20").write_text("in the way")
    mine = await lived(tmp_path)
    assert mine.figures.rejected["journal"] == 1
    assert verified(tmp_path / "journal" / OLD)[0] == 11


async def test_a_beginning_of_another_version_is_told_not_passed_over(tmp_path: Path) -> None:
    await lived(tmp_path)
    new = shutil.copytree(tmp_path / "journal" / NEW, tmp_path / "copy")
    state = {**freeze(Engine()), "scalars": b"\x80"}
    write_snapshot(new, 0, state, EVE_NS)
    for place in places(new):
        if place.ts_ns != EVE_NS:
            place.path.unlink()
    with pytest.raises(Rejected, match="goes on from the session before"):
        open_journal(new)


def test_the_roll_comes_with_the_next_session_whenever_the_run_began() -> None:
    friday = Path("journal/2026-11-20/0001")
    assert roll_of(friday, XNYS) == 1_795_424_400 * NS, "Monday 04:00"
    assert roll_of(friday, XNYS, 1_795_424_400 * NS) == 1_795_510_800 * NS
