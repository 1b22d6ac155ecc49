"""What PostgreSQL keeps is for so many days: older days go, one bounded statement at a time."""

import asyncio
import datetime as dt
from collections.abc import Callable

import structlog

from tapelight.config import ScaleOut
from tapelight.errors import ConfigError, Unavailable
from tapelight.stores.history import SqlHistory
from tapelight.telemetry import Measure, counted

log = structlog.get_logger()
EVERY_S = 3600.0
PAUSE_S = 0.1
"""Between two statements: what writes beside has its turn."""


class Forgetting:
    """Forget what is older than [scale_out] says, every hour; `today` is the UTC date."""

    def __init__(
        self,
        settings: ScaleOut,
        history: SqlHistory,
        today: Callable[[], dt.date] = lambda: dt.datetime.now(dt.UTC).date(),
    ) -> None:
        self.days = {
            "signals": settings.keep_signals_days,
            "bars": settings.keep_bars_days,
            "trades": settings.keep_trades_days,
        }
        if min(self.days.values()) < 0:
            raise ConfigError("[scale_out] keep_..._days are days: 1 or more, or 0 for ever.")
        self.counts = dict.fromkeys(self.days, 0)
        self._history, self._today = history, today

    async def run(self) -> None:
        """Forget every hour; until cancelled. What PostgreSQL refuses is tried in the next one."""
        while True:
            try:
                await self.forget()
            except Unavailable as error:
                log.warning("old days can't be forgotten yet", reason=str(error))
            await asyncio.sleep(EVERY_S)

    async def forget(self) -> None:
        """Forget what is too old now; raises Unavailable."""
        for table, days in self.days.items():
            before = self._today() - dt.timedelta(days)
            while days and (gone := await asyncio.to_thread(self._history.forget, table, before)):
                self.counts[table] += gone
                await asyncio.sleep(PAUSE_S)

    def measures(self) -> list[Measure]:
        """Return what went, for /metrics."""
        doc = "What was too old: days of bars and trades, records of signals."
        return list(counted("archive_forgotten_total", doc, self.counts, "table"))
