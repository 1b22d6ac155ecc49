"""Sessions, phases and times."""

import datetime as dt

import pytest

from tapelight.errors import ConfigError
from tapelight.model.session import (
    NS,
    PHASES,
    calendar,
    iso,
    latest_session,
    parse_time,
    session_after,
    session_at,
    session_before,
)

XNYS, ROUND = calendar("XNYS"), calendar("24x7")


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000) * 1_000_000


@pytest.mark.parametrize(
    ("date", "start", "open_", "close", "end"),
    [
        ("2026-11-20", "04:00-05:00", "09:30-05:00", "16:00-05:00", "20:00-05:00"),
        ("2026-07-02", "04:00-04:00", "09:30-04:00", "16:00-04:00", "20:00-04:00"),
        ("2026-11-27", "04:00-05:00", "09:30-05:00", "13:00-05:00", "17:00-05:00"),
        ("2026-12-24", "04:00-05:00", "09:30-05:00", "13:00-05:00", "17:00-05:00"),
        ("2026-03-09", "04:00-04:00", "09:30-04:00", "16:00-04:00", "20:00-04:00"),
        ("2026-11-02", "04:00-05:00", "09:30-05:00", "16:00-05:00", "20:00-05:00"),
    ],
)
def test_sessions_in_new_york(date: str, start: str, open_: str, close: str, end: str) -> None:
    session = XNYS.session_on(dt.date.fromisoformat(date))
    assert session is not None
    wanted = [ns(f"{date}T{t[:5]}:00{t[5:]}") for t in (start, open_, close, end)]
    assert [session.start_ns, session.open_ns, session.close_ns, session.end_ns] == wanted
    assert session.half_day is (close[:2] == "13")


@pytest.mark.parametrize(
    "date",
    "2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 "
    "2026-11-26 2026-12-25 2027-03-26 2026-11-21 2026-11-22".split(),
)
def test_closed_days(date: str) -> None:
    assert XNYS.session_on(dt.date.fromisoformat(date)) is None


def test_before_the_table_begins_each_weekday_is_a_session() -> None:
    wrong = latest_session(XNYS, ns("1975-09-09T12:00:00-04:00"))
    assert (wrong.date, wrong.half_day) == (dt.date(1975, 9, 9), False)
    assert latest_session(calendar("XNSE"), 1).date <= dt.date(1970, 1, 1)


def test_phases_begin_at_their_time() -> None:
    session = XNYS.session_on(dt.date(2026, 11, 20))
    assert session is not None
    names = {}
    for edge in (session.start_ns, session.open_ns, session.close_ns, session.end_ns):
        names[edge] = (PHASES[session.phase(edge - 1)], PHASES[session.phase(edge)])
    assert list(names.values()) == [
        ("closed", "pre"), ("pre", "regular"), ("regular", "post"), ("post", "closed"),
    ]  # fmt: skip
    assert session.minutes == 960


def test_the_session_at_before_and_after() -> None:
    friday = XNYS.session_on(dt.date(2026, 11, 20))
    assert friday is not None
    sunday = ns("2026-11-22T12:00:00-05:00")
    assert session_at(XNYS, sunday) is None
    assert session_at(XNYS, friday.start_ns) == friday
    assert session_at(XNYS, friday.end_ns) is None
    assert latest_session(XNYS, sunday) == friday
    assert latest_session(XNYS, friday.start_ns - 1).date == dt.date(2026, 11, 19)
    assert session_after(XNYS, sunday).date == dt.date(2026, 11, 23)
    assert session_after(XNYS, friday.start_ns).date == dt.date(2026, 11, 23)
    assert session_before(XNYS, friday).date == dt.date(2026, 11, 19)
    thanksgiving = ns("2026-11-26T12:00:00-05:00")
    assert latest_session(XNYS, thanksgiving).date == dt.date(2026, 11, 25)


def test_round_the_clock_a_session_is_a_utc_day() -> None:
    session = ROUND.session_on(dt.date(2026, 11, 22))
    assert session is not None
    assert session.start_ns == session.open_ns == ns("2026-11-22T00:00:00+00:00")
    assert session.close_ns == session.end_ns == session.start_ns + 86_400 * NS
    assert PHASES[session.phase(session.start_ns)] == "regular"
    assert session_after(ROUND, session.start_ns).start_ns == session.end_ns


def test_an_unknown_calendar_is_named() -> None:
    with pytest.raises(ConfigError, match="Unknown calendar 'XLON': use XNYS, XBOM, XNSE or 24x7"):
        calendar("XLON")


def test_times_are_read_and_written() -> None:
    session = XNYS.session_on(dt.date(2026, 11, 20))
    assert session is not None
    for text in ("09:35:10.250", "2026-11-20T09:35:10.250-05:00", "2026-11-20T14:35:10.250+00:00"):
        assert iso(parse_time(text, session)) == "2026-11-20T09:35:10.250-05:00"
    assert iso(parse_time("09:35", session)) == "2026-11-20T09:35:00.000-05:00"
    for text in ("25:00", "noon", "2026-11-20T09:35:10", "2026-11-20 09:35:10 EST"):
        with pytest.raises(ConfigError, match="is not a time: give ISO 8601 with offset"):
            parse_time(text, session)
