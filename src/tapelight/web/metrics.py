"""What the parts of a process measure, in Prometheus's words; reckoned when somebody scrapes."""

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tapelight.telemetry import Histogram, Measure, Measures

PREFIX = "tapelight_"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MeasureCollector(Collector):
    """Turn measures into families: one of a name, with the first one's words."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def collect(self) -> Iterator[Metric]:
        """Yield the families as of now."""
        families: dict[str, Metric] = {}
        for measure in self._measures():
            name = PREFIX + measure.name
            if name not in families:
                families[name] = _family(name, measure)
            _add(families[name], name, measure)
        yield from families.values()


def _family(name: str, measure: Measure) -> Metric:
    if isinstance(measure.value, Histogram):
        return HistogramMetricFamily(name, measure.doc)
    if name.endswith("_total"):
        return CounterMetricFamily(name, measure.doc)
    return GaugeMetricFamily(name, measure.doc)


def _add(family: Metric, name: str, measure: Measure) -> None:
    labels = dict(measure.labels)
    if not isinstance(measure.value, Histogram):
        family.add_sample(name, labels, float(measure.value))
        return
    edges = [*(str(bound) for bound in measure.value.bounds), "+Inf"]
    counts = list(accumulate(measure.value.counts))
    for edge, count in zip(edges, counts, strict=True):
        family.add_sample(f"{name}_bucket", {**labels, "le": edge}, count)
    family.add_sample(f"{name}_count", labels, counts[-1])
    family.add_sample(f"{name}_sum", labels, measure.value.sum)


def exposition(measures: Measures) -> Callable[[], bytes]:
    """Return a function that renders measures, and the process's memory, CPU time and files."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MeasureCollector(measures))
    ProcessCollector(namespace=PREFIX.removesuffix("_"), registry=registry)
    return lambda: generate_latest(registry)
