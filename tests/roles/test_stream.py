"""The stream of a recorded day: three shares together answer what one engine answers, bit for bit."""

from pathlib import Path

import msgspec
import pytest

from replay.tape import Tape, record_day
from roles.day import Answers, Wire, Worker, embedded, running, senders
from tapelight.app.roles.follower import first_of
from tapelight.app.roles.replica import identity
from tapelight.app.roles.services import share_of
from tapelight.model.stream import CUT, Parcel, encode, parcel
from tapelight.stores.journal.segments import end_of
from tapelight.testing.backends import until

pytestmark = pytest.mark.integration

DAY = "2026-11-20"
SHARES = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    record_day(folder / "journal" / DAY / "0001", Tape())
    return folder


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    return data / "journal" / DAY / "0001"


@pytest.fixture(scope="module")
def whole(run: Path) -> Answers:
    return embedded(run)


async def test_three_shares_answer_what_one_engine_answers(
    data: Path, run: Path, whole: Answers, tmp_path: Path
) -> None:
    wire, last = Wire(), end_of(run).records
    workers = [Worker(tmp_path, wire, n, SHARES) for n in range(SHARES)]
    async with running(senders(data, wire, run).run(), *(w.run() for w in workers)):
        await until(lambda: all(w.seq == last for w in workers), "every record")
    together = Answers().added(w.answers for w in workers)
    assert len(whole.signals) >= 3
    assert together.signals == whole.signals
    assert together.boards == whole.boards
    assert together.times == len(whole.signals), "a signal was given twice"
    assert all(w.answers.boards for w in workers), "a share without a board"


async def test_a_worker_that_starts_again_goes_on_from_its_own_disk(
    data: Path, run: Path, whole: Answers, tmp_path: Path
) -> None:
    """The first is left in mid-run, without a word; the second asks for what is missing alone."""
    wire, last = Wire(), end_of(run).records
    first = Worker(tmp_path, wire, 0, 1)
    pieces = [encode(p) for p in await _pieces(data, run)]
    first.follower.open()
    for body in pieces[: len(pieces) // 2]:
        first.follower.take(body)
    half = first.seq
    first.follower.close()
    assert 0 < half < last
    second = Worker(tmp_path, wire, 0, 1)
    async with running(senders(data, wire, run).run(), second.run()):
        await until(lambda: second.seq == last, "the rest")
    assert second.follower.counts["gaps"] == 0
    both = Answers().added([first.answers, second.answers])
    assert both.signals == whole.signals
    assert both.boards == whole.boards


async def test_a_feed_whose_token_rises_goes_on_where_it_is(
    data: Path, run: Path, tmp_path: Path
) -> None:
    """Its lease was over while the database was away, and is renewed: nothing is taken back."""
    wire, last, token = Wire(), end_of(run).records, [1]
    worker = Worker(tmp_path, wire, 0, 0, "alone")
    async with running(senders(data, wire, run, lambda: token[0]).run(), worker.run()):
        await until(lambda: worker.seq == last, "every record")
        told = worker.answers.times
        token[0] = 2
        worker.follower._asks = True
        await until(lambda: worker.follower._applied == 2, "the newer token")
        assert (worker.seq, worker.answers.times) == (last, told)


async def _pieces(data: Path, run: Path) -> list[Parcel]:
    """Return the parcels of a whole run, small ones."""
    from tapelight.app.roles import senders as sending
    from tapelight.model.stream import Run, Word

    cursor = sending.Cursor(data, Word("all", Run(), 0), run, 1)
    pieces = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "PARCEL_BYTES", 1)
        while (piece := cursor.read(1, run)) is not None:
            pieces.append(piece)
    cursor.close()
    return pieces


async def test_repeats_gaps_and_old_tokens(
    data: Path, run: Path, whole: Answers, tmp_path: Path
) -> None:
    worker = Worker(tmp_path, Wire(), 0, 0, "alone")
    pieces = await _pieces(data, run)
    assert len(pieces) > 8
    take = worker.follower.take
    take(encode(pieces[1]))
    assert worker.follower.replica is None, "a run was begun in its middle"
    for piece in pieces[:4]:
        take(encode(piece))
        take(encode(piece))
    there = worker.seq
    take(encode(pieces[6]))
    assert (worker.seq, worker.follower.counts["gaps"]) == (there, 1)
    newer = [msgspec.structs.replace(piece, token=3) for piece in pieces]
    take(encode(newer[4]))
    assert (worker.seq, worker.follower.token) == (there, 3), "taken before it was asked for"
    ahead = first_of(pieces[3]) - 1
    take(encode(Parcel(3, pieces[0].run, CUT, b"", at=ahead)))
    assert worker.seq == ahead, "what the newer feed has not is still there"
    take(encode(newer[3]))
    take(encode(newer[4]))
    for piece in pieces[5:]:
        take(encode(piece))
    assert worker.follower.counts["refused"] == len(pieces) - 5, "an older token was taken"
    again = Worker(tmp_path, Wire(), 0, 0, "alone")
    assert again.follower.token == 3, "a restart forgot the token"
    for piece in newer[5:]:
        take(encode(piece))
    assert worker.answers.signals == whole.signals
    assert worker.answers.boards == whole.boards
    take(b"no parcel")
    worker.follower.close()


async def test_a_second_answer_to_a_repeated_word_takes_nothing_back(
    data: Path, run: Path, tmp_path: Path
) -> None:
    worker = Worker(tmp_path, Wire(), 0, 0, "alone")
    pieces = await _pieces(data, run)
    take = worker.follower.take
    for piece in pieces[:4]:
        take(encode(piece))
    newer = [msgspec.structs.replace(piece, token=3) for piece in pieces]
    cut = encode(Parcel(3, pieces[0].run, CUT, b"", at=first_of(pieces[3]) - 1))
    for body in (cut, encode(newer[3]), encode(newer[4])):
        take(body)
    there, told = worker.seq, worker.answers.times
    take(cut)
    assert (worker.seq, worker.answers.times) == (there, told)
    take(encode(newer[3]))
    take(encode(newer[5]))
    assert worker.seq > there
    worker.follower.close()


async def test_a_stream_that_is_refused_is_told(data: Path, run: Path, tmp_path: Path) -> None:
    worker, piece = Worker(tmp_path, Wire(), 0, 0, "alone"), (await _pieces(data, run))[0]
    worker.follower.take(encode(piece))
    assert worker.follower.fault() is None
    worker.follower.take(encode(msgspec.structs.replace(piece, token=0)))
    assert worker.follower.fault() is None
    worker.follower._heard_s -= 10.0
    assert "older token" in (worker.follower.fault() or "")
    worker.follower.close()


def test_every_name_has_one_share() -> None:
    names = [f"board{i}" for i in range(300)]
    shares = [share_of(n, SHARES) for n in range(SHARES)]
    counts = [sum(share(name) for name in names) for share in shares]
    assert sum(counts) == 300
    assert min(counts) > 60
    assert all(sum(share(name) for share in shares) == 1 for name in names)


async def test_the_piece_of_a_journal_says_which_run_it_is(data: Path, run: Path) -> None:
    piece = (await _pieces(data, run))[0]
    assert piece.run == identity(run)
    assert parcel(encode(piece)) == piece
    assert piece.run.name == f"{DAY}/0001"
