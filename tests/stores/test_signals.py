"""The signal log: append-only, chained, idempotent, and never in the way."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapelight.errors import ConfigError, Unavailable
from tapelight.model.signals import Hops, Leaf, Signal
from tapelight.ports import Wanted
from tapelight.stores.signals import FILE, SignalLog, find, open_log, verify

RUN = "2026-11-20/0001"


def signal(i: int, state: str = "fired", scan: str = "hod", symbol: str = "ABC") -> Signal:
    return Signal(
        id=f"id{i}", scan=scan, symbol=symbol, state=state, ts_ns=i, mark=i,
        values={"last": 10.1, "vol": None, "symbol": symbol},
        why=(Leaf("last", 10.1, ">", 10.0, True),), hops=Hops(exchange_ns=1, text="3 ms"),
    )  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SignalLog]:
    made = SignalLog(tmp_path)
    yield made
    made.close()


def fill(log: SignalLog, count: int = 5) -> list[Signal]:
    signals = [signal(i) for i in range(1, count + 1)]
    log.append(RUN, signals)
    assert log.wait()
    return signals


def edit(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path / FILE)
    with connection:
        connection.execute(sql)
    connection.close()


def test_what_was_appended_is_found_whole_newest_first(log: SignalLog) -> None:
    signals = fill(log)
    assert log.find(Wanted()) == signals[::-1]
    assert log.status()["counters"] == {"written": 5, "repeated": 0, "lost": 0}
    assert log.status()["state"] == "ok"


def test_records_are_found_by_scan_symbol_state_and_time(log: SignalLog) -> None:
    several = [signal(1), signal(2, symbol="XYZ"), signal(3, "expired"), signal(4, scan="gap")]
    log.append(RUN, several)
    assert log.wait()
    one, two, three, four = several
    assert log.find(Wanted(symbol="XYZ")) == [two]
    assert log.find(Wanted(state="expired")) == [three]
    assert log.find(Wanted(scan="hod", since_ns=2)) == [three, two]
    assert log.find(Wanted(limit=2)) == [four, three]
    assert log.find(Wanted(state="fired,expired", until_ns=two.mark)) == [
        s for s in (four, three, two, one) if s.mark <= two.mark and s.state in ("fired", "expired")
    ]
    assert log.find(Wanted(scan="hod", symbol="ABC", state="fired")) == [one]


def test_a_repeated_record_is_left_out(log: SignalLog, tmp_path: Path) -> None:
    signals = fill(log)
    head = log.head
    later = [msgspec.structs.replace(s, hops=None) for s in signals]
    log.append(RUN, [*later, later[0], signal(9)])
    log.append("2026-11-20/0002", [signal(1)])
    assert log.wait()
    assert (log.written, log.repeated) == (7, 6)
    assert log.head != head
    assert log.verify().rows == 7


def test_a_log_opened_again_goes_on(tmp_path: Path) -> None:
    first = SignalLog(tmp_path)
    fill(first)
    first.close()
    again = SignalLog(tmp_path)
    assert again.head == first.head
    again.append(RUN, [signal(5), signal(6)])
    again.close()
    chain = verify(open_log(tmp_path))
    assert (chain.rows, chain.fault) == (6, "")
    assert again.repeated == 1


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE signals SET payload = replace(payload, '10.1', '10.2') WHERE seq = 3",
         "Row 3 (hod ABC fired): its content does not give its hash."),
        ("UPDATE signals SET symbol = 'XYZ' WHERE seq = 2",
         "Row 2 (hod XYZ fired): its content does not give its hash."),
        ("DELETE FROM signals WHERE seq = 2", "Row 3 (hod ABC fired): rows 2 to 2 are missing."),
        ("UPDATE signals SET prev_hash = 'x' WHERE seq = 4",
         "Row 4 (hod ABC fired): it is not chained to the row before."),
    ],
)  # fmt: skip
def test_a_changed_row_is_named(log: SignalLog, tmp_path: Path, sql: str, fault: str) -> None:
    fill(log)
    assert log.verify().fault == ""
    edit(tmp_path, sql)
    assert log.verify().fault == fault


def test_append_never_waits_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    log = SignalLog(tmp_path, waiting=10)
    blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    done = threading.Event()

    def append() -> None:
        log.append(RUN, [signal(i) for i in range(1, 40)])
        done.set()

    threading.Thread(target=append, daemon=True).start()
    assert done.wait(2.0)
    assert 39 - 2 * 10 - 1 <= log.lost <= 39 - 10
    blocker.execute("ROLLBACK")
    blocker.close()
    assert log.wait(10.0)
    assert log.written + log.lost == 39
    assert log.verify() == type(log.verify())(log.written)
    log.close()


@pytest.mark.integration
def test_a_failed_write_is_told_and_tried_again(tmp_path: Path) -> None:
    log = SignalLog(tmp_path)
    edit(tmp_path, "ALTER TABLE signals RENAME TO gone")
    log.append(RUN, [signal(1)])
    while log.state == "ok":
        assert not log.wait(0.01)
    assert log.status()["state"] == "failed"
    assert "no such table" in log.status()["detail"]
    with pytest.raises(Unavailable, match="can't be read: no such table"):
        log.find(Wanted())
    edit(tmp_path, "ALTER TABLE gone RENAME TO signals")
    assert log.wait(10.0)
    assert (log.state, log.written) == ("ok", 1)
    log.close()


def test_a_log_that_can_never_be_written_ends_with_what_it_lost(tmp_path: Path) -> None:
    log = SignalLog(tmp_path)
    edit(tmp_path, "ALTER TABLE signals RENAME TO gone")
    log.append(RUN, [signal(1), signal(2)])
    log.close()
    assert (log.written, log.lost) == (0, 2)


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, " * 100)
    with pytest.raises(ConfigError, match=r"signals\.db can't be opened .* move the file away"):
        SignalLog(tmp_path)
    with pytest.raises(ConfigError, match="give --data with the folder of a run"):
        open_log(tmp_path / "nowhere")


def test_a_folder_with_odd_letters_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20?c#d"
    log = SignalLog(folder)
    fill(log)
    assert len(find(open_log(folder), Wanted())) == 5
    log.close()
