"""Alerts of another scanner, as it exports them: CSV with a time and a symbol."""

import csv
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from tapelight.errors import ConfigError
from tapelight.model.session import NS

MOST_BYTES = 64 * 1024 * 1024
MOST_SHOWN = 20
NAMES = {
    "time": ("time", "timestamp", "datetime", "date/time", "alert time", "alert_time", "triggered"),
    "date": ("date", "day", "alert date"),
    "symbol": ("symbol", "ticker", "stock", "sym"),
    "scan": ("scan", "alert", "strategy", "type", "name", "alert type", "description"),
}
"""What other scanners call their columns, in small letters."""
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d")
TIMES = ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")


@dataclass(frozen=True, slots=True)
class Alert:
    """Hold one alert of another scanner."""

    ts_ns: int
    symbol: str
    scan: str
    """What it calls itself."""
    line: int


def read_alerts(
    path: Path, day: dt.date, zone: dt.tzinfo, ahead_ns: int = 0
) -> tuple[list[Alert], list[str]]:
    """Return a file's alerts of `day`, oldest first, and what of it could not be read.

    A time without an offset is the exchange's; one without a date is of `day`. `ahead_ns` is what
    their clock is ahead. Raises ConfigError for a file that has no times and symbols.
    """
    rows, columns = _rows(path)
    alerts, faults = [], []
    for line, row in rows:
        try:
            alert = _alert(row, columns, line, day, zone)
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        if dt.datetime.fromtimestamp(alert.ts_ns / NS, zone).date() == day:
            alerts.append(Alert(alert.ts_ns - ahead_ns, alert.symbol, alert.scan, line))
    if not alerts and faults:
        raise ConfigError(f"{path} holds no alert that can be read; {faults[0]}.")
    if not alerts:
        raise ConfigError(f"{path} holds no alert of {day}: give the day with --journal.")
    return sorted(alerts, key=lambda a: (a.ts_ns, a.line)), faults


def _rows(path: Path) -> tuple[list[tuple[int, list[str]]], dict[str, int]]:
    """Return the file's rows with their lines, and where the columns stand."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path} is over {MOST_BYTES >> 20} MB: give a day's alerts alone.")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: export it as CSV in UTF-8.") from error
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        rows = [(i, row) for i, row in enumerate(csv.reader(lines, delimiter=delimiter), 1) if row]
    except csv.Error as error:
        raise ConfigError(f"{path} is no CSV: {error}.") from error
    head = [name.strip().lower() for name in rows[0][1]] if rows else []
    columns = {
        what: next(head.index(name) for name in names if name in head)
        for what, names in NAMES.items()
        if any(name in head for name in names)
    }
    for what in ("time", "symbol"):
        if what not in columns:
            known = ", ".join(NAMES[what])
            raise ConfigError(f"{path} has no column {what!r}: call it one of {known}.")
    return rows[1:], columns


def _alert(
    row: list[str], columns: dict[str, int], line: int, day: dt.date, zone: dt.tzinfo
) -> Alert:
    """Return one row's alert; raises ValueError."""
    cells = {what: row[at].strip() if at < len(row) else "" for what, at in columns.items()}
    symbol = cells["symbol"].upper().removeprefix("$")
    if not symbol or len(symbol) > 24 or not symbol.isprintable():
        raise ValueError(f"{cells['symbol'][:MOST_SHOWN]!r} is no symbol")
    when = _moment(cells["time"], cells.get("date", ""), day, zone)
    ts_ns = int(when.replace(microsecond=0).timestamp()) * NS + when.microsecond * 1000
    return Alert(ts_ns, symbol, cells.get("scan", ""), line)


def _moment(time: str, date: str, day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return a time in any of the usual forms; raises ValueError."""
    text = f"{date} {time}".strip()
    try:
        when = dt.datetime.fromisoformat(text)
        return when if when.tzinfo is not None else when.replace(tzinfo=zone)
    except ValueError:
        pass
    for form in (f"{d} {t}" for d in DATES for t in TIMES):
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
    for form in TIMES:
        try:
            return dt.datetime.combine(day, dt.datetime.strptime(text, form).time(), zone)  # noqa: DTZ007 - a time of day
        except ValueError:
            continue
    raise ValueError(f"{text[:40]!r} is no time: give HH:MM:SS or ISO 8601")
