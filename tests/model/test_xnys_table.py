"""The committed XNYS table against exchange_calendars, and against the exchange's own notices."""

import datetime as dt
import runpy
from importlib import resources
from pathlib import Path

import exchange_calendars
import pytest

TOOL = Path(__file__).parents[2] / "tools" / "calendar_table.py"


@pytest.fixture(scope="module")
def table() -> dict[dt.date, str]:
    text = (resources.files("tapelight.model") / "xnys.txt").read_text()
    rows = [line.split(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    days = [row[0] for row in rows]
    assert days == sorted(set(days))
    return {dt.date.fromisoformat(day): rest for day, rest in rows}


def test_equals_what_the_tool_writes() -> None:
    tool = runpy.run_path(str(TOOL))
    body = [line for line in tool["TABLE"].read_text().splitlines() if not line.startswith("#")]
    assert body == list(tool["lines"]())


def test_every_session_of_exchange_calendars_is_in_it(table: dict[dt.date, str]) -> None:
    """Asks the other way round: from each weekday of the table to the sessions there."""
    calendar = exchange_calendars.get_calendar("XNYS", start="2000-01-01", end="2032-12-31")
    sessions = {session.date() for session in calendar.sessions}
    day = dt.date(2000, 1, 1)
    open_days = set()
    while day <= dt.date(2032, 12, 31):
        if day.weekday() < 5 and table.get(day) != "closed":
            open_days.add(day)
        day += dt.timedelta(days=1)
    assert open_days == sessions
    early = {day for day, rest in table.items() if rest.startswith("early")}
    assert early == {day.date() for day in calendar.early_closes}


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
