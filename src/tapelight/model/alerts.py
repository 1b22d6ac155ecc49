"""Alerts: signals on their way to people, the rules that choose them, and price levels."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tapelight.errors import Rejected
from tapelight.model.session import PHASES
from tapelight.model.signals import STATES, Signal, Value

NS = 1_000_000_000
BROWSER = "browser"
"""The channel that is always there: the stream's topic alerts:NAME."""
HEARD, UNHEARD = "sent to the dashboard", "for the dashboard, which was not open"
"""The receipts of the channel browser: what was not heard is in the topic's first snapshot."""
LEFT = "left to the gateway, which tells the dashboard"
"""That of an alert role, which knows no dashboards."""
MUTE = "mute"
"""What is kept of a muted symbol: {"until_ns"} under its name."""
MOST_NAMES = 200
DAY_S = 86_400
SIDES = ("above", "below", "cross")
DELIVERED = ("waiting", "sent", "failed", "muted")
"""What may become of a delivery; muted: before it went, its owner wanted it no more."""
LATE_MS = 2_000.0
"""A signal that took longer from the event to us is LATE."""


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """Hold hours in which only the dashboard is told, without a sound; `to` may be the next day.

    `days` are those on which they begin, 0 is Monday; none: every day.
    """

    begin: str
    to: str
    zone: str = "America/New_York"
    days: tuple[int, ...] = ()

    def holds(self, ts_ns: int) -> bool:
        """Tell whether a time is within the hours."""
        local = dt.datetime.fromtimestamp(ts_ns // NS, ZoneInfo(self.zone))
        time, begin, end = local.strftime("%H:%M"), self.begin, self.to
        if begin <= end:
            return begin <= time < end and self._on(local)
        if time >= begin:
            return self._on(local)
        return time < end and self._on(local - dt.timedelta(days=1))

    def _on(self, day: dt.datetime) -> bool:
        return not self.days or day.weekday() in self.days


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Choose signals and say whom they reach; what is empty is not asked for."""

    scans: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    watchlist: str = ""
    """A watchlist of the owner's, or OWNER/NAME for a shared one."""
    phases: tuple[str, ...] = ()
    """pre, regular, post, closed."""
    states: tuple[str, ...] = ("fired",)
    channels: tuple[str, ...] = ()
    """Besides the dashboard, which is always told."""
    new_only: bool = False
    """Each symbol once a session."""
    cooldown_s: float = 60.0
    """Between two alerts about one symbol."""
    group_s: float = 0.0
    """What follows the first alert about a symbol within this time is told as one at its end."""
    per_hour: int = 120
    quiet: tuple[Quiet, ...] = ()
    snoozed_until_ns: int = 0
    """Silent until this market time."""
    sound: str = ""
    speak: bool = False
    enabled: bool = True

    def wants(self, signal: Signal, phase: str, symbols: frozenset[str] | None) -> bool:
        """Tell whether a signal is chosen; `symbols` are those of the watchlist, None without."""
        return (
            self.enabled
            and signal.state in self.states
            and (not self.scans or signal.scan in self.scans)
            and (not self.symbols or signal.symbol in self.symbols)
            and (not self.phases or phase in self.phases)
            and (symbols is None or signal.symbol in symbols)
        )


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Alert once when the price of a symbol gets there.

    above: at `price` or higher; below: at it or lower; cross: from where it was to the other side.
    """

    symbol: str
    price: float
    side: str = "cross"
    expires_ns: int = 0
    """The level is void after this market time; 0: never."""
    channels: tuple[str, ...] = ()
    note: str = ""
    sound: str = ""
    reached_ns: int = 0
    """When it was reached; it then rests until it is written anew."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Tell one person of something; `id` is the same whenever the same thing is told again."""

    id: str
    owner: str
    rule: str
    """The rule's or the level's name."""
    kind: str
    """signal, level or test."""
    text: str
    symbol: str = ""
    scan: str = ""
    signal: str = ""
    """The signal's id."""
    state: str = ""
    ts_ns: int = 0
    """Market time."""
    values: dict[str, Value] = {}
    count: int = 1
    sound: str = ""
    speak: bool = False
    channels: tuple[str, ...] = ()
    session: str = ""
    """The date of the market's session."""
    latency: str = ""
    """The signal's hops: 142 ms (net 61, table 9, rule 64, send 8)."""
    late: bool = False
    """Whether they took more than two seconds."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Hold one alert on its way through one channel; `id` never changes, however often it is sent."""

    id: str
    channel: str
    alert: Alert
    state: str = "waiting"
    """One of DELIVERED."""
    attempts: int = 0
    due_ns: int = 0
    """When it is to be tried next, UTC."""
    created_ns: int = 0
    changed_ns: int = 0
    answer: str = ""
    """The channel's own words, or why it failed."""


def hashed(*parts: object) -> str:
    """Return a short id of what is told."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=12).hexdigest()


def sentence(signal: Signal, before: int = 0) -> str:
    """Return what a person is told of a signal: symbol, what became of it, words, price.

    `before` are the signals of the same burst that it stands for.
    """
    words = signal.text or signal.scan
    last = signal.values.get("last")
    priced = isinstance(last, float) and last > 0 and f"{last:.8g}" not in words
    price = f", last {last:.8g}" if priced else ""
    lead = signal.symbol if signal.state == "fired" else f"{signal.symbol} {signal.state}"
    body = words.removeprefix(f"{signal.symbol} ").removeprefix(f"{signal.symbol}: ")
    many = f"{signal.scan} {before} times more; the last: " if before else ""
    return f"{lead}: {many}{body}{price}"


def delivery(alert: Alert, channel: str, now_ns: int, receipt: str = UNHEARD) -> Delivery:
    """Return the delivery of an alert through a channel; `receipt` is that of the dashboard's."""
    told = channel == BROWSER
    return Delivery(
        id=hashed(alert.id, channel), channel=channel, alert=alert,
        state="sent" if told else "waiting", due_ns=now_ns, created_ns=now_ns, changed_ns=now_ns,
        answer=receipt if told else "",
    )  # fmt: skip


def check_rule(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule's fields as they are kept; raises Rejected that says what is wrong."""
    rule: Rule = _converted(body, Rule, "An alert's rule")
    _check_words(rule.phases, PHASES, "phase")
    _check_words(rule.states, STATES, "state")
    for names in (rule.scans, rule.symbols, rule.channels):
        _check_names(names)
    for name, value, most in (
        ("cooldown_s", rule.cooldown_s, DAY_S),
        ("group_s", rule.group_s, 3_600),
        ("per_hour", rule.per_hour, 3_600),
    ):
        if not 0 <= value <= most:
            raise Rejected(f"{name} is from 0 to {most:,}.")
    for hours in rule.quiet:
        _check_quiet(hours)
    if not (rule.scans or rule.symbols or rule.watchlist):
        raise Rejected(
            "Name scans, symbols or a watchlist: an alert about everything helps nobody."
        )
    return dict(msgspec.to_builtins(rule))


def check_level(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a level's fields as they are kept; raises Rejected that says what is wrong."""
    level: Level = _converted(body, Level, "A price level")
    _check_words((level.side,), SIDES, "side")
    _check_names((level.symbol, *level.channels))
    if not 0 < level.price < 1e9:
        raise Rejected("The price is above 0 and below 1,000,000,000.")
    if len(level.note) > 500 or level.expires_ns < 0:
        raise Rejected("A note has up to 500 characters, expires_ns is a time in ns or 0.")
    return dict(msgspec.to_builtins(level))


def _converted(body: Mapping[str, Any], kind: type[Any], what: str) -> Any:
    try:
        return msgspec.convert(dict(body), kind)
    except msgspec.ValidationError as error:
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        raise Rejected(f"{what} has the keys {keys}: {error}.") from error


def _check_words(words: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    for word in words:
        if word not in known:
            raise Rejected(f"{word[:40]!r} is no {what}: use {', '.join(known)}.")


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) > MOST_NAMES:
        raise Rejected(f"Name up to {MOST_NAMES}: use a watchlist for more symbols.")
    for name in names:
        if not 0 < len(name) <= 64 or not name.isprintable():
            raise Rejected(f"{name[:40]!r} is no name: it is empty, too long or not printable.")


def _check_quiet(hours: Quiet) -> None:
    try:
        dt.time.fromisoformat(hours.begin), dt.time.fromisoformat(hours.to)
        ZoneInfo(hours.zone)
    except (ValueError, KeyError, OSError) as error:
        raise Rejected(
            'Quiet hours are as in {"from": "20:00", "to": "04:00", "zone": "America/New_York"}.'
        ) from error
    if any(len(time) != 5 for time in (hours.begin, hours.to)) or set(hours.days) - set(range(7)):
        raise Rejected("Quiet hours are HH:MM, their days 0 (Monday) to 6.")
