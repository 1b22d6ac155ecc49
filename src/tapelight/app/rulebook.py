"""The rulebook: everybody's rules, price levels and mutes as they stand, and what they forbid now."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from tapelight.alerts.levels import Levels
from tapelight.alerts.router import Key, Router, rule_of
from tapelight.errors import Rejected
from tapelight.model.alerts import BROWSER, MUTE, Delivery, Level
from tapelight.ports import Document
from tapelight.stores.documents import DocumentStore

log = structlog.get_logger()
RULE, LEVEL, WATCHLIST = "alert", "level", "watchlist"
WHY = {
    "deleted": "its rule or level was deleted before it went",
    "off": "its rule was switched off before it went",
    "muted": "the symbol was muted before it went",
    "snoozed": "its rule was snoozed before it went",
    "barred": "the account is disabled or deleted",
    "elsewhere": "its rule or level no longer goes there",
}


class Rulebook:
    """Read what users write, for the router and the levels; know what no longer may go."""

    def __init__(self, documents: DocumentStore, router: Router, levels: Levels) -> None:
        self._documents = documents
        self._router, self._levels = router, levels
        self._seen = -1
        self._channels: dict[tuple[str, Key], Sequence[str]] = {}
        """Where to each rule and level goes."""
        self.barred: Callable[[str], bool] = lambda _owner: False
        """Tells of whom nothing is sent: a disabled account."""

    @property
    def is_old(self) -> bool:
        """Tell whether something was written since it was read."""
        return self._documents.changes != self._seen

    def forget(self) -> None:
        """Let it be read again."""
        self._seen = -1

    async def read(self) -> None:
        """Read rules, levels and mutes."""
        self._seen = self._documents.changes
        rules = await self._bodies(RULE, rule_of)
        levels = await self._bodies(LEVEL, lambda body: msgspec.convert(body, Level))
        mutes = await self._documents.all(MUTE)
        until = {Key(d.owner, d.name): int(d.body["until_ns"]) for d in mutes}
        by_key = {key: rule for key, (_, rule) in rules.items()}
        self._router.follow(by_key, await self._watched(by_key), until)
        self._levels.follow(levels)
        self._channels = {("signal", key): rule.channels for key, rule in by_key.items()}
        self._channels |= {("level", key): level.channels for key, (_, level) in levels.items()}

    async def _bodies(
        self, kind: str, made: Callable[[Mapping[str, Any]], Any]
    ) -> dict[Key, tuple[int, Any]]:
        """Return the version and body of each document of those who may be told."""
        found = {}
        for document in await self._documents.all(kind):
            if self.barred(document.owner):
                continue
            try:
                found[Key(document.owner, document.name)] = document.version, made(document.body)
            except (msgspec.ValidationError, Rejected) as error:  # kept by another version of ours
                log.warning(
                    "left out: write it anew", kind=kind, owner=document.owner,
                    name=document.name, reason=str(error),
                )  # fmt: skip
        return found

    async def _watched(self, rules: Mapping[Key, Any]) -> dict[Key, frozenset[str]]:
        """Return the symbols of the watchlists that rules name."""
        named = {key: rule.watchlist for key, rule in rules.items() if rule.watchlist}
        lists = await self._documents.all(WATCHLIST) if named else ()
        return {key: _symbols(name, key.owner, lists) for key, name in named.items()}

    def forbids(self, delivery: Delivery, now_ns: int) -> str:
        """Return why a delivery that waits may go no more at a market time; empty where it may."""
        alert = delivery.alert
        return WHY.get(self._cause(delivery, now_ns or alert.ts_ns), "")

    def _cause(self, delivery: Delivery, now_ns: int) -> str:
        alert = delivery.alert
        key = Key(alert.owner, alert.rule)
        if self.barred(alert.owner):
            return "barred"
        if alert.kind not in ("signal", "level"):
            return ""
        channels = self._channels.get((alert.kind, key))
        if channels is None:
            return "deleted"
        if delivery.channel not in (BROWSER, *channels):
            return "elsewhere"
        return self._router.silence(key, alert.symbol, now_ns) if alert.kind == "signal" else ""


def _symbols(name: str, owner: str, lists: Sequence[Document]) -> frozenset[str]:
    """Return the symbols of a watchlist: an own one, or OWNER/NAME that is shared."""
    whose, _, title = name.rpartition("/")
    for document in lists:
        is_it = document.name == title and document.owner == (whose or owner)
        if is_it and (document.owner == owner or document.shared):
            return frozenset(document.body["symbols"])
    return frozenset()
