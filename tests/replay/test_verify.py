"""A recorded day is replayed bit for bit, and every damage to it is told."""

from pathlib import Path

import pytest

from replay.command import replay
from replay.tape import Live, Tape, live, record_day
from tapelight.engine import Engine
from tapelight.model.records import Digest, Record
from tapelight.model.session import iso
from tapelight.stores.journal.segments import read_records
from tapelight.stores.journal.writer import Writer

pytestmark = pytest.mark.slow

TAPE = Tape()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    return data / "journal" / "2026-11-20" / "0001"


@pytest.fixture(scope="module")
def day(run: Path) -> Live:
    return record_day(run, TAPE)


def test_the_day_is_worth_a_replay(day: Live) -> None:
    assert len(day.signals) >= 3
    rankings = [r for c in day.cycles if c.whole for r in c.rankings]
    assert len([r for r in rankings if r.order]) > 50
    assert len(day.digests) == TAPE.seconds


@pytest.mark.parametrize("seed", ["1", "2"])
def test_every_digest_is_identical_whatever_the_hash_seed(day: Live, run: Path, seed: str) -> None:
    told = replay(run, "--verify", PYTHONHASHSEED=seed)
    assert (told.code, told.err) == (0, "")
    assert told.out == f"12/12 identical, digest {day.engine.digest}\n"


def test_a_day_is_found_by_its_date(day: Live, data: Path) -> None:
    told = replay("2026-11-20", "--data", data, "--verify", "--json")
    assert told.rows == [{"identical": 12, "of": 12, "digest": day.engine.digest}]


@pytest.mark.parametrize("size", [1, 7, 2000])
def test_the_same_tape_in_other_batches_gives_the_same_answers(day: Live, size: int) -> None:
    other = live(Tape(batch=size).records(), None)
    assert other.digests == day.digests
    assert other.signals == day.signals


def test_another_tape_gives_another_digest(day: Live) -> None:
    assert live(Tape(seed=8).records(), None).digests[-1] != day.digests[-1]


def test_a_flipped_byte_is_told_with_file_and_place(day: Live, run: Path, tmp_path: Path) -> None:
    data = bytearray((run / "00000001.tlj").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "00000001.tlj").write_bytes(data)
    told = replay(tmp_path, "--verify")
    assert told.code == 1
    assert told.out == ""
    assert "00000001.tlj: the block at byte" in told.err
    assert len(told.err.splitlines()) == 1


def test_the_first_answer_that_differs_is_told(day: Live, run: Path, tmp_path: Path) -> None:
    wrong = day.digests[4]

    def change(record: Record) -> Record:
        return Digest(record.ts_ns, "00" * 16) if record == wrong else record  # type: ignore[union-attr]

    rewrite(tmp_path, [change(r) for r in read_records(run)])
    told = replay(tmp_path, "--verify")
    assert told.code == 1
    assert told.out.startswith("11/12 identical")
    assert told.err == f"tapelight: the first answer that differs is at {iso(wrong.ts_ns)}.\n"


def test_a_lost_trade_is_told(day: Live, run: Path, tmp_path: Path) -> None:
    made = list(read_records(run))
    batches = [i for i, r in enumerate(made) if type(r).__name__ == "Batch"]
    rewrite(tmp_path, [r for i, r in enumerate(made) if i != batches[len(batches) // 2]])
    told = replay(tmp_path, "--verify")
    assert told.code == 1
    assert "the first answer that differs is at 2026-11-20T09:30:0" in told.err


def rewrite(folder: Path, made: list[Record]) -> None:
    writer = Writer(folder)
    for record in made:
        writer.append(record)
    writer.close()


def test_a_torn_tail_verifies_up_to_where_it_is_whole(day: Live, run: Path, tmp_path: Path) -> None:
    data = (run / "00000001.tlj").read_bytes()
    (tmp_path / "00000001.tlj").write_bytes(data[: len(data) * 2 // 3])
    told = replay(tmp_path, "--verify", "--json")
    assert told.code == 0
    whole = [r for r in read_records(tmp_path) if isinstance(r, Digest)]
    assert whole == day.digests[: len(whole)]
    assert told.rows[0]["identical"] == told.rows[0]["of"] == len(whole)
    assert 4 < len(whole) < 12


def test_queries_at_a_moment_are_as_of_that_moment(day: Live, run: Path) -> None:
    whole = {c.mark.ts_ns: c for c in day.cycles if c.whole}
    board = {r.name: r for r in whole[TAPE.start_ns + 8 * 10**9].rankings}["top_volume"]
    told = replay(
        run, "--at", "09:30:03", "--json",
        "--sql", "SELECT symbol FROM market WHERE type = 'CS' AND vol > 0 ORDER BY vol DESC LIMIT 3",
    )  # fmt: skip
    assert told.code == 0, told.err
    assert [r["symbol"] for r in told.rows] == board.order[:3]
    assert replay(run, "--at", "09:29:00").code == 2


@pytest.mark.parametrize(
    "start", ["2026-11-20T15:59:56", "2026-11-20T03:59:56", "2026-11-20T19:59:56"]
)
def test_the_edges_of_the_session_are_replayed_as_well(tmp_path: Path, start: str) -> None:
    done = record_day(tmp_path, Tape(start=start, seconds=8))
    engine = Engine()
    for record in read_records(tmp_path):
        engine.apply(record)
        if isinstance(record, Digest):
            assert record.digest == engine.digest, iso(record.ts_ns)
    assert engine.digest == done.engine.digest
