"""Bars over REST: grouped dailies, ranges, previous close, open and close."""

import asyncio
import datetime as dt

import msgspec
import numpy as np

from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.past import Daily
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.session import NEW_YORK, PRE

_CHUNK = 2000
_SPANS_S = {"minute": 60, "hour": 3600}


class Bar(msgspec.Struct, gc=False, omit_defaults=True):
    """Hold one bar with Massive's names; `t` is the start in ms."""

    v: float
    vw: float
    o: float
    c: float
    h: float
    l: float  # noqa: E741
    t: int
    n: int
    T: str = ""


async def grouped(simulation: Simulation, date: dt.date, adjusted: bool) -> list[bytes]:
    """Return the encoded daily bars of all symbols that traded on `date`; [] on a closed day."""
    daily = daily_on(simulation, date, adjusted)
    if daily is None:
        return []
    rows = np.flatnonzero(daily.volume > 0)
    symbols = simulation.listing.symbols
    at = daily.session.close_ns // MS
    names = ("volume", "vwap", "open", "close", "high", "low", "trades")
    encoded = []
    for i in range(0, len(rows), _CHUNK):
        part = rows[i : i + _CHUNK]
        columns = [getattr(daily, name)[part].tolist() for name in names]
        bars = [
            Bar(v, vw, o, c, h, l, at, int(n), symbols[row])
            for row, v, vw, o, c, h, l, n in zip(part.tolist(), *columns, strict=True)  # noqa: E741
        ]
        encoded.append(msgspec.json.encode(bars)[1:-1])
        await asyncio.sleep(0)
    return encoded


def daily_on(simulation: Simulation, date: dt.date, adjusted: bool = True) -> Daily | None:
    """Return the daily bars of `date`, today's so far once the bell has rung."""
    session = simulation.tape.day.plan.session
    if date == session.date:
        return simulation.today() if simulation.totals.regular else None
    daily = simulation.past.daily(date)
    if daily is None or adjusted or date in simulation.past.lived:
        return daily
    return daily.raw(simulation.listing)


def day_bar(daily: Daily, row: int) -> Bar:
    """Return `row`'s daily bar; its start is midnight New York."""
    midnight = dt.datetime.combine(daily.session.date, dt.time(), NEW_YORK)
    return Bar(
        float(daily.volume[row]), float(daily.vwap[row]), float(daily.open[row]),
        float(daily.close[row]), float(daily.high[row]), float(daily.low[row]),
        int(midnight.timestamp()) * 1000, int(daily.trades[row]),
    )  # fmt: skip


def days(
    simulation: Simulation, row: int, first: dt.date, last: dt.date, adjusted: bool
) -> list[Bar]:
    """Return `row`'s daily bars from `first` to `last`."""
    found = []
    for offset in range(min((last - first).days + 1, 1500)):
        daily = daily_on(simulation, first + dt.timedelta(days=offset), adjusted)
        if daily is not None and daily.volume[row] > 0:
            found.append(day_bar(daily, row))
    return found


def minutes(
    simulation: Simulation, row: int, span: tuple[int, str], first_ms: int, last_ms: int
) -> list[Bar]:
    """Return today's bars of `row` that start from `first_ms` to `last_ms`, joined to `span`."""
    length_ms = span[0] * _SPANS_S[span[1]] * 1000
    found: list[Bar] = []
    for bars in simulation.totals.minute_bars():
        if not first_ms <= bars.start_ms <= last_ms:
            continue
        one = bars.bar_of(row)
        if one is None:
            continue
        start = bars.start_ms // length_ms * length_ms
        _, o, h, l, c, v, vw, n = one  # noqa: E741
        if found and found[-1].t == start:
            _extend(found[-1], Bar(v, vw, o, c, h, l, start, int(n)))
        else:
            found.append(Bar(v, vw, o, c, h, l, start, int(n)))
    return found


def _extend(bar: Bar, more: Bar) -> None:
    bar.vw = round((bar.vw * bar.v + more.vw * more.v) / max(bar.v + more.v, 1e-9), 4)
    bar.v += more.v
    bar.n += more.n
    bar.c = more.c
    bar.h, bar.l = max(bar.h, more.h), min(bar.l, more.l)


def open_close(simulation: Simulation, row: int, date: dt.date) -> dict[str, object] | None:
    """Return the body of /v1/open-close; None when `row` has no bar on `date`."""
    daily = daily_on(simulation, date)
    if daily is None or daily.volume[row] <= 0:
        return None
    body: dict[str, object] = {
        "status": "OK", "from": date.isoformat(), "symbol": simulation.listing.symbols[row],
        "open": float(daily.open[row]), "high": float(daily.high[row]),
        "low": float(daily.low[row]), "close": float(daily.close[row]),
        "volume": float(daily.volume[row]),
    }  # fmt: skip
    session = simulation.tape.day.plan.session
    if date == session.date:
        for bars in simulation.totals.minute_bars():
            one = bars.bar_of(row)
            if one is not None and session.phase(bars.start_ms * MS) == PRE:
                body["preMarket"] = one[1]
                break
    return body
