"""Traces: one of each sampled signal, from its batch to alert, order and fill, over all processes.

Trace and span ids are hashes of the signal's id, so that the trader's spans find the scanner's with
nothing carried between them; whether a signal is sampled is reckoned from its id too. Spans are
made after the fact, from the stamps that signals bear: nothing is measured for them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tapelight.model.alerts import Delivery
from tapelight.model.order_log import Intended, OrderRecord, Reported
from tapelight.model.orders import Approved, OrderRequest
from tapelight.model.signals import Signal

Attributes = Mapping[str, str | int | float | bool]


class Spans(Protocol):
    """Take finished spans; times are wall clock, ns."""

    def add(
        self, trace: str, name: str, parent: str, begin_ns: int, end_ns: int, more: Attributes
    ) -> None:
        """Add a span; within a trace its name tells it apart, `parent` is another's name."""

    def close(self) -> None:
        """Send what waits."""


class NoSpans:
    """Take none: where no traces are wanted."""

    def add(
        self, trace: str, name: str, parent: str, begin_ns: int, end_ns: int, more: Attributes
    ) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def root(signal: Signal) -> str:
    """Return under whose id a signal is traced: an exit under its entry's."""
    return signal.of or signal.id


class SignalTraces:
    """Make the scanner's spans: batch, cycle and signal, then an alert's deliveries.

    `rate` is the market clock's, that of a live market for a role, which has no such clock. Stamps of
    market time are laid before now, the last of them at now: when a signal was dispatched, or, in a
    scan worker, its mark.
    """

    def __init__(
        self,
        spans: Spans,
        rate: Callable[[], float] = lambda: 1.0,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spans = spans
        self._rate = rate
        self._wall_ns = wall_ns

    def on_signals(self, signals: Iterable[Signal]) -> None:
        """Trace signals as they are dispatched."""
        now_ns = self._wall_ns()
        for signal in signals:
            hops = signal.hops
            if hops is None or hops.fire_ns is None:
                continue
            last, rate = hops.dispatch_ns or hops.fire_ns, self._rate()

            def wall(ns: int, last: int = last, rate: float = rate) -> int:
                return now_ns - int((last - ns) / rate)

            trace, state = root(signal), f"{signal.id} {signal.state} {signal.mark}"
            begin = hops.receive_ns or hops.fold_ns or hops.fire_ns
            folded = hops.fold_ns or hops.fire_ns
            what = {"symbol": signal.symbol, "scan": signal.scan, "signal": signal.id}
            first = signal.state == "fired" and not signal.of
            batch = "batch" if first else f"batch {state}"
            above = "" if first else "signal"
            add = self._spans.add
            add(trace, batch, above, wall(begin), wall(folded), what)
            add(trace, f"cycle {state}", batch, wall(folded), wall(hops.fire_ns), what)
            name = "signal" if first else f"signal {state}"
            more = {**what, "state": signal.state, "text": signal.text}
            add(trace, name, f"cycle {state}", wall(hops.fire_ns), now_ns, more)

    def on_delivery(self, delivery: Delivery) -> None:
        """Trace an alert that has an answer."""
        alert = delivery.alert
        if alert.signal:
            more = {"channel": delivery.channel, "state": delivery.state, "answer": delivery.answer}
            name = f"alert {delivery.id} {delivery.attempts}"
            begin = delivery.created_ns
            self._spans.add(alert.signal, name, "signal", begin, delivery.changed_ns, more)


class OrderTraces:
    """Make the trader's spans: an order from its intent on, and each of its fills."""

    def __init__(
        self,
        spans: Spans,
        orders: Callable[[str], OrderRequest | None],
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spans = spans
        self._orders = orders
        self._wall_ns = wall_ns

    def told(self, record: OrderRecord) -> None:
        """Trace a record that is durable."""
        now_ns = self._wall_ns()
        if isinstance(record, Intended):
            request = record.request
            late_ns = max(record.ts_ns - request.signal_ns, 0) if request.signal_ns else 0
            verdict = "approved" if isinstance(record.verdict, Approved) else record.verdict.reason
            more = {"order": request.id, "purpose": request.purpose, "verdict": verdict}
            above = "signal"
            name = f"order {request.id}"
            self._spans.add(self._root(request), name, above, now_ns - late_ns, now_ns, more)
        elif isinstance(record, Reported) and record.fill is not None:
            fill = record.fill
            found = self._orders(fill.order)
            if found is None:
                return
            more = {
                "order": fill.order, "quantity": str(fill.quantity), "price": f"{fill.price:.4f}",
            }  # fmt: skip
            late_ns = max(record.ts_ns - found.made_ns, 0) if found.made_ns else 0
            name = f"fill {fill.cumulative} {fill.order}"
            above = f"order {fill.order}"
            self._spans.add(self._root(found), name, above, now_ns - late_ns, now_ns, more)

    def _root(self, request: OrderRequest) -> str:
        """Return the id of the signal that is behind an order, by the entry that it protects."""
        entry = self._orders(request.entry) if request.entry else None
        return self._root(entry) if entry is not None else request.cause
