"""Halts of all listed US stocks, from Nasdaq Trader's RSS: code and resumption, no key.

Times in it are New York's. One item is one halt: its resumption is filled in when it is known.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from tapelight.errors import ConfigError, Rejected
from tapelight.model.records import Halt
from tapelight.model.session import NEW_YORK, NS, calendar, latest_session
from tapelight.ports import Json, Sink
from tapelight.sources._poll import LOOPBACK, Page, Standing, keep_asking
from tapelight.sources._xml import Element, parse, text

NAME = "nasdaq_halts"
SPACE = "{http://www.nasdaqtrader.com/}"
LEAST_S, LOCAL_S = 15.0, 0.2
LOOK_S = 1.0
"""Between looks at what has been announced to resume."""
AHEAD_NS = 60 * NS
"""A halt stamped further ahead than clocks differ is of another day than ours."""
MAX_SYMBOL = 16


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[source.nasdaq_halts]: where halts are read, and how often."""

    url: str = "https://www.nasdaqtrader.com/rss.aspx?feed=tradehalts"
    every_s: float = 60.0
    """The feed itself names one minute; 15 at the least."""
    user_agent: str = "tapelight"


def open(config: Config) -> "NasdaqHalts":  # noqa: A001 - a plug-in's word
    """Return the source; raises ConfigError for a setting that cannot be."""
    if not config.url.startswith(("http://", "https://")):
        raise ConfigError(
            f"source.nasdaq_halts.url is {config.url!r}: it must begin with https://."
        )
    local = urlsplit(config.url).hostname in LOOPBACK
    if config.every_s < (LOCAL_S if local else LEAST_S):
        raise ConfigError(
            f"source.nasdaq_halts.every_s must be {LEAST_S:g} at the least: 60 is usual."
        )
    return NasdaqHalts(config.url, config.every_s, config.user_agent)


@dataclass(frozen=True, slots=True)
class Item:
    """Hold one halt as the service tells it; `resume_ns` is 0 while it is not known."""

    symbol: str
    halt_ns: int
    code: str
    resume_ns: int


@dataclass(frozen=True, slots=True)
class _Told:
    """Hold what was put of a halt."""

    code: str
    resume_ns: int
    over: bool


class NasdaqHalts:
    """Put each halt and each resumption of the symbols that are watched, once a session."""

    name = NAME

    def __init__(self, url: str, every_s: float, user_agent: str, look_s: float = LOOK_S) -> None:
        self._url = url
        self._every_s = every_s
        self._user_agent = user_agent
        self._look_s = look_s
        self._items: list[Item] = []
        self._told: dict[tuple[str, int], _Told] = {}
        self._session = ""
        self._standing = Standing()

    async def run(self, sink: Sink) -> None:
        """Ask and tell until cancelled."""
        page = Page(self._url, self._user_agent)
        reject = lambda reason: sink.reject(NAME, reason)  # noqa: E731 - one word for both
        try:
            async with asyncio.TaskGroup() as tasks:
                ask = lambda: self._ask(page, sink)  # noqa: E731 - the same
                tasks.create_task(keep_asking(ask, self._standing, self._every_s, reject))
                tasks.create_task(self._keep_telling(sink))
        finally:
            await page.close()

    def status(self) -> Mapping[str, Json]:
        """Return how it stands, and how many halts it knows."""
        return {**self._standing.status(), "halts": len(self._items)}

    async def _ask(self, page: Page, sink: Sink) -> None:
        found = await page.get(self._url, items_of)
        if found is None:
            return
        self._items, faults = found
        for fault in faults:
            sink.reject(NAME, fault)
        self._tell(sink)

    async def _keep_telling(self, sink: Sink) -> None:
        """Tell resumptions when they are due, and of symbols that get their row later."""
        while True:
            await asyncio.sleep(self._look_s)
            self._tell(sink)

    def _tell(self, sink: Sink) -> None:
        now_ns = sink.clock.now_ns()
        session = latest_session(calendar("XNYS"), now_ns)
        if session.date.isoformat() != self._session:
            self._session, self._told = session.date.isoformat(), {}
        for item in self._items:
            ended = 0 < item.resume_ns < session.start_ns
            ahead = item.halt_ns > now_ns + AHEAD_NS
            if item.symbol in sink.universe.rows and not ended and not ahead:
                self._tell_one(sink, item, now_ns)

    def _tell_one(self, sink: Sink, item: Item, now_ns: int) -> None:
        """Put what is new of a halt: itself, its code or time, its end; or that it goes on."""
        key = (item.symbol, item.halt_ns)
        told = self._told.get(key)
        now = _Told(item.code, item.resume_ns, 0 < item.resume_ns <= now_ns)
        if told == now:
            return
        self._told[key] = now
        self._standing.counts["told"] += 1
        if told is None or not told.over or not now.over:
            began_ns = now_ns if told is not None and told.over else item.halt_ns
            halt = Halt(began_ns, item.symbol, True, item.code, item.resume_ns, NAME)
            sink.put(halt)
        if now.over and not (told and told.over):
            sink.put(Halt(item.resume_ns, item.symbol, False, source=NAME))


def items_of(body: bytes) -> tuple[list[Item], list[str]]:
    """Return the halts of an answer in their order of time, and what of it could not be read.

    Raises Rejected for a body that is no such RSS.
    """
    root = parse(body)
    channel = root.find("channel")
    if root.tag != "rss" or channel is None:
        raise Rejected("The answer is no RSS of halts.")
    items, faults = [], []
    for element in channel.iter("item"):
        try:
            items.append(_item(element))
        except ValueError as error:
            faults.append(f"{text(element, f'{SPACE}IssueSymbol')[:MAX_SYMBOL]}: {error}")
    return sorted(items, key=lambda i: (i.halt_ns, i.symbol)), faults


def _item(element: Element) -> Item:
    """Return one halt.

    <item><ndaq:HaltDate>11/20/2026</ndaq:HaltDate><ndaq:HaltTime>09:45:12.345</ndaq:HaltTime>
    <ndaq:IssueSymbol>ACME</ndaq:IssueSymbol><ndaq:ReasonCode>LUDP</ndaq:ReasonCode>
    <ndaq:ResumptionDate>11/20/2026</ndaq:ResumptionDate>
    <ndaq:ResumptionTradeTime>09:50:12</ndaq:ResumptionTradeTime></item>
    """
    symbol, code = text(element, f"{SPACE}IssueSymbol"), text(element, f"{SPACE}ReasonCode")
    if not symbol or len(symbol) > MAX_SYMBOL or not symbol.isascii() or not symbol.isprintable():
        raise ValueError(f"{symbol[:MAX_SYMBOL]!r} is no symbol")
    if len(code) > MAX_SYMBOL or not code.isprintable():
        raise ValueError(f"{code[:MAX_SYMBOL]!r} is no reason code")
    day = text(element, f"{SPACE}HaltDate")
    halt_ns = _ns(day, text(element, f"{SPACE}HaltTime"))
    resumes = text(element, f"{SPACE}ResumptionTradeTime")
    resume_day = text(element, f"{SPACE}ResumptionDate") or day
    return Item(symbol, halt_ns, code, _ns(resume_day, resumes) if resumes else 0)


def _ns(day: str, time: str) -> int:
    """Return ns UTC of 11/20/2026 and 09:45:12 or 09:45:12.345, New York; raises ValueError."""
    bare = "".join(time.split())
    form = "%m/%d/%Y %H:%M:%S.%f" if "." in bare else "%m/%d/%Y %H:%M:%S"
    when = dt.datetime.strptime(f"{day} {bare}", form).replace(tzinfo=NEW_YORK)
    return int(when.timestamp()) * NS + when.microsecond * 1000
