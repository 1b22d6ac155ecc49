"""The committed calendar tables against exchange_calendars, and against the exchanges' notices."""

import datetime as dt
import runpy
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pytest

from tapelight.model.session import (
    CLOSED,
    MINUTE_NS,
    POST,
    PRE,
    REGULAR,
    Session,
    calendar,
    session_at,
)

TOOL = Path(__file__).parents[2] / "tools" / "calendar_table.py"
KNOWN_TO = {"XNYS": dt.date(2030, 12, 31), "XBOM": dt.date(2026, 12, 31)}
"""Up to which day exchange_calendars knows each; the issue of time is 2015 to 2030."""


@cache
def tool() -> dict[str, Any]:
    return runpy.run_path(str(TOOL))


@cache
def official(name: str) -> Any:
    return exchange_calendars.get_calendar(name, start="2015-01-01", end=KNOWN_TO[name])


def rows(name: str) -> Iterator[tuple[dt.date, str]]:
    text = (resources.files("tapelight.model") / f"{name.lower()}.txt").read_text()
    for line in text.splitlines():
        if not line.startswith("#"):
            day, rest = line.split(" ", 1)
            yield dt.date.fromisoformat(day), rest


@pytest.fixture(scope="module")
def table() -> dict[dt.date, str]:
    found = list(rows("XNYS"))[1:]
    days = [day for day, _ in found]
    assert days == sorted(set(days))
    return dict(found)


@pytest.mark.parametrize("at", [0, 1], ids=["XNYS", "XBOM"])
def test_equals_what_the_tool_writes(at: int) -> None:
    exchange = tool()["EXCHANGES"][at]
    body = [line for line in exchange.path.read_text().splitlines() if not line.startswith("#")]
    assert body == list(tool()["lines"](exchange))


@pytest.mark.parametrize("name", ["XNYS", "XBOM"])
def test_every_session_opens_and_closes_with_exchange_calendars(name: str) -> None:
    ours, theirs, day = {}, official(name), dt.date(2015, 1, 1)
    while day <= KNOWN_TO[name]:
        session = calendar(name).session_on(day)
        if session is not None:
            ours[day] = session
        day += dt.timedelta(days=1)
    assert list(ours) == [session.date() for session in theirs.sessions]
    assert [s.open_ns for s in ours.values()] == theirs.opens.astype("int64").tolist()
    assert [s.close_ns for s in ours.values()] == theirs.closes.astype("int64").tolist()
    early = {day for day, session in ours.items() if session.half_day}
    assert early == {day.date() for day in theirs.early_closes}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["XNYS", "XBOM"])
def test_minute_by_minute_with_exchange_calendars(name: str) -> None:
    """The minutes about every opening and close, all of the days on which clocks change, others."""
    theirs = official(name)
    sample = np.unique(np.concatenate([_about_transitions(theirs), _changes(name), _any(theirs)]))
    expected = np.isin(sample, theirs.minutes.tz_convert(None).to_numpy().astype("int64"))
    found = [_phase(name, minute) == REGULAR for minute in sample.tolist()]
    assert len(sample) > 30_000
    assert sample[np.array(found) != expected].tolist() == []


def _phase(name: str, ts_ns: int) -> int:
    session = session_at(calendar(name), ts_ns)
    return CLOSED if session is None else session.phase(ts_ns)


def _about_transitions(theirs: Any) -> np.ndarray:
    edges = np.concatenate([t.astype("int64").to_numpy() for t in (theirs.opens, theirs.closes)])
    return np.concatenate([edges + k * MINUTE_NS for k in (-61, -60, -1, 0, 1, 59, 60)])


def _changes(name: str) -> np.ndarray:
    """Return every minute of the days on which the exchange's offset from UTC changes."""
    zone, day, found = calendar(name).zone, dt.datetime(2015, 1, 1, tzinfo=dt.UTC), []
    while day.date() < KNOWN_TO[name]:
        after = day + dt.timedelta(days=1)
        if day.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            first = int(day.timestamp()) * 1_000_000_000
            found += [first + k * MINUTE_NS for k in range(4 * 1440)]
        day = after
    return np.array(found, np.int64)


def _any(theirs: Any) -> np.ndarray:
    first, last = (
        int(t.value) // MINUTE_NS for t in (theirs.opens.iloc[0], theirs.closes.iloc[-1])
    )
    return np.random.default_rng(1).integers(first, last, 10_000) * MINUTE_NS


@pytest.mark.parametrize(
    ("name", "day", "edges"),
    [
        ("XNYS", "2026-11-20", ["09:00", "14:30", "21:00", "01:00"]),
        ("XNYS", "2026-11-27", ["09:00", "14:30", "18:00", "22:00"]),
        ("XNYS", "2026-07-02", ["08:00", "13:30", "20:00", "00:00"]),
        ("XBOM", "2026-11-20", ["03:30", "03:45", "10:00", "10:30"]),
        ("XNSE", "2026-07-02", ["03:30", "03:45", "10:00", "10:30"]),
    ],
)
def test_phases_around_regular_hours(name: str, day: str, edges: list[str]) -> None:
    """Times are UTC; India keeps one time all year."""
    session = calendar(name).session_on(dt.date.fromisoformat(day))
    assert session is not None
    times = (session.start_ns, session.open_ns, session.close_ns, session.end_ns)
    assert [_clock(ns) for ns in times] == edges
    assert [session.phase(ns) for ns in times] == [PRE, REGULAR, POST, CLOSED]


def _clock(ts_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC):%H:%M}"


def test_holidays_of_fixed_dates_alone_are_known_of_india_after_2026() -> None:
    found: list[Session | None] = [
        calendar("XNSE").session_on(dt.date.fromisoformat(day))
        for day in ("2027-01-26", "2027-10-02", "2027-03-22", "2028-08-15", "2028-08-16")
    ]
    assert [session is None for session in found] == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2001-09-14", "closed"),  # the attack on New York
        ("2001-09-17", None),
        ("2002-07-05", "early 13:00"),
        ("2003-12-26", "early 13:00"),  # an irregular one
        ("2004-06-11", "closed"),  # President Reagan
        ("2012-10-29", "closed"),  # hurricane Sandy
        ("2018-12-05", "closed"),  # President Bush
        ("2021-06-18", None),  # Juneteenth was not kept before 2022
        ("2022-06-20", "closed"),
        ("2025-01-09", "closed"),  # President Carter
        ("2026-07-03", "closed"),  # 4 July is a Saturday
        ("2026-12-24", "early 13:00"),
        ("2027-12-24", "closed"),  # Christmas is a Saturday
        ("2027-12-31", None),  # New Year's Day on a Saturday is not made up for
    ],
)
def test_days_of_the_exchanges_notices(
    table: dict[dt.date, str], day: str, expected: str | None
) -> None:
    assert table.get(dt.date.fromisoformat(day)) == expected


def test_dates_of_2026_and_2027_published_by_the_exchange(table: dict[dt.date, str]) -> None:
    closed = {
        f"{day:%m-%d}" for day, rest in table.items() if day.year == 2026 and rest == "closed"
    }
    assert closed == set("01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25".split())
    closed = {
        f"{day:%m-%d}" for day, rest in table.items() if day.year == 2027 and rest == "closed"
    }
    assert closed == set("01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24".split())
