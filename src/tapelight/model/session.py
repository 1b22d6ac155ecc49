"""Sessions and phases: the only place where exchange-local time lives.

Source: the committed table `xnys.txt` (weekday closures and early closes of the New York Stock
Exchange), generated from exchange_calendars and checked against it by a test.
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
PHASES = ("closed", "pre", "regular", "post")
"""Phase names by code: `PHASES[session.phase(ts_ns)]`."""
CLOSED, PRE, REGULAR, POST = range(4)


@dataclass(frozen=True, slots=True)
class Session:
    """Span one trading day; times are ns UTC, each phase begins at its time and ends before the next."""

    date: dt.date
    start_ns: int
    """Pre-market begins (04:00 New York); day columns start here."""
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


class NewYork:
    """Know the sessions of XNYS: pre 04:00, regular 09:30-16:00, post to 20:00; half days 13:00-17:00."""

    name = "XNYS"
    zone: dt.tzinfo = NEW_YORK

    def session_on(self, date: dt.date) -> Session | None:
        """Return the session of `date`, None when the exchange is closed."""
        return _xnys_session(date)

    def date_of(self, ts_ns: int) -> dt.date:
        """Return the New York date at `ts_ns`."""
        return local_date(ts_ns, NEW_YORK)


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


def calendar(name: str) -> Calendar:
    """Return the calendar called `name`; raises ConfigError for an unknown one."""
    if name == "XNYS":
        return NewYork()
    if name == "24x7":
        return RoundTheClock()
    raise ConfigError(f"Unknown calendar {name!r}: use XNYS or 24x7.")


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


@lru_cache(maxsize=4096)
def _xnys_session(date: dt.date) -> Session | None:
    closed, early = _xnys_table()
    if date.weekday() >= 5 or date in closed:
        return None
    if date in early:
        close = early[date]
        after = (dt.datetime.combine(date, close) + dt.timedelta(hours=4)).time()
        return _new_york(date, close, after, half_day=True)
    return _new_york(date, dt.time(16), dt.time(20), half_day=False)


def _new_york(date: dt.date, close: dt.time, end: dt.time, *, half_day: bool) -> Session:
    start, open_, close_ns, end_ns = (
        _utc_ns(dt.datetime.combine(date, t, NEW_YORK))
        for t in (dt.time(4), dt.time(9, 30), close, end)
    )
    return Session(date, start, open_, close_ns, end_ns, half_day)


@cache
def _xnys_table() -> tuple[frozenset[dt.date], dict[dt.date, dt.time]]:
    closed: set[dt.date] = set()
    early: dict[dt.date, dt.time] = {}
    for line in files("tapelight.model").joinpath("xnys.txt").read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        date = dt.date.fromisoformat(words[0])
        if words[1] == "closed":
            closed.add(date)
        else:
            early[date] = dt.time.fromisoformat(words[2])
    return frozenset(closed), early


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
