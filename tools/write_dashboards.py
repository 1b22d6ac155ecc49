"""Write the Grafana dashboards of deploy/grafana/dashboards from the panels below."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "deploy/grafana/dashboards"
WIDTH, HEIGHT = 12, 8
SOURCE = {"type": "prometheus", "uid": "tapelight"}


@dataclass(frozen=True)
class Panel:
    """Describe one panel: queries by legend; the unit in Grafana's words."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"


def quantile(name: str, q: float, by: str = "le") -> str:
    """Return the query of a histogram's quantile over a minute."""
    return f"histogram_quantile({q}, sum by ({by}) (rate(tapelight_{name}_bucket[1m])))"


def rate(name: str, by: str = "") -> str:
    """Return the query of what a counter grows by a second."""
    inner = f"rate(tapelight_{name}[1m])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


DASHBOARDS: dict[str, tuple[str, list[Panel]]] = {
    "roles": (
        "Tapelight: roles",
        [
            Panel("At work", {"{{job}} {{instance}}": "tapelight_role_active"}, kind="stat"),
            Panel("Shares with boards", {"{{instance}}": "tapelight_hot_shares"}, kind="stat"),
            Panel("Services", {"{{instance}} {{service}}": "tapelight_service_up"}),
            Panel(
                "PostgreSQL",
                {
                    "{{instance}} lease": "tapelight_lease_database_up",
                    "{{instance}} archive": "tapelight_archive_up",
                },
            ),
            Panel(
                "Behind the feed's newest mark",
                {
                    "{{instance}}": "scalar(max(tapelight_stream_mark_seconds)) - tapelight_stream_mark_seconds"
                },
                "s",
            ),
            Panel(
                "Pieces of the stream",
                {"{{instance}} {{fate}}": rate("stream_parcels_total", "instance, fate")},
                "ops",
            ),
            Panel("Sent to readers", {"{{what}}": rate("stream_sent_total", "what")}, "ops"),
            Panel("Signals that wait", {"{{instance}} {{queue}}": "tapelight_outbox_waiting"}),
            Panel("Signals archived", {"{{fate}}": rate("archived_signals_total", "fate")}, "ops"),
            Panel(
                "Signals with the trader",
                {"{{fate}}": rate("received_signals_total", "fate")},
                "ops",
            ),
            Panel(
                "Signals with the alert role",
                {"{{fate}}": rate("alert_signals_total", "fate")},
                "ops",
            ),
            Panel(
                "Alerts by what became of them",
                {"{{state}}": "sum by (state) (tapelight_alerts_total)"},
            ),
            Panel(
                "Boards into Redis",
                {"{{instance}}": rate("boards_written_total", "instance")},
                "ops",
            ),
            Panel(
                "Publications on the bus",
                {"{{instance}}": rate("bus_sent_total", "instance")},
                "ops",
            ),
        ],
    ),
    "overview": (
        "Tapelight: overview",
        [
            Panel("Feed", {"{{feed}} {{state}}": "tapelight_feed_state == 1"}, kind="stat"),
            Panel("Data age", {"age": "tapelight_data_age_seconds"}, "s", "stat"),
            Panel(
                "Events a second", {"{{stage}}": rate('events_total{fate="in"}', "stage")}, "ops"
            ),
            Panel(
                "Lag, event to folded",
                {
                    "p50": quantile("lag_seconds", 0.5),
                    "p99": quantile("lag_seconds", 0.99),
                },
                "s",
            ),
            Panel("Signals a second", {"{{state}}": rate("signals_total", "state")}, "ops"),
            Panel(
                "Alerts by what became of them",
                {"{{state}}": "sum by (state) (tapelight_alerts_total)"},
            ),
            Panel(
                "Memory",
                {"{{job}} {{instance}}": "tapelight_process_resident_memory_bytes"},
                "bytes",
            ),
            Panel(
                "CPU",
                {"{{job}} {{instance}}": "rate(tapelight_process_cpu_seconds_total[1m])"},
                "percentunit",
            ),
            Panel(
                "Open files, share of the limit",
                {"{{job}} {{instance}}": "tapelight_process_open_fds / tapelight_process_max_fds"},
                "percentunit",
            ),
            Panel(
                "Loop lag p99",
                {"{{job}} {{instance}}": quantile("loop_lag_seconds", 0.99, "le, job, instance")},
                "s",
            ),
        ],
    ),
    "feed": (
        "Tapelight: feed",
        [
            Panel("State", {"{{feed}} {{state}}": "tapelight_feed_state"}, kind="timeseries"),
            Panel("Changes of state", {"{{state}}": "tapelight_feed_changes_total"}),
            Panel("What the feed counts", {"{{count}}": rate("feed_total", "count")}, "ops"),
            Panel(
                "Fate of events", {"{{stage}} {{fate}}": rate("events_total", "stage, fate")}, "ops"
            ),
            Panel("Held back", {"{{stage}}": "tapelight_events_waiting"}),
            Panel("Missing in the books", {"events": "tapelight_events_unaccounted"}),
            Panel("Rejected", {"{{kind}}": rate("rejected_total", "kind")}, "ops"),
            Panel(
                "Holes",
                {
                    "left": "tapelight_gaps_total",
                    "healed": "tapelight_gaps_healed_total",
                    "open": "tapelight_gap_open",
                },
            ),
            Panel("Sources beside the feed", {"{{name}}": "tapelight_source_up"}),
        ],
    ),
    "engine": (
        "Tapelight: engine",
        [
            Panel(
                "Cycle",
                {
                    "p50": quantile("cycle_seconds", 0.5),
                    "p99": quantile("cycle_seconds", 0.99),
                },
                "s",
            ),
            Panel(
                "Hops of a signal p99",
                {"{{hop}}": quantile("signal_hop_seconds", 0.99, "le, hop")},
                "s",
            ),
            Panel(
                "Cost by kind, share of a core",
                {"{{kind}}": rate("question_seconds_total", "kind")},
                "percentunit",
            ),
            Panel(
                "Dearest questions, share of a core",
                {"{{kind}} {{name}}": f"topk(10, {rate('question_seconds_total', 'kind, name')})"},
                "percentunit",
            ),
            Panel(
                "Evaluations a second",
                {"{{kind}}": rate("question_evaluations_total", "kind")},
                "ops",
            ),
            Panel("Rows", {"{{state}}": "tapelight_rows"}),
            Panel("Table", {"{{count}}": rate("table_total", "count")}, "ops"),
            Panel("Queues", {"{{queue}}": "tapelight_queue_depth"}),
            Panel("Journal, bytes a second", {"journal": rate("journal_bytes_total")}, "Bps"),
            Panel("Signal log", {"{{fate}}": "tapelight_signal_log_total"}),
            Panel(
                "Strategies",
                {
                    "running": "tapelight_strategies_running",
                    "refused": "tapelight_questions_refused",
                },
            ),
        ],
    ),
    "orders": (
        "Tapelight: orders",
        [
            Panel("Kill switch", {"{{broker}}": "tapelight_killed"}, kind="stat"),
            Panel("Desk ready", {"{{broker}}": "tapelight_desk_ready"}, kind="stat"),
            Panel("Orders by state", {"{{broker}} {{state}}": "tapelight_orders"}),
            Panel("Fills", {"{{broker}}": "tapelight_fills_total"}),
            Panel("Positions", {"{{broker}}": "tapelight_positions"}),
            Panel("Equity", {"{{broker}}": "tapelight_equity_dollars"}, "currencyUSD"),
            Panel("Signals read", {"{{broker}}": "tapelight_signals_read_total"}),
        ],
    ),
    "clients": (
        "Tapelight: clients",
        [
            Panel("Clients", {"clients": "tapelight_clients", "topics": "tapelight_client_topics"}),
            Panel("Bytes a second", {"sent": rate("client_sent_bytes_total")}, "Bps"),
            Panel("Messages a second", {"{{fate}}": rate("client_messages_total", "fate")}, "ops"),
            Panel("Oldest unsent message", {"age": "tapelight_client_behind_seconds"}, "s"),
            Panel("Closed or refused", {"{{why}}": "tapelight_client_refusals_total"}),
            Panel("Publications a second", {"bus": rate("publications_total")}, "ops"),
        ],
    ),
}


def dashboard(name: str) -> dict[str, Any]:
    """Return a dashboard in Grafana's form."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"tapelight-{name}",
        "title": title,
        "tags": ["tapelight"],
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "panels": [_panel(i, panel) for i, panel in enumerate(panels)],
    }


def _panel(i: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": i + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": i % 2 * WIDTH, "y": i // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def written(name: str) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard(name), indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(written(name), "utf-8")
