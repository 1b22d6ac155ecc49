"""What an operator sees of a process: measures, the listener for them, and traces."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from tapelight.app.tracing import NoSpans, Spans
from tapelight.config import Telemetry
from tapelight.errors import ConfigError
from tapelight.telemetry import LoopLag, Measure, Measures

if TYPE_CHECKING:
    from tapelight.web.operations import Operations

EXTRA = "pip install 'tapelight[traces]'"


class Observing:
    """Gather the measures of a process's parts, and serve them where a port is configured.

    `unfit` says why the process isn't fit, or None; another one may take its place. Raises ConfigError when the port can't be had.
    """

    def __init__(
        self,
        settings: Telemetry,
        role: str,
        port: int,
        parts: Iterable[Measures],
        unfit: Callable[[], str | None],
    ) -> None:
        self._role = role
        self.unfit = unfit
        self.spans = open_spans(settings, role)
        self._lag = LoopLag()
        self.parts = tuple(parts)
        self.more: Measures = tuple
        """What the listener shows besides: the gateway's, which shows them itself."""
        self.operations = self._listening(settings.host, port) if port else None

    def measures(self) -> Iterator[Measure]:
        """Yield the measures of every part."""
        yield Measure("role_info", "The role of this process.", 1, {"role": self._role})
        yield from self._lag.measures()
        for part in self.parts:
            yield from part()

    def _all(self) -> Iterator[Measure]:
        yield from self.measures()
        yield from self.more()

    def _listening(self, host: str, port: int) -> "Operations":
        from tapelight.web.operations import Operations

        return Operations(self._all, self._why, host, port)

    def _why(self) -> str | None:
        return self.unfit()

    async def run(self) -> None:
        """Watch the loop, and serve; until cancelled, when the spans that wait are sent."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lag.run(), name="loop lag")
                if self.operations is not None:
                    group.create_task(self.operations.serve(), name="operations")
        finally:
            await asyncio.to_thread(self.spans.close)


def open_spans(settings: Telemetry, role: str) -> Spans:
    """Return where spans go; raises ConfigError where the extra is missing."""
    if not settings.traces:
        return NoSpans()
    if not 0.0 <= settings.sample <= 1.0:
        raise ConfigError("[telemetry] sample is from 0 to 1.")
    try:
        from tapelight.app.otel import OtelSpans, exporter
    except ImportError as error:
        raise ConfigError(f"[telemetry] traces needs OpenTelemetry: {EXTRA}.") from error
    return OtelSpans(exporter(settings.traces), settings.sample, role)
