"""Read the lines of a child process as a feed reads frames; the process is renewed in time.

A child is replaced when it is old or large: the new one speaks before the old one is ended, so
that nothing is missed between them. A child ends by itself when its standard input does.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapelight.errors import Unavailable
from tapelight.feeds._websocket import Silent
from tapelight.tasks import finish

MOST_LINES = 10_000
"""Lines that wait; beyond, the child's pipe holds it back."""
LINE_BYTES = 4 << 20
LOOK_S = 5.0
AGAIN_S = 60.0
"""After a new child that was of no use."""
PROVE_S = 2.0
"""A new child that ends so soon after its first line told only why."""
STOP_S = 2.0
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Life:
    """Say how long a child lives, and how large it may become."""

    seconds: float = 6 * 3600.0
    megabytes: float = 600.0
    silence_s: float = 120.0
    first_s: float = 90.0
    """A new child may take so long to speak."""


class Child:
    """Hold one process and read its lines into a shared store."""

    def __init__(self, process: asyncio.subprocess.Process, store: "Lines") -> None:
        self._process = process
        self._store = store
        self._begun_s = asyncio.get_running_loop().time()
        self.spoke = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="a child's lines")
        self._errors = asyncio.create_task(self._last_words(), name="a child's errors")

    def is_spent(self, life: Life) -> bool:
        """Tell whether the process is too old or too large."""
        age_s = asyncio.get_running_loop().time() - self._begun_s
        return age_s >= life.seconds or _resident_mb(self._process.pid) >= life.megabytes

    async def is_sound(self, life: Life) -> bool:
        """Wait until it speaks and tell whether it does, and goes on."""
        spoke = asyncio.create_task(self.spoke.wait(), name="a child's first line")
        await asyncio.wait(
            {spoke, self._reading}, timeout=life.first_s, return_when=asyncio.FIRST_COMPLETED
        )
        spoke.cancel()
        if not self.spoke.is_set():
            return False
        await asyncio.wait({self._reading}, timeout=min(PROVE_S, life.seconds))
        return not self._reading.done()

    async def stop(self) -> None:
        """End the process, and what reads it."""
        self._reading.cancel()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        self._errors.cancel()
        await asyncio.wait({self._reading, self._errors})

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                self.spoke.set()
                await self._store.add(self, line.rstrip())
        except ValueError:  # a line beyond the limit
            self._store.ended(self, "The child process sent a line that is too long.")
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({self._errors}, timeout=STOP_S)
        words = self._errors.result() if self._errors.done() else ""
        self._store.ended(self, f"The child process ended: {words or 'it said no reason'}.")

    async def _last_words(self) -> str:
        """Return the last line of the child's errors."""
        assert self._process.stderr is not None
        last = b""
        with contextlib.suppress(ValueError):
            async for line in self._process.stderr:
                last = line.strip() or last
        words = "".join(c for c in last.decode(errors="replace") if c.isprintable())
        return words[:200].rstrip(".")


class Lines:
    """Be to a feed what a stream of frames is: `take` what waits, or be woken."""

    def __init__(self, arguments: Sequence[str], life: Life) -> None:
        self._arguments = arguments
        self._life = life
        self._lines: list[bytes] = []
        self._early: list[bytes] = []
        """Of a new child that is on trial."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._woken = False
        self._end = ""
        self._child: Child | None = None
        self._children: set[Child] = set()
        """All that have not been waited for: a renewal may be cancelled while it ends one."""
        self.renewed = 0

    async def begin(self) -> None:
        """Start the first child."""
        self._child = await self._spawn()

    async def take(self) -> list[bytes]:
        """Return all lines that wait, at least one, or none after `wake`.

        Raises Silent after too long without a line, Unavailable when the child has ended.
        """
        try:
            async with asyncio.timeout(self._life.silence_s):
                while not self._lines and not self._woken and not self._end:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise Silent("The child process is alive but brings no data.") from error
        self._woken = False
        if self._end and not self._lines:
            raise Unavailable(self._end)
        lines, self._lines = self._lines, []
        self._room.set()
        return lines

    def wake(self) -> None:
        """Let a waiting `take` return though no line came."""
        self._woken = True
        self._news.set()

    async def add(self, child: Child, line: bytes) -> None:
        """Take a line from a child; wait while too many wait."""
        while len(lines := self._of(child)) >= MOST_LINES:
            self._room.clear()
            await self._room.wait()
        lines.append(line)
        self._news.set()

    def ended(self, child: Child, words: str) -> None:
        """Note that a child has ended by itself; one on trial, or replaced, ends nothing."""
        if child is self._child:
            self._end = words
            self._news.set()

    def _of(self, child: Child) -> list[bytes]:
        return self._lines if child is self._child else self._early

    async def renew(self) -> None:
        """Replace the child whenever it is spent; runs until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK_S, self._life.seconds))
            old = self._child
            if old is not None and old.is_spent(self._life) and not await self._replaced(old):
                await asyncio.sleep(min(AGAIN_S, self._life.seconds))

    async def close(self) -> None:
        """End the child, and those that a renewal was about to end."""
        for child in list(self._children):
            await self._stop(child)

    async def _replaced(self, old: Child) -> bool:
        """Replace a child by one that speaks and goes on; tell whether there is one."""
        try:
            new = await self._spawn()
        except OSError:  # no process, or no memory, to be had
            return False
        sound = False
        try:
            sound = await new.is_sound(self._life)
        finally:
            if not sound:
                await self._stop(new)
                self._early = []
        if sound:
            self._child, self.renewed = new, self.renewed + 1
            self._lines += self._early
            self._early = []
            self._news.set()
            self._room.set()
            await self._stop(old)
        return sound

    async def _stop(self, child: Child) -> None:
        await child.stop()
        self._children.discard(child)

    async def _spawn(self) -> Child:
        """Start a child; asyncio forgets a process whose start is cancelled half-way."""
        starting = asyncio.create_task(self._process(), name="start a child")
        try:
            await asyncio.wait({starting})
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await finish(self._stop_started(starting))
            raise
        child = Child(starting.result(), self)
        self._children.add(child)
        return child

    async def _stop_started(self, starting: asyncio.Task[asyncio.subprocess.Process]) -> None:
        await Child(await starting, self).stop()

    async def _process(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=LINE_BYTES,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def open_lines(arguments: Sequence[str], life: Life) -> AsyncIterator[Lines]:
    """Run Python with `arguments` and yield its lines; leaving ends it."""
    lines = Lines(arguments, life)
    await lines.begin()
    renewing = asyncio.create_task(lines.renew(), name="renew the child")
    try:
        yield lines
    finally:
        renewing.cancel()
        await finish(_end(lines, renewing))


async def _end(lines: Lines, renewing: asyncio.Task[None]) -> None:
    await asyncio.wait({renewing})
    await lines.close()


def _resident_mb(pid: int) -> float:
    """Return a process's resident memory; 0 where /proc is not there."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0
