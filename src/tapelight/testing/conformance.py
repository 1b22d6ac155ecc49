"""Conformance: what a component must do whatever it is for. `check_strategy` is for strategies,
`testing.feeds.check_feed` for feeds.

def test_mine() -> None:
    check_strategy(Mine)
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np

from tapelight.engine import Engine
from tapelight.market.view import View
from tapelight.model.records import Mark, Record, Strategies
from tapelight.model.session import calendar
from tapelight.model.signals import Signal, witness
from tapelight.scan.answers import all_true
from tapelight.scan.rule import FAULTS, StrategyRule, check_entries
from tapelight.scan.source import rule_of
from tapelight.scan.strategy import Entries, Look, Strategy
from tapelight.testing.sessions import Tape, begin, make_tape, play

DAY = dt.date(2026, 11, 20)
NAME = "checked"
FORMING = "bar_o bar_h bar_l bar_c bar_v bar_pv b5_o b5_c".split()
"""What a row keeps of bars that are not closed."""


def check_strategy(
    strategy: type[Strategy], parameters: str = "", seeds: Sequence[int] = (1,)
) -> list[Signal]:
    """Raise AssertionError that says in what a strategy breaks its contract.

    It must give the same signals on two replays, however rows are numbered and also after a
    snapshot; none before it is warm; look at closed bars alone; leave what it is shown as it is;
    answer with right shapes; and answer for each row as if it were alone. `parameters` is TOML.
    Returns the signals of the seeded sessions.
    """
    _check_cold(strategy, parameters)
    found: list[Signal] = []
    for seed in seeds:
        tape = _session(seed)
        first = _Run(strategy, parameters, tape, looks=True).all()
        again = _Run(strategy, parameters, tape).all()
        _same(first, again, "two replays of one tape")
        turned = list(reversed(range(len(tape.symbols))))
        other = _Run(strategy, parameters, tape, order=turned, frozen=True).all()
        _same(first, other, "other row numbers, or a snapshot in between,")
        found += first
    return found


def _session(seed: int) -> Tape:
    session = calendar("XNYS").session_on(DAY)
    assert session is not None
    return make_tape(session, seed, symbols=6, end_min=45.0)


def _same(one: list[Signal], other: list[Signal], what: str) -> None:
    mine, theirs = [witness(s) for s in one], [witness(s) for s in other]
    assert mine == theirs, f"{what} give different signals ({len(mine)} and {len(theirs)})"


class _Run:
    """Play a tape through an engine with the one strategy."""

    def __init__(
        self, strategy: type[Strategy], parameters: str, tape: Tape,
        order: Sequence[int] | None = None, looks: bool = False, frozen: bool = False,
    ) -> None:  # fmt: skip
        self.tape, self.order, self.looks, self.frozen = tape, order, looks, frozen
        self.engine = Engine()
        self.make: Callable[[], StrategyRule] = partial(rule_of, NAME, strategy, parameters)
        self._apply(begin(tape, order))
        self.engine.apply(Strategies({}))
        self.engine.roster.rules[NAME] = self.make()
        self.engine.tiers.want(self.engine.roster.asks())

    def all(self) -> list[Signal]:
        """Return every signal of the tape; raises AssertionError when the strategy failed."""
        signals: list[Signal] = []
        marks = 0
        for record in play(self.tape, self.order):
            if self.looks and isinstance(record, Mark) and marks % 40 == 39:
                self._look(record)
            cycle = self.engine.apply(record)
            marks += cycle is not None
            signals += cycle.signals if cycle else []
            if self.frozen and cycle is not None and marks % 60 == 0:
                self._replace()
        assert not self._rule.fault, f"it failed: {self._rule.fault}"
        return signals

    @property
    def _rule(self) -> StrategyRule:
        return self.engine.strategies[NAME]

    def _apply(self, records: Iterable[Record]) -> None:
        for record in records:
            self.engine.apply(record)

    def _replace(self) -> None:
        """Put a new rule in, which knows what the old one froze."""
        fresh = self.make()
        fresh.thaw(self._rule.freeze())
        self.engine.roster.rules[NAME] = fresh

    def _look(self, mark: Mark) -> None:
        """Hold single answers to the contract, at a mark that has not been made."""
        table = self.engine.table
        if table.session is None or mark.ts_ns < table.session.open_ns:
            return
        every = np.arange(table.n)
        whole = _Answer(self._rule, View(table, every), every)
        _equal(whole.entries, whole.again(), "two answers to one look")
        for some in (every[:0], every[-1:], every[::3]):
            part = _Answer(self._rule, View(table, some), some)
            _equal(_taken(whole.entries, some), part.entries, "a row alone and among others")
        kept = {name: table.rows[name].copy() for name in FORMING}
        for name in FORMING:
            table.rows[name] = table.rows[name] * 1.5 + 1.0
        poked = _Answer(self._rule, View(table, every), every)
        for name, values in kept.items():
            table.rows[name] = values
        _equal(whole.entries, poked.entries, "another forming bar")


class _Answer:
    """Hold a strategy's answer to one look; what it was shown must be as it was."""

    def __init__(self, rule: StrategyRule, view: View, rows: Any) -> None:
        self.rule = rule
        rule.held_rows(view.table.n)
        self.look: Look = rule.look(view, rule.course[rows])
        before = self._shown(view)
        self.entries = self.again()
        assert self._shown(view) == before, "what it was shown was changed"

    def again(self) -> Entries:
        """Return the answer to the same look; raises AssertionError when there is none."""
        try:
            with np.errstate(all="ignore"):
                entries = self.rule.strategy.signals(self.look)
            check_entries(entries, len(self.look), self.rule.memory)
        except FAULTS as error:
            raise AssertionError(f"it failed: {type(error).__name__}: {error}") from error
        return entries

    def _shown(self, view: View) -> list[bytes]:
        kept = [values.tobytes() for values in self.rule.memory.values()]
        return [view.table.live.tobytes(), self.rule.course.tobytes(), *kept]


def _check_cold(strategy: type[Strategy], parameters: str) -> None:
    """Hold that its conditions are not met by symbols of which one print is known."""
    tape = _session(0)
    engine = Engine()
    for record in begin(tape):
        engine.apply(record)
    for record in _one_step(tape, at=300):
        engine.apply(record)
    every = np.arange(engine.table.n)
    answer = _Answer(rule_of(NAME, strategy, parameters), View(engine.table, every), every)
    true = all_true(answer.entries.when, len(every))
    assert not true.any(), "it fires before it is warm: one print is enough for it"


def _one_step(tape: Tape, at: int) -> list[Record]:
    """Return the records of one step in mid-session: nothing came before."""
    records = list(play(tape))
    marks = [i for i, record in enumerate(records) if isinstance(record, Mark)]
    return records[marks[at] + 1 : marks[at + 1] + 1]


def _parts(entries: Entries) -> Iterator[tuple[str, Any]]:
    for field in fields(entries):
        value = getattr(entries, field.name)
        if field.name in ("when", "exits"):
            for i, part in enumerate(value):
                yield f"{field.name} {i}", part.true
        elif field.name == "targets":
            yield from ((f"target {i}", target) for i, target in enumerate(value))
        elif field.name == "keep":
            yield from (("keep " + name, kept) for name, kept in value.items())
        else:
            yield field.name, value


def _taken(entries: Entries, rows: Any) -> list[tuple[str, Any]]:
    return [
        (name, value[rows] if isinstance(value, np.ndarray) else value)
        for name, value in _parts(entries)
    ]


def _equal(one: Entries | list[tuple[str, Any]], other: Entries, what: str) -> None:
    mine = one if isinstance(one, list) else list(_parts(one))
    for (name, value), (_, also) in zip(mine, _parts(other), strict=True):
        assert _alike(value, also), f"{what} give different answers: {name}"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and one.dtype.kind == "f":
        return bool(np.array_equal(one, other, equal_nan=True))
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
