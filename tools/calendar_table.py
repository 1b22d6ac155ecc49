"""Write the committed table of XNYS closures and early closes from exchange_calendars.

python tools/calendar_table.py            rewrite src/tapelight/model/xnys.txt
python tools/calendar_table.py --check    exit with 1 when the committed table is old
"""

import argparse
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path

import exchange_calendars

FIRST = dt.date(2000, 1, 1)
LAST = dt.date(2032, 12, 31)
REGULAR_CLOSE = dt.time(16, 0)
TABLE = Path(__file__).parent.parent / "src" / "tapelight" / "model" / "xnys.txt"

HEADER = f"""\
# Days from {FIRST} to {LAST} on which the New York Stock Exchange (XNYS) differs from a plain
# weekday of 09:30-16:00: closed all day, or closed early at a New York local time.
# Written by tools/calendar_table.py from exchange_calendars {exchange_calendars.__version__}; \
do not edit.
# Closures that were not foreseen (2001-09-11, storms, days of mourning) are known for the past
# only; days after the run follow the exchange's rules.
"""


def lines() -> Iterator[str]:
    """Yield one line a day: "YYYY-MM-DD closed" or "YYYY-MM-DD early HH:MM", in order."""
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST)
    closes = {
        day.date(): close.tz_convert(calendar.tz).time() for day, close in calendar.closes.items()
    }
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + dt.timedelta(days=offset)
        if day.weekday() < 5 and day not in closes:  # Saturday is 5
            yield f"{day} closed"
        elif closes.get(day, REGULAR_CLOSE) != REGULAR_CLOSE:
            yield f"{day} early {closes[day]:%H:%M}"


def table() -> str:
    """Return the whole text of the table."""
    return HEADER + "".join(f"{line}\n" for line in lines())


def main() -> int:
    """Write the table, or compare it; return the exit status."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    check = arguments.parse_args().check
    text = table()
    if not check:
        TABLE.write_text(text)
        return 0
    if TABLE.read_text() == text:
        return 0
    sys.stderr.write(f"{TABLE} differs from exchange_calendars; run tools/calendar_table.py.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
