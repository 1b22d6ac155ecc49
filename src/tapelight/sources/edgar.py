"""Filings with the SEC, from EDGAR's list of the latest ones: no key, but a name and an e-mail.

A filing is news with a form; what lets new shares be sold is flagged as dilution.
"""

import asyncio
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from tapelight.errors import ConfigError, Rejected
from tapelight.model.headline import DILUTION, plain
from tapelight.model.records import Article, News
from tapelight.model.session import NS, calendar, latest_session, session_before
from tapelight.ports import Json, Sink
from tapelight.sources._poll import LOOPBACK, Page, Standing, keep_asking
from tapelight.sources._xml import Element, parse, text

NAME = "edgar"
SPACE = "{http://www.w3.org/2005/Atom}"
LEAST_S = 5.0
PAGE = 100
"""Filings an answer, the most that the service gives."""
MOST_PAGES = 20
"""Read at the start, and where more was filed between two looks."""
PAUSE_S = 0.12
"""Between two pages: the fair-access rule allows ten requests a second."""
MOST_FAILED = 3
"""After so many failures in a row nobody knows of filings, until the service answers again."""
TICKERS_NS = 24 * 3600 * NS
AHEAD_NS = 120 * NS
DILUTING = ("S-1", "S-3", "F-1", "F-3", "424B")
WORDS = {
    "8-K": "current report",
    "6-K": "report of a foreign issuer",
    "S-1": "registration of shares",
    "S-3": "shelf registration of shares",
    "F-1": "registration of shares, foreign issuer",
    "F-3": "shelf registration of shares, foreign issuer",
    "424B": "prospectus of an offering",
    "10-K": "annual report",
    "10-Q": "quarterly report",
    "SC 13D": "a holder of 5 % with plans",
    "SCHEDULE 13D": "a holder of 5 % with plans",
    "SC TO": "tender offer",
}
"""What the forms that matter are, by the beginning of their name."""
_TITLE = re.compile(r"^(?P<form>\S.{0,30}?) - (?P<company>.+) \((?P<cik>\d{1,10})\)")
_ACCESSION = re.compile(r"accession-number=([0-9-]{10,25})")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[source.edgar]: who we are, where filings are read, how often, and which."""

    user_agent: str = ""
    """Your name and e-mail: the SEC's fair-access rule asks for it."""
    url: str = "https://www.sec.gov/cgi-bin/browse-edgar"
    tickers: str = "https://www.sec.gov/files/company_tickers.json"
    every_s: float = 30.0
    forms: tuple[str, ...] = tuple(WORDS)
    """Forms that matter, by the beginning of their name."""


def open(config: Config) -> "Edgar":  # noqa: A001 - a plug-in's word
    """Return the source; raises ConfigError for a setting that cannot be."""
    for name in ("url", "tickers"):
        if not getattr(config, name).startswith(("http://", "https://")):
            raise ConfigError(f"source.edgar.{name} must begin with https://.")
    local = urlsplit(config.url).hostname in LOOPBACK
    if "@" not in config.user_agent and not local:
        raise ConfigError(
            "source.edgar.user_agent must hold your name and e-mail, as in "
            '"Ann Example ann@example.com": the SEC refuses who does not say who asks.'
        )
    if config.every_s < LEAST_S:
        raise ConfigError(f"source.edgar.every_s must be {LEAST_S:g} at the least: 30 is usual.")
    if not config.forms:
        raise ConfigError("source.edgar.forms is empty: leave it out for the usual ones.")
    return Edgar(config)


@dataclass(frozen=True, slots=True)
class Filing:
    """Hold one filing as the service lists it, once for each company that it names."""

    id: str
    filed_ns: int
    form: str
    company: str
    cik: int


class Edgar:
    """Put the filings since the previous close, then what is new."""

    name = NAME

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[str, int] = {}
        """When what was read was filed, by id."""
        self._symbols: dict[int, tuple[str, ...]] = {}
        self._symbols_ns = 0
        self._told = False
        self._standing = Standing()

    async def run(self, sink: Sink) -> None:
        """Ask and tell until cancelled."""
        page = Page(self._config.url, self._config.user_agent or "tapelight")

        def reject(reason: str) -> None:
            sink.reject(NAME, reason)
            if self._told and self._standing.failures == MOST_FAILED:
                self._told = False
                sink.put(News(sink.clock.now_ns(), gone=True, source=NAME))

        try:
            await keep_asking(
                lambda: self._ask(page, sink), self._standing, self._config.every_s, reject
            )
        finally:
            await page.close()

    def status(self) -> Mapping[str, Json]:
        """Return how it stands, and of how many companies it knows the symbol."""
        return {**self._standing.status(), "companies": len(self._symbols)}

    async def _ask(self, page: Page, sink: Sink) -> None:
        now_ns = sink.clock.now_ns()
        if now_ns - self._symbols_ns > TICKERS_NS:
            self._symbols = await page.get(self._config.tickers, symbols_of) or self._symbols
            self._symbols_ns = now_ns
        session = latest_session(calendar("XNYS"), now_ns)
        since_ns = session_before(calendar("XNYS"), session).close_ns
        fresh = await self._fresh(page, sink, since_ns)
        articles = self._articles(f for f in fresh if since_ns <= f.filed_ns <= now_ns + AHEAD_NS)
        if articles or not self._told:
            self._told = True
            self._standing.counts["told"] += len(articles)
            sink.put(News(now_ns, articles, source=NAME))
        self._known = {i: t for i, t in self._known.items() if t >= since_ns}

    async def _fresh(self, page: Page, sink: Sink, since_ns: int) -> list[Filing]:
        """Return the filings that are new, page after page until one is known or too old."""
        fresh: list[Filing] = []
        for number in range(MOST_PAGES):
            await asyncio.sleep(PAUSE_S if number else 0.0)
            filings, faults = await page.get(self._address(number * PAGE), filings_of) or ([], [])
            for fault in faults:
                sink.reject(NAME, fault)
            new = [f for f in filings if f.id not in self._known and f.filed_ns >= since_ns]
            fresh += new
            if len(new) < len(filings) or len(filings) + len(faults) < PAGE:
                break
        self._known |= {f.id: f.filed_ns for f in fresh}
        return fresh

    def _address(self, start: int) -> str:
        asked = f"action=getcurrent&owner=exclude&count={PAGE}&start={start}&output=atom"
        return f"{self._config.url}?{asked}"

    def _articles(self, filings: Iterable[Filing]) -> tuple[Article, ...]:
        """Return the filings that matter, of companies with a symbol, oldest first."""
        wanted = [
            f for f in filings if _kind(f.form, self._config.forms) and f.cik in self._symbols
        ]
        named: dict[str, set[str]] = {}
        for filing in wanted:
            named.setdefault(filing.id, set()).update(self._symbols[filing.cik])
        first = {f.id: f for f in reversed(wanted)}
        made = [_article(first[i], tuple(sorted(symbols))) for i, symbols in named.items()]
        return tuple(sorted(made, key=lambda a: (a.published_ns, a.id)))


def _kind(form: str, kinds: Iterable[str]) -> str:
    """Return which of `kinds` a form is, by the beginning of its name: S-3ASR is S-3, S-11 not S-1."""
    for kind in kinds:
        goes_on = form[len(kind) : len(kind) + 1].isdigit()
        if form.startswith(kind) and (kind == "424B" or not goes_on):
            return kind
    return ""


def _article(filing: Filing, symbols: tuple[str, ...]) -> Article:
    words = WORDS.get(_kind(filing.form, WORDS), "filing")
    dilutes = bool(_kind(filing.form, DILUTING))
    return Article(
        id=f"edgar {filing.id}",
        published_ns=filing.filed_ns,
        headline=plain(f"{filing.form}: {filing.company}, {words}"),
        symbols=symbols,
        source="SEC EDGAR",
        tags=("filing", DILUTION) if dilutes else ("filing",),
        form=filing.form,
    )


def symbols_of(body: bytes) -> dict[int, tuple[str, ...]]:
    """Return the symbols of each company number; raises Rejected for a body of another shape.

    {"0": {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."}, ...}
    """
    try:
        rows = msgspec.json.decode(body, type=dict[str, _Company])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Rejected(f"The list of tickers is of a shape that is not known: {error}.") from error
    found: dict[int, list[str]] = {}
    for row in rows.values():
        found.setdefault(row.cik_str, []).append(row.ticker.replace("-", "."))
    return {cik: tuple(tickers) for cik, tickers in found.items()}


class _Company(msgspec.Struct):
    cik_str: int
    ticker: str


def filings_of(body: bytes) -> tuple[list[Filing], list[str]]:
    """Return the filings of an answer, newest first, and what of it could not be read.

    Raises Rejected for a body that is no such list.
    """
    root = parse(body)
    if root.tag != f"{SPACE}feed":
        raise Rejected("The answer is no list of filings.")
    filings, faults = [], []
    for entry in root.iter(f"{SPACE}entry"):
        try:
            filings.append(_filing(entry))
        except (ValueError, OverflowError) as error:
            faults.append(f"{text(entry, f'{SPACE}title')[:80]!r}: {error}")
    return filings, faults


def _filing(entry: Element) -> Filing:
    """Return one filing.

    <entry><title>S-3 - ACME INC (0001234567) (Filer)</title>
    <updated>2026-11-20T09:31:05-05:00</updated>
    <category scheme="https://www.sec.gov/" label="form type" term="S-3"/>
    <id>urn:tag:sec.gov,2008:accession-number=0001234567-26-000012</id></entry>
    """
    title = _TITLE.match(text(entry, f"{SPACE}title"))
    accession = _ACCESSION.search(text(entry, f"{SPACE}id"))
    if title is None or accession is None:
        raise ValueError("no form, company and number in the title, or no accession number")
    updated = text(entry, f"{SPACE}updated")
    when = dt.datetime.fromisoformat(updated)
    if when.tzinfo is None:
        raise ValueError(f"{updated!r} has no offset")
    category = entry.find(f"{SPACE}category")
    form = (category.get("term") if category is not None else None) or title["form"]
    filed_ns = int(when.timestamp()) * NS
    return Filing(accession[1], filed_ns, plain(form)[:20], title["company"], int(title["cik"]))
