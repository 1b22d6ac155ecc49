"""What an alert role tells a gateway's dashboards: read from its outbox, as a trader reads signals.

The alert role alone writes `alerts.db`, the gateway alone `users.db`: so the gateway also notes which
price levels were reached.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.levels import level_id
from tapelight.alerts.router import Key
from tapelight.alerts.sender import Sender
from tapelight.app.alertdesk import AlertDesk, rest
from tapelight.app.alerting import FILE, REMEMBERED
from tapelight.app.channels import Channels
from tapelight.app.control import Belongings
from tapelight.app.rulebook import LEVEL
from tapelight.config import Config
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import BROWSER, Alert
from tapelight.ports import Bus
from tapelight.stores.database import Foreign
from tapelight.stores.outbox import Outbox

log = structlog.get_logger()
LOOK_S = 0.1
MAKER = "the alert role (--role alert) with this gateway's --data"


class Dashboards:
    """Follow the outbox of an alert role on the same data; `desk` is for the gateway."""

    def __init__(
        self, data: Path, kept: Belongings, config: Config, bus: Bus, now_ns: Callable[[], int]
    ) -> None:
        self._documents = kept.documents
        self._database = Foreign(data / FILE, MAKER)
        self._outbox = Outbox(self._database)
        self._post = Post(Allowed(config.alerts.allow))
        channels = Channels(kept.documents, config.channel, self._post)
        channels.role_of = kept.users.role
        sender = Sender(self._outbox, channels.find, self._post)  # of tests alone: it never runs
        self.desk = AlertDesk(self._outbox, channels, sender, bus, now_ns)
        self._version = -1
        self._newest: int | None = None
        """The number of the last delivery that was seen; None before the first look."""

    async def run(self) -> None:
        """Tell what comes; until cancelled."""
        fault = ""
        while True:
            try:
                await self.look()
                fault = ""
            except Unavailable as error:
                if str(error) != fault:
                    log.warning("no alerts for dashboards", reason=str(error))
                fault = str(error)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Tell what has come since the last look; of what was there before the first no dashboard is told."""
        if not self._database.path.is_file():
            self._newest = 0  # no dashboard has heard of what the role will write
        version = await self._database.version()
        if version == self._version:
            return
        found = await self._outbox.told(BROWSER, REMEMBERED, self._newest or 0)
        alerts = [alert for _, alert in found]
        await self._rest(alerts)
        for alert in alerts:
            self.desk.note(alert)
        if self._newest is not None:
            self.desk.publish(alerts)
        self._newest = found[-1][0] if found else self._newest or 0
        self._version = version

    async def _rest(self, alerts: Sequence[Alert]) -> None:
        """Note which levels have alerted, unless their owners have changed them since."""
        for alert in alerts:
            if alert.kind != "level":
                continue
            key = Key(alert.owner, alert.rule)
            try:
                level = await self._documents.show(LEVEL, *key)
                if alert.id == level_id(key, level.version):
                    await rest(self._documents, key, level.version, alert.ts_ns)
            except Rejected:
                continue

    async def close(self) -> None:
        """Close the connections and the file."""
        await self._post.close()
        self._database.close()
