"""The whole story of a signal: from the event behind it over alerts to orders and fills."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from tapelight.errors import ConfigError
from tapelight.model.alerts import Alert
from tapelight.model.order_log import CancelAsked, Decided, Intended, OrderRecord, Reported, Sent
from tapelight.model.orders import Approved
from tapelight.model.session import iso
from tapelight.model.signals import Signal
from tapelight.stores.orders import read
from tapelight.stores.outbox import DELIVERIES
from tapelight.stores.signals import SIGNALS, open_log

NS_IN_MS = 1e6
STATIONS = (
    ("exchange_ns", "event", "the event's own stamp"),
    ("receive_ns", "received", "its batch came over the socket"),
    ("fold_ns", "folded", "the batch was in the table"),
    ("fire_ns", "fired", "the mark was answered"),
    ("dispatch_ns", "dispatched", "published and logged"),
)
OTHER = ("", "dry")
"""Folders of order logs: the broker's, and the paper desk's beside it."""


@dataclass(frozen=True, slots=True)
class Step:
    """State one thing that happened; `clock` says whose time it is: market or wall (UTC)."""

    ts_ns: int
    what: str
    text: str
    clock: str = "market"


def story(folder: Path, name: str) -> list[Step]:
    """Return what is known of a signal, alert or order id, in order.

    The beginning of an id will do where it is the only such one. Raises ConfigError.
    """
    engine = open_log(folder)
    try:
        with engine.connect() as connection:
            signals = _signals(connection, name)
    finally:
        engine.dispose()
    ids = {signal.id for signal in signals}
    steps = [step for signal in signals for step in _of_signal(signal)]
    steps += _orders(folder, ids)
    return sorted(steps, key=lambda step: step.ts_ns) + list(_alerts(folder, ids))


def _signals(connection: sa.Connection, name: str) -> list[Signal]:
    """Return the records of a signal, and of the exits that belong to it."""
    c = SIGNALS.c
    known = connection.execute(
        sa.select(c.id).where(c.id.startswith(name, autoescape=True)).distinct().limit(3)
    ).scalars().all()  # fmt: skip
    if name in known:
        known = [name]
    if not name or not known:
        raise ConfigError(
            f"No signal has the id {name[:40]!r}: /api/signals tells the ids, and so does the signal log on the page."
        )
    if len(known) > 1:
        raise ConfigError(f"Several signals begin with {name!r}: give more of the id.")
    first = connection.execute(sa.select(c.payload).where(c.id == known[0]).limit(1)).scalar_one()
    one = msgspec.json.decode(first, type=Signal)
    same = sa.select(c.payload).where(c.scan == one.scan, c.symbol == one.symbol)
    found = connection.execute(same.order_by(c.seq)).scalars()
    records = (msgspec.json.decode(payload, type=Signal) for payload in found)
    entry = one.of or one.id
    return [record for record in records if entry in (record.id, record.of)]


def _of_signal(signal: Signal) -> Iterator[Step]:
    """Yield the stations of the event behind it, and the record itself with its leaves."""
    if signal.hops is not None and signal.state == "fired":
        for field, what, text in STATIONS:
            ts_ns = getattr(signal.hops, field)
            if ts_ns is not None:
                yield Step(ts_ns, what, text)
    leaves = "; ".join(_leaf(leaf) for leaf in signal.why)
    told = " ".join(part for part in (signal.text, signal.reason, leaves and f"[{leaves}]") if part)
    head = f"{signal.scan} {signal.symbol} {signal.kind} {signal.state} (id {signal.id})"
    yield Step(signal.mark, "signal", f"{head}: {told}".removesuffix(": "))


def _leaf(leaf: Any) -> str:
    value = f"{leaf.value:g}" if isinstance(leaf.value, float) else leaf.value
    sign = {True: "true", False: "false", None: "unknown"}[leaf.true]
    return f"{leaf.name} {value} {leaf.op} {leaf.bound} {sign}"


def _alerts(folder: Path, ids: set[str]) -> Iterator[Step]:
    path = folder / "alerts.db"
    if not path.is_file():
        return
    engine = sa.create_engine(f"sqlite:///file:{path.absolute()}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            for row in connection.execute(sa.select(DELIVERIES).order_by(DELIVERIES.c.seq)):
                if msgspec.json.decode(row.alert, type=Alert).signal in ids:
                    text = f"{row.owner} by {row.channel}: {row.state}, {row.attempts} sent; {row.answer}"
                    yield Step(row.changed_ns, "alert", text, "wall")
    finally:
        engine.dispose()


def _orders(folder: Path, ids: set[str]) -> Iterator[Step]:
    for part in OTHER:
        if (folder / part / "orders.db").is_file():
            records = (record for _, record in read(folder / part))
            yield from _followed(records, ids)


def _followed(records: Iterable[OrderRecord], ids: set[str]) -> Iterator[Step]:
    """Yield the records of the orders that a signal caused, and of those that protect these."""
    orders: set[str] = set()
    for record in records:
        match record:
            case Intended(request=request) if {request.cause, request.entry} & (ids | orders):
                orders.add(request.id)
                verdict = record.verdict
                said = "approved" if isinstance(verdict, Approved) else f"refused: {verdict.reason}"
                text = f"{request.purpose} {request.side} {request.quantity} {request.kind}"
                yield Step(record.ts_ns, "intent", f"{text} (id {request.id}), {said}")
            case Decided() if record.order in orders:
                word = "approved" if record.approved else "declined"
                yield Step(record.ts_ns, "decision", f"{record.order} {word} by {record.by}")
            case Sent() if record.order in orders:
                yield Step(record.ts_ns, "sent", record.order)
            case CancelAsked() if record.order in orders:
                yield Step(record.ts_ns, "cancel", f"{record.order}: {record.why}")
            case Reported(report=report) if report.order in orders:
                yield Step(record.ts_ns, "venue", f"{report.order} {report.state} {report.reason}")
                if record.fill is not None:
                    fill = record.fill
                    text = f"{fill.order}: {fill.quantity} at {fill.price:.4f}"
                    yield Step(record.ts_ns, "fill", text)


def lines(steps: list[Step]) -> Iterator[str]:
    """Yield the story for people: time, ms since the first step, what."""
    began = min((step.ts_ns for step in steps if step.clock == "market"), default=0)
    for step in steps:
        after = f"+{(step.ts_ns - began) / NS_IN_MS:.1f} ms" if step.clock == "market" else "(UTC)"
        yield f"{iso(step.ts_ns)} {after:>14}  {step.what:<10} {step.text}".rstrip()
