"""What became of a strategy's entries by its own plan: the outcome in R, from its exit signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tapelight.model.signals import Signal


@dataclass(frozen=True, slots=True)
class Course:
    """Hold how one entry ended; R is the risk of the plan, entry less stop."""

    became: str = ""
    """The last state of the signal: confirmed, expired, invalidated, halted, retracted."""
    filled: bool = False
    """Whether the entry was traded within its limit."""
    r: float | None = None
    """Gained, in R, before the spread; None where nothing was traded or left."""
    reason: str = ""
    """Of the last exit: stop, target, time, invalid."""


NOTHING = Course()


def courses(entries: Sequence[Signal], later: Sequence[Signal]) -> Mapping[str, Course]:
    """Return the course of each entry that went on, by its id."""
    states = {s.id: s for s in later if s.kind == "entry" and s.state != "armed"}
    filled = {s.id for s in later if s.kind == "entry" and s.state == "confirmed"}
    exits: dict[str, list[Signal]] = {}
    for signal in later:
        if signal.kind == "exit":
            exits.setdefault(signal.of, []).append(signal)
    return {
        entry.id: _course(entry, states.get(entry.id), exits.get(entry.id, []), filled)
        for entry in entries
        if entry.id in states or entry.id in exits
    }


def _course(
    entry: Signal, state: Signal | None, exits: Sequence[Signal], filled: set[str]
) -> Course:
    became = state.state if state is not None else ""
    if not exits or entry.plan is None:
        return Course(became, entry.id in filled)
    targets = [s for s in exits if s.reason == "target"]
    last = exits[-1]
    gained = sum(_r(s) for s in targets) / max(len(entry.plan.targets), 1)
    left = 1.0 - len(targets) / max(len(entry.plan.targets), 1)
    if last.reason != "target":
        gained += left * _r(last)
    elif left > 0.0:
        # The session ended with a part still open: what that part gained is not known.
        return Course(became, True, None, "open")
    return Course(became, True, gained, last.reason)


def _r(signal: Signal) -> float:
    """Return what an exit gained for the part that it sold, in R."""
    value = signal.values.get("r")
    return float(value) if isinstance(value, int | float) else float("nan")
