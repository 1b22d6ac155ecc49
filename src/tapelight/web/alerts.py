"""/api/alerts, /api/levels, /api/mutes, /api/channels, /api/deliveries: what reaches people."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil

import msgspec
from starlette.responses import Response

from tapelight.errors import Missing, Rejected, Unavailable
from tapelight.model.alerts import (
    BROWSER,
    MUTE,
    Delivery,
    Level,
    Rule,
    check_level,
    check_rule,
)
from tapelight.ports import Alerting, Document, Documents, Json, Market, Records
from tapelight.web.documents import (
    IF_MATCH,
    NAME,
    DocumentShown,
    Kind,
    document_endpoints,
    name_of,
    version_of,
)
from tapelight.web.endpoints import Arguments, Endpoint, limit, reply
from tapelight.web.problems import Refused
from tapelight.web.quota import Quota
from tapelight.web.wire import nearest, quoted

MINUTES = 60 * 24 * 7
NS_A_MINUTE = 60 * 10**9
TESTS_A_MINUTE = 6
"""Tests of one channel by one user: an operator's mail is not to be flooded."""


class RuleText(Rule, frozen=True, forbid_unknown_fields=True):
    """Bring a rule; `shared` lets others see it."""

    shared: bool = False


class LevelText(Level, frozen=True, forbid_unknown_fields=True):
    """Bring a price level; `shared` lets others see it."""

    shared: bool = False


class Minutes(msgspec.Struct, forbid_unknown_fields=True):
    """Say for how long; 0 ends it."""

    minutes: int = 15


class Mute(msgspec.Struct, omit_defaults=True):
    """Tell until when (market time) no rule of yours alerts about a symbol."""

    name: str
    until_ns: int
    warnings: list[str] = []


class ChannelText(msgspec.Struct, forbid_unknown_fields=True):
    """Bring a channel of your own: webhook, telegram, discord or slack, and its settings."""

    kind: str
    settings: dict[str, Json]


class ChannelRow(msgspec.Struct):
    """Describe a channel; secrets are masked, and a mask written back leaves them."""

    name: str
    kind: str
    own: bool
    version: int
    settings: dict[str, Json]


class Tested(msgspec.Struct):
    """Tell the channel's own answer to a test alert."""

    ok: bool
    answer: str


RULES = Kind("alert", "alerts", RuleText, check_rule, scope="alert")
LEVELS = Kind("level", "levels", LevelText, check_level, scope="alert")


class Known:
    """Know which scans and symbols there are: what names another can never alert."""

    def __init__(self, market: Market, records: Records | None) -> None:
        self._market = market
        self._records = records

    async def vet(self, body: Mapping[str, Json]) -> None:
        """Raise Rejected for a rule that names a scan, strategy or symbol that there is not."""
        self._check_symbols(body["symbols"])
        if self._records is None or not self._is_open:
            return
        for scan in body["scans"]:
            try:
                await self._records.record(scan)
            except Missing as error:
                raise Rejected(f"{error} A board alone fires nothing.") from error

    async def vet_level(self, body: Mapping[str, Json]) -> None:
        """Raise Rejected for a level of a symbol that is not watched."""
        self._check_symbols((body["symbol"],))

    @property
    def _is_open(self) -> bool:
        """Tell whether the market is known: before that any name may be right."""
        return bool(self._market.status().get("market_time"))

    def _check_symbols(self, symbols: Sequence[str]) -> None:
        unknown = [s for s in symbols if self.of_symbol(s)] if self._is_open else ()
        if not unknown:
            return
        try:
            rows = self._market.query("SELECT symbol FROM market")
        except Unavailable:
            return  # a gateway of roles has no table to name the nearest from: its answer has a warning
        watched = [str(row["symbol"]) for row in rows]
        if watched:
            hint = nearest(unknown[0].upper(), watched)
            raise Rejected(
                f"{quoted(unknown[0])} is not watched: it can't alert.{hint} "
                "GET /api/market?columns=symbol lists the watched ones."
            )

    def of_rule(self, body: Mapping[str, Json]) -> list[str]:
        """Return a warning for each symbol of a rule that is not watched."""
        return [told for symbol in body["symbols"] for told in self.of_symbol(symbol)]

    def of_level(self, body: Mapping[str, Json]) -> list[str]:
        """Return a warning where a level's symbol is not watched."""
        return self.of_symbol(body["symbol"])

    def of_symbol(self, symbol: str) -> list[str]:
        """Return a warning for a symbol that is not watched."""
        try:
            self._market.symbol(symbol)
        except KeyError:
            return [f"{quoted(symbol)} is not watched: nothing alerts until it is. Is it misspelt?"]
        return []


def alert_endpoints(
    alerting: Alerting | None,
    documents: Documents | None,
    now_ns: Callable[[], int],
    known: Known,
) -> tuple[Endpoint, ...]:
    """Return the endpoints; `now_ns` is market time."""
    rest = AlertRest(alerting, documents, now_ns, known)
    found = (*_of_mutes(rest), *_of_channels(rest))
    rules = replace(RULES, vet=known.vet, warn=known.of_rule)
    levels = replace(LEVELS, vet=known.vet_level, warn=known.of_level)
    kept = (*document_endpoints(rules, documents), *document_endpoints(levels, documents))
    if documents is not None and alerting is None:
        kept = tuple(replace(e, handle=_unwatched) if e.method != "GET" else e for e in kept)
    return (
        *(replace(e, errors=(*e.errors, 503)) if e.method != "GET" else e for e in kept),
        *(replace(endpoint, role="viewer", scope="alert") for endpoint in found),
    )


def _unwatched(_args: Arguments) -> Response:
    """Refuse what nobody here would look at: a gateway of roles without an alert role."""
    raise Unavailable(
        "Nobody watches rules and price levels behind this gateway, so none is taken: set "
        "[scale_out] alert = true and run an alert role with its --data."
    )


def _of_mutes(rest: "AlertRest") -> tuple[Endpoint, ...]:
    one, wrong = "/api/mutes/{name:path}", (400, 404, 413)
    return (
        Endpoint(
            "/api/alerts/{name}/snooze", "Silence a rule for some minutes.", rest.snooze,
            DocumentShown, (NAME,), wrong, "POST", Minutes,
        ),
        Endpoint("/api/mutes", "List the symbols that you muted.", rest.mutes, list[Mute]),
        Endpoint(
            one, "Mute a symbol for some minutes.", rest.mute, Mute, (NAME,), wrong, "PUT", Minutes
        ),
    )  # fmt: skip


def _of_channels(rest: "AlertRest") -> tuple[Endpoint, ...]:
    one, changed = "/api/channels/{name}", (400, 404, 412, 413)
    return (
        Endpoint("/api/channels", "List the channels.", rest.channels, list[ChannelRow]),
        Endpoint(
            one, "Write a channel of your own.", rest.write_channel, ChannelRow, (NAME, IF_MATCH),
            changed, "PUT", ChannelText,
        ),
        Endpoint(
            one, "Delete a channel of your own.", rest.delete_channel, dict[str, Json],
            (NAME, IF_MATCH), changed, "DELETE",
        ),
        Endpoint(
            f"{one}/test", "Send a test alert; shows the channel's own answer.", rest.test, Tested,
            (NAME,), (400, 404, 429), "POST",
        ),
        Endpoint(
            "/api/deliveries", "Show your alerts and their receipts, the newest first.",
            rest.deliveries, list[Delivery], (limit(100, 1_000),),
        ),
    )  # fmt: skip


def _symbol(name: str) -> str:
    """Return a symbol that may be muted: BTC/USD too; raises Rejected."""
    name_of(name.replace("/", "."))
    return name


class AlertRest:
    """Answer the endpoints."""

    def __init__(
        self,
        alerting: Alerting | None,
        documents: Documents | None,
        now_ns: Callable[[], int],
        known: Known,
    ) -> None:
        self._given = alerting, documents
        self._now_ns = now_ns
        self._known = known
        self._tests = Quota(TESTS_A_MINUTE, TESTS_A_MINUTE, time.monotonic)

    @property
    def _alerting(self) -> Alerting:
        alerting, _ = self._given
        if alerting is None:
            raise Unavailable("A replay alerts nobody: ask a scanner that runs.")
        return alerting

    @property
    def _documents(self) -> Documents:
        _, documents = self._given
        if documents is None:
            raise Unavailable("A replay alerts nobody: ask a scanner that runs.")
        return documents

    async def snooze(self, args: Arguments) -> Response:
        """Silence a rule."""
        me, until_ns = args["who"].name, self._until(args)
        kept = await self._documents.show(RULES.name, me, args["name"])
        silent = replace(kept, body={**kept.body, "snoozed_until_ns": until_ns}, of=0)
        written = await self._documents.write(silent, str(kept.version))
        told = {
            "owner": me, "name": written.name, "version": written.version, "mine": True,
            "shared": written.shared, "changed_ns": written.changed_ns, "body": written.body,
            "of": written.of,
        }  # fmt: skip
        return reply(told, etag=f'"{written.version}"')

    async def mutes(self, args: Arguments) -> Response:
        """List the mutes that still hold."""
        me, now = args["who"].name, self._now_ns()
        found = await self._documents.list(MUTE, me)
        held = [d for d in found if d.owner == me and d.body["until_ns"] > now]
        return reply([self._mute(d.name, d.body["until_ns"]) for d in held])

    async def mute(self, args: Arguments) -> Response:
        """Mute a symbol."""
        name, until_ns = _symbol(args["name"]), self._until(args)
        body = {"until_ns": until_ns}
        await self._documents.write(Document(MUTE, args["who"].name, name, 0, body), "*")
        return reply(self._mute(name, until_ns))

    def _mute(self, name: str, until_ns: int) -> Mute:
        return Mute(name, until_ns, self._known.of_symbol(name))

    async def channels(self, args: Arguments) -> Response:
        """List the channels; the dashboard is always one."""
        browser = {"name": BROWSER, "kind": BROWSER, "own": False, "version": 0, "settings": {}}
        return reply([browser, *await self._alerting.channels(args["who"].name)])

    async def write_channel(self, args: Arguments) -> Response:
        """Write a channel."""
        name, given = name_of(args["name"]), args["body"]
        if name == BROWSER:
            raise Rejected("The channel browser is always there: take another name.")
        body: Mapping[str, Json] = {"kind": given.kind, "settings": given.settings}
        expected = version_of(args["if_match"])
        told = await self._alerting.write_channel(args["who"].name, name, body, expected)
        return reply(told, etag=f'"{told["version"]}"')

    async def delete_channel(self, args: Arguments) -> Response:
        """Delete a channel."""
        me, expected = args["who"].name, version_of(args["if_match"])
        return reply(await self._alerting.write_channel(me, args["name"], None, expected))

    async def test(self, args: Arguments) -> Response:
        """Send a test alert."""
        me, name = args["who"].name, args["name"]
        known = [channel["name"] for channel in await self._alerting.channels(me)]
        if name not in (BROWSER, *known):
            raise Missing(f"There is no channel {quoted(name)}: GET /api/channels lists them.")
        wait_s = self._tests.take(f"{me}/{name}")
        if wait_s > 0:
            raise Refused(429, f"{TESTS_A_MINUTE} tests a minute: try again in {ceil(wait_s)} s.")
        return reply(await self._alerting.test(me, name))

    async def deliveries(self, args: Arguments) -> Response:
        """Show what went out."""
        return reply(list(await self._alerting.deliveries(args["who"].name, args["limit"])))

    def _until(self, args: Arguments) -> int:
        minutes: int = args["body"].minutes
        if not 0 <= minutes <= MINUTES:
            raise Rejected(f"Give 0 to {MINUTES:,} minutes.")
        return self._now_ns() + minutes * NS_A_MINUTE if minutes else 0
