"""The order log: durable, chained, of one writer; and the kill switch's file."""

import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tapelight.commands.orders import kill
from tapelight.errors import ConfigError, Conflict, Unavailable
from tapelight.model.order_log import Armed, Decided, Intended, Killed, ReadTo, Sent, Started
from tapelight.model.orders import Approved, OrderRequest
from tapelight.stores.killswitch import KillFile
from tapelight.stores.orders import SqliteOrderLog, read, records_of, rows_of

REQUEST = OrderRequest(
    id="tl-1", cause="s1", purpose="entry", symbol="AAA", side="buy", quantity=Decimal(100),
    kind="limit", limit=Decimal("20.10"),
)  # fmt: skip
RECORDS = [Intended(2, REQUEST, Approved(2), 7), Sent(2, "tl-1"), Decided(3, "tl-1", False, "me")]


def written(folder: Path) -> SqliteOrderLog:
    log = SqliteOrderLog(folder)
    log.begin(1)
    log.append(RECORDS)
    return log


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path).close()
    log = SqliteOrderLog(tmp_path)
    assert list(log.records()) == [Started(1, 1), *RECORDS]
    assert read(tmp_path, after=3) == [(4, RECORDS[2])]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_prices_keep_their_digits(tmp_path: Path) -> None:
    request = next(r for r in written(tmp_path).records() if isinstance(r, Intended)).request
    assert str(request.limit) == "20.10"


def test_only_the_newest_epoch_writes(tmp_path: Path) -> None:
    first = written(tmp_path)
    assert first.held()
    second = SqliteOrderLog(tmp_path)
    assert second.begin(5) == 2
    assert not first.held()
    with pytest.raises(Conflict, match="Another trader has begun"):
        first.append([ReadTo(6, 1)])
    second.append([ReadTo(6, 1)])
    assert len(list(second.records())) == 6


def test_who_has_not_begun_writes_nothing(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(Conflict):
        SqliteOrderLog(tmp_path).append([ReadTo(1, 1)])


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE order_log SET payload = replace(payload, '100', '900') WHERE seq = 2",
        "DELETE FROM order_log WHERE seq = 3",
        "UPDATE order_log SET epoch = 2 WHERE seq = 4",
        "DELETE FROM order_log WHERE seq = 1",
    ],
)
def test_a_change_is_found_and_nothing_is_sent_on_it(tmp_path: Path, sql: str) -> None:
    log = written(tmp_path)
    with sqlite3.connect(log.path) as connection:
        connection.execute(sql)
    connection.close()
    with pytest.raises(ConfigError, match=r"changed or damaged at row \d, .* no order is sent"):
        list(log.records())


def test_every_edit_of_one_character_is_found() -> None:
    rows = rows_of([Started(1, 1), *RECORDS], 0, "", 1)
    rng = Random(1)
    found = 0
    for _ in range(1_000):
        at = rng.randrange(len(rows))
        name = rng.choice(("payload", "hash", "prev_hash"))
        text = getattr(rows[at], name)
        if not text:
            found += 1
            continue
        place = rng.randrange(len(text))
        other = rng.choice([c for c in "0123456789abcdef" if c != text[place]])
        wrong = replace(rows[at], **{name: text[:place] + other + text[place + 1 :]})
        with pytest.raises(ConfigError):
            list(records_of([*rows[:at], wrong, *rows[at + 1 :]], "the log"))
        found += 1
    assert found == 1_000


def test_there_is_no_log_to_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no orders\.db: no trader has run there yet"):
        read(tmp_path)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "orders.db").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"orders\.db can't be opened"):
        SqliteOrderLog(tmp_path)


def test_the_switch_stays_until_a_person_arms(tmp_path: Path) -> None:
    switch = KillFile(tmp_path)
    assert switch.read() is None
    switch.trip(Killed(1, "enough", "a person", flatten=True))
    assert KillFile(tmp_path).read() == Killed(1, "enough", "a person", flatten=True)
    switch.arm(Armed(2, "a person"))
    assert switch.read() == Armed(2, "a person")
    switch.clear(Armed(2, "a person"))
    switch.clear(Armed(2, "a person"))
    assert switch.read() is None


def test_arming_takes_away_no_kill_that_came_meanwhile(tmp_path: Path) -> None:
    switch = KillFile(tmp_path)
    switch.trip(Killed(2, "a second one", "another person"))
    switch.clear(Killed(1, "the first one", "a person"))
    assert switch.read() == Killed(2, "a second one", "another person")
    switch.clear(Killed(2, "a second one", "another person"))
    assert list(tmp_path.iterdir()) == []


def test_a_crash_while_arming_leaves_it_on(tmp_path: Path) -> None:
    switch, killed = KillFile(tmp_path), Killed(1, "enough", "a person")
    switch.trip(killed)
    switch.path.rename(tmp_path / "KILL.taken")
    assert switch.read() == killed
    switch.clear(killed)
    assert switch.read() is None
    switch.trip(killed)
    switch.path.rename(tmp_path / "KILL.taken")
    switch.arm(Armed(2, "a person"))
    assert switch.read() == Armed(2, "a person")


def test_an_empty_file_can_be_armed(tmp_path: Path) -> None:
    switch = KillFile(tmp_path)
    switch.path.touch()
    asked = switch.read()
    assert asked is not None
    switch.clear(asked)
    assert switch.read() is None


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b'{"type":"armed"', b'{"type":"killed"}'])
def test_what_nobody_can_read_kills(tmp_path: Path, text: bytes) -> None:
    switch = KillFile(tmp_path)
    switch.path.write_bytes(text)
    asked = switch.read()
    assert isinstance(asked, Killed)
    assert asked.by == "file"


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unavailable, match="KILL can't be written"):
        KillFile(tmp_path / "data").trip(Killed(1, "enough", "a person"))


def test_a_command_switches_every_desk_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dry").mkdir()
    (tmp_path / "trader.pid").touch()
    switches = [KillFile(tmp_path), KillFile(tmp_path / "dry")]
    kill(reason="odd data", drill=True, data=tmp_path)
    assert [switch.read() for switch in switches] == [None, None]
    kill(reason="odd data", data=tmp_path)
    assert all(isinstance(switch.read(), Killed) for switch in switches)
    kill(arm=True, data=tmp_path)
    assert all(isinstance(switch.read(), Armed) for switch in switches)
    assert "No entry works." in capsys.readouterr().out
