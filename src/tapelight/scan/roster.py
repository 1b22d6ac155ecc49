"""The strategies that run: chosen and switched off by records, asked at each mark."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.indicators import Ask
from tapelight.market.table import Table
from tapelight.market.tier import TWO
from tapelight.market.view import View
from tapelight.model.records import Disabled, Strategies, StrategyChoice
from tapelight.model.signals import Signal
from tapelight.scan.owed import NONE
from tapelight.scan.rule import StrategyRule
from tapelight.scan.source import make_rule
from tapelight.scan.strategy import Flags

Work = Callable[[], list[Signal]]
Rows = npt.NDArray[np.intp]
News = Callable[[frozenset[Ask]], Rows]
"""Gives the rows in which any of some indicators is new."""
Watch = Callable[[str, Work], list[Signal]]


def unwatched(_name: str, work: Work) -> list[Signal]:
    """Do the work."""
    return work()


class Roster:
    """Hold the strategies by name, and ask them."""

    def __init__(self) -> None:
        self.rules: dict[str, StrategyRule] = {}
        self.chosen: Strategies | None = None
        self.watch: Watch = unwatched
        """Does each strategy's work, with its name: whoever measures time stands here."""
        self._left: list[tuple[StrategyRule, StrategyChoice]] = []
        """Changed or removed since the last mark."""

    def choose(self, record: Strategies) -> None:
        """Take the set of strategies; those whose code and parameters are the same go on."""
        was = self.chosen.chosen if self.chosen is not None else {}
        old, self.rules, self.chosen = self.rules, {}, record
        for name, choice in sorted(record.chosen.items()):
            kept = old.get(name)
            same = kept is not None and kept.version == choice.version
            self.rules[name] = kept if kept and same else make_rule(name, choice)
        gone = [(name, rule) for name, rule in old.items() if self.rules.get(name) is not rule]
        self._left += [(rule, was[name]) for name, rule in gone if rule.live]

    def disable(self, record: Disabled) -> None:
        """Switch a strategy off until its code or parameters change."""
        rule = self.rules.get(record.name)
        if rule is not None:
            rule.fault = record.reason

    def asks(self) -> set[Ask]:
        """Return the indicators that they look at."""
        return {ask for rule in self.rules.values() for ask in rule.strategy.indicators()}

    def evaluate(
        self, table: Table, changed: Flags, whole: bool, closed: bool, new: News,
        share: Callable[[str], bool],
    ) -> list[Signal]:  # fmt: skip
        """Ask each strategy of the share of its rows: in-play ones that changed, and those it follows.

        The latter also at whole seconds, all in-play rows when bars closed (`closed`), by
        strategies that look at bars, and those where indicators it looks at are `new`.
        """
        left, self._left = [rule for rule, _ in self._left], []
        left += [rule for rule in self.rules.values() if rule.fault and rule.live]
        signals = [signal for rule in left for signal in rule.give_up(table)]
        mine = {name: rule for name, rule in self.rules.items() if share(name)}
        if not mine:
            return signals
        signals += [signal for rule in mine.values() for signal in rule.close(table)]
        n = table.n
        in_play = table.tiers.levels(n) >= TWO
        asked = {
            name: self._asked(rule, changed, new(rule.asks), in_play, whole, closed)
            for name, rule in mine.items()
        }
        rows = np.flatnonzero(np.logical_or.reduce(list(asked.values())))
        if not len(rows):
            return signals
        view = View(table, rows)
        for name, rule in mine.items():
            its = asked[name][rows]
            if its.any():
                work = _bound(rule, view, rows, its)
                signals += self.watch(name, work)
            if rule.fault and rule.live:
                signals += rule.give_up(table)
        return signals

    def _asked(
        self, rule: StrategyRule, changed: Flags, new: Rows, in_play: Flags, whole: bool,
        closed: bool,
    ) -> Flags:  # fmt: skip
        n = len(changed)
        held = rule.held_rows(n)
        if rule.fault:
            return np.zeros(n, np.bool_)
        fresh = np.asarray(changed | (in_play if closed and rule.on_closes else False))
        fresh[new] = True
        wanted = in_play | held if rule.in_play_only else np.ones(n, np.bool_)
        return np.asarray((fresh & wanted) | held if whole else fresh & wanted)

    def freeze(self) -> dict[str, Any]:
        """Return those whose signals the next mark ends; the running ones are parts themselves."""
        names = [(rule.name, choice) for rule, choice in self._left]
        state: dict[str, Any] = {"left": msgspec.msgpack.encode(names)}
        for i, (rule, _) in enumerate(self._left):
            state |= {f"{i}.{name}": value for name, value in rule.freeze().items()}
        return state

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave; raises ConfigError for one that this version does not know."""
        kept = state.get("left", NONE)
        names = msgspec.msgpack.decode(kept, type=list[tuple[str, StrategyChoice]])
        self._left = [(make_rule(name, choice), choice) for name, choice in names]
        for i, (rule, _) in enumerate(self._left):
            own = f"{i}."
            rule.thaw({k.removeprefix(own): v for k, v in state.items() if k.startswith(own)})

    def clear(self) -> None:
        """Go on into a new session: its first mark ends what is left."""


def _bound(rule: StrategyRule, view: View, rows: np.ndarray, asked: Flags) -> Work:
    return lambda: rule.evaluate(view, rows, asked)
