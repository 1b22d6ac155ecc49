"""The stream of a recorded day: three shares together answer what one engine answers, bit for bit."""

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from replay.tape import Tape, record_day
from roles.day import Answers, Wire, Worker, embedded, running, senders
from tapelight.app.roles import senders as sending
from tapelight.app.roles.follower import Follower, first_of
from tapelight.app.roles.recall import KEPT_NS, Recall
from tapelight.app.roles.replica import identity
from tapelight.app.roles.services import share_of
from tapelight.app.roles.standby import STANDBY, own_first, take_over
from tapelight.app.roles.tenure import Lost
from tapelight.engine import Cycle, Engine, everything
from tapelight.model.signals import Signal
from tapelight.model.stream import CUT, Parcel, Run, Word, encode, parcel
from tapelight.queues.memory import MemoryQueue
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
    await first.follower.open()
    for body in pieces[: len(pieces) // 2]:
        await first.follower.take(body)
    half = first.seq
    await first.follower.close()
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
        await until(lambda: worker.follower.fence.applied == 2, "the newer token")
        assert (worker.seq, worker.answers.times) == (last, told)


async def _pieces(data: Path, run: Path) -> list[Parcel]:
    """Return the parcels of a whole run, small ones."""
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
    await take(encode(pieces[1]))
    assert worker.follower.replica is None, "a run was begun in its middle"
    for piece in pieces[:4]:
        await take(encode(piece))
        await take(encode(piece))
    there = worker.seq
    await take(encode(pieces[6]))
    assert (worker.seq, worker.follower.counts["gaps"]) == (there, 1)
    newer = [msgspec.structs.replace(piece, token=3) for piece in pieces]
    await take(encode(newer[4]))
    assert (worker.seq, worker.follower.fence.token) == (there, 3), "taken before it was asked for"
    ahead = first_of(pieces[3]) - 1
    await take(encode(Parcel(3, pieces[0].run, CUT, b"", at=ahead)))
    assert worker.seq == ahead, "what the newer feed has not is still there"
    await take(encode(newer[3]))
    await take(encode(newer[4]))
    for piece in pieces[5:]:
        await take(encode(piece))
    assert worker.follower.counts["refused"] == len(pieces) - 5, "an older token was taken"
    again = Worker(tmp_path, Wire(), 0, 0, "alone")
    assert again.follower.fence.token == 3, "a restart forgot the token"
    for piece in newer[5:]:
        await take(encode(piece))
    assert worker.answers.signals == whole.signals
    assert worker.answers.boards == whole.boards
    await take(b"no parcel")
    await worker.follower.close()


async def test_a_second_answer_to_a_repeated_word_takes_nothing_back(
    data: Path, run: Path, tmp_path: Path
) -> None:
    worker = Worker(tmp_path, Wire(), 0, 0, "alone")
    pieces = await _pieces(data, run)
    take = worker.follower.take
    for piece in pieces[:4]:
        await take(encode(piece))
    newer = [msgspec.structs.replace(piece, token=3) for piece in pieces]
    cut = encode(Parcel(3, pieces[0].run, CUT, b"", at=first_of(pieces[3]) - 1))
    for body in (cut, encode(newer[3]), encode(newer[4])):
        await take(body)
    there, told = worker.seq, worker.answers.times
    await take(cut)
    assert (worker.seq, worker.answers.times) == (there, told)
    await take(encode(newer[3]))
    await take(encode(newer[5]))
    assert worker.seq > there
    await worker.follower.close()


async def test_a_stream_that_is_refused_is_told(data: Path, run: Path, tmp_path: Path) -> None:
    worker, piece = Worker(tmp_path, Wire(), 0, 0, "alone"), (await _pieces(data, run))[0]
    await worker.follower.take(encode(piece))
    assert worker.follower.fault() is None
    await worker.follower.take(encode(msgspec.structs.replace(piece, token=0)))
    assert worker.follower.fault() is None
    worker.follower.fence.heard_s -= 10.0
    assert "older token" in (worker.follower.fault() or "")
    await worker.follower.close()


async def test_a_reader_that_asks_and_takes_nothing_gets_a_piece_a_time(
    data: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PARCEL_BYTES", 1)
    sender, queue, ask = senders(data, Wire(), run), MemoryQueue(), Word("mute", Run(), 0, True)
    place = sending.Place()

    def sent() -> int:
        sender._last["mute"] = sender._asked["mute"] = ask
        found = 0
        while sender._next("mute", place) is not None:
            place.note()
            found += 1
        return found

    assert sent() > 8
    assert [sent(), sent()] == [1, 1], "all of it once more"
    at = place.sent[0]
    sender._last["mute"] = msgspec.structs.replace(ask, run=at[0], after=at[1])
    assert sender._next("mute", place) is not None, "it takes again"
    assert place.window == sending.WINDOW_PARCELS
    place.leave()
    assert queue is not None


async def test_a_block_that_is_damaged_holds_up_one_reader_and_no_feed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FAULT_S", 0.05)
    shutil.copytree(data, tmp_path / "feed")
    folder = tmp_path / "feed" / "journal" / DAY / "0001"
    path = sorted(folder.glob("*.tlj"))[0]
    sound = path.read_bytes()
    path.write_bytes(sound[:200] + bytes([sound[200] ^ 1]) + sound[201:])
    wire, last = Wire(), end_of(data / "journal" / DAY / "0001").records
    sender, worker = senders(tmp_path / "feed", wire, folder), Worker(tmp_path, wire, 0, 1)
    async with running(sender.run(), worker.run()):
        await until(lambda: sender.counts["faults"] >= 2, "it is tried again")
        path.write_bytes(sound)
        await until(lambda: worker.seq == last, "every record once it can be read")


async def test_a_feed_ends_that_hears_of_a_newer_one(data: Path, run: Path) -> None:
    wire = Wire()
    await wire.words.put(encode(Word("scan.0", Run(), 0, False, 2)))
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(10):
            await senders(data, wire, run, lambda: 1).run()
    assert caught.group_contains(Lost, match="newer feed")


async def test_who_stands_by_for_a_share_goes_on_where_its_worker_ended(
    data: Path, run: Path, whole: Answers, tmp_path: Path
) -> None:
    """It has answered every question meanwhile, so that its state is right for the share it takes."""
    wire, last, pieces = Wire(), end_of(run).records, [encode(p) for p in await _pieces(data, run)]
    worker = Worker(tmp_path, wire, 1, SHARES)
    alone = Worker(tmp_path / "alone", wire, 0, 1)
    recall = Recall(lambda: followed.run.label)
    followed = Follower(
        tmp_path / "spare" / STANDBY,
        "spare",
        wire.stream("spare"),
        wire.words,
        everything,
        recall.hear,
        recall.again,
        recall.opened,
    )
    half = len(pieces) // 2
    for body in pieces[:half]:
        await worker.follower.take(body)
        await alone.follower.take(body)
        await followed.take(body)
    remembered = Answers()
    for number in range(SHARES):
        for label, signals in recall.of(share_of(number, SHARES)):
            assert label == followed.run.label
            remembered.hear_signals(signals)
    assert remembered.signals == alone.answers.signals, "what the workers may still have owed"
    assert remembered.signals
    await alone.follower.close()
    await followed.close()
    await worker.follower.close()
    left = tmp_path / "spare" / "share-1"
    left.mkdir()
    (left / "of before").touch()
    assert own_first(tmp_path / "spare", SHARES) == [0, 1, 2]
    folder = take_over(tmp_path / "spare", 1)
    assert folder == left
    assert not (left / "of before").exists()
    again: list[Signal] = []
    heard = Answers()
    spare = Follower(
        folder,
        "scan.1",
        wire.stream("scan.1"),
        wire.words,
        share_of(1, SHARES),
        heard.hear,
        again.extend,
    )
    await spare.open()
    for body in pieces[half:]:
        await spare.take(body)
    assert spare.replica is not None
    assert spare.replica.seq == last
    await spare.close()
    other = Worker(tmp_path / "others", wire, 1, SHARES)
    for body in pieces:
        await other.follower.take(body)
    await other.follower.close()
    both = Answers().added([worker.answers, heard])
    both.hear_signals(again)
    assert both.signals == other.answers.signals
    assert both.boards == other.answers.boards
    assert own_first(tmp_path / "spare", SHARES) == [1, 0, 2], (
        "its own share is not its first choice"
    )
    assert take_over(tmp_path / "spare", 1) == folder, "it has nothing newer than its own"
    assert identity(folder / "journal" / DAY / "0001").name


async def test_a_reader_that_catches_up_is_not_near(data: Path, run: Path, tmp_path: Path) -> None:
    worker, pieces = Worker(tmp_path, Wire(), 0, 1), await _pieces(data, run)
    assert not worker.follower.near
    await worker.follower.take(encode(msgspec.structs.replace(pieces[0], last=False)))
    assert not worker.follower.near
    await worker.follower.take(encode(msgspec.structs.replace(pieces[1], last=True)))
    assert worker.follower.near
    await worker.follower.take(encode(msgspec.structs.replace(pieces[3], last=True)))
    assert not worker.follower.near, "there is a gap before it"
    await worker.follower.close()


async def test_old_runs_of_a_reader_are_deleted(data: Path, run: Path, tmp_path: Path) -> None:
    tidied: list[Path] = []
    wire = Wire()
    follower = Follower(
        tmp_path, "r", wire.stream("r"), wire.words, everything, _unheard, tidy=tidied.append
    )
    await follower.take(encode((await _pieces(data, run))[0]))
    await until(lambda: tidied, "the word to tidy")
    assert tidied == [tmp_path / "journal" / DAY / "0001"]
    await follower.close()


def _unheard(_cycle: Cycle) -> None:
    """Leave a cycle alone."""


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


def test_a_recall_is_of_the_last_minutes_and_of_nothing_that_was_cut_off() -> None:
    label, engine = "one", Engine()
    recall = Recall(lambda: label)

    def signal(name: str, mark: int) -> Signal:
        return Signal(
            id=name,
            scan="up",
            symbol="A",
            state="fired",
            ts_ns=mark,
            mark=mark,
            values={},
            text="up",
        )

    recall.again([signal("old", 1), signal("a", KEPT_NS), signal("b", KEPT_NS + 2)])
    engine.last_mark_ns = KEPT_NS + 1
    recall.opened(engine)
    label = "two"
    recall.again([signal("c", KEPT_NS + 3)])
    recall.opened(Engine())
    recall.again([signal("d", KEPT_NS + 4)])
    told = {run: [one.id for one in some] for run, some in recall.of(everything)}
    assert told == {"one": ["a"], "two": ["d"]}
    assert list(recall.of(lambda name: name != "up")) == []
