"""`tapelight why`: why a symbol is, or is not, on a board or fired; now, or as of a recorded time."""

import datetime as dt
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tapelight.app.asof import AsOf, begin_of, end_of, recorded_days
from tapelight.app.localkey import local_key
from tapelight.app.reasons import GO_ON_S, NEAR, near_then, why_then
from tapelight.app.runs import find_run, runs_of
from tapelight.errors import ConfigError, Missing, Unavailable
from tapelight.model.records import CalendarChoice
from tapelight.model.session import NEW_YORK, Calendar, calendar, clock_zone, iso, parse_time
from tapelight.model.signals import Leaf
from tapelight.scan.wording import clock, said
from tapelight.stores.journal.segments import read_records, segments

NS = 1_000_000_000
ASK_S = 35.0
CONNECT_S = 2.0
LEAST_AHEAD_S, MOST_AHEAD_S = 0, 6 * 3600
PEEK = 50
"""Records in which a run names its calendar."""
MARKS = {True: "✓", False: "✗", None: "?"}


@dataclass(frozen=True, slots=True)
class WhyOptions:
    """Say what is asked: a symbol and a scan, or who comes near to a scan."""

    symbol: str
    scan: str
    data: Path
    url: str
    """Of the scanner that is asked about the present."""
    at: str | None = None
    journal: str | None = None
    near: bool = False
    ahead_s: int = GO_ON_S
    json: bool = False


def why(options: WhyOptions) -> int:
    """Answer on stdout; return the exit code. Raises ConfigError for what nobody knows."""
    if not LEAST_AHEAD_S <= options.ahead_s <= MOST_AHEAD_S:
        raise ConfigError(f"--ahead is {options.ahead_s}: give seconds from 0 to {MOST_AHEAD_S:,}.")
    past = options.journal is not None or bool(options.at and recorded_days(options.data))
    try:
        told = None if past else _running(options)
        if told is None:
            if not past:
                note = f"tapelight: no scanner answers at {options.url}: the recording is asked.\n"
                sys.stderr.write(note)
            _tell(*_recorded(options), options)
        else:
            _tell(told, NEW_YORK, options)
    except Missing as error:
        raise ConfigError(str(error)) from error
    return 0


def _running(options: WhyOptions) -> Mapping[str, Any] | None:
    """Ask the running scanner; None when none runs there."""
    asked = {"scan": options.scan, **({} if options.near else {"symbol": options.symbol})}
    asked |= {"at": options.at} if options.at else {}
    timeout = httpx.Timeout(ASK_S, connect=CONNECT_S)
    try:
        key = local_key(options.data)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = f"{options.url}/api/why"
        answer = httpx.get(url, params=asked, timeout=timeout, headers=headers)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    if answer.status_code == httpx.codes.OK:
        return {**told, "source": options.url}
    detail = str(told.get("detail", f"{options.url} answered {answer.status_code}."))
    raise (ConfigError if answer.is_client_error else Unavailable)(detail)


def _recorded(options: WhyOptions) -> tuple[Mapping[str, Any], dt.tzinfo]:
    """Answer from a journal, at the time asked for or at its end, and in whose time of day."""
    folder = _run_of(options)
    cal = calendar_of(folder)
    at_ns = _moment(options, folder, cal)
    named = folder if options.journal and segments(Path(options.journal)) else None
    as_of, asked = AsOf(options.data, cal, named), frozenset([options.scan])
    if options.near:
        then = as_of.at(at_ns, asked)
        return {**near_then(then, options.scan, NEAR), "source": then.run}, clock_zone(cal)
    then = as_of.at(min(max(at_ns - NS, begin_of(folder)), at_ns), asked)
    told = why_then(then, options.symbol, options.scan, at_ns, options.ahead_s)
    return {**told, "source": then.run}, clock_zone(cal)


def _run_of(options: WhyOptions) -> Path:
    if options.journal is not None:
        return find_run(Path(options.journal), options.data)
    if options.at is not None and "T" in options.at:
        date = options.at.partition("T")[0]
        if runs_of(options.data, date):
            return find_run(options.data / "journal" / date, options.data)
    days = recorded_days(options.data)
    if not days:
        raise ConfigError(
            f"No scanner runs at {options.url}, and {options.data} holds no journal: start one "
            "(tapelight demo), or give --data DIR of a recording."
        )
    return find_run(options.data / "journal" / days[-1], options.data)


def calendar_of(folder: Path) -> Calendar:
    """Return the calendar that a run names."""
    named = (r.name for _, r in zip(range(PEEK), read_records(folder), strict=False)
             if isinstance(r, CalendarChoice))  # fmt: skip
    return calendar(next(named, "XNYS"))


def _moment(options: WhyOptions, folder: Path, cal: Calendar) -> int:
    """Return the time asked for, or that of the run's last mark."""
    if options.at is None:
        return last_mark(folder)
    session = cal.session_on(dt.date.fromisoformat(folder.parent.name))
    if session is None:
        raise ConfigError(f"{folder} is no recording of a session: give --journal DAY.")
    return parse_time(options.at, session, clock_zone(cal))


def last_mark(folder: Path) -> int:
    """Return the market time of a run's last mark; raises ConfigError when it has none."""
    last_ns = end_of(folder)
    if not last_ns:
        raise ConfigError(f"{folder} holds no mark yet: let the scanner run for some seconds.")
    return last_ns


def _tell(told: Mapping[str, Any], zone: dt.tzinfo, options: WhyOptions) -> None:
    if options.json:
        sys.stdout.write(json.dumps(told) + "\n")
        return
    lines = _near_lines(told, zone) if options.near else _why_lines(told, zone)
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _why_lines(told: Mapping[str, Any], zone: dt.tzinfo) -> Iterable[str]:
    yield f"{told['symbol']}  {told['title']}  {iso(told['ts_ns'], zone)}  ({told['source']})"
    for each in told["leaves"]:
        leaf = msgspec.convert(each, Leaf)
        inside = "/".join(leaf.within)
        yield f"  {MARKS[leaf.true]} {said(leaf)}" + (f"   [{inside}]" if inside else "")
    yield told["text"]
    signal = told.get("signal")
    if signal:
        way = (signal.get("hops") or {}).get("text", "")
        yield f"last fired at {clock(signal['ts_ns'], zone)}" + (f", {way}" if way else "")


def _near_lines(told: Mapping[str, Any], zone: dt.tzinfo) -> Iterable[str]:
    yield f"{told['title']}  {iso(told['ts_ns'], zone)}  ({told['source']})"
    if told["armed"]:
        yield f"armed: {', '.join(told['armed'])}"
    if not told["misses"]:
        yield "No row misses it by one condition alone."
    for miss in told["misses"]:
        by = "" if miss["by"] is None else f"   by {100 * miss['by']:.3g} %"
        yield f"  {miss['symbol']:<8} {miss['text']}{by}"
