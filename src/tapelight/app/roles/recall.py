"""The newest signals, remembered by a scan worker that stands by.

A worker that is killed may have given signals that were in no queue yet. Whoever takes its share goes on
from a state of its own, which may be newer than they: so it gives again what it remembers. What has
arrived already has the same ids, and is taken once.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from tapelight.engine import Cycle, Engine, Share
from tapelight.model.signals import Signal

KEPT_NS = 15 * 60 * 1_000_000_000
"""Market time: longer than a queue's server may be away before somebody looks."""
MOST = 20_000


class Recall:
    """Keep the signals of the last minutes, each with the label of its run; `run` tells the present one."""

    def __init__(self, run: Callable[[], str]) -> None:
        self._run = run
        self._kept: deque[tuple[str, Signal]] = deque(maxlen=MOST)

    def hear(self, cycle: Cycle) -> None:
        """Take a cycle's signals."""
        self.again(cycle.signals)

    def again(self, signals: Sequence[Signal]) -> None:
        """Take signals, also those that a start gives again."""
        label, kept = self._run(), self._kept
        for signal in signals:
            kept.append((label, signal))
            while kept[0][1].mark < signal.mark - KEPT_NS:
                kept.popleft()

    def opened(self, engine: Engine) -> None:
        """Forget what is later than the state from which the run goes on: it was cut off, or comes again."""
        label, until_ns = self._run(), engine.last_mark_ns
        kept = [one for one in self._kept if one[0] != label or one[1].mark <= until_ns]
        self._kept = deque(kept, maxlen=MOST)

    def of(self, share: Share) -> Iterator[tuple[str, list[Signal]]]:
        """Yield the signals of a share by run."""
        mine = [(label, signal) for label, signal in self._kept if share(signal.scan)]
        for label in dict.fromkeys(label for label, _ in mine):
            yield label, [signal for of_run, signal in mine if of_run == label]
