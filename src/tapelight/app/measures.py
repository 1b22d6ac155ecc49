"""What the scanner and the trader measure, from what they count anyway; asked when somebody scrapes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tapelight.orders.desk import Desk
from tapelight.ports import Json
from tapelight.telemetry import Measure, counted

if TYPE_CHECKING:
    from tapelight.app.scanner import Scanner  # which brings the engine; the trader is here too

FEED_STATES = ("connecting", "live", "gap", "polling", "healing", "waiting", "closed")
WELL = frozenset(("ok", "live", "replay"))
MOMENT = ("waiting", "unaccounted")
"""What an account says of now; the rest of it only grows."""


def scanner_measures(scanner: "Scanner") -> Iterator[Measure]:
    """Yield what the scanner knows of feed, books, table, cycle and queues."""
    status = scanner.status()
    yield from _feed(scanner, status)
    yield from books_measures(status)
    yield from _table(status)
    figures = scanner.figures
    lag = figures.lag.seconds()
    yield Measure("lag_seconds", "Event time to folded, each print.", lag, {"hop": "fold"})
    yield Measure("cycle_seconds", "Time of a mark with all who hear it.", figures.cycle_seconds)
    yield from _queues(scanner, status)
    yield from _signals(status)


def _feed(scanner: "Scanner", status: Mapping[str, Json]) -> Iterator[Measure]:
    feed, figures = status["feed"], scanner.figures
    for state in sorted({*FEED_STATES, feed["state"]}):
        labels = {"feed": feed["name"], "state": state}
        yield Measure("feed_state", "1 for the state it is in.", feed["state"] == state, labels)
    changes = dict.fromkeys(FEED_STATES, 0) | figures.changes
    yield from counted("feed_changes_total", "How often it came to a state.", changes, "state")
    yield from counted("feed_total", "What the feed counts.", status["feed_counts"], "count")
    rejected = {"all": sum(figures.rejected.values()), **figures.rejected}
    yield from counted("rejected_total", "Malformed messages by kind.", rejected, "kind")
    for name, source in status["sources"].items():
        yield Measure("source_up", "1: the source tells.", source["state"] in WELL, {"name": name})
    yield Measure("gaps_total", "Holes that the feed left.", figures.gaps)
    yield Measure("gaps_healed_total", "Holes that were healed.", status["healed"])
    yield Measure("gap_open", "1 while a hole is open.", status["gap_open"])


def books_measures(status: Mapping[str, Json]) -> Iterator[Measure]:
    """Yield the account of each stage."""
    for stage, account in status["accounts"].items():
        for fate, count in account.items():
            labels = {"stage": stage, "fate": fate}
            if fate not in MOMENT:
                yield Measure("events_total", "Events by stage and fate.", count, labels)
        waiting = account["waiting"]
        yield Measure("events_waiting", "Events held back now.", waiting, {"stage": stage})
    yield Measure("events_unaccounted", "Events missing in the books.", status["unaccounted"])
    doc = "What the table took, and what it left out."
    yield from counted("table_total", doc, status["counters"], "count")


def _table(status: Mapping[str, Json]) -> Iterator[Measure]:
    states = {
        "watched": status["rows"], "stale": status["stale"], "provisional": status["provisional"],
        "in_play": status["tiers"]["in_play"],
    }  # fmt: skip
    yield from counted("rows", "Rows of the table by state.", states, "state")
    age_ms = status["age_ms"]
    if age_ms is not None:
        doc = "Market time less what the feed is complete for."
        yield Measure("data_age_seconds", doc, age_ms / 1e3)
    strategies = status["strategies"]
    yield Measure("strategies_running", "Strategies that run.", strategies["running"])
    off = len(strategies["off"]) + len(strategies["faults"]) + len(status["questions"]["faults"])
    yield Measure("questions_refused", "Boards, scans, strategies refused or switched off.", off)


def _queues(scanner: "Scanner", status: Mapping[str, Json]) -> Iterator[Measure]:
    journal = status["journal"]
    yield Measure("journal_up", "1: the journal is written.", journal["state"] in WELL)
    yield Measure("journal_bytes_total", "Bytes of the journal.", journal["bytes"])
    recording = scanner.recording
    depths = {
        "journal": recording.writer.waiting if recording is not None else 0,
        "signal_log": status.get("signal_log", {}).get("waiting", 0),
        "alerts": status.get("alerts", {}).get("waiting", 0),
    }
    yield from counted("queue_depth", "Records that wait, by queue.", depths, "queue")


def _signals(status: Mapping[str, Json]) -> Iterator[Measure]:
    log = status.get("signal_log", {})
    yield Measure("signal_log_up", "1: signals are written.", log.get("state") in WELL)
    written = log.get("counters", {})
    yield from counted("signal_log_total", "Signals written, repeated, lost.", written, "fate")
    yield from alert_measures(status.get("alerts", {}))


def alert_measures(alerts: Mapping[str, Json]) -> Iterator[Measure]:
    """Yield what became of deliveries and of signals, by what alerting tells of itself."""
    kept = {name: alerts.get(name, 0) for name in ("rules", "levels")}
    yield from counted("alert_rules", "Rules and price levels that are watched.", kept, "kind")
    held = "Signals of which a rule made no alert, by cause."
    yield from counted("alerts_held_total", held, alerts.get("held", {}), "cause")
    deliveries = {"sent": 0, "failed": 0, "lost": alerts.get("lost", 0)}
    deliveries |= alerts.get("deliveries", {})
    yield from counted("alerts_total", "Deliveries by what became of them.", deliveries, "state")


def trader_measures(desks: Iterable[Desk]) -> Iterator[Measure]:
    """Yield what each desk's book holds: orders by state, verdicts, fills, positions, the switch."""
    for desk in desks:
        broker = {"broker": desk.world.broker.name}
        for measure in _desk(desk):
            yield Measure(measure.name, measure.doc, measure.value, {**broker, **measure.labels})


ORDER_STATES = ("held", "refused", "unknown", "working", "filled", "cancelled", "rejected")


def _desk(desk: Desk) -> Iterator[Measure]:
    book = desk.book
    orders = list(book.orders.values())
    states = dict.fromkeys(ORDER_STATES, 0) | Counter(order.state for order in orders)
    yield from counted("orders", "Orders of the log by state.", states, "state")
    yield Measure("fills_total", "Fills.", len(book.fills))
    held = sum(1 for position in list(book.positions.values()) if position.quantity)
    yield Measure("positions", "Symbols that are held.", held)
    ready = desk.inquiry.reconciled and not desk.ledger.fault
    yield Measure("desk_ready", "1: reconciled with the venue.", ready)
    yield Measure("killed", "1: the kill switch is on.", book.killed is not None)
    yield from _money(book.valued)
    yield Measure("signals_read_total", "Place in the signal queue.", book.cursor)


def _money(valued: Any) -> Iterator[Measure]:
    if valued is not None:
        equity = float(valued.account.equity)
        yield Measure("equity_dollars", "Equity as the venue says.", equity)
