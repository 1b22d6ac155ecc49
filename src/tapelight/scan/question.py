"""Questions as files: SQL with a TOML header in its leading comments.

-- title = "Top gainers"
-- kind = "board"
SELECT * FROM market WHERE chg_pct >= 3 ORDER BY chg_pct DESC LIMIT 50
"""

import hashlib
import tomllib
from difflib import get_close_matches

import msgspec

from tapelight.errors import ConfigError
from tapelight.model.session import PHASES
from tapelight.scan.compile import Names
from tapelight.scan.parse import ScanSql
from tapelight.scan.sql import Query, compile_query

DEFAULT_GATE = (
    "(type IN ('CS','ADR') AND last >= 1 OR type = 'CRYPTO') "
    "AND (spread_pct IS NULL OR spread_pct <= 1.5) AND NOT stale"
)
NO_GATE = "none"
ASIDES = ("armed", "confirm", "invalid")
"""Conditions of the header: what comes before a signal and after it."""
LONGEST_S = 86_400
"""The longest span of a header: a market's longest day."""
SPANS = ("cooldown_s", "rearm_pct", "burst_s", "expires_s")
SHOWN = ("title", "doc", "text", "sound", "number")
"""What is shown with the answers, and changes none of them."""
OF_EVENTS = (*ASIDES, "expires_s", "burst_s", "hysteresis")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hold the header of a question's file."""

    title: str = ""
    """The file's name when there is none."""
    kind: str = "board"
    """board (a ranked list) or events (a scan that fires)."""
    doc: str = ""
    gate: str = "default"
    """default, none, or a condition of its own."""
    phases: tuple[str, ...] = ()
    """Phases in which it is asked; all when empty."""
    cooldown_s: float = 0.0
    """events: how long the scan keeps silent for a symbol after it fired."""
    rearm_pct: float = 0.0
    """events: how far, in percent, last must have moved from the last firing."""
    hysteresis: bool = False
    """events: fire again only after the condition, its bounds let out by a fifth, was false."""
    burst_s: float = 0.0
    """events: a symbol's signals within so long of the first are one group, and counted."""
    armed: str = ""
    """events: the condition of being near the trigger: armed when it begins."""
    confirm: str = ""
    """events: the condition that confirms a signal."""
    invalid: str = ""
    """events: the condition that invalidates a signal."""
    expires_s: float = 0.0
    """events: how long a signal waits for either; to the session's end when 0."""
    text: str = ""
    """events: the sentence of the signal."""
    sound: int = 0
    number: float = 1000.0
    """Place in lists."""


class Question(msgspec.Struct, frozen=True):
    """Hold one board or scan, compiled."""

    name: str
    header: Header
    query: Query
    version: str
    """Hash of what it asks: comments, and what is shown alone, are no part of it."""
    armed: Query | None = None
    confirm: Query | None = None
    invalid: Query | None = None

    @property
    def lives(self) -> bool:
        """Tell whether a signal goes on after it fired: until it is confirmed, expired ..."""
        return bool(self.confirm or self.invalid or self.header.expires_s)

    def queries(self) -> tuple[Query, ...]:
        """Return everything that it asks."""
        rest = (self.armed, self.confirm, self.invalid)
        return (self.query, *(query for query in rest if query is not None))


def read_question(name: str, text: str, names: Names | None = None) -> Question:
    """Read a board or scan from its file's text; raises ConfigError that names file and fault.

    `names` are the columns of other questions that it may use.
    """
    try:
        header = _header(text)
        query = compile_query(_sql(text), _gate(header), names, kept=True)
        asides = {key: _aside(query, key, header, names) for key in ASIDES}
    except ConfigError as error:
        raise ConfigError(f"{name}.sql: {error}") from error
    if not header.title:
        header = msgspec.structs.replace(header, title=name.replace("_", " ").capitalize())
    return Question(name, header, query, _version(header, text), **asides)


def _version(header: Header, text: str) -> str:
    keys = [key for key in Header.__struct_fields__ if key not in SHOWN]
    words = [(token.token_type.name, token.text) for token in ScanSql().tokenize(_sql(text))]
    told = repr(([(key, getattr(header, key)) for key in keys], words))
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def written_parts(text: str) -> list[str]:
    """Return all that a file asks: its query and the conditions of its header, as written."""
    lines = [line for line in text.splitlines() if line.startswith("--")]
    asides = [line.partition("=")[2].strip(" \"'") for line in lines if _key(line) in ASIDES]
    return [_sql(text), *asides]


def _key(line: str) -> str:
    return line.removeprefix("--").partition("=")[0].strip()


def _aside(query: Query, key: str, header: Header, names: Names | None) -> Query | None:
    """Compile a condition of the header; it may use the names that the query gives.

    Only the armed one has the gate: what has fired goes on whatever the spread does.
    """
    condition = str(getattr(header, key))
    if not condition:
        return None
    gate = _gate(header) if key == "armed" else ""
    try:
        text = f"SELECT {query.aliases} FROM market WHERE {condition}"
        compiled = compile_query(text, gate, names, kept=True)
    except ConfigError as error:
        raise ConfigError(f"{key} = {condition!r}: {error}") from error
    if compiled.order or compiled.limit is not None:
        raise ConfigError(f"{key} = {condition!r}: write one condition, as after WHERE.")
    return compiled


def _sql(text: str) -> str:
    """Return the query alone; the header's lines stay empty, so that faults name the file's."""
    return "\n".join("" if line.startswith("--") else line for line in text.splitlines())


def _header(text: str) -> Header:
    lines = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
    try:
        values = tomllib.loads("\n".join(lines))
        header = msgspec.convert(values, Header)
    except msgspec.ValidationError as error:
        raise ConfigError(_header_fault(str(error), lines)) from error
    except RecursionError as error:
        raise ConfigError("the header is nested too deeply: use fewer brackets.") from error
    except ValueError as error:  # no TOML, or a number with thousands of digits
        raise ConfigError(
            f"the header is not TOML ({error}); write -- key = value lines."
        ) from error
    if header.kind not in ("board", "events"):
        raise ConfigError(f"kind is {header.kind!r}; it is board or events.")
    strange = next((key for key in OF_EVENTS if getattr(header, key)), None)
    if header.kind == "board" and strange is not None:
        raise ConfigError(f'{strange} is for scans: a board fires nothing; write kind = "events".')
    strange = next((k for k in SPANS if not 0 <= getattr(header, k) <= LONGEST_S), None)
    if strange is not None:
        given = getattr(header, strange)
        raise ConfigError(f"{strange} is {given}; give 0 or more, {LONGEST_S:,} at most.")
    unknown = next((p for p in header.phases if p not in PHASES), None)
    if unknown is not None:
        raise ConfigError(f"phases has {unknown!r}; they are {', '.join(PHASES)}.")
    return header


def _header_fault(message: str, lines: list[str]) -> str:
    known = list(Header.__struct_fields__)
    for line in lines:
        key = line.partition("=")[0].strip()
        near = get_close_matches(key, known, 1)
        if key and key not in known and key in message:
            hint = f"did you mean {near[0]}?" if near else f"they are {', '.join(known)}."
            return f"unknown header key {key!r}, {hint}"
    return f"the header is wrong: {message}."


def _gate(header: Header) -> str:
    if header.gate == NO_GATE:
        return ""
    return DEFAULT_GATE if header.gate == "default" else header.gate
