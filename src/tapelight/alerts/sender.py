"""The sender: takes deliveries out of the outbox, sends them, writes the receipts, tries again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

import msgspec
import structlog

from tapelight.alerts._post import Later, Post
from tapelight.alerts.budget import OLDEST_NS
from tapelight.errors import ConfigError, Missing, Rejected, Unavailable
from tapelight.model.alerts import Delivery

log = structlog.get_logger()
NS = 1_000_000_000
ATTEMPTS = 12
FIRST_S, LONGEST_S = 1.0, 300.0
"""The wait after the first failure; it doubles up to the longest."""
AT_ONCE = 32
AT_ONCE_A_CHANNEL = 8
LOOK_S = 1.0
FAULTY = "The channel failed by a fault of its own: the scanner's log has it."
SEND_S = 20.0
"""A channel that takes longer has failed for this time."""


class Outgoing(Protocol):
    """What the sender asks of the outbox."""

    async def due(
        self, now_ns: int, most: int, without: Collection[str], busy: Collection[str]
    ) -> Sequence[Delivery]: ...

    async def note(self, deliveries: Sequence[Delivery]) -> None: ...


class Channel(Protocol):
    """A way to a person. What will never do raises Rejected, what may do later Unavailable."""

    def check(self, post: Post) -> None: ...

    async def send(self, delivery: Delivery, post: Post) -> str:
        """Send; return the channel's own answer."""


Find = Callable[[str, str], Awaitable[Channel]]
"""Return the channel of (owner, name); raises Missing or ConfigError."""


class Sender:
    """Send what is due, several at once; a channel that is slow holds no other one up."""

    def __init__(
        self, outbox: Outgoing, find: Find, post: Post, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.told: Callable[[Delivery], None] = lambda _delivery: None
        """Called with each delivery that was tried."""
        self.forbids: Callable[[Delivery], str] = lambda _delivery: ""
        """Returns why a delivery may go no more; empty where it may."""
        self._outbox = outbox
        self._find = find
        self._post = post
        self._now_ns = now_ns
        self._flying: dict[str, tuple[str, asyncio.Task[Delivery]]] = {}
        self._done: list[Delivery] = []
        self._kick = asyncio.Event()

    def kick(self) -> None:
        """Tell that something new is in the outbox."""
        self._kick.set()

    async def run(self) -> None:
        """Send until cancelled; what is on its way then stays in the outbox."""
        try:
            while True:
                try:
                    await self.step()
                except Unavailable as error:  # the disk: the outbox keeps what it has
                    log.warning("the outbox can't be used, trying again", reason=str(error))
                await self._wait()
        finally:
            for _, task in self._flying.values():
                task.cancel()

    async def step(self) -> None:
        """Write the receipts that have come, and start what is due."""
        self._kick.clear()
        done = list(self._done)
        if done:
            await self._outbox.note(done)
            del self._done[: len(done)]
        for delivery in done:
            self._flying.pop(delivery.id, None)
        if len(self._flying) < AT_ONCE:
            places = Counter(place for place, _ in self._flying.values())
            busy = {place for place, count in places.items() if count >= AT_ONCE_A_CHANNEL}
            due = await self._outbox.due(self._now_ns(), AT_ONCE, self._flying, busy)
            for delivery in due:
                self._start(delivery)

    async def send(self, delivery: Delivery) -> Delivery:
        """Send once; return the delivery as it is after that."""
        try:
            channel = await self._find(delivery.alert.owner, delivery.channel)
            async with asyncio.timeout(SEND_S):
                answer = await channel.send(delivery, self._post)
        except (Missing, ConfigError, Rejected) as error:
            return self._after(delivery, "failed", str(error))
        except Unavailable as error:
            return self._later(delivery, error)
        except TimeoutError:
            return self._later(delivery, Unavailable(f"No answer within {SEND_S:g} s."))
        return self._after(delivery, "sent", answer)

    def _start(self, delivery: Delivery) -> None:
        place = f"{delivery.alert.owner}/{delivery.channel}"
        busy = sum(other == place for other, _ in self._flying.values())
        if len(self._flying) < AT_ONCE and busy < AT_ONCE_A_CHANNEL:
            task = asyncio.create_task(self._carry(delivery), name=f"alert {delivery.id}")
            task.add_done_callback(lambda done: self._end(delivery, done))
            self._flying[delivery.id] = place, task

    async def _carry(self, delivery: Delivery) -> Delivery:
        """Send what its owner still wants; return the delivery as it is after that."""
        why = self.forbids(delivery)
        if not why:
            return await self.send(delivery)
        changed = {"state": "muted", "changed_ns": self._now_ns(), "answer": why}
        return msgspec.structs.replace(delivery, **changed)

    def _end(self, delivery: Delivery, carried: "asyncio.Task[Delivery]") -> None:
        """Take the receipt; a channel that failed by a fault of its own is tried again too."""
        if carried.cancelled():
            return
        error = carried.exception()
        after = carried.result() if error is None else self._later(delivery, Unavailable(FAULTY))
        if error is not None:
            log.error("a channel failed", channel=delivery.channel, exc_info=error)
        self.counters[after.state] += 1
        self.told(after)
        log.info("alert", signal=after.alert.signal, alert=after.id, state=after.state)
        self._done.append(after)
        self._kick.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._kick.wait()
        except TimeoutError:
            return

    def _later(self, delivery: Delivery, error: Unavailable) -> Delivery:
        """Return the delivery with its next time: doubling waits, spread by its own id."""
        now = self._now_ns()
        attempts = delivery.attempts + 1
        if attempts >= ATTEMPTS or now - delivery.created_ns > OLDEST_NS:
            return self._after(delivery, "failed", f"Given up after {attempts} times: {error}")
        spread = 0.5 + int(delivery.id[:8], 16) / 2**33
        wait_s = min(FIRST_S * 2**delivery.attempts, LONGEST_S) * spread
        if isinstance(error, Later):
            wait_s = max(wait_s, error.after_s)
        after = self._after(delivery, "waiting", str(error))
        return msgspec.structs.replace(after, due_ns=now + int(wait_s * NS))

    def _after(self, delivery: Delivery, state: str, answer: str) -> Delivery:
        return msgspec.structs.replace(
            delivery, state=state, attempts=delivery.attempts + 1, changed_ns=self._now_ns(),
            answer=answer[:1_000],
        )  # fmt: skip
