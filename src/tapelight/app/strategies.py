"""Strategies from the package and the user's folder: which run, followed while the scanner runs."""

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from tapelight.app.costs import Costs
from tapelight.errors import ConfigError
from tapelight.model.records import Strategies, StrategyChoice
from tapelight.model.signals import Signal
from tapelight.scan.source import choose, load, shipped

Tables = Mapping[str, Mapping[str, Any]]
Stamp = tuple[int, int]
SUFFIX = ".py"
ENABLED = "enabled"


class StrategyFiles:
    """Know which strategies run: the shipped ones by `[strategy.NAME]`, and the user's own files.

    An own file runs where its table does not say `enabled = false`. One that is changed is read
    anew; one that is bad is refused: `faults` says why, and its running version stays. Raises
    ConfigError for a table that names no strategy, or a parameter that a shipped one refuses.
    """

    def __init__(self, own: Path, tables: Tables) -> None:
        self.own = own
        self.tables = tables
        self.faults: dict[str, str] = {}
        """name -> why its file is refused."""
        self._stamps = self._look()
        self._shipped = {
            name: choose(name, _parameters(tables.get(name, {})))
            for name, kind in shipped().items()
            if tables.get(name, {}).get(ENABLED, kind.enabled) and name not in self._stamps
        }
        self._own: dict[str, StrategyChoice] = {}
        self._read(self._stamps)
        self._check_tables()

    @property
    def strategies(self) -> Strategies:
        """Return the running set."""
        return Strategies(dict(sorted({**self._shipped, **self._own}.items())))

    @property
    def names(self) -> list[str]:
        """Return the names of all that there are, running or not."""
        return sorted({*shipped(), *self._stamps})

    def poll(self) -> bool:
        """Look for changed files; tell whether the running set or its faults are others now."""
        stamps = self._look()
        touched = {n for n in stamps | self._stamps if stamps.get(n) != self._stamps.get(n)}
        self._stamps = stamps
        for name in touched - set(stamps):
            self.faults.pop(name, None)
            self._own.pop(name, None)
        self._read(touched & set(stamps))
        return bool(touched)

    def _look(self) -> dict[str, Stamp]:
        """Return the stamps of the folder's files; those that begin with _ are no strategies."""
        found: dict[str, Stamp] = {}
        paths = sorted(self.own.glob(f"*{SUFFIX}")) if self.own.is_dir() else []
        for path in paths:
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # deleted since the folder was read
            if not path.name.startswith("_"):
                found[path.stem] = (state.st_mtime_ns, state.st_size)
        return found

    def _read(self, names: Mapping[str, Stamp] | set[str]) -> None:
        for name in sorted(names):
            table = self.tables.get(name, {})
            self.faults.pop(name, None)
            if not table.get(ENABLED, True):
                self._own.pop(name, None)
                continue
            try:
                text = (self.own / f"{name}{SUFFIX}").read_text("utf-8")
                load(name, text)
                self._own[name] = choose(name, _parameters(table), text)
            except (ConfigError, OSError, UnicodeDecodeError) as error:
                self.faults[name] = str(error)

    def _check_tables(self) -> None:
        known = self.names
        for name in self.tables:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
                raise ConfigError(f"[strategy.{name}]: there is no strategy {name!r}, {hint}")


def _parameters(table: Mapping[str, Any]) -> str:
    """Return a table's parameters as TOML; numbers, words and flags look the same in JSON."""
    given = {key: value for key, value in table.items() if key != ENABLED}
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in sorted(given.items()))


class Budget:
    """Measure how long strategies take, and name those that take too long.

    What counts is the processor's time, since a busy machine is no fault of theirs; one that
    waits for something has `longest_s` by the clock.
    """

    def __init__(
        self,
        most_s: float = 0.05,
        times: int = 3,
        clock: Callable[[], float] = perf_counter,
        spent: Callable[[], float] = thread_time,
        longest_s: float = 1.0,
    ) -> None:
        self.most_s = most_s
        self.longest_s = longest_s
        self.times = times
        self._clock, self._spent = clock, spent
        self.costs = Costs(clock)
        self._late: dict[str, int] = {}
        self._over: dict[str, str] = {}

    def watch(self, name: str, work: Callable[[], list[Signal]]) -> list[Signal]:
        """Do a strategy's work and measure it; the first time does not count, it may compile."""
        begin, idle = self._clock(), self._spent()
        signals = work()
        spent_s, took_s = self._spent() - idle, self._clock() - begin
        self.costs.note("strategy", name, took_s)
        late = self._late.get(name, -1)
        if late < 0:
            self._late[name] = 0
        elif spent_s > self.most_s or took_s > self.longest_s:
            self._late[name] = late + 1
            if late + 1 >= self.times:
                self._over[name] = (
                    f"took {1e3 * took_s:.0f} ms at a mark, {1e3 * spent_s:.0f} ms of the processor; "
                    f"{1e3 * self.most_s:.0f} ms of it are allowed"
                )
        elif late:
            self._late[name] = 0
        return signals

    def take(self) -> dict[str, str]:
        """Return those over their budget since the last call: name -> reason."""
        over, self._over = self._over, {}
        for name in over:
            self._late.pop(name)
        return over
