"""Write the committed tables of sessions (xnys.txt, xbom.txt) from exchange_calendars.

python tools/calendar_table.py            rewrite src/tapelight/model/*.txt
python tools/calendar_table.py --check    exit with 1 when a committed table is old
"""

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import exchange_calendars

FIRST = dt.date(2000, 1, 1)
LAST = dt.date(2032, 12, 31)
FOLDER = Path(__file__).parent.parent / "src" / "tapelight" / "model"
VERSION = exchange_calendars.__version__


@dataclass(frozen=True)
class Exchange:
    """Name an exchange, the hours around its regular ones, and what is known of it."""

    name: str
    title: str
    start: str
    """Pre-market begins; exchange_calendars knows regular hours alone."""
    end: str
    words: str
    known_to: dt.date = LAST
    fixed: tuple[str, ...] = ()
    """Holidays (MM-DD) that are kept each year, for the years that nobody has announced yet."""

    @property
    def path(self) -> Path:
        """Return where its table is."""
        return FOLDER / f"{self.name.lower()}.txt"


EXCHANGES = (
    Exchange(
        "XNYS",
        "New York Stock Exchange",
        "04:00",
        "20:00",
        "Closures that were not foreseen (2001-09-11, storms, days of mourning) are known for the "
        "past\n# only; days after the run follow the exchange's rules.",
    ),
    Exchange(
        "XBOM",
        "Bombay Stock Exchange",
        "09:00",
        "16:00",
        "The National Stock Exchange of India keeps the same days and hours. Evening sessions at "
        "Diwali\n# are not in it. After 2026 only the holidays of a fixed date are known: each "
        "December the\n# exchange announces those of the next year.",
        dt.date(2026, 12, 31),
        ("01-26", "05-01", "08-15", "10-02", "12-25"),
    ),
)


def header(exchange: Exchange) -> str:
    """Return the comment at the top of a table."""
    return (
        f"# Sessions of the {exchange.title} ({exchange.name}) from {FIRST} to {LAST}: its hours "
        "from a day on\n# (pre-market, open, close, end), and the days that differ from a plain "
        "weekday: closed, or closed\n# early, at a local time.\n"
        f"# Written by tools/calendar_table.py from exchange_calendars {VERSION}; do not edit.\n"
        f"# {exchange.words}\n"
    )


def lines(exchange: Exchange) -> Iterator[str]:
    """Yield "DATE hours START OPEN CLOSE END", "DATE closed" or "DATE early HH:MM", in order."""
    calendar = exchange_calendars.get_calendar(exchange.name, start=FIRST, end=exchange.known_to)
    opens, closes = (
        {day.date(): time.tz_convert(calendar.tz).time() for day, time in times.items()}
        for times in (calendar.opens, calendar.closes)
    )
    (open_, _), (close, _) = (Counter(t.values()).most_common(1)[0] for t in (opens, closes))
    assert set(opens.values()) == {open_}, "a late open has no place in the table"
    yield f"{FIRST} hours {exchange.start} {open_:%H:%M} {close:%H:%M} {exchange.end}"
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + dt.timedelta(days=offset)
        announced = day <= exchange.known_to
        shut = day not in closes if announced else f"{day:%m-%d}" in exchange.fixed
        if day.weekday() < 5 and shut:  # Saturday is 5
            yield f"{day} closed"
        elif closes.get(day, close) != close:
            yield f"{day} early {closes[day]:%H:%M}"


def table(exchange: Exchange) -> str:
    """Return the whole text of a table."""
    return header(exchange) + "".join(f"{line}\n" for line in lines(exchange))


def main() -> int:
    """Write the tables, or compare them; return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    check = arguments.parse_args().check
    old = [e for e in EXCHANGES if not e.path.exists() or e.path.read_text() != table(e)]
    for exchange in old:
        if check:
            sys.stderr.write(
                f"{exchange.path} differs from exchange_calendars; run tools/calendar_table.py.\n"
            )
        else:
            exchange.path.write_text(table(exchange))
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main())
