"""The router: which signals reach whom, and how often. Pure: market time comes with what it is asked.

Signals of several workers, and those that waited, come out of order: each is judged as of its own mark.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import msgspec

from tapelight.alerts.budget import OLDEST_NS, Recent
from tapelight.model.alerts import BROWSER, LATE_MS, Alert, Rule, hashed, sentence
from tapelight.model.signals import Signal

NS = 1_000_000_000
HOUR_NS = 3_600 * NS
MINUTE_NS = 60 * NS
ANY = ""
OWNER_A_MINUTE = 120
"""Alerts for one person, by all rules: what comes beyond is counted."""


class Key(NamedTuple):
    """Name a rule."""

    owner: str
    name: str


class Moment(NamedTuple):
    """Tell a router what time it is: market time, phase, session's date."""

    now_ns: int
    phase: str = ""
    session: str = ""


@dataclass(slots=True)
class Memory:
    """Remember what a rule has alerted."""

    last_ns: dict[str, int] = field(default_factory=dict)
    """When each symbol was alerted last."""
    session: str = ""
    seen: set[str] = field(default_factory=set)
    told: dict[str, int] = field(default_factory=dict)
    """The ids of alerts, and when they were: what is given again is told once, and counted once."""
    hour: Recent = field(default_factory=Recent)
    groups: dict[str, "Group"] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """Gather what follows a symbol's first alert."""

    until_ns: int
    signals: list[Signal] = field(default_factory=list)


class Router:
    """Turn signals into alerts by the rules; `held` counts by cause what was not passed on."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self._rules: Mapping[Key, Rule] = {}
        self._symbols: Mapping[Key, frozenset[str]] = {}
        self._by_scan: dict[str, list[Key]] = {}
        """The rules that name a scan, and under `ANY` those that name none."""
        self._mutes: Mapping[Key, int] = {}
        """Until when (owner, symbol) is muted."""
        self._memory: dict[Key, Memory] = {}
        self._minute: defaultdict[str, Recent] = defaultdict(Recent)

    def follow(
        self,
        rules: Mapping[Key, Rule],
        symbols: Mapping[Key, frozenset[str]],
        mutes: Mapping[Key, int] | None = None,
    ) -> None:
        """Take the rules, the symbols of those that name a watchlist, and the muted symbols."""
        self._rules, self._symbols, self._mutes = rules, symbols, mutes or {}
        self._memory = {key: self._memory.get(key) or Memory() for key in rules}
        self._by_scan = {}
        for key, rule in rules.items():
            for scan in rule.scans or (ANY,):
                self._by_scan.setdefault(scan, []).append(key)

    @property
    def count(self) -> int:
        """Return how many rules there are."""
        return len(self._rules)

    def route(self, signals: Iterable[Signal], moment: Moment) -> list[Alert]:
        """Return the alerts that signals bring."""
        found: list[Alert] = []
        for signal in signals:
            for key in (*self._by_scan.get(signal.scan, ()), *self._by_scan.get(ANY, ())):
                rule = self._rules[key]
                if rule.wants(signal, moment.phase, self._symbols.get(key)):
                    found += self._pass(key, rule, signal, moment)
        return found

    def tick(self, moment: Moment) -> list[Alert]:
        """Return the alerts of the groups whose time is over, as of when it was."""
        found: list[Alert] = []
        for key, memory in self._memory.items():
            over = [s for s, group in memory.groups.items() if group.until_ns <= moment.now_ns]
            for symbol in over:
                group = memory.groups.pop(symbol)
                if group.signals:
                    ended = moment._replace(now_ns=group.until_ns, session=memory.session)
                    found += self._end_group(key, symbol, group.signals, ended)
        return found

    def end(self, moment: Moment) -> list[Alert]:
        """Return the alerts of every group, also of those whose time is not over."""
        for memory in self._memory.values():
            for group in memory.groups.values():
                group.until_ns = min(group.until_ns, moment.now_ns)
        return self.tick(moment)

    def _end_group(
        self, key: Key, symbol: str, signals: Sequence[Signal], moment: Moment
    ) -> list[Alert]:
        rule = self._rules[key]
        cause = self.silence(key, symbol, moment.now_ns)
        if cause or not self._has_room(key, rule, signals[-1], moment):
            self.held[cause or "rate"] += len(signals)
            return []
        _note(self._memory[key].last_ns, symbol, moment.now_ns)
        return [_alert(key, rule, signals, moment)]

    def silence(self, key: Key, symbol: str, now_ns: int) -> str:
        """Return why a rule's owner wants nothing of it about a symbol now; empty where it is wanted."""
        rule = self._rules.get(key)
        if rule is None:
            return "deleted"
        if not rule.enabled:
            return "off"
        if self._mutes.get(Key(key.owner, symbol), 0) > now_ns:
            return "muted"
        return "snoozed" if rule.snoozed_until_ns > now_ns else ""

    def remember(self, alerts: Iterable[Alert]) -> None:
        """Take back what was alerted before a restart: cooldowns, budgets, who was seen."""
        for alert in sorted(alerts, key=lambda alert: alert.ts_ns):
            memory = self._memory.get(Key(alert.owner, alert.rule))
            if memory is None or alert.kind != "signal":
                continue
            if memory.session != alert.session:
                memory.session, memory.seen = alert.session, set()
            memory.seen.add(alert.symbol)
            memory.last_ns[alert.symbol] = alert.ts_ns
            memory.told[alert.id] = alert.ts_ns
            memory.hour.add(alert.ts_ns)
            self._minute[alert.owner].add(alert.ts_ns)

    def _pass(self, key: Key, rule: Rule, signal: Signal, moment: Moment) -> list[Alert]:
        memory = self._memory[key]
        cause = self._cause(key, rule, signal, moment)
        group = memory.groups.get(signal.symbol)
        if cause == "" and group is not None:
            group.signals.append(signal)
            cause = "grouped"
        if cause or not self._has_room(key, rule, signal, moment):
            self.held[cause or "rate"] += 1
            return []
        _note(memory.last_ns, signal.symbol, moment.now_ns)
        memory.seen.add(signal.symbol)
        if rule.group_s > 0:
            memory.groups[signal.symbol] = Group(moment.now_ns + int(rule.group_s * NS))
        return [_alert(key, rule, [signal], moment)]

    def _cause(self, key: Key, rule: Rule, signal: Signal, moment: Moment) -> str:
        """Return why a rule stays silent about a signal; empty where it doesn't."""
        memory, symbol = self._memory[key], signal.symbol
        if silent := self.silence(key, symbol, moment.now_ns):
            return silent
        if memory.session != moment.session:
            memory.session, memory.seen = moment.session, set()
        if rule.new_only and symbol in memory.seen:
            return "seen"
        if (group := memory.groups.get(symbol)) is None:
            apart_ns = abs(moment.now_ns - memory.last_ns.get(symbol, -HOUR_NS * 48))
            if apart_ns < rule.cooldown_s * NS:
                return "cooldown"
        elif any((one.id, one.state) == (signal.id, signal.state) for one in group.signals):
            return "repeated"
        return "repeated" if _id(key, signal) in memory.told else ""

    def _has_room(self, key: Key, rule: Rule, last: Signal, moment: Moment) -> bool:
        """Count one more alert where the rule's hour and the owner's minute allow it."""
        memory, minute = self._memory[key], self._minute[key.owner]
        if memory.hour.within(HOUR_NS, moment.now_ns) >= rule.per_hour:
            return False
        if minute.within(MINUTE_NS, moment.now_ns) >= OWNER_A_MINUTE:
            return False
        _forget(memory.told, moment.now_ns - OLDEST_NS)
        memory.told[_id(key, last)] = moment.now_ns
        memory.hour.add(moment.now_ns)
        minute.add(moment.now_ns)
        return True


def _note(last_ns: dict[str, int], symbol: str, at_ns: int) -> None:
    last_ns[symbol] = max(at_ns, last_ns.get(symbol, at_ns))


def _forget(told: dict[str, int], until_ns: int) -> None:
    """Drop what is as old, from the first on: what came out of order goes with what stands before it."""
    for old in [one for one, _ in takewhile(lambda one: one[1] <= until_ns, told.items())]:
        del told[old]


def _id(key: Key, signal: Signal) -> str:
    return hashed(key.owner, key.name, signal.id, signal.state)


def _alert(key: Key, rule: Rule, signals: Sequence[Signal], moment: Moment) -> Alert:
    last = signals[-1]
    is_quiet = any(hours.holds(moment.now_ns) for hours in rule.quiet)
    others = () if is_quiet else tuple(name for name in rule.channels if name != BROWSER)
    before = len(signals) if len(signals) > 1 else 0
    total_ms = last.hops.parts_ms().get("total", 0.0) if last.hops else 0.0
    return Alert(
        id=_id(key, last), owner=key.owner, rule=key.name,
        kind="signal", text=sentence(last, before), symbol=last.symbol, scan=last.scan, signal=last.id,
        state=last.state, ts_ns=last.ts_ns, values=last.values, count=len(signals),
        sound="" if is_quiet else rule.sound, speak=rule.speak and not is_quiet,
        channels=(BROWSER, *others), session=moment.session,
        latency=last.hops.text if last.hops else "", late=total_ms > LATE_MS,
    )  # fmt: skip


def rule_of(body: Mapping[str, object]) -> Rule:
    """Return the rule that a document holds."""
    return msgspec.convert(dict(body), Rule)
