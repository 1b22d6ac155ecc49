"""One mark's answers of a strategy as signals: armed, fired, what became of them, exits."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tapelight.market.view import View
from tapelight.model.signals import Leaf, Plan, Signal, Value
from tapelight.scan.course import ARMED, CONFIRMED, FIRED, NONE, Step, Tape, follow
from tapelight.scan.gates import common_gates, limits, plan_gates
from tapelight.scan.strategy import (
    MAX_TARGETS,
    MINUTE_NS,
    Condition,
    Entries,
    Flags,
    Floats,
    Int64s,
    Look,
    Strategy,
    at_least,
    below,
)

NS = 1_000_000_000


class Answers:
    """Turn a strategy's entries at one mark into signals; `course` is changed in place."""

    def __init__(
        self, name: str, version: str, strategy: Strategy,
        view: View, look: Look, course: np.ndarray, entries: Entries,
    ) -> None:  # fmt: skip
        self.name, self.version, self.strategy = name, version, strategy
        self.view, self.look, self.course, self.entries = view, look, course, entries
        self.params = strategy.params
        self.now_ns = view.moment.now_ns
        self.last = np.asarray(view["last"])
        self.sound = ~np.asarray(view["stale"]) & ~np.asarray(view["provisional"])

    @cached_property
    def last_ns(self) -> Int64s:
        """Return when each last price was printed."""
        stamps: Int64s = self.view.field("last_ns")
        return stamps

    @cached_property
    def limit(self) -> Floats:
        """Return the worst prices at which to enter."""
        return limits(self.look, self.entries)

    @cached_property
    def common(self) -> list[Condition]:
        """Return the common gates, and those of the plan."""
        return [
            *common_gates(self.look, self.params, self.strategy.gated),
            *plan_gates(self.look, self.params, self.entries, "short" in self.strategy.sides),
        ]

    @property
    def conditions(self) -> list[Condition]:
        """Return every condition: common gates, the plan's, and the strategy's own."""
        return [*self.common, *self.entries.when]

    def follow(self) -> Iterator[Signal]:
        """Yield what became of the rows' signals."""
        if not (self.course["state"] >= FIRED).any():
            return
        halted = np.asarray(self.view["halted"])
        tape = Tape(self.last, self.last_ns, halted, self.sound, self.now_ns)
        for step in follow(self.course, tape, self.entries):
            yield from self._steps(step)

    def give_up(self) -> Iterator[Signal]:
        """Yield the end of every live signal: nobody follows them any more."""
        yield from self._end("strategy", "invalid", "the strategy changed or is off")

    def close(self) -> Iterator[Signal]:
        """Yield the end of every signal that the session left open."""
        yield from self._end("time", "time", "the session ended")

    def _end(self, waited: str, held: str, why: str) -> Iterator[Signal]:
        """Yield the ends of entries that waited and of those that were traded, for these reasons."""
        state = self.course["state"].copy()
        waiting, holding = (state > NONE) & (state < CONFIRMED), state == CONFIRMED
        self.course["state"], self.course["held"] = NONE, False
        yield from self._steps(Step(np.flatnonzero(waiting), "expired", "entry", waited, why))
        yield from self._steps(Step(np.flatnonzero(holding), "fired", "exit", held, why))

    def take_back(self, why: str) -> Iterator[Signal]:
        """Yield the retraction of each row's signal, as its course stands: it never was."""
        at = np.arange(len(self.course))
        yield from self._steps(Step(at, "retracted", "entry", "correction", why))

    def enter(self) -> Iterator[Signal]:
        """Yield the signals that are armed, disarmed or fired at this mark."""
        course, may, entries = self.course, self.sound, self.entries
        n = len(course)
        own = may & all_true(entries.when, n)
        near = own if entries.armed is None else own | (may & entries.armed)
        if near.any():
            common, turn = all_true(self.common, n), all_true(self.turns, n)
            own &= common
            fires = own & ~course["held"] & turn
        else:
            common = turn = fires = near
        course["held"][may] = own[may]
        arms = np.zeros(n, np.bool_)
        if entries.armed is not None:
            yield from self._disarm(may & ~fires & ~entries.armed)
            arms = may & ~fires & turn & common & (course["state"] == NONE) & entries.armed
        course["born_ns"][arms | (fires & (course["state"] == NONE))] = self.now_ns
        course["state"][arms], course["state"][fires] = ARMED, FIRED
        course["fired_ns"][fires] = course["rested_ns"][fires] = self.now_ns
        course["tries"][fires] += 1
        yield from self._entries(arms, "armed")
        yield from self._entries(fires, "fired")

    @property
    def turns(self) -> list[Condition]:
        """Return whether it is a row's turn: no live signal, rested, tries left."""
        course, p = self.course, self.params
        live = course["state"] >= FIRED
        found = [Condition("live signal", live, "is", False, ~live)]
        if p.cooldown_s:
            rested = (self.now_ns - course["rested_ns"]) / NS
            rested_s = np.where(course["rested_ns"] > 0, rested, np.inf)
            found.append(at_least("secs_since_signal", rested_s, p.cooldown_s))
        if p.tries:
            found.append(below("signals_today", course["tries"].astype(np.float64), p.tries))
        return found

    def _disarm(self, rows: Flags) -> Iterator[Signal]:
        gone = rows & (self.course["state"] == ARMED)
        self.course["state"][gone] = NONE
        yield from self._steps(Step(np.flatnonzero(gone), "invalidated", "entry", "setup"))

    def _entries(self, rows: Flags, state: str) -> Iterator[Signal]:
        at = np.flatnonzero(rows)
        for symbol, i in zip(self.view.symbols(at), at.tolist(), strict=True):
            yield self._entry(symbol, i, state)

    def _steps(self, step: Step) -> Iterator[Signal]:
        for symbol, i in zip(self.view.symbols(step.at), step.at.tolist(), strict=True):
            yield self._step(step, symbol, i)

    def _entry(self, symbol: str, i: int, state: str) -> Signal:
        plan = self._plan(i)
        self._write(i, plan)
        values: dict[str, Value] = {
            "last": number(self.last[i]),
            "side": plan.side,
            "entry": number(plan.entry),
            "limit": number(plan.limit),
            "stop": number(plan.stop),
            "risk_pct": number(100.0 * abs(plan.entry - plan.stop) / plan.entry),
            **{f"target{k}": number(t) for k, t in enumerate(plan.targets, 1)},
        }
        return Signal(
            id=self._entry_id(symbol, i),
            scan=self.name,
            symbol=symbol,
            state=state,
            ts_ns=self.now_ns,
            mark=self.now_ns,
            values=values,
            text=f"{self.strategy.title}: {plan.side} from {plan.entry:g}, stop {plan.stop:g}",
            plan=plan,
            why=tuple(leaf(condition, i) for condition in self.conditions),
            event_ns=self._event_ns(i),
        )

    def _plan(self, i: int) -> Plan:
        entries, session = self.entries, self.view.moment.session
        flat_ns = int(session.close_ns - self.params.flat_min * MINUTE_NS) if session else 0
        time_ns = int(_at(entries.exit_ns, i))
        side, entry = int(entries.side[i]), float(entries.entry[i])
        beyond = [t for way in entries.targets if side * ((t := float(way[i])) - entry) > 0]
        return Plan(
            side="long" if side > 0 else "short",
            entry=entry,
            limit=float(self.limit[i]),
            stop=float(entries.stop[i]),
            targets=tuple(sorted(beyond, reverse=side < 0)),
            expires_ns=int(_at(entries.expires_ns, i)),
            exit_ns=min(time_ns, flat_ns) if time_ns else flat_ns,
            signal_only=self.strategy.signal_only or side < 0,
        )

    def _write(self, i: int, plan: Plan) -> None:
        """Let the row's course be the plan's."""
        row = self.course[i : i + 1]
        side = 1 if plan.side == "long" else -1
        row["side"], row["risk"] = side, abs(plan.entry - plan.stop)
        row["entry"], row["limit"], row["stop"] = plan.entry, plan.limit, plan.stop
        row["targets"] = np.nan
        row["targets"][0, : len(plan.targets)] = plan.targets[:MAX_TARGETS]
        row["expires_ns"], row["exit_ns"] = plan.expires_ns, plan.exit_ns
        row["seen_ns"] = self.last_ns[i]
        row["fill"] = row["best"] = np.nan
        row["filled_ns"] = row["hits"] = 0
        row["touched"] = side * (self.last[i] - plan.entry) >= 0.0
        row["halted"] = False

    def _step(self, step: Step, symbol: str, i: int) -> Signal:
        course, leaves_it = self.course[i], step.kind == "exit"
        entry_id = self._entry_id(symbol, i)
        path = f"{entry_id}|{self.now_ns}|{step.reason}{step.target or ''}"
        with np.errstate(all="ignore"):
            gained = course["side"] * (self.last[i] - course["fill"]) / course["risk"]
        values: dict[str, Value] = {
            "last": number(self.last[i]),
            "entry": number(course["entry"]),
            "stop": number(course["stop"]),
            "fill": number(course["fill"]),
            "r": number(gained),
        }
        word = "exit" if leaves_it else step.state
        return Signal(
            id=_hash(path) if leaves_it else entry_id,
            scan=self.name,
            symbol=symbol,
            state=step.state,
            ts_ns=self.now_ns,
            mark=self.now_ns,
            values=values,
            text=f"{self.strategy.title}: {word}, {step.text or step.reason}",
            kind=step.kind,
            of=entry_id if leaves_it else "",
            reason=step.reason,
            event_ns=self._event_ns(i),
        )

    def _entry_id(self, symbol: str, i: int) -> str:
        return _hash(f"{self.name}|{self.version}|{symbol}|{int(self.course['born_ns'][i])}")

    def _event_ns(self, i: int) -> int:
        return int(self.view.field("print_ns")[i])


def leaf(condition: Condition, i: int) -> Leaf:
    """Return the condition's leaf of row `i`; true is None where value or bound is unknown."""
    value, bound = plain(condition.value[i]), plain(_at(condition.bound, i))
    true = bool(condition.true[i])
    unknown = not true and (value is None or bound is None)
    return Leaf(condition.name, value, condition.op, bound, None if unknown else true)


def plain(value: Any) -> Value:
    """Return a NumPy scalar as float, bool or text; None for NaN."""
    if isinstance(value, str | bool | np.bool_):
        return value if isinstance(value, str) else bool(value)
    return number(value)


def number(value: Any) -> float | None:
    """Return a float, None for NaN and infinities."""
    return float(value) if np.isfinite(value) else None


def all_true(conditions: Sequence[Condition], n: int) -> Flags:
    """Return where all of the conditions hold."""
    true = np.ones(n, np.bool_)
    for condition in conditions:
        true &= condition.true
    return true


def _at(values: Any, i: int) -> Any:
    return values[i] if isinstance(values, np.ndarray) else values


def _hash(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=10).hexdigest()
