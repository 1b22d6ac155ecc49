"""A process that stands by: it follows the stream while it waits, so that it goes on where another ends."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import structlog

from tapelight.app.roles.follower import Follower
from tapelight.app.roles.recall import Recall
from tapelight.app.roles.replica import newest
from tapelight.app.roles.services import Services
from tapelight.app.roles.tenure import Tenure
from tapelight.config import Config
from tapelight.engine import Share
from tapelight.ports import Lease
from tapelight.stores.journal.retention import prune
from tapelight.telemetry import Measure

log = structlog.get_logger()
STANDBY = "standby"
"""The folder in which a scan worker without a share follows; it becomes that of the share it takes."""
LEFT = "left"
"""What that share's folder was before, until it is deleted."""


class Standby:
    """Wait for a lease, and follow the stream meanwhile into this disk's own journal."""

    def __init__(
        self, config: Config, data: Path, reader: str, services: Services, share: Share
    ) -> None:
        self.waits = False
        self._fault = ""
        self._following: asyncio.Task[None] | None = None
        self.recall = Recall(lambda: self.follower.run.label)
        self._queues = services.stream(reader), services.words()
        self.follower = Follower(
            data, reader, *self._queues, share,
            self.recall.hear, self.recall.again, self.recall.opened,
            tidy=lambda folder: prune(data, config.journal, folder),
        )  # fmt: skip

    async def win(self, tenure: Tenure, names: Sequence[str], grace_s: float = 0.0) -> Lease:
        """Return the lease that became free; `grace_s` is waited for its owner until this has caught up."""
        try:
            return await tenure.win(
                names, self._wait, lambda: 0.0 if self.follower.near else grace_s
            )
        finally:
            if self._following is not None:
                self._following.cancel()
                await asyncio.wait([self._following])
            await self.follower.close()
            self.follower.replica = None  # its state is read anew by whoever goes on with it
            for queue in self._queues:  # whoever goes on has queues of its own
                await queue.close()

    def _wait(self) -> None:
        log.info("standing by: another process has the lease")
        self.waits = True
        self._following = asyncio.get_running_loop().create_task(self._follow(), name="standby")
        self._following.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fault = f"The stream can't be followed while standing by: {error!r}."
            log.error("the stream can't be followed while standing by", reason=repr(error))

    async def _follow(self) -> None:
        await self.follower.open()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follower.run_words(), name="standby words")
            group.create_task(self.follower.run_stream(self._snapshot), name="standby stream")

    async def _snapshot(self) -> None:
        if self.follower.replica is not None:
            self.follower.replica.snapshot()

    def unfit(self) -> str:
        """Return why this process is not at work."""
        return self._fault or (
            "Stands by: another process has the lease." if self.waits else "It starts."
        )

    def measures(self) -> list[Measure]:
        """Return how far it follows, for /metrics."""
        return [active(False), *self.follower.measures()]


def active(at_work: bool) -> Measure:
    """Return the measure of whether a process is at work, and does not stand by."""
    return Measure("role_active", "Whether this process is at work.", int(at_work))


def take_over(data: Path, number: int) -> Path:
    """Return the folder of a share; what was followed while standing by, where that is further.

    While it stands by a worker answers every question, so that its state is right for each share.
    """
    followed, own, left = data / STANDBY, share_folder(data, number), data / LEFT
    if _reached(followed) > _reached(own):
        if own.exists():
            shutil.rmtree(left, ignore_errors=True)
            own.replace(left)
        followed.replace(own)
        log.info("goes on with what was followed while standing by", share=number)
    return own


def share_folder(data: Path, number: int) -> Path:
    """Return where a worker keeps the state of a share."""
    return data / f"share-{number}"


def own_first(data: Path, shares: int) -> list[int]:
    """Return the shares, first those whose state this disk has, the newest of them first."""

    def age(number: int) -> float:
        times = [p.stat().st_mtime for p in share_folder(data, number).glob("journal/*/*/*")]
        return -max(times, default=0.0)

    return sorted(range(shares), key=age)


def _reached(data: Path) -> tuple[str, float]:
    """Return the newest run in a folder, and when it was written last."""
    run = newest(data)
    times = [p.stat().st_mtime for p in data.glob("journal/*/*/*")]
    return run.name, max(times, default=0.0)
