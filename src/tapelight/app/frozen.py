"""The engine's whole state as named arrays and bytes: what a snapshot holds."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tapelight.app.loop import give_back_memory
from tapelight.engine import Engine
from tapelight.errors import ConfigError, Rejected
from tapelight.market import fold
from tapelight.market.row import ROW
from tapelight.market.table import EVENTS, Table
from tapelight.market.windows import Rings, empty_rings
from tapelight.model import codec
from tapelight.model.conditions import ConditionRules
from tapelight.model.records import Profile, Questions, Strategies
from tapelight.model.session import latest_session, session_after
from tapelight.stores.journal.snapshots import write_snapshot

State = dict[str, Any]
"""Arrays and bytes by name."""
VERSION = 16
_WINDOWS = f"ring.{Rings._fields[0]}"


class Scalars(msgspec.Struct, kw_only=True):
    """Hold the table's and engine's single values."""

    version: int
    calendar: str
    rules: ConditionRules
    symbols: list[str]
    words: dict[str, list[str]]
    """Of the reference's text columns."""
    halt_codes: dict[str, str]
    session_ns: int
    session: str
    now_ns: int
    now_s: int
    complete_ns: int
    minutes_seen: int
    windows_since_ns: int
    feed: str
    gap_since_ns: int
    healing: bool = False
    rolls: int
    digest: str
    last_mark_ns: int
    engine_rolls: int
    questions: Questions | None
    strategies: Strategies | None = None


def freeze(engine: Engine, reuse: State | None = None, *, windows: bool = True) -> State:
    """Return a copy of everything the engine remembers; without the windows where all are empty.

    The rings are copied into the arrays of `reuse` where their shapes fit: copying 150 MB into
    memory that is already mapped takes a fraction of the time.
    """
    table, reuse = engine.table, reuse or {}
    state: State = {"scalars": msgspec.msgpack.encode(_scalars(engine))}
    state["rows"] = table.live.copy()
    state["counters"] = table.counters.copy()
    state["changed"] = table.spill.changed[: table.counters[fold.CHANGED]].copy()
    state["suspects"] = table.spill.suspects.copy()
    for name, value in table.reference.freeze(table.n).items():
        state[f"reference.{name}"] = value
    for name, ring in table.rings._asdict().items() if windows else ():
        state[f"ring.{name}"] = _copied(ring[:, : table.n], reuse.get(f"ring.{name}"))
    state["bars"] = table.bars.all()
    for at, profile in enumerate(table.baseline.profiles):
        state[f"profile.{at}"] = wire(profile)
    for prefix, part in engine.parts().items():
        state |= {f"{prefix}:{name}": value for name, value in part.freeze().items()}
    return state


@lru_cache(maxsize=2)
def wire(profile: Profile) -> bytes:
    """Return a profile's wire form, made once: it changes with the session only. For any thread."""
    return codec.encode(profile)


def blank(engine: Engine) -> State:
    """Return arrays of the rings' shapes, every page of them touched: for `freeze` to reuse.

    May run on a thread, beside the engine; takes what a first `freeze` would make the cycle wait.
    """
    n = engine.table.n
    shapes = {name: (len(r), n) for name, r in engine.table.rings._asdict().items()}
    state: State = {}
    for name, shape in shapes.items():
        state[f"ring.{name}"] = np.empty(shape, getattr(engine.table.rings, name).dtype)
        state[f"ring.{name}"].view(np.uint8).fill(0)
    return state


def _copied(array: np.ndarray, into: np.ndarray | None) -> np.ndarray:
    if into is None or into.shape != array.shape:
        return array.copy()
    np.copyto(into, array)
    return into


def _scalars(engine: Engine) -> Scalars:
    table = engine.table
    codes = table.halt_codes.text(table.n).values()
    return Scalars(
        version=VERSION,
        calendar=table.calendar.name,
        rules=table.rules,
        symbols=list(table.universe.symbols),
        words=table.reference.words(),
        halt_codes={str(i): c for i, c in enumerate(codes) if c is not None},
        session_ns=table.session.start_ns if table.session else 0,
        session=table.session.date.isoformat() if table.session else "",
        now_ns=table.now_ns,
        now_s=table.now_s,
        complete_ns=table.complete_ns,
        minutes_seen=table.minutes_seen,
        windows_since_ns=table.windows_since_ns,
        feed=table.feed,
        gap_since_ns=table.gap_since_ns,
        healing=table.healing,
        rolls=table.rolls,
        digest=engine.digest,
        last_mark_ns=engine.last_mark_ns,
        engine_rolls=engine.rolls,
        questions=engine.questions,
        strategies=engine.roster.chosen,
    )


def thaw(state: State, adopt: bool = False) -> Engine:
    """Return an engine with the state; raises Rejected for another version's.

    `adopt` lets the engine live in the state's own arrays, which are its alone then: half the
    time and memory.
    """
    try:
        s = msgspec.msgpack.decode(state["scalars"], type=Scalars)
    except (KeyError, msgspec.MsgspecError) as error:
        raise Rejected(f"The snapshot is of another version ({error}).") from error
    if s.version != VERSION or state["rows"].dtype != ROW:
        raise Rejected("The snapshot is of another version.")
    engine = Engine(s.calendar)
    table = engine.table
    if adopt and len(s.symbols) >= len(table.rows):
        _seat(table, s.symbols, state)
    else:
        _copy(table, s.symbols, state)
    _thaw_table(table, s, state)
    for asked in (s.questions, s.strategies):
        if asked is None:
            continue
        try:
            engine.apply(asked)
        except ConfigError as error:
            raise Rejected(f"The snapshot asks what this version does not know: {error}") from error
    _thaw_parts(engine, state)
    engine.digest, engine.last_mark_ns, engine.rolls = s.digest, s.last_mark_ns, s.engine_rolls
    return engine


def _copy(table: Table, symbols: list[str], state: State) -> None:
    """Copy rows and rings into the table's own arrays."""
    table.grow(symbols)
    n = table.n
    table.rows[:n] = state["rows"]
    for name in Rings._fields if _WINDOWS in state else ():
        getattr(table.rings, name)[:, :n] = state[f"ring.{name}"]


def _seat(table: Table, symbols: list[str], state: State) -> None:
    """Let the table live in the state's arrays."""
    for symbol in symbols:
        table.universe.add(symbol)
    n = table.n
    table.rows = state["rows"]
    if _WINDOWS in state:
        table.rings = Rings(*(state[f"ring.{name}"] for name in Rings._fields))
    else:
        table.rings = empty_rings(n)
    table.reference.resize(n)
    table.halt_codes.resize(n)
    table.spill = fold.new_spill(n, EVENTS)


def _thaw_table(table: Table, s: Scalars, state: State) -> None:
    table.use_rules(s.rules)
    prefix = "reference."
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    table.reference.thaw(own, s.words)
    table.counters[:] = state["counters"]
    table.spill.changed[: len(state["changed"])] = state["changed"]
    table.spill.suspects[:] = state["suspects"]
    if len(state["bars"]):
        table.bars.add(state["bars"])
    for key in ("profile.0", "profile.1"):
        profile = codec.decode(state[key]) if key in state else None
        if isinstance(profile, Profile):
            table.baseline.put(profile)
            table.baseline.enter(s.session)
    for row, code in s.halt_codes.items():
        table.halt_codes.set(int(row), code)
    if s.session_ns:
        table.session = latest_session(table.calendar, s.session_ns)
        table.next_roll_ns = session_after(table.calendar, s.session_ns).start_ns
    for name in "now_ns now_s complete_ns minutes_seen windows_since_ns feed gap_since_ns healing rolls".split():
        setattr(table, name, getattr(s, name))


def _thaw_parts(engine: Engine, state: State) -> None:
    for prefix, part in engine.parts().items():
        own = {k[len(prefix) + 1 :]: v for k, v in state.items() if k.startswith(prefix + ":")}
        part.thaw(own)


def keep_state(folder: Path, seq: int, state: State, at_ns: int) -> None:
    """Write a snapshot, on a thread; its copy was the largest that comes and goes: its memory is given back."""
    write_snapshot(folder, seq, state, at_ns)
    state.clear()
    give_back_memory()
