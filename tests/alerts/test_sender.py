"""The outbox and the sender: receipts, tries, and a kill in the middle of 1,000 deliveries."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from alerts import shop
from alerts.receiver import Receiver
from alerts.shop import SECRET, alert, deliveries
from tapelight.alerts._post import Later, Post
from tapelight.alerts.sender import ATTEMPTS, NS, Channel, Sender
from tapelight.alerts.webhook import ATTEMPT, DELIVERY, verify
from tapelight.errors import Missing, Rejected, Unavailable
from tapelight.model.alerts import BROWSER, Delivery, delivery
from tapelight.stores import outbox as stored
from tapelight.stores.database import Database
from tapelight.stores.outbox import Outbox

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Outbox]:
    database = Database(tmp_path / "alerts.db", stored.METADATA)
    yield Outbox(database)
    database.close()


class Told:
    """A channel that answers as it is told, one answer after the other."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.sent: list[Delivery] = []

    def check(self, post: Post) -> None: ...

    async def send(self, delivery: Delivery, post: Post) -> str:
        self.sent.append(delivery)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000 * NS

    def __call__(self) -> int:
        return self.ns


def sender(box: Outbox, channels: dict[str, Channel], clock: Callable[[], int]) -> Sender:
    async def find(_owner: str, name: str) -> Channel:
        if name not in channels:
            raise Missing(f"There is no channel {name!r}.")
        return channels[name]

    return Sender(box, find, Post(), clock)


async def rounds(made: Sender, count: int) -> None:
    """Let the sender do so many rounds, each with its sendings done."""
    for _ in range(count):
        await made.step()
        flying = [task for _, task in made._flying.values()]
        if flying:
            await asyncio.wait(flying)
        await made.step()


async def test_a_receipt_is_kept_and_nothing_is_sent_twice(box: Outbox) -> None:
    hook = Told("200 thanks")
    made = sender(box, {"hook": hook}, Clock())
    (given,) = await box.add([delivery(alert(1), "hook", 5)])
    assert await box.add([delivery(alert(1), "hook", 9)]) == []
    await rounds(made, 3)
    (kept,) = await box.newest("ann", 10)
    assert (kept.id, kept.state, kept.attempts, kept.answer) == (given.id, "sent", 1, "200 thanks")
    assert len(hook.sent) == 1
    assert await box.newest("bob", 10) == []


async def test_what_fails_is_tried_again_later_and_later(box: Outbox) -> None:
    clock, hook = Clock(), Told(Unavailable("503"), Unavailable("503"), "200")
    made = sender(box, {"hook": hook}, clock)
    await box.add([delivery(alert(1), "hook", clock())])
    waits = []
    for _ in range(2):
        await rounds(made, 1)
        (kept,) = await box.newest("ann", 1)
        assert (kept.state, kept.answer) == ("waiting", "503")
        waits.append((kept.due_ns - clock.ns) / NS)
        clock.ns = kept.due_ns - 1
        await rounds(made, 1)
        clock.ns += 1
    await rounds(made, 1)
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, kept.attempts, len({d.id for d in hook.sent})) == ("sent", 3, 1)
    assert 0.5 <= waits[0] <= 1.0
    assert 1.0 <= waits[1] <= 2.0


async def test_what_its_owner_wants_no_more_is_not_sent_and_its_receipt_says_so(
    box: Outbox,
) -> None:
    clock, hook = Clock(), Told(Unavailable("503"), "200")
    made = sender(box, {"hook": hook}, clock)
    await box.add([delivery(alert(1), "hook", clock())])
    await rounds(made, 1)
    made.forbids = lambda delivery: f"{delivery.alert.symbol} was muted"
    clock.ns += 60 * NS
    await rounds(made, 1)
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, kept.answer, kept.attempts) == ("muted", "AAPL was muted", 1)
    assert (len(hook.sent), made.counters) == (1, {"waiting": 1, "muted": 1})
    assert await box.next_due_ns() is None


async def test_a_channel_that_fails_by_a_fault_of_its_own_is_tried_again(box: Outbox) -> None:
    clock, hook = Clock(), Told(RuntimeError("a plug-in's own"), "200")
    made = sender(box, {"hook": hook}, clock)
    await box.add([delivery(alert(1), "hook", clock())])
    await rounds(made, 1)
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, "a fault of its own" in kept.answer, made._flying) == ("waiting", True, {})
    clock.ns = kept.due_ns
    await rounds(made, 1)
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, kept.answer) == ("sent", "200")


async def test_a_server_that_asks_for_patience_gets_it(box: Outbox) -> None:
    clock = Clock()
    made = sender(box, {"hook": Told(Later("429", 90.0))}, clock)
    await box.add([delivery(alert(1), "hook", clock())])
    await rounds(made, 1)
    (kept,) = await box.newest("ann", 1)
    assert kept.due_ns - clock.ns == 90 * NS


@pytest.mark.parametrize(
    ("channel", "error", "words"),
    [
        ("hook", Rejected("404 gone"), "404 gone"),
        ("nowhere", Rejected(""), "no channel 'nowhere'"),
    ],
)
async def test_what_will_never_do_is_given_up(
    box: Outbox, channel: str, error: Exception, words: str
) -> None:
    made = sender(box, {"hook": Told(error)}, Clock())
    await box.add([delivery(alert(1), channel, 1)])
    await rounds(made, 2)
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, words in kept.answer, kept.attempts) == ("failed", True, 1)


async def test_after_twelve_times_it_is_given_up(box: Outbox) -> None:
    clock = Clock()
    hook = Told(Unavailable("down"))
    made = sender(box, {"hook": hook}, clock)
    await box.add([delivery(alert(1), "hook", clock())])
    for _ in range(ATTEMPTS + 3):
        await rounds(made, 1)
        clock.ns += 600 * NS
    (kept,) = await box.newest("ann", 1)
    assert (kept.state, len(hook.sent)) == ("failed", ATTEMPTS)
    assert kept.answer == "Given up after 12 times: down"


async def test_a_slow_channel_holds_no_other_one_up(box: Outbox) -> None:
    class Stuck(Told):
        async def send(self, delivery: Delivery, post: Post) -> str:
            self.sent.append(delivery)
            await asyncio.Event().wait()
            return ""

    stuck, quick = Stuck(""), Told("200")
    made = sender(box, {"hook": stuck, "other": quick}, Clock())
    await box.add(deliveries(100))
    await box.add([delivery(alert(n), "other", 10**9) for n in range(20)])
    for _ in range(20):
        await made.step()
        await asyncio.sleep(0)
    assert (len(stuck.sent), len(quick.sent)) == (8, 20)
    for _, task in made._flying.values():
        task.cancel()


async def test_the_dashboards_deliveries_are_receipts_at_once(box: Outbox) -> None:
    (kept,) = await box.add([delivery(alert(1), BROWSER, 7)])
    assert (kept.state, await box.next_due_ns()) == ("sent", None)


async def test_the_outbox_is_bounded_but_drops_nothing_that_waits(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "KEPT", 50)
    monkeypatch.setattr(stored, "PRUNE_EVERY", 10)
    await box.add(deliveries(5, "waiting"))
    done = [msgspec.structs.replace(d, state="sent") for d in deliveries(200, "done")]
    for n in range(0, 200, 20):
        await box.add(done[n : n + 20])
    kept = await box.newest("ann", 1_000)
    assert sum(d.state == "waiting" for d in kept) == 5
    assert sum(d.state == "sent" for d in kept) <= 50


def start(folder: Path, port: int, count: int) -> "subprocess.Popen[bytes]":
    """Start a sender as a process of its own."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-m", shop.__name__, str(folder), str(port), str(count)],
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.slow
async def test_a_kill_in_the_middle_of_1000_deliveries_loses_none(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    count, dice = 1_000, random.Random(7)
    async with Receiver() as server:
        for until in sorted(dice.sample(range(50, count - 50), 5)):
            process = start(tmp_path, server.port, count)
            await server.until(until, 60.0)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        last = start(tmp_path, server.port, count)
        assert await asyncio.to_thread(last.wait, 60) == 0
        ids = Counter(request.headers[DELIVERY] for request in server.requests)
    assert ids.keys() == {given.id for given in deliveries(count)}, "none is lost"
    for request in server.requests:
        given = msgspec.json.decode(request.body)
        stamp = float(request.headers["tapelight-timestamp"])
        assert verify(SECRET, request.headers, request.body, stamp) == given["delivery"]
        assert int(request.headers[ATTEMPT]) >= 1
    texts = {
        (r.headers[DELIVERY], msgspec.json.decode(r.body)["alert"]["id"]) for r in server.requests
    }
    assert len(texts) == count, "one id, one alert"
    record_property("told", f"5 kills, {sum(ids.values())} requests for {count} deliveries")
