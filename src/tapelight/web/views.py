"""What a topic shows, and how one state of it differs from the next. Pure.

A view is the body of a snapshot message; a change is the body of the message that leads from
one view to the next: `apply(old view, change) == new view`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan
from typing import NamedTuple

from tapelight.model.signals import Signal
from tapelight.ports import Json
from tapelight.web.spans import SPANS, widen
from tapelight.web.wire import builtins

State = Mapping[str, Json]
View = dict[str, Json]

BOARD_HEAD = ("name", "title", "board_kind", "columns", "gone")
ALERTS_KEPT = 100
ARMED_SHOWN = 500
"""How many armed rows a view of the topic `armed` shows, the newest; `total` counts them all."""
SIGNALS_KEPT = 100
"""How many signals a snapshot of the topic `signals` shows."""
PRINTS_SHOWN = 200
"""How many prints the topic `prints:SYMBOL` shows."""


class Change(NamedTuple):
    """Lead to the next view: by a diff, or by a snapshot where a diff can't say it."""

    kind: str
    body: View


@dataclass(frozen=True, slots=True)
class Kind:
    """Say how publications of one kind of topic become views, and views changes."""

    view: Callable[[State, View | None], View]
    change: Callable[[View, View, State], Change | None]
    """From the old view to the new one that a state made: the state may hold more than the view."""


def same(a: Json, b: Json) -> bool:
    """Tell whether two cells look alike to a client: NaN is equal to itself."""
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and isnan(a) and isnan(b))


def public(status: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a status without what is not for guests: the trader's, with who killed it and why."""
    return {key: value for key, value in status.items() if key != "trader"}


def kind_of(prefix: str, span_s: int = 60, *, for_guests: bool = False) -> Kind:
    """Return the kind of topics that begin with `prefix`; `span_s` is for bars."""
    if prefix == "status" and for_guests:
        return Kind(_public_status_view, _status_change)
    if prefix == "bars":
        return Kind(partial(_bars_view, span_s), _bars_change)
    return _KINDS[prefix]


def _board_view(state: State, _old: View | None) -> View:
    rows = state["rows"]
    order = list(state["order"])
    gone = {"gone": True} if state.get("gone") else {}
    return gone | {
        "name": state["name"],
        "title": state["title"],
        "board_kind": state["board_kind"] if "board_kind" in state else state["kind"],
        "columns": state["columns"],
        "order": order,
        "rows": {symbol: rows[symbol] for symbol in order},
    }


def _board_change(old: View, new: View, _state: State) -> Change | None:
    if any(old.get(key) != new.get(key) for key in BOARD_HEAD):
        return Change("snapshot", new)
    rows, cells = _row_changes(old["rows"], new["rows"])
    body: View = {}
    if old["order"] != new["order"]:
        body["order"] = new["order"]
    if rows:
        body["rows"] = rows
    if cells:
        body["cells"] = cells
    return Change("diff", body) if body else None


def _row_changes(
    old: Mapping[str, Sequence[Json]], new: Mapping[str, Sequence[Json]]
) -> tuple[View, list[list[Json]]]:
    """Return whole rows that are new, and [symbol, column, value] of cells that changed."""
    rows: View = {}
    cells: list[list[Json]] = []
    for symbol, row in new.items():
        before = old.get(symbol)
        if before is None or len(before) != len(row):
            rows[symbol] = row
        elif before != row:
            cells += [
                [symbol, i, now]
                for i, (was, now) in enumerate(zip(before, row, strict=True))
                if not same(was, now)
            ]
    return rows, cells


def _symbol_view(state: State, old: View | None) -> View:
    """A value that is no longer published becomes null; the columns may be said once."""
    before = old or {"values": {}, "columns": []}
    values = dict.fromkeys(before["values"]) | dict(state["values"])
    return {"values": values, "columns": state.get("columns", before["columns"])}


def _symbol_change(old: View, new: View, _state: State) -> Change | None:
    if old["columns"] != new["columns"]:
        return Change("snapshot", new)
    was, now = old["values"], new["values"]
    values = {name: v for name, v in now.items() if name not in was or not same(was[name], v)}
    return Change("diff", {"values": values}) if values else None


def _bars_view(span_s: int, state: State, _old: View | None) -> View:
    return {"bars": state["bars"] if span_s == SPANS["1m"] else widen(state["bars"], span_s)}


def _bars_change(old: View, new: View, _state: State) -> Change | None:
    before = {bar[0]: bar for bar in old["bars"]}
    now = {bar[0]: bar for bar in new["bars"]}
    if not before.keys() <= now.keys():
        return Change("snapshot", new)
    bars = [bar for start, bar in now.items() if not _same_bar(before.get(start), bar)]
    return Change("diff", {"bars": bars}) if bars else None


def _same_bar(a: Sequence[float] | None, b: Sequence[float]) -> bool:
    return a is not None and (a == b or all(map(same, a, b)))


def _signals_view(state: State, old: View | None) -> View:
    """Put the new signals before the old ones; the view is bounded, what is told is not."""
    before = old["signals"] if old else []
    return {"signals": [*_fresh_signals(before, state), *before][:SIGNALS_KEPT]}


def _signals_change(old: View, _new: View, state: State) -> Change | None:
    fresh = _fresh_signals(old["signals"], state)
    return Change("diff", {"signals": fresh}) if fresh else None


def _fresh_signals(before: Sequence[View], state: State) -> list[View]:
    """Return the records of a state that are new, newest first, each once."""
    seen = {_identity(signal) for signal in before}
    found: list[View] = []
    for signal in map(_signal, state["signals"]):
        if _identity(signal) not in seen:
            seen.add(_identity(signal))
            found.append(signal)
    return sorted(found, key=lambda signal: int(signal["ts_ns"]), reverse=True)


def _signal(signal: Signal | State) -> View:
    if isinstance(signal, Signal):
        return dict(builtins(signal))
    return dict(signal)


def _identity(signal: State) -> tuple[Json, ...]:
    return signal["id"], signal["state"], signal["ts_ns"]


def _prints_view(state: State, _old: View | None) -> View:
    return {"prints": state["prints"]}


def _prints_change(old: View, new: View, _state: State) -> Change | None:
    """Tell the prints that came; where some fell out between, the whole list again."""
    newest = old["prints"][0]["n"] if old["prints"] else -1
    fresh = [one for one in new["prints"] if one["n"] > newest]
    if not fresh:
        return None
    whole = len(fresh) == len(new["prints"])
    return Change("snapshot", new) if whole else Change("diff", {"prints": fresh})


def _status_view(state: State, _old: View | None) -> View:
    return {"status": state["status"]}


def _public_status_view(state: State, _old: View | None) -> View:
    return {"status": public(state["status"])}


def _status_change(old: View, new: View, _state: State) -> Change | None:
    return None if old == new else Change("diff", new)


def _alerts_view(state: State, old: View | None) -> View:
    """Put the new alerts before the old ones; the view is bounded, what is told is not."""
    before = old["alerts"] if old else []
    return {"alerts": [*_fresh_alerts(before, state), *before][:ALERTS_KEPT]}


def _alerts_change(old: View, _new: View, state: State) -> Change | None:
    fresh = _fresh_alerts(old["alerts"], state)
    return Change("diff", {"alerts": fresh}) if fresh else None


def _fresh_alerts(before: Sequence[View], state: State) -> list[View]:
    seen = {alert["id"] for alert in before}
    return [alert for alert in reversed(state["alerts"]) if alert["id"] not in seen]


def _armed_view(state: State, _old: View | None) -> View:
    return {"armed": list(state["armed"][:ARMED_SHOWN]), "total": len(state["armed"])}


def _armed_change(old: View, new: View, _state: State) -> Change | None:
    """Tell who is armed now and was not, and who is no longer: [scan, symbol]."""
    was, now = _by_row(old), _by_row(new)
    added = [one for row, one in now.items() if was.get(row) != one]
    gone = [list(row) for row in was if row not in now]
    if not added and not gone and old["total"] == new["total"]:
        return None
    return Change("diff", {"armed": added, "gone": gone, "total": new["total"]})


def _by_row(view: View) -> dict[tuple[str, str], View]:
    return {(one["scan"], one["symbol"]): one for one in view["armed"]}


_KINDS = {
    "alerts": Kind(_alerts_view, _alerts_change),
    "armed": Kind(_armed_view, _armed_change),
    "board": Kind(_board_view, _board_change),
    "prints": Kind(_prints_view, _prints_change),
    "symbol": Kind(_symbol_view, _symbol_change),
    "signals": Kind(_signals_view, _signals_change),
    "status": Kind(_status_view, _status_change),
}
