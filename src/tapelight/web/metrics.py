"""Market.status() as Prometheus metrics, reckoned when somebody scrapes."""

import re
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tapelight.ports import Json

MOST = 500
"""How many figures of the status are shown at most."""
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Figures = Callable[[], Mapping[str, Json]]


def leaves(
    status: Mapping[str, Json], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield each scalar of a nested mapping with its path; lists are left out."""
    for key, value in status.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, str(key)))
        elif value is not None and not isinstance(value, list | tuple):
            yield (*path, str(key)), value


class StatusCollector(Collector):
    """Turn numbers into gauges `tapelight_PATH`, those under `counters` into counters.

    Texts become labels of `tapelight_info`: tapelight_info{field="feed_state",value="live"} 1.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield the families as of now."""
        info = GaugeMetricFamily(
            "tapelight_info", "Texts of the status, as labels.", labels=["field", "value"]
        )
        seen = {"tapelight_info"}
        for _, (path, value) in zip(range(MOST), leaves(self._figures()), strict=False):
            name = re.sub(r"[^a-zA-Z0-9_]", "_", "_".join(("tapelight", *path)))
            if isinstance(value, str):
                info.add_metric([name.removeprefix("tapelight_"), value], 1.0)
            elif name not in seen:
                seen.add(name)
                yield _family(name, path, float(value))
        yield info


def _family(name: str, path: tuple[str, ...], value: float) -> Metric:
    doc = f"{'.'.join(path)} of /health."
    if "counters" in path:
        return CounterMetricFamily(name.replace("_counters_", "_"), doc, value=value)
    return GaugeMetricFamily(name, doc, value=value)


def exposition(figures: Figures) -> Callable[[], bytes]:
    """Return a function that renders the metrics in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StatusCollector(figures))
    return lambda: generate_latest(registry)
