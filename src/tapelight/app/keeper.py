"""The keeper: it has everything imported, forks the trader, and forks it again when it dies.

A start from nothing takes a second or more, most of it imports; a fork takes some milliseconds. The
keeper holds no socket, no file and no thread, so there is nothing in it that a fork could tear.
"""

import gc
import os
import signal
import sys
import time
from types import FrameType

import structlog

from tapelight.app.loop import die_with_parent

log = structlog.get_logger()
FENCED = 3
"""Exit code of a trader that another one fenced off."""
FINAL = frozenset((0, 2, FENCED))
"""Exit codes after which no new one is started: it was stopped, or can't run like this."""
LIVED_S = 2.0
"""What lived this long is started again at once."""
SHORTEST_S, LONGEST_S = 0.05, 10.0
KILLED_S = 0.01


def keep(with_parent: bool) -> None:
    """Return in a child, and again in the next one when it has died; never in the keeper itself."""
    if with_parent:
        die_with_parent()
    gc.freeze()  # what the children share stays shared
    keeper = _Keeper()
    while keeper.fork():
        code, lived_s = keeper.wait()
        if keeper.stopping or code in FINAL:
            sys.exit(0 if keeper.stopping else code)
        wait_s = keeper.pause_s(code, lived_s)
        log.warning("the trader has ended and starts again", code=code, in_s=wait_s)
        time.sleep(wait_s)


class _Keeper:
    def __init__(self) -> None:
        self.stopping = False
        self._own, self._child = os.getpid(), 0
        self._begun_s = self._wait_s = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def fork(self) -> bool:
        """Make a child; True in the keeper, False in the child."""
        self._begun_s = time.monotonic()
        self._child = os.fork()
        if self._child:
            return True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        die_with_parent(self._own, signal.SIGKILL)
        return False

    def wait(self) -> tuple[int, float]:
        """Wait for the child's end; return its exit code and how long it lived, s."""
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        return os.waitstatus_to_exitcode(status), time.monotonic() - self._begun_s

    def pause_s(self, code: int, lived_s: float) -> float:
        """Return how long to wait before the next child: longer each time one fails young.

        A kill -9 comes from outside: whoever sent it does not make the next one fail.
        """
        if code == -signal.SIGKILL:
            return KILLED_S
        young = lived_s < LIVED_S
        self._wait_s = min(max(2 * self._wait_s, SHORTEST_S), LONGEST_S) if young else 0.0
        return self._wait_s

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        if self._child:
            os.kill(self._child, number)
        else:
            sys.exit(0)
