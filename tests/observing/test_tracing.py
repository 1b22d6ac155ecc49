"""Traces: one of each sampled signal, from batch to fill, though two processes make its spans."""

import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest

from observing.collector import Collector, collector
from tapelight.app.observing import open_spans
from tapelight.app.otel import span_id, trace_id
from tapelight.app.roles.recall import Recall
from tapelight.app.roles.scan import ScanWorker
from tapelight.app.roles.services import Services
from tapelight.app.tracing import Attributes, NoSpans, OrderTraces, SignalTraces
from tapelight.config import Config, ScaleOut, Telemetry
from tapelight.engine import Cycle
from tapelight.errors import ConfigError
from tapelight.model.alerts import Alert, Delivery
from tapelight.model.order_log import Intended, Reported
from tapelight.model.orders import Approved, Fill, OrderRequest, Report
from tapelight.model.records import Mark
from tapelight.model.signals import Hops, Signal

__all__ = ["collector"]
pytestmark = pytest.mark.integration

MS = 1_000_000
NOW = 1_800_000_000_000 * MS
HOPS = Hops(
    exchange_ns=0, receive_ns=10 * MS, fold_ns=12 * MS, fire_ns=50 * MS, dispatch_ns=51 * MS
)


def signal(name: str, **more: object) -> Signal:
    facts = {
        "id": name, "scan": "burst", "symbol": "AAA", "state": "fired", "ts_ns": 0, "mark": 0,
        "values": {}, "hops": HOPS, **more,
    }  # fmt: skip
    return Signal(**facts)  # type: ignore[arg-type]


class Noted(NoSpans):
    """Note name, begin and end of each span."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, int, int]] = []

    def add(
        self, trace: str, name: str, parent: str, begin_ns: int, end_ns: int, more: Attributes
    ) -> None:
        self.spans.append((name.partition(" ")[0], begin_ns, end_ns))


def request(name: str, cause: str, **more: object) -> OrderRequest:
    facts = {
        "id": name, "cause": cause, "purpose": "entry", "symbol": "AAA", "side": "buy",
        "quantity": Decimal(5), "kind": "limit", **more,
    }  # fmt: skip
    return OrderRequest(**facts)  # type: ignore[arg-type]


def test_one_trace_leads_from_the_batch_to_the_fill(collector: Collector) -> None:
    settings = Telemetry(traces=collector.url)
    scanner = open_spans(settings, "scanner")
    traces = SignalTraces(scanner, lambda: 1.0, lambda: NOW)
    traces.on_signals([signal("s1"), signal("x1", kind="exit", of="s1")])
    alert = Alert(id="a1", owner="ann", rule="r", kind="signal", text="", signal="s1")
    sent = Delivery(id="d1", channel="hook", alert=alert, state="sent", attempts=1,
                    created_ns=NOW, changed_ns=NOW + 30 * MS, answer="200")  # fmt: skip
    traces.on_delivery(sent)
    scanner.close()

    entry, stop = request("o1", "s1"), request("o2", "o1", purpose="stop", entry="o1")
    known = {"o1": entry, "o2": stop}
    trader = open_spans(settings, "trade")
    orders = OrderTraces(trader, known.get, lambda: NOW + 80 * MS)
    orders.told(Intended(0, entry, Approved(0)))
    fill = Fill(order="o1", symbol="AAA", side="buy", quantity=Decimal(5),
                price=Decimal("20.1"), cumulative=Decimal(5))  # fmt: skip
    report = Report(order="o1", state="filled", filled=Decimal(5), average=Decimal("20.1"), ts_ns=0)
    orders.told(Reported(0, report, fill))
    orders.told(Intended(0, stop, Approved(0)))
    trader.close()

    assert set(collector.spans) == {trace_id("s1").to_bytes(16)}
    spans = {span.span_id: span for span in collector.spans[trace_id("s1").to_bytes(16)]}
    tree = sorted(
        (span.name, spans[span.parent_span_id].name if span.parent_span_id else "")
        for span in spans.values()
    )
    assert tree == [
        ("alert", "signal"), ("batch", ""), ("batch", "signal"), ("cycle", "batch"),
        ("cycle", "batch"), ("fill", "order"), ("order", "signal"), ("order", "signal"),
        ("signal", "cycle"), ("signal", "cycle"),
    ]  # fmt: skip
    first = spans[span_id("s1", "batch").to_bytes(8)]
    took_ns = first.end_time_unix_nano - first.start_time_unix_nano
    assert took_ns == 2 * MS
    assert first.end_time_unix_nano == NOW - 39 * MS


def test_the_spans_of_a_worker_end_where_its_mark_is_answered() -> None:
    """It has no market clock, and no stamp of when a batch was folded or a signal dispatched."""
    spans = Noted()
    hops = Hops(exchange_ns=0, receive_ns=10 * MS, fire_ns=50 * MS)
    SignalTraces(spans, wall_ns=lambda: NOW).on_signals([signal("s1", hops=hops)])
    assert spans.spans == [("batch", NOW - 40 * MS, NOW), ("cycle", NOW, NOW), ("signal", NOW, NOW)]


async def test_a_worker_traces_no_signal_of_a_while_ago_and_none_that_it_gives_again(
    tmp_path: Path,
) -> None:
    settings = ScaleOut(rabbitmq="amqp://guest@127.0.0.1:1/", redis="redis://127.0.0.1:1/0")
    spans = Noted()
    worker = ScanWorker(
        Config(scale_out=settings), tmp_path, Services(settings), 0, spans, Recall(str)
    )
    cycle = Cycle(Mark(50 * MS, 50 * MS), signals=[signal("s1", hops=None)])
    worker._again(cycle.signals)
    worker._on_cycle(cycle)
    assert spans.spans == []
    worker.follower.near = True
    worker._on_cycle(dataclasses.replace(cycle, signals=[signal("s2", hops=None)]))
    assert [name for name, _, _ in spans.spans] == ["batch", "cycle", "signal"]
    (archived,) = worker.outbox.lanes
    assert len(archived.waiting) == 1 + 3, "all of them go to the archive"


def test_both_processes_sample_the_same_signals(collector: Collector) -> None:
    settings = Telemetry(traces=collector.url, sample=0.25)
    names = [f"s{n}" for n in range(400)]
    scanner, trader = open_spans(settings, "scanner"), open_spans(settings, "trade")
    SignalTraces(scanner, lambda: 1.0).on_signals([signal(name) for name in names])
    orders = OrderTraces(trader, lambda _order: None)
    for name in names:
        orders.told(Intended(0, request(f"o-{name}", name), Approved(0)))
    scanner.close()
    trader.close()
    assert 60 < len(collector.spans) < 140
    assert {len(spans) for spans in collector.spans.values()} == {4}


def test_no_address_means_no_spans_and_a_wrong_share_is_told() -> None:
    assert isinstance(open_spans(Telemetry(), "scanner"), NoSpans)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        open_spans(Telemetry(traces="http://127.0.0.1:1/", sample=2.0), "scanner")
