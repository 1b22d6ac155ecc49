"""The alert desk: what a gateway asks of alerting, and what its dashboards are told."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from tapelight.alerts.router import Key
from tapelight.alerts.sender import Sender
from tapelight.app.channels import Channels
from tapelight.app.rulebook import LEVEL
from tapelight.model.alerts import BROWSER, HEARD, UNHEARD, Alert, delivery, hashed
from tapelight.ports import Bus, Json
from tapelight.stores.documents import DocumentStore
from tapelight.stores.outbox import Outbox

SHOWN = 100
"""Alerts that a dashboard is told when it opens."""


class AlertDesk:
    """Show ways to people and what went over them; tell dashboards. `now_ns` is market time, 0 unknown."""

    def __init__(
        self,
        outbox: Outbox,
        channels_of: Channels,
        sender: Sender,
        bus: Bus,
        now_ns: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._channels_of = channels_of
        self._sender = sender
        self._bus = bus
        self._now_ns = now_ns
        self._newest: dict[str, deque[Alert]] = {}
        """What was told on dashboards, by owner."""

    async def channels(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return what a user may use."""
        return await self._channels_of.all(owner)

    async def write_channel(
        self, owner: str, name: str, body: Mapping[str, Json] | None, expected: str
    ) -> Mapping[str, Json]:
        """Write or delete a user's own channel."""
        return await self._channels_of.write(owner, name, body, expected)

    async def test(self, owner: str, name: str) -> Mapping[str, Json]:
        """Send a test alert at once."""
        now = time.time_ns()
        alert = Alert(
            id=hashed(owner, name, "test", now), owner=owner, rule="test", kind="test",
            text="Tapelight: this is a test, alerts arrive here.", ts_ns=self._now_ns() or now,
        )  # fmt: skip
        if name == BROWSER:
            answer = self.receipt(owner)
            self.publish([alert])
            return {"ok": answer == HEARD, "answer": answer}
        after = await self._sender.send(delivery(alert, name, now))
        return {"ok": after.state == "sent", "answer": after.answer}

    async def deliveries(self, owner: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return a user's deliveries, the newest first."""
        found = await self._outbox.newest(owner, limit)
        return [msgspec.to_builtins(delivery) for delivery in found]

    def newest(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return the newest alerts told on a person's dashboards, the oldest first."""
        return [msgspec.to_builtins(alert) for alert in self._newest.get(owner, ())]

    def receipt(self, owner: str) -> str:
        """Return the receipt of a dashboard's delivery: whether one of the person's is open."""
        return HEARD if f"alerts:{owner}" in self._bus.wanted() else UNHEARD

    def note(self, alert: Alert) -> None:
        """Let a dashboard that opens be told of an alert."""
        self._newest.setdefault(alert.owner, deque(maxlen=SHOWN)).append(alert)

    def publish(self, alerts: Sequence[Alert]) -> None:
        """Tell the dashboards that are open."""
        by_owner: dict[str, list[Json]] = {}
        for alert in alerts:
            by_owner.setdefault(alert.owner, []).append(msgspec.to_builtins(alert))
        for owner, told in by_owner.items():
            stamp = self._now_ns() or max(alert["ts_ns"] for alert in told)
            self._bus.publish(f"alerts:{owner}", {"mark": stamp, "ts_ns": stamp, "alerts": told})


async def rest(documents: DocumentStore, key: Key, version: int, ts_ns: int) -> None:
    """Note that a level's version was reached, so that it alerts no more until it is written anew.

    Raises Rejected where its owner has changed or deleted it meanwhile.
    """
    kept = await documents.show(LEVEL, key.owner, key.name, version)
    rests = replace(kept, body={**kept.body, "reached_ns": ts_ns}, of=0)
    await documents.write(rests, str(version))
