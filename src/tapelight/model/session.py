"""Sessions and phases: the only place where exchange-local time lives.

Source: the committed tables `xnys.txt` (New York) and `xbom.txt` (Bombay, and with it the National
Stock Exchange of India): hours, weekday closures and early closes, generated from
exchange_calendars and checked against it by a test.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Protocol
from zoneinfo import ZoneInfo

from tapelight.errors import ConfigError

NS = 1_000_000_000
MINUTE_NS = 60 * NS
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
PHASES = ("closed", "pre", "regular", "post")
"""Phase names by code: `PHASES[session.phase(ts_ns)]`."""
CLOSED, PRE, REGULAR, POST = range(4)


@dataclass(frozen=True, slots=True)
class Session:
    """Span one trading day; times are ns UTC, each phase begins at its time and ends before the next."""

    date: dt.date
    start_ns: int
    """Pre-market begins (04:00 in New York); day columns start here."""
    open_ns: int
    close_ns: int
    end_ns: int
    """After-hours end."""
    half_day: bool = False

    def phase(self, ts_ns: int) -> int:
        """Return the phase code at `ts_ns`, an index into PHASES."""
        if ts_ns < self.start_ns or ts_ns >= self.end_ns:
            return CLOSED
        if ts_ns < self.open_ns:
            return PRE
        return REGULAR if ts_ns < self.close_ns else POST

    @property
    def minutes(self) -> int:
        """Return the length from start to end in minutes."""
        return (self.end_ns - self.start_ns) // MINUTE_NS


class Calendar(Protocol):
    """Know the sessions of a market."""

    name: str
    zone: dt.tzinfo

    def session_on(self, date: dt.date) -> Session | None: ...

    def date_of(self, ts_ns: int) -> dt.date: ...


class Exchange:
    """Know the sessions of an exchange from its committed table."""

    def __init__(self, name: str, zone: dt.tzinfo, table: str) -> None:
        self.name = name
        self.zone = zone
        self._table = table

    def session_on(self, date: dt.date) -> Session | None:
        """Return the session of `date`, None when the exchange is closed."""
        return _session(self._table, self.zone, date)

    def date_of(self, ts_ns: int) -> dt.date:
        """Return the exchange's date at `ts_ns`."""
        return local_date(ts_ns, self.zone)


class RoundTheClock:
    """Know the sessions of a market that never closes: one regular phase each UTC day."""

    name = "24x7"
    zone: dt.tzinfo = dt.UTC

    def session_on(self, date: dt.date) -> Session | None:
        """Return the UTC day of `date`."""
        start = _utc_ns(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC))
        end = start + 86_400 * NS
        return Session(date, start, start, end, end)

    def date_of(self, ts_ns: int) -> dt.date:
        """Return the UTC date at `ts_ns`."""
        return local_date(ts_ns, dt.UTC)


EXCHANGES = {
    "XNYS": Exchange("XNYS", NEW_YORK, "xnys"),
    "XBOM": Exchange("XBOM", KOLKATA, "xbom"),
    "XNSE": Exchange("XNSE", KOLKATA, "xbom"),
}
"""The National Stock Exchange of India keeps the days and hours of Bombay's."""


def calendar(name: str) -> Calendar:
    """Return the calendar called `name`; raises ConfigError for an unknown one."""
    if name == "24x7":
        return RoundTheClock()
    if name not in EXCHANGES:
        raise ConfigError(f"Unknown calendar {name!r}: use {', '.join(EXCHANGES)} or 24x7.")
    return EXCHANGES[name]


def clock_zone(cal: Calendar) -> dt.tzinfo:
    """Return whose time of day a user means: the exchange's; New York's for a market without one."""
    return NEW_YORK if cal.zone is dt.UTC else cal.zone


def session_at(cal: Calendar, ts_ns: int) -> Session | None:
    """Return the session whose span (pre-market to after-hours) holds `ts_ns`."""
    session = cal.session_on(cal.date_of(ts_ns))
    return session if session and session.start_ns <= ts_ns < session.end_ns else None


def latest_session(cal: Calendar, ts_ns: int) -> Session:
    """Return the session that began last at or before `ts_ns`."""
    date = cal.date_of(ts_ns)
    for back in range(15):
        session = cal.session_on(date - dt.timedelta(days=back))
        if session and session.start_ns <= ts_ns:
            return session
    raise ConfigError(f"No session of {cal.name} in the fortnight before {date}: extend its table.")


def session_before(cal: Calendar, session: Session) -> Session:
    """Return the session before `session`."""
    return latest_session(cal, session.start_ns - 1)


def session_after(cal: Calendar, ts_ns: int) -> Session:
    """Return the first session that begins after `ts_ns`."""
    date = cal.date_of(ts_ns)
    for ahead in range(15):
        session = cal.session_on(date + dt.timedelta(days=ahead))
        if session and session.start_ns > ts_ns:
            return session
    raise ConfigError(f"No session of {cal.name} in the fortnight after {date}: extend its table.")


Hours = tuple[dt.time, dt.time, dt.time, dt.time]
"""Pre-market, open, close, end, at local time."""


@dataclass(frozen=True, slots=True)
class _Days:
    """Hold a table: the hours from a date on, newest first, and the days that differ."""

    hours: tuple[tuple[dt.date, Hours], ...]
    closed: frozenset[dt.date]
    early: dict[dt.date, dt.time]


@lru_cache(maxsize=8192)
def _session(table: str, zone: dt.tzinfo, date: dt.date) -> Session | None:
    days = _days(table)
    if date.weekday() >= 5 or date in days.closed:
        return None
    # Before the table begins its first hours hold: a wrong time stamp must find some session.
    hours = next((hours for since, hours in days.hours if date >= since), days.hours[-1][1])
    start, open_, close, end = (dt.datetime.combine(date, t, zone) for t in hours)
    if date in days.early:
        early = dt.datetime.combine(date, days.early[date], zone)
        close, end = early, end - (close - early)
    begin_ns, open_ns, close_ns, end_ns = map(_utc_ns, (start, open_, close, end))
    return Session(date, begin_ns, open_ns, close_ns, end_ns, date in days.early)


@cache
def _days(table: str) -> _Days:
    hours: list[tuple[dt.date, Hours]] = []
    closed: set[dt.date] = set()
    early: dict[dt.date, dt.time] = {}
    for line in files("tapelight.model").joinpath(f"{table}.txt").read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        date, times = dt.date.fromisoformat(words[0]), [*map(dt.time.fromisoformat, words[2:])]
        if words[1] == "closed":
            closed.add(date)
        elif words[1] == "early":
            early[date] = times[0]
        else:
            start, open_, close, end = times
            hours.append((date, (start, open_, close, end)))
    return _Days(tuple(sorted(hours, reverse=True)), frozenset(closed), early)


def local_date(ts_ns: int, zone: dt.tzinfo) -> dt.date:
    """Return the date at `ts_ns` in `zone`."""
    return dt.datetime.fromtimestamp(ts_ns // NS, zone).date()


def iso(ts_ns: int, zone: dt.tzinfo = NEW_YORK) -> str:
    """Return `ts_ns` as ISO 8601 with offset and milliseconds."""
    moment = dt.datetime.fromtimestamp(ts_ns // NS, zone).replace(microsecond=ts_ns % NS // 1000)
    return moment.isoformat(timespec="milliseconds")


def parse_time(text: str, session: Session, zone: dt.tzinfo = NEW_YORK) -> int:
    """Return the ns UTC of TIME: ISO 8601 with offset, or HH:MM[:SS[.fff]] on the session's day."""
    try:
        if "T" in text or len(text) > 15:
            moment = dt.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError("no offset")
        else:
            moment = dt.datetime.combine(session.date, dt.time.fromisoformat(text), zone)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not a time: give ISO 8601 with offset "
            "(2026-11-20T09:35:10-05:00) or HH:MM:SS of the replayed day."
        ) from error
    return _utc_ns(moment)


def _utc_ns(moment: dt.datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS + moment.microsecond * 1000
