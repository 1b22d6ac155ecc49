"""Follow a stream that begins with a snapshot: hold back, put it, deliver, then heal and fill."""

import asyncio
from typing import Protocol, TypeVar

from tapelight.errors import Rejected, Unavailable
from tapelight.feeds._held import Held
from tapelight.feeds._standing import Standing
from tapelight.feeds._websocket import Stream
from tapelight.model.records import Snapshot
from tapelight.tasks import beside

P = TypeVar("P")
GROWTH = 1.5
AGAIN_MOST_S = 30.0
"""After a snapshot that failed, while the stream goes on: half as long again each time."""
LONGER, LEAST_HOLD_S = 2.0, 1.0
"""So many times as long as the one before a snapshot may take for which the stream is held."""


class Line(Protocol):
    """What a provider's stream is read through."""

    held: Held

    async def read(self) -> object:
        """Read what waits and deliver it; nothing after a wake."""


class Course(Protocol[P]):
    """What is a provider's own of the way from a new stream to a live table."""

    async def picture(self) -> P:
        """Set the clock and return the day so far."""

    def put_picture(self, picture: P) -> Snapshot:
        """Put the day so far and return the record."""

    def say_live(self, fault: str) -> None:
        """Say that the stream is live, and what lacks."""

    async def heal(self, snapshot: Snapshot) -> None:
        """Bring the trades that the hole missed, then say that the stream is live."""

    async def fill(self, snapshot: Snapshot) -> None:
        """Bring what the snapshot does not tell."""


async def follow(
    course: Course[P],
    standing: Standing,
    stream: Stream,
    line: Line,
    limit_s: float,
    again_s: float,
) -> None:
    """Read on while the snapshot is fetched; put it, then what was held; read on for good.

    A snapshot may take `limit_s`; one that fails is asked for again after `again_s`, while the
    stream is live without it, and held only once the service has proved that it answers.
    """
    async with beside() as tasks:
        first = _picture(course, stream, line, limit_s)
        asked: asyncio.Task[P | str] | None = tasks.create_task(first, name="snapshot")
        while True:
            await line.read()
            if asked is None or not asked.done():
                continue
            found, asked = asked.result(), None
            if isinstance(found, str):
                again = _again(course, stream, line, limit_s, again_s)
                asked = tasks.create_task(again, name="snapshot again")
                again_s = min(GROWTH * again_s, AGAIN_MOST_S)
                line.held.release()
                course.say_live(found)
                continue
            heals = standing.can_heal()
            if heals:
                standing.say("healing", "the missed trades are being fetched")
            snapshot = course.put_picture(found)
            tasks.create_task(course.fill(snapshot), name="backfill")
            line.held.release()
            if heals:
                tasks.create_task(course.heal(snapshot), name="healing")
            else:
                course.say_live("")


async def _picture(course: Course[P], stream: Stream, line: Line, limit_s: float) -> P | str:
    """Return the day so far, or in words why there is none; the line holds meanwhile."""
    line.held.hold()
    try:
        return await _asked(course, limit_s)
    finally:
        stream.wake()


async def _again(
    course: Course[P], stream: Stream, line: Line, limit_s: float, after_s: float
) -> P | str:
    """Ask until the service answers while the stream goes on; then hold for a little longer."""
    now_s = asyncio.get_running_loop().time
    await asyncio.sleep(after_s)
    began_s = now_s()
    proof = await _asked(course, limit_s)
    if isinstance(proof, str):
        stream.wake()
        return proof
    usual_s = LONGER * (now_s() - began_s) + LEAST_HOLD_S
    return await _picture(course, stream, line, min(usual_s, limit_s))


async def _asked(course: Course[P], limit_s: float) -> P | str:
    try:
        async with asyncio.timeout(limit_s):
            return await course.picture()
    except TimeoutError:
        return f"the snapshot took over {limit_s:.3g} s"
    except (Unavailable, Rejected) as error:
        return f"no snapshot: {error}"
