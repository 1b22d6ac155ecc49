"""What each board, scan and strategy costs of the running engine."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from time import perf_counter

from tapelight.telemetry import Measure


class Costs:
    """Add up the time of each step of the engine's marks: one reading of a clock a step.

    The first to ask for a column pays for it: who comes later finds it derived.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._since_s = 0.0
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._times: Counter[tuple[str, str]] = Counter()

    def on_step(self, kind: str, name: str) -> None:
        """Take the time since the step before; a mark begins anew."""
        now_s = self._clock()
        if kind != "mark":
            self.note(kind, name, now_s - self._since_s)
        self._since_s = now_s

    def note(self, kind: str, name: str, took_s: float) -> None:
        """Add one step that was measured."""
        self._seconds[kind, name] += took_s
        self._times[kind, name] += 1

    def measures(self) -> Iterator[Measure]:
        """Yield for /metrics: seconds and number of evaluations of each."""
        for (kind, name), seconds in self._seconds.items():
            labels = {"kind": kind, "name": name}
            yield Measure("question_seconds_total", "Time that evaluating took.", seconds, labels)
            yield Measure(
                "question_evaluations_total", "Evaluations.", self._times[kind, name], labels
            )
