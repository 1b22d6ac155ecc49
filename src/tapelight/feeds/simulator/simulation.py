"""The whole simulated market: the tape, its totals and its past, advanced window by window."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from tapelight.errors import Bug, ConfigError
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.frames import Frames
from tapelight.feeds.simulator.listing import listing_of
from tapelight.feeds.simulator.market import MS, plan_of
from tapelight.feeds.simulator.morning import Morning, start_prices
from tapelight.feeds.simulator.options import SimulatorOptions
from tapelight.feeds.simulator.past import Daily, Past
from tapelight.feeds.simulator.scenarios import scenario_of
from tapelight.feeds.simulator.tape import Tape, day_of, dollars
from tapelight.feeds.simulator.totals import Totals
from tapelight.feeds.simulator.window import Window
from tapelight.model.session import CLOSED, calendar, parse_time, session_after, session_before

DEFAULT_DATE = dt.date(2026, 11, 20)
_ROLL_BEFORE_MS = 30 * 60_000
"""A new day is set up at 03:30 New York, half an hour before the pre-market."""
_WINDOWS_MS = (10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one window and the bars that it closed or amended: (span in s, bars)."""

    window: Window
    spans: list[tuple[int, Closed]]


class Simulation:
    """Advance the market; deterministic in its options, and without any clock."""

    def __init__(self, options: SimulatorOptions) -> None:
        _check(options)
        self.options = options
        self.scenario = scenario_of(options.scenario)
        self.calendar = calendar("XNYS")
        self.start_ms = self._start_ms()
        date = self.calendar.date_of(self.start_ms * MS)
        session = self.calendar.session_on(date)
        if session is None:
            raise ConfigError(f"{date} is no trading day: start the simulator on another date.")
        self.listing = listing_of(options.symbols, options.seed)
        self.frames = Frames(self.listing)
        plan = plan_of(
            self.listing, self.scenario, session, self.listing.price, options.rate, options.seed
        )
        start = start_prices(self.listing, plan, self.start_ms, options.seed)
        self.past = Past(self.listing, plan.adv, self.calendar, session, options.seed)
        self._previous: Daily | None = None
        self.totals = Totals(len(self.listing), plan.prev_close)
        Morning(self.listing, plan, start, self.start_ms, options.seed).fill(self.totals)
        day = day_of(self.listing, plan, start, options.seed)
        self.tape = Tape(self.listing, self.scenario, day, self.start_ms, options.quotes_per_trade)
        self._quote_all()
        self.window_ms = next(
            (w for w in _WINDOWS_MS if w >= 10.0 * options.speed), _WINDOWS_MS[-1]
        )

    def _start_ms(self) -> int:
        session = self.calendar.session_on(DEFAULT_DATE)
        if session is None:
            raise ConfigError(f"{DEFAULT_DATE} is missing from the calendar XNYS.")
        start_ns = parse_time(self.options.start or self.scenario.start, session)
        return start_ns // 1_000_000_000 * 1000

    def _quote_all(self) -> None:
        prices, totals = self.tape.day.prices, self.totals
        totals.bid[:], totals.ask[:] = prices.bid, prices.ask
        totals.bid_size[:] = totals.ask_size[:] = 100
        totals.quote_ms[:] = self.tape.now_ms - 1

    @property
    def now_ms(self) -> int:
        """Return the end of the last window."""
        return self.tape.now_ms

    @property
    def row_of(self) -> dict[str, int]:
        """Return the row by symbol."""
        return {symbol: row for row, symbol in enumerate(self.listing.symbols)}

    def advance(self) -> Step:
        """Draw the next window and fold it into the totals."""
        session = self.tape.day.plan.session
        if self.tape.now_ms * MS >= session.end_ns:
            self._roll_if_due()
        window = self.tape.next(self.window_ms)
        self.totals.add(window)
        spans = self.totals.spans(window) if window.phase != CLOSED or len(window.trades) else []
        return Step(window, spans)

    def _roll_if_due(self) -> None:
        following = session_after(self.calendar, self.tape.day.plan.session.start_ns)
        if self.tape.now_ms < following.start_ns // MS - _ROLL_BEFORE_MS:
            return
        self.past.keep(self.today())
        close = self.totals.end_close()
        plan = plan_of(
            self.listing, self.scenario, following, close, self.options.rate, self.options.seed
        )
        self.totals.begin(close)
        start = start_prices(self.listing, plan, self.tape.now_ms, self.options.seed)
        self.tape.begin(day_of(self.listing, plan, start, self.options.seed))
        self._quote_all()

    def previous(self) -> Daily:
        """Return the daily bars of the session before today's."""
        session = self.tape.day.plan.session
        before = session_before(self.calendar, session)
        if self._previous is None or self._previous.session.date != before.date:
            self._previous = self.past.daily(before.date)
        if self._previous is None:
            raise Bug(f"The session {before.date} before {session.date} is not known.")
        return self._previous

    def calendar_close_ms(self) -> int:
        """Return the time of yesterday's last trade."""
        return self.previous().session.close_ns // MS - 1000

    def today(self) -> Daily:
        """Return today's daily bars so far; a symbol without trade has volume 0."""
        totals = self.totals
        price = np.where(totals.open > 0, dollars(totals.open), totals.prev_close)
        low = np.where(totals.open > 0, dollars(totals.low), price)
        high = np.where(totals.open > 0, dollars(totals.high), price)
        return Daily(
            self.tape.day.plan.session, price, high, low, totals.end_close(), totals.volume.copy(),
            np.where(totals.vwap_volume > 0, totals.vwap(), price), totals.count.astype(np.float64),
        )  # fmt: skip


def _check(options: SimulatorOptions) -> None:
    for name, low, high in (("symbols", 1, 100_000), ("rate", 0.1, 5e6), ("speed", 1e-3, 1e4)):
        value = getattr(options, name)
        if not low <= value <= high:
            raise ConfigError(f"The simulator's {name} is {value}: choose {low} to {high:g}.")
    if options.duration_s is not None and options.duration_s <= 0.0:
        raise ConfigError(f"The simulator's duration is {options.duration_s} s: make it positive.")
