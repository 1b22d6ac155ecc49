"""The simulated market as records, without a socket: as fast as it can be drawn.

What a feed would make of the stream: references, profile, then batches window by window, with a
mark at the end of each. For recordings, benchmarks and tests over whole sessions.
"""

from collections.abc import Iterator

import numpy as np

from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.past import Daily
from tapelight.feeds.simulator.sales import KINDS
from tapelight.feeds.simulator.simulation import Simulation, Step
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import Window
from tapelight.model.batch import Bands, Bars, Batch, Floats, Quotes, Trades
from tapelight.model.conditions import mask_of
from tapelight.model.daily import DailyFold, Day, levels
from tapelight.model.records import (
    CalendarChoice,
    FeedState,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import session_before

SESSIONS = 21
"""Past sessions that the references are reckoned from: 20 full ones and one more."""
_MASKS = np.array([mask_of(kind) for kind in KINDS], np.uint64)


class Offline:
    """Draw a simulated market as records; rows stand in the order of the listing."""

    def __init__(self, options: SimulatorOptions, spans: tuple[int, ...] = ()) -> None:
        """Take the market's options; `spans` (1, 60 s) adds the bars that its stream would bring."""
        self.simulation = Simulation(options)
        self._spans = spans
        self._seq = 0
        self.trades = 0
        """Prints drawn so far."""

    @property
    def now_ns(self) -> int:
        """Return the end of the last window."""
        return self.simulation.now_ms * MS

    def opening(self) -> list[Record]:
        """Return what comes before the first event: calendar, symbols, references, live."""
        symbols = self.simulation.listing.symbols
        session = self.simulation.tape.day.plan.session
        return [
            CalendarChoice("XNYS"),
            Symbols(0, list(symbols)),
            References(session.date.isoformat(), self._references()),
            FeedState(self.now_ns, "simulator", "live"),
        ]

    def step(self, trades: bool = True, quotes: bool = True) -> Batch:
        """Draw the next window and return it as the batch that a feed would make of it."""
        step = self.simulation.advance()
        window = step.window
        return Batch(
            window.end_ms * MS,
            trades=self._trades(window) if trades and len(window.trades) else None,
            quotes=_quotes(window) if quotes and len(window.quotes) else None,
            bars=self._bars(step),
            bands=_bands(window),
        )

    def _trades(self, window: Window) -> Trades:
        prints = window.trades
        n = len(prints)
        seq = np.arange(self._seq + 1, self._seq + n + 1, dtype=np.int64)
        self._seq += n
        self.trades += n
        return Trades(
            prints.row.astype(np.int32), prints.ts_ms * MS, dollars(prints.price),
            np.asarray(prints.size, np.float64), _MASKS[prints.kind],
            prints.venue.astype(np.uint8), seq,
        )  # fmt: skip

    def _bars(self, step: Step) -> Bars | None:
        wanted = [(span, bars) for span, bars in step.spans if span in self._spans]
        if not wanted:
            return None
        parts = [_bar_columns(span, bars) for span, bars in wanted]
        joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
        return Bars(*joined)

    def _references(self) -> list[Reference]:
        listing = self.simulation.listing
        fold = DailyFold(self.simulation.tape.day.plan.session.date, deep=True)
        for daily in self._past():
            fold.add(
                daily.session.date, _days(listing.symbols, daily), full=not daily.session.half_day
            )
        known = levels(fold)
        return [
            Reference(
                symbol=company.symbol, name=company.name, exchange=company.mic,
                type="ADR" if company.type == "ADRC" else company.type, sector=company.sector,
                industry=company.industry, shares_out=float(listing.shares_out[row]),
                float_shares=float(listing.float_shares[row]), float_src="simulator",
                **known.get(company.symbol, {}),  # type: ignore[arg-type]
            )
            for row, company in enumerate(listing.companies)
        ]  # fmt: skip

    def _past(self) -> list[Daily]:
        simulation = self.simulation
        session, found = simulation.tape.day.plan.session, []
        for _ in range(SESSIONS):
            session = session_before(simulation.calendar, session)
            daily = simulation.past.daily(session.date)
            if daily is not None:
                found.append(daily)
        return found[::-1]


def records(
    options: SimulatorOptions, seconds: float, spans: tuple[int, ...] = ()
) -> Iterator[Record]:
    """Yield `seconds` of a market without its marks: whoever drives the engine makes them."""
    market = Offline(options, spans)
    yield from market.opening()
    end_ns = market.now_ns + int(seconds * 1e9)
    while market.now_ns < end_ns:
        yield market.step()


def _days(symbols: list[str], daily: Daily) -> list[Day]:
    columns = (daily.high.tolist(), daily.low.tolist(), daily.close.tolist(), daily.volume.tolist())
    return [Day(s, h, low, c, v) for s, h, low, c, v in zip(symbols, *columns, strict=True)]


def _quotes(window: Window) -> Quotes:
    quoted = window.quotes
    n = len(quoted)
    return Quotes(
        quoted.row.astype(np.int32), quoted.ts_ms * MS, dollars(quoted.bid), dollars(quoted.ask),
        quoted.bid_size.astype(np.float64), quoted.ask_size.astype(np.float64),
        np.zeros(n, np.int32),
    )  # fmt: skip


def _bands(window: Window) -> Bands | None:
    banded = window.bands
    if banded is None:
        return None
    times = np.full(len(banded.row), banded.ts_ms * MS, np.int64)
    return Bands(banded.row.astype(np.int32), times, dollars(banded.lower), dollars(banded.upper))


def _bar_columns(span: int, bars: Closed) -> list[np.ndarray]:
    n = len(bars.row)
    prices: list[Floats] = [dollars(getattr(bars, k)) for k in ("open", "high", "low", "close")]
    return [
        bars.row.astype(np.int32), np.full(n, bars.start_ms * MS, np.int64),
        np.full(n, span, np.int32), *prices, bars.volume, bars.vwap(),
        bars.count.astype(np.float64), np.full(n, np.nan), np.full(n, np.nan),
    ]  # fmt: skip
