"""tapelight.toml -> frozen typed structs; an unknown key is an error that names the nearest."""

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tapelight.errors import ConfigError
from tapelight.model.limits import Trade

T = TypeVar("T")
TOML = {
    "array": 'a list, as ["A", "B"]', "str": 'text, as "A"', "int": "a whole number",
    "float": "a number", "bool": "true or false", "object": "a table",
}  # fmt: skip
"""Types in the words of TOML, with how they are written."""
AUTO = "auto"


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[web]: where the dashboard is served."""

    host: str = "127.0.0.1"
    port: int = 8787
    hosts: tuple[str, ...] = ()
    """Further host names under which the dashboard is reached."""
    origins: tuple[str, ...] = ()
    """Further origins whose pages may open the WebSocket."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies whose X-Forwarded-For is believed, as in 127.0.0.1 or 10.0.0.0/8."""


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[users.oidc]: a provider of OpenID Connect at which users sign in."""

    issuer: str = ""
    """As in https://id.example; empty: none."""
    client_id: str = ""
    client_secret: str = ""
    redirect: str = ""
    """This gateway's own https://HOST/api/oidc/callback, as the provider knows it."""
    role: str = "viewer"
    """That of who comes for the first time."""


class Users(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[users]: who may come in."""

    guests: bool = False
    """Let everybody read, within quotas: for a public demo. Never orders, nor what users keep."""
    oidc: SignIn = SignIn()


class Alerts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[alerts]: where alerts may go besides the public internet."""

    allow: tuple[str, ...] = ()
    """Inside addresses that webhooks may reach, as in 127.0.0.1:9000 or 10.1.0.0/16."""


class JournalLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[journal]: how much is kept; the oldest run goes first, never the running one."""

    sessions: int = 10
    gigabytes: float = 20.0


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[options]: of how many rows the option chain is fetched every five minutes; 0: of none."""

    symbols: int = 40


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[telemetry]: what an operator sees of this process, besides the gateway's own /metrics."""

    host: str = "127.0.0.1"
    port: int = 0
    """/metrics and /health of the scanner for a scraper without an account; 0: none."""
    trade_port: int = 0
    """The same of the trader's process; 0: none."""
    receive_port: int = 0
    """The same of the trade role, which shares a machine with a gateway; 0: none."""
    alert_port: int = 0
    """The same of the alert role, which does so too; 0: none."""
    traces: str = ""
    """Where traces go by OTLP over HTTP, as in http://127.0.0.1:4318/v1/traces; empty: nowhere."""
    sample: float = 1.0
    """Share of the signals that are traced, chosen by their ids."""


class ScaleOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[scale_out]: the services over which `tapelight run --role` works."""

    rabbitmq: str = ""
    """As in amqp://user:password@host/: the stream of the feed, and signals."""
    redis: str = ""
    """As in redis://host/0: boards, and what gateways watch."""
    postgres: str = ""
    """As in postgresql://user:password@host/tapelight: the lease of the feed, and history."""
    prefix: str = "tapelight"
    """Before every name in RabbitMQ and Redis: another one is another installation."""
    shares: int = 3
    """Into how many shares boards, scans and strategies are cut; each is one scan worker's."""
    trade: bool = False
    """Whether signals are kept for a trade role."""
    alert: bool = False
    """Whether signals are kept for an alert role, and its gateway takes rules and price levels."""
    archive_bars: bool = True
    """Whether the archive writes every symbol's minute bars into PostgreSQL."""
    archive_trades: bool = False
    """Whether it writes every trade too: some 100 bytes each on PostgreSQL's disk."""
    keep_signals_days: int = 0
    """How many days the archive keeps signals in PostgreSQL; 0: for ever."""
    keep_bars_days: int = 0
    """The same of bars."""
    keep_trades_days: int = 0
    """The same of trades."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """tapelight.toml."""

    data: str = "data"
    use_feed: str = "massive"
    """The feed to run: a module of feeds/ and the name of its table [feed.NAME]."""
    fallback: str = ""
    """What serves while the feed's stream is gone: a module of feeds/ that can poll, such as massive."""
    calendar: str = AUTO
    """XNYS, XNSE, XBOM, 24x7, or auto: as the feed says."""
    questions: str = "questions"
    """Folder of own boards and scans (*.sql); one with the name of a shipped one replaces it."""
    strategies: str = "strategies"
    """Folder of own strategies (*.py); one with the name of a shipped one replaces it."""
    pins: tuple[str, ...] = ()
    """Symbols that are kept in tier 2 whatever they do: the watchlist."""
    workers: int = 1
    """Processes that reckon the indicators of rows in play; 0: the scanner itself."""
    web: Web = Web()
    users: Users = Users()
    alerts: Alerts = Alerts()
    journal: JournalLimits = JournalLimits()
    options: Options = Options()
    telemetry: Telemetry = Telemetry()
    scale_out: ScaleOut = ScaleOut()
    sources: tuple[str, ...] = ()
    """What runs beside the feed: modules of sources/, such as nasdaq_halts and edgar."""
    source: dict[str, dict[str, Any]] = {}
    """[source.NAME]: the settings of each source, checked by the source itself."""
    channel: dict[str, dict[str, Any]] = {}
    """[channel.NAME]: ways for everybody's alerts; `kind`, and what that kind asks for."""
    feed: dict[str, dict[str, Any]] = {}
    """[feed.NAME]: the settings of each feed, checked by the feed itself."""
    trade: Trade = Trade()
    """[trade], [trade.limits] and [trade.strategy.NAME]: the trader's desk."""
    use_broker: str = "paper"
    """Where orders go: a module of brokers/ and the name of its table [broker.NAME]."""
    live: bool = False
    """Whether a broker of real money may be used at all; `--live` and a typed word are asked for too."""
    broker: dict[str, dict[str, Any]] = {}
    """[broker.NAME]: the settings of each broker, checked by the broker itself."""
    strategy: dict[str, dict[str, Any]] = {}
    """[strategy.NAME]: enabled, and the strategy's parameters, checked by the strategy itself."""


def load(path: Path | None) -> Config:
    """Read a configuration; a missing default file is an empty one. Raises ConfigError."""
    if path is None:
        path = Path("tapelight.toml")
        if not path.exists():
            return Config()
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read: {error.strerror}; run `tapelight init`."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    return convert(_filled(values, str(path)), Config, str(path))


def _filled(value: Any, where: str) -> Any:
    """Return values in which a text ${NAME} is what the environment has; raises ConfigError."""
    if isinstance(value, dict):
        return {key: _filled(one, where) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, where) for one in value]
    named = re.fullmatch(r"\$\{(\w+)\}", value) if isinstance(value, str) else None
    if named is None:
        return value
    if named[1] not in os.environ:
        raise ConfigError(f"{where} takes {value} from the environment: set {named[1]}.")
    return os.environ[named[1]]


def convert(values: Any, kind: type[T], where: str) -> T:
    """Return `values` as a struct; raises ConfigError naming key, fault and the nearest known key."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_fault(str(error), kind)}") from error


def _fault(message: str, kind: type) -> str:
    unknown = re.search(r"unknown field `([^`]+)`", message)
    path = re.search(r"at `\$\.?([^`]*)`", message)
    place = f"[{path[1]}] " if path and path[1] else ""
    if not unknown:
        return f"{place}{_typed(message.partition(' - at')[0])}."
    return f"{place}unknown key {unknown[1]!r}, {_nearest_key(unknown[1], path[1] if path else '', kind)}"


def _typed(message: str) -> str:
    """Return a message about a wrong type in the words of TOML."""
    found = re.fullmatch(r"Expected `([a-z]+)(?: \| null)?`, got `([a-z]+)`", message)
    if not found or found[1] not in TOML or found[2] not in TOML:
        return message
    return f"is {TOML[found[2]].partition(',')[0]}: give {TOML[found[1]]}"


def _nearest_key(key: str, place: str, kind: Any) -> str:
    """Return what may have been meant: a key of the same section, or else of another one."""
    sections = _sections(kind)
    own = sections.get(place, sections[""])
    if near := get_close_matches(key, own, 1):
        return f"did you mean {near[0]!r}?"
    elsewhere = [(one, section) for section, keys in sections.items() for one in keys if section]
    for name in get_close_matches(key, [one for one, _ in elsewhere], 1):
        section = next(section for one, section in elsewhere if one == name)
        return f"{name!r} stands under [{section}]."
    return f"known are {', '.join(own)}."


def _sections(kind: Any, name: str = "") -> dict[str, list[str]]:
    """Return the keys of each section by its name; the first one, "", is the file itself."""
    fields = msgspec.structs.fields(kind)
    found = {name: [field.encode_name for field in fields]}
    for field in fields:
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= _sections(field.type, f"{name}.{field.encode_name}".lstrip("."))
    return found
