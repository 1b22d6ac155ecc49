"""Dispatch: the signals of each mark get the stamps of their way, are published and logged."""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import structlog

from tapelight.app.recording import Recording
from tapelight.app.views import KEEP_SIGNALS
from tapelight.engine import Cycle, Engine
from tapelight.model.batch import Batch
from tapelight.model.signals import Hops, Signal
from tapelight.stores.signals import SignalLog
from tapelight.telemetry import Histogram, Measure

log = structlog.get_logger()
HOPS = ("net", "table", "rule", "send", "total")
MEASURED = 2_000
"""Signals of which p50 and p99 of each hop are told."""
REPEATED_S = 2.0
"""How long a start waits for the signals of the run's end to be logged."""
BATCHES = 4_096
"""Batches between two marks whose events are looked for at the most."""


class Folded(NamedTuple):
    """Note when a batch was in the table."""

    batch: Batch
    fold_ns: int


class Stamps(NamedTuple):
    """Hold an event's own stamp, when its batch came, and when it was in the table."""

    exchange_ns: int
    receive_ns: int
    fold_ns: int


class Dispatch:
    """Stand between the scanner and those who hear its cycles; market time comes from `now_ns`.

    The event behind a signal is the newest trade of its symbol since the last mark, else the
    newest quote or bar; a signal that time alone brought has none.
    """

    def __init__(self, now_ns: Callable[[], int], publish: Callable[[Cycle], None]) -> None:
        self._now_ns = now_ns
        self._publish = publish
        self.log: SignalLog | None = None
        self.heard: Callable[[Cycle], None] = lambda _cycle: None
        """Called with each cycle once it is published, the stamps on its signals."""
        self.traced: Callable[[Sequence[Signal]], None] = lambda _signals: None
        """Called with the signals of a mark, their stamps on them."""
        self._run: Callable[[], str] = str
        """DATE/NUMBER of the recording."""
        self._rows: Mapping[str, int] = {}
        """The symbols' rows."""
        self._folded: deque[Folded] = deque(maxlen=BATCHES)
        self._measured: dict[str, deque[float]] = {name: deque(maxlen=MEASURED) for name in HOPS}
        self._seconds = {name: Histogram() for name in HOPS}
        self._states: Counter[tuple[str, str]] = Counter()

    def open(self, data: Path, engine: Engine, recording: Recording) -> list[Signal]:
        """Open the log beside a recording that begins; returns the newest of a run that goes on.

        What that run gave since its last snapshot is given again: the log takes what it lacks.
        """
        self._rows, self._run = engine.table.universe.rows, recording.name
        self.log = SignalLog(data)
        if recording.opened.engine is None:
            return []
        self.keep(recording.opened.signals)
        self.log.wait(REPEATED_S)
        return self.log.newest(recording.name(), KEEP_SIGNALS)

    def close(self) -> None:
        """Write what waits for the log, and close it."""
        if self.log is not None:
            self.log.close()

    def note(self, batch: Batch) -> None:
        """Note that a batch is in the table."""
        self._folded.append(Folded(batch, self._now_ns()))

    def on_cycle(self, cycle: Cycle) -> None:
        """Stamp, publish and log what a mark brought."""
        if cycle.signals:
            cycle = dataclasses.replace(cycle, signals=self._stamped(cycle.signals))
            self._tell(cycle.signals)
            self.traced(cycle.signals)
        self._folded.clear()
        self._publish(cycle)
        self.heard(cycle)
        self.keep(cycle.signals)

    def keep(self, signals: Sequence[Signal]) -> None:
        """Log signals; those that the log has already are left out."""
        if self.log is not None and signals:
            self.log.append(self._run(), signals)

    def _stamped(self, signals: Sequence[Signal]) -> list[Signal]:
        fire_ns = self._now_ns()
        rows = self._rows
        events = events_of(self._folded, {rows[s.symbol] for s in signals if s.symbol in rows})
        dispatch_ns = self._now_ns()
        found: list[Signal] = []
        for signal in signals:
            event = events.get(rows.get(signal.symbol, -1))
            known = event._asdict() if event is not None else {}
            hops = Hops(**known, fire_ns=fire_ns, dispatch_ns=dispatch_ns)
            found.append(msgspec.structs.replace(signal, hops=self._measure(hops)))
        return found

    def _tell(self, signals: Sequence[Signal]) -> None:
        """Count signals and log them: by their ids a line leads to alert and order."""
        for signal in signals:
            self._states[signal.scan, signal.state] += 1
            log.debug(
                "signal", signal=signal.id, scan=signal.scan, symbol=signal.symbol,
                state=signal.state, hops=signal.hops.text if signal.hops else "",
            )  # fmt: skip

    def _measure(self, hops: Hops) -> Hops:
        """Count the hops and put them into words."""
        parts = hops.parts_ms()
        for name, ms in parts.items():
            self._measured[name].append(ms)
            self._seconds[name].add(ms / 1e3)
        return msgspec.structs.replace(hops, text=in_words(parts))

    def measures(self) -> Iterator[Measure]:
        """Yield for /metrics: signals by scan and state, and the seconds that each hop took."""
        for (scan, state), count in self._states.items():
            labels = {"scan": scan, "state": state}
            yield Measure("signals_total", "Records of signals.", count, labels)
        for name, seconds in self._seconds.items():
            doc = "Event to dispatch of a signal, and each hop of it."
            yield Measure("signal_hop_seconds", doc, seconds, {"hop": name})

    def status(self) -> dict[str, Any]:
        """Return what /health shows: ms of each hop over the newest signals, and the log's state."""
        hops = {name: _quantiles(values) for name, values in self._measured.items()}
        log = self.log.status() if self.log is not None else {"state": "closed", "detail": ""}
        return {"signal_ms": hops, "signal_log": log}


def in_words(parts: Mapping[str, float]) -> str:
    """Return the hops as `142 ms (net 61, table 9, rule 64, send 8)`; empty without an event."""
    if "total" not in parts:
        return ""
    hops = ", ".join(f"{name} {parts[name]:.0f}" for name in HOPS[:-1] if name in parts)
    return f"{parts['total']:.0f} ms ({hops})"


def events_of(folded: Iterable[Folded], rows: set[int]) -> dict[int, Stamps]:
    """Return for each of `rows` the newest event of the batches: trades before quotes before bars."""
    batches = list(folded)
    found: dict[int, Stamps] = {}
    for name in ("trades", "quotes", "bars"):
        missing = np.array(sorted(rows - found.keys()), np.int32)
        if len(missing):
            found |= _newest(batches, name, missing)
    return found


def _newest(batches: Sequence[Folded], name: str, rows: Any) -> dict[int, Stamps]:
    found: dict[int, Stamps] = {}
    for batch, fold_ns in batches:
        part = getattr(batch, name)
        if part is None:
            continue
        stamps = (
            part.start_ns + part.span_s.astype(np.int64) * 10**9 if name == "bars" else part.ts_ns
        )
        for i in np.flatnonzero(np.isin(part.row, rows)).tolist():
            found[int(part.row[i])] = Stamps(int(stamps[i]), batch.ts_recv_ns, fold_ns)
    return found


def _quantiles(values: Iterable[float]) -> dict[str, float | None]:
    kept = list(values)
    if not kept:
        return {"p50": None, "p99": None}
    p50, p99 = np.quantile(np.array(kept), (0.5, 0.99)).tolist()
    return {"p50": round(p50, 3), "p99": round(p99, 3)}
