"""Keep the worker processes of tier 2: start them when there is work, and again when one dies."""

import asyncio
import sys
from collections.abc import Callable, Sequence

import msgspec
import structlog

from tapelight.app.worker import HEAD, wrap
from tapelight.engine import Cycle, Engine
from tapelight.model.records import Record, TierResult, TierWorkers
from tapelight.tasks import finish

log = structlog.get_logger()
MOST_WAITING_BYTES = 256 << 20
"""A worker that has left this much unread is taken for dead."""
PAUSE_S = 1.0
"""Between a worker's end and its next start."""
MOST_ENDS = 3
"""A worker that has ended so often in this process is given up: the engine reckons itself."""
LONGEST_RESULT = 512 << 20
COMMAND = (sys.executable, "-m", "tapelight.app.worker")


class Workers:
    """Hand each cut to the workers by its rows, and put their results as records.

    A worker that dies loses its handles alone: the next minute brings all bars to all workers,
    and until then its rows keep the values that they had.
    """

    def __init__(
        self,
        count: int,
        engine: Callable[[], Engine],
        put: Callable[[Record], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.count = count
        self._command = command
        self._engine = engine
        self._put = put
        self._needed = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self.ends = 0
        self.owed = 0
        """Messages sent to living workers and not answered yet."""

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the workers that are up."""
        return [process.pid for process in self._processes.values()]

    def start(self) -> None:
        """Start the workers; the first work does so too."""
        self._needed.set()

    def on_cycle(self, _cycle: Cycle) -> None:
        """Hand over what the last mark cut."""
        tiers = self._engine().tiers
        works, tiers.work = tiers.work, []
        if not works or not self.count:
            return
        self.start()
        if len(self._processes) < self.count:
            tiers.lost()
        for number, process in list(self._processes.items()):
            for work in works:
                self._send(process, wrap(work, number, self.count))

    def _send(self, process: asyncio.subprocess.Process, message: bytes) -> None:
        pipe = process.stdin
        assert pipe is not None
        if pipe.is_closing() or process.returncode is not None:
            return
        pipe.write(message)
        self.owed += 1
        if pipe.transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            process.kill()

    async def run(self) -> None:
        """Keep all workers; runs until cancelled, and ends them then."""
        if not self.count:
            return
        await self._needed.wait()
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._keep(number), name=f"tier worker {number}")

    async def _keep(self, number: int) -> None:
        """Start worker `number` again and again, until it ends too often."""
        while self.count:
            await self._live(number)
            self.ends += 1
            self._engine().tiers.lost()
            log.warning("a tier worker ended", worker=number, ends=self.ends)
            if self.ends >= MOST_ENDS:
                self._give_up()
                return
            await asyncio.sleep(PAUSE_S)

    async def _live(self, number: int) -> None:
        """Run one process and put its results until it ends, or says what is no result."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            log.warning("a tier worker does not start", worker=number, reason=str(error))
            return
        self._processes[number] = process
        self._engine().tiers.lost()
        pipe = process.stdout
        assert pipe is not None
        try:
            while True:
                length = HEAD.unpack(await pipe.readexactly(HEAD.size))[0]
                if length > LONGEST_RESULT:
                    raise msgspec.DecodeError(f"a result of {length} bytes")
                message = await pipe.readexactly(length)
                self.owed -= 1
                result = msgspec.msgpack.decode(message, type=TierResult)
                if result.parts:
                    self._put(result)
        except asyncio.IncompleteReadError:
            pass
        except msgspec.DecodeError as error:
            log.warning("a tier worker said no result", worker=number, reason=str(error))
        finally:
            del self._processes[number]
            self.owed = 0 if not self._processes else self.owed
            if process.returncode is None:
                process.kill()
            await finish(process.wait())

    def _give_up(self) -> None:
        """Let the engine reckon by itself: a record, so that a replay does the same."""
        if self.count:
            self.count = 0
            self._put(TierWorkers(0))
            log.error("tier workers end again and again: the engine reckons by itself")
