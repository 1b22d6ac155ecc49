"""Alpaca's market data over REST: snapshots, bars, trades, the latest of each."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.aggregates import daily_on, day_bar
from tapelight.feeds.simulator.alpaca.faults import Switches
from tapelight.feeds.simulator.alpaca.forms import Event, Forms, bar_form, stamp
from tapelight.feeds.simulator.alpaca.guard import Guard
from tapelight.feeds.simulator.alpaca.refusal import Refusal, bad
from tapelight.feeds.simulator.alpaca.side import Amended, Side
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.listing import TICKS
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.rest import answer
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import OK, Prints, Quoted
from tapelight.model.batch import Int64s
from tapelight.model.session import NEW_YORK

Handler = Callable[[Request], Awaitable[Response]]
Rows = dict[str, int]
MINUTES = {"1Min": 1, "1T": 1, "5Min": 5, "15Min": 15, "1Hour": 60, "1H": 60}
DAYS = ("1Day", "1D")
MOST = 10_000


class Data:
    """Answer from both feeds: `feed` says which, sip where the plan has it."""

    def __init__(self, sides: dict[str, Side], guard: Guard, faults: Switches) -> None:
        self._sides, self._guard, self._faults = sides, guard, faults
        simulation = sides["sip"].simulation
        self._simulation, self._rows = simulation, simulation.row_of
        self._forms = Forms(simulation.listing)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, each behind the keys."""
        table: dict[str, Handler] = {
            "/v2/stocks/snapshots": self.snapshots, "/v2/stocks/bars": self.bars,
            "/v2/stocks/trades": self.trades, "/v2/stocks/trades/latest": self.latest_trades,
            "/v2/stocks/quotes/latest": self.latest_quotes,
            "/v2/stocks/bars/latest": self.latest_bars,
            "/v2/stocks/{symbol}/snapshot": self.snapshot,
            "/v2/stocks/{symbol}/bars": self.bars, "/v2/stocks/{symbol}/trades": self.trades,
        }  # fmt: skip
        return [Route(path, self._guard.data(handler)) for path, handler in table.items()]

    def _side(self, request: Request) -> Side:
        wanted = request.query_params.get("feed", "iex" if self._faults.now.no_sip else "sip")
        if wanted not in self._sides:
            raise bad(f"invalid feed: {wanted}")
        if wanted == "sip" and self._faults.now.no_sip:
            raise Refusal(403, 40310000, "subscription does not permit querying recent SIP data")
        return self._sides[wanted]

    def _asked(self, request: Request) -> Rows:
        one = request.path_params.get("symbol")
        given = [one] if one else request.query_params.get("symbols", "").split(",")
        if not any(given):
            raise bad("symbols is required")
        return {symbol: self._rows[symbol] for symbol in given if symbol in self._rows}

    async def snapshots(self, request: Request) -> Response:
        """Answer snapshots by symbol."""
        side = self._side(request)
        return answer({s: self._snapshot(side, r) for s, r in self._asked(request).items()})

    async def snapshot(self, request: Request) -> Response:
        """Answer one snapshot."""
        found = self._asked(request)
        if not found:
            raise bad(f"invalid symbol: {request.path_params['symbol']}")
        side = self._side(request)
        body = [{"symbol": s, **self._snapshot(side, r)} for s, r in found.items()]
        return answer(body[0])

    def _snapshot(self, side: Side, row: int) -> Event:
        return {
            "latestTrade": self._latest(side, row), "latestQuote": self._quote(side, row),
            "minuteBar": self._minute(side, row), "dailyBar": self._today(side, row),
            "prevDailyBar": self._previous(row),
        }  # fmt: skip

    def _latest(self, side: Side, row: int) -> Event | None:
        totals = side.totals
        if totals.last[row] <= 0:
            return None
        one = Prints(
            totals.last_ms[row : row + 1], np.array([row]), totals.last[row : row + 1],
            totals.last_size[row : row + 1], totals.last_kind[row : row + 1],
            totals.last_venue[row : row + 1].astype(np.uint8), np.array([OK], np.uint8),
        )  # fmt: skip
        return _bare(self._forms.trade(one, 0, int(totals.last_number[row]), stamp))

    def _quote(self, side: Side, row: int) -> Event:
        totals = side.totals if side.name == "sip" else self._sides["sip"].totals
        one = Quoted(*(
            column[row : row + 1] for column in (
                totals.quote_ms, np.arange(len(self._rows)), totals.bid, totals.ask,
                totals.bid_size, totals.ask_size,
            )
        ))  # fmt: skip
        return _bare(self._forms.quote(one, 0, stamp, "V" if side.name == "iex" else ""))

    def _minute(self, side: Side, row: int) -> Event | None:
        """Return the last closed minute bar."""
        if not side.totals.recent_ms[row]:
            return None
        for bars in reversed(side.totals.minute_bars()):
            found = bars.bar_of(row)
            if found is not None:
                return bar_form(found, stamp)
        return None

    def _today(self, side: Side, row: int) -> Event | None:
        """Return the day so far; as with Alpaca its prices are the regular session's."""
        totals = side.totals
        if totals.volume[row] <= 0 or totals.open[row] <= 0:
            return None
        columns = (totals.open, totals.high, totals.low, totals.close)
        prices = [float(dollars(c[row : row + 1])[0]) for c in columns]
        start = self._midnight_ms(self._simulation.tape.day.plan.session.date)
        more = [float(totals.volume[row]), float(totals.vwap()[row]), float(totals.count[row])]
        found = [start, *prices, *more]
        for one in side.pending(row):
            _spoil(found, one, float(totals.vwap_volume[row]))
        return bar_form(found, stamp)

    def _previous(self, row: int) -> Event | None:
        daily = self._simulation.previous()
        if daily.volume[row] <= 0:
            return None
        return self._day(daily, row)

    def _day(self, daily: Any, row: int) -> Event:
        bar = day_bar(daily, row)
        return bar_form([bar.t, bar.o, bar.h, bar.l, bar.c, bar.v, bar.vw, bar.n], stamp)

    @staticmethod
    def _midnight_ms(date: dt.date) -> int:
        return int(dt.datetime.combine(date, dt.time(), NEW_YORK).timestamp()) * 1000

    async def bars(self, request: Request) -> Response:
        """Answer minute or day bars of some symbols, a page at a time."""
        side, frame = self._side(request), request.query_params.get("timeframe", "1Min")
        if frame not in MINUTES and frame not in DAYS:
            raise bad(f"invalid timeframe: {frame}")
        since_ns, until_ns = self._span(request)
        found: dict[str, list[Event]] = {}
        asked = self._asked(request)
        if frame in DAYS:
            found = self._days(asked, since_ns, until_ns)
        else:
            found = self._minutes(side, asked, MINUTES[frame], since_ns, until_ns)
        return self._paged(request, "bars", found)

    def _minutes(
        self, side: Side, asked: Rows, span: int, since_ns: int, until_ns: int
    ) -> dict[str, list[Event]]:
        symbols, rows = list(asked), np.array(list(asked.values()), np.int64)
        grouped: dict[str, dict[int, list[list[float]]]] = {symbol: {} for symbol in symbols}
        for bars in side.totals.minute_bars():
            if not since_ns <= bars.start_ms * MS <= until_ns:
                continue
            start = bars.start_ms // (span * 60_000) * span * 60_000
            for at, bar in _bars_of(bars, rows):
                grouped[symbols[at]].setdefault(start, []).append(bar)
        return {
            symbol: [bar_form(_joined(start, bars), stamp) for start, bars in starts.items()]
            for symbol, starts in grouped.items()
        }

    def _days(self, asked: Rows, since_ns: int, until_ns: int) -> dict[str, list[Event]]:
        calendar = self._simulation.calendar
        first, last = calendar.date_of(since_ns), calendar.date_of(until_ns)
        found: dict[str, list[Event]] = {symbol: [] for symbol in asked}
        for offset in range(min((last - first).days + 1, 1500)):
            daily = daily_on(self._simulation, first + dt.timedelta(days=offset))
            if daily is None:
                continue
            for symbol, row in asked.items():
                if daily.volume[row] > 0:
                    found[symbol].append(self._day(daily, row))
        return found

    async def trades(self, request: Request) -> Response:
        """Answer the trades of some symbols that are still kept, a page at a time."""
        side = self._side(request)
        since_ns, until_ns = self._span(request)
        found = {
            symbol: [
                _bare(self._forms.trade(prints, at, number, stamp))
                for prints, at, number in side.trades(row, since_ns, until_ns)
            ]
            for symbol, row in self._asked(request).items()
        }
        return self._paged(request, "trades", found)

    def _span(self, request: Request) -> tuple[int, int]:
        now_ns = self._simulation.now_ms * MS
        query = request.query_params
        start = _ns(query["start"]) if "start" in query else now_ns - now_ns % (86_400 * 10**9)
        return start, _ns(query["end"]) if "end" in query else now_ns

    def _paged(self, request: Request, name: str, found: dict[str, list[Event]]) -> Response:
        query = request.query_params
        limit = min(int(query.get("limit", 1000)), MOST)
        first = int(query.get("page_token") or 0)
        flat = [(symbol, event) for symbol, events in found.items() for event in events]
        page: dict[str, list[Event]] = {}
        for symbol, event in flat[first : first + limit]:
            page.setdefault(symbol, []).append(event)
        following = str(first + limit) if first + limit < len(flat) else None
        one = request.path_params.get("symbol")
        if one:
            body: Event = {name: page.get(one, []), "symbol": one, "next_page_token": following}
        else:
            body = {name: page, "next_page_token": following}
        return answer(body)

    async def latest_trades(self, request: Request) -> Response:
        """Answer the last trade of some symbols."""
        side = self._side(request)
        found = {s: self._latest(side, r) for s, r in self._asked(request).items()}
        return answer({"trades": {s: t for s, t in found.items() if t}})

    async def latest_quotes(self, request: Request) -> Response:
        """Answer the last quote of some symbols."""
        side = self._side(request)
        return answer(
            {"quotes": {s: self._quote(side, r) for s, r in self._asked(request).items()}}
        )

    async def latest_bars(self, request: Request) -> Response:
        """Answer the last minute bar of some symbols."""
        side = self._side(request)
        found = {s: self._minute(side, r) for s, r in self._asked(request).items()}
        return answer({"bars": {s: b for s, b in found.items() if b}})


def _bars_of(bars: Closed, rows: Int64s) -> Iterator[tuple[int, list[float]]]:
    """Yield (place in rows, bar) of those rows that have one, in the form of `Closed.bar_of`."""
    if not len(bars.row):
        return
    at = np.minimum(np.searchsorted(bars.row, rows), len(bars.row) - 1)
    there = np.flatnonzero(bars.row[at] == rows)
    some = bars.take(at[there])
    prices = [dollars(p.astype(np.int64)) for p in (some.open, some.high, some.low, some.close)]
    columns = (*prices, some.volume, some.vwap(), some.count)
    lines = zip(*(column.tolist() for column in columns), strict=True)
    for place, line in zip(there.tolist(), lines, strict=True):
        yield place, [float(bars.start_ms), *line]


def _spoil(bar: list[float], one: Amended, shares: float) -> None:
    """Let a day bar [start, o, h, l, c, v, vw, n] hold a print that is yet to be taken back."""
    kind, price = int(one.trades.kind[one.at]), int(one.trades.price[one.at]) / TICKS
    size, right = float(one.trades.size[one.at]), one.price / TICKS
    if sales.COUNTS[kind] and not right:
        bar[5] += size
        bar[7] += 1
    if sales.IS_EXTENDED[kind]:
        return
    if sales.MOVES_HIGH_LOW[kind]:
        bar[2], bar[3] = max(bar[2], price), min(bar[3], price)
    if sales.IN_VWAP[kind]:
        more = 0.0 if right else size
        bar[6] = round((bar[6] * shares + (price - right) * size) / (shares + more), 4)


def _bare(event: Event) -> Event:
    return {name: value for name, value in event.items() if name not in ("T", "S")}


def _joined(start_ms: int, bars: list[list[float]]) -> list[float]:
    volume = sum(b[5] for b in bars)
    vwap = sum(b[5] * b[6] for b in bars) / volume if volume else bars[-1][6]
    high, low = max(b[2] for b in bars), min(b[3] for b in bars)
    return [
        start_ms, bars[0][1], high, low, bars[-1][4], volume, round(vwap, 6),
        sum(b[7] for b in bars),
    ]  # fmt: skip


def _ns(text: str) -> int:
    """Return ns UTC of RFC 3339 or of a date, which begins at midnight New York."""
    if len(text) == 10:
        return Data._midnight_ms(dt.date.fromisoformat(text)) * MS  # noqa: SLF001
    whole, dot, rest = text.partition(".")
    fraction = ""
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        fraction, whole = rest[:digits], whole + rest[digits:]
    moment = dt.datetime.fromisoformat(whole.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * 10**9 + int(fraction[:9].ljust(9, "0") or 0)
