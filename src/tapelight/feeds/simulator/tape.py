"""The tape: windows of trades, quotes and bands drawn from the market model, by seed alone."""

from dataclasses import dataclass

import numpy as np

from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.auctions import Schedule, schedule_of
from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.luld import Luld
from tapelight.feeds.simulator.market import MS, Activity, Plan, Prices
from tapelight.feeds.simulator.scenarios import Scenario
from tapelight.feeds.simulator.window import (
    BAD,
    LATE,
    OK,
    Banded,
    Prints,
    Quoted,
    Window,
    join,
    no_prints,
    no_quotes,
)  # fmt: skip
from tapelight.model.batch import Floats, Int64s
from tapelight.model.session import CLOSED, REGULAR

_STEP_MS = 100
"""How often the efficient prices move."""
_SPY_MS = 200
"""The first symbol quotes at least this often, so that the stream is never mute."""
_LATE_AFTER_MS = 30_000
"""Late prints begin this long after the tape's start, so that a snapshot taken at once holds."""
_PULSE_CHANCE, _PULSE_MS, _PULSE_FACTOR = 0.33, 100, 4.0
"""In a third of the seconds, one tenth is four times as busy: arrivals are no Poisson process."""
_PULSE_MEAN = 1.0 + _PULSE_CHANCE * _PULSE_MS / 1000.0 * (_PULSE_FACTOR - 1.0)
_CRASH = ((90, -0.055), (60, 0.0), (240, 0.05))
"""Flash crash: (seconds, log return) one after the other."""


@dataclass(frozen=True, slots=True)
class Day:
    """Bundle the moving parts of one session."""

    plan: Plan
    activity: Activity
    prices: Prices
    luld: Luld
    auctions: Schedule
    rng: np.random.Generator


def day_of(listing: Listing, plan: Plan, start: Floats, seed: int) -> Day:
    """Set up a session that begins at `start` prices (dollars)."""
    rng = np.random.default_rng([seed, 3, plan.session.date.toordinal()])
    return Day(
        plan=plan,
        activity=Activity(listing, plan, rng),
        prices=Prices(listing, start, plan, rng),
        luld=Luld(listing, plan.session, plan.prev_close),
        auctions=schedule_of(listing, plan, rng),
        rng=rng,
    )


class Tape:
    """Draw the windows one after the other; no clock is read."""

    def __init__(
        self, listing: Listing, scenario: Scenario, day: Day, start_ms: int,
        quotes_per_trade: float = 1.0,
    ) -> None:  # fmt: skip
        self._listing = listing
        self._scenario = scenario
        self._quotes_per_trade = quotes_per_trade
        self.start_ms = start_ms
        self.now_ms = start_ms
        self._windows = self._trades = self._quotes = 0
        self._side = np.ones(len(listing), np.int8)
        self.begin(day)

    def begin(self, day: Day) -> None:
        """Go on with another session's `day`."""
        self.day = day
        self._second_ms = self._step_ms = -1
        self._pulse_ms = (0, 0)

    def next(self, length_ms: int) -> Window:
        """Draw the window of the next `length_ms` (a divisor of 1,000)."""
        t0, t1 = self.now_ms, self.now_ms + length_ms
        self.now_ms = t1
        phase = self.day.plan.session.phase(t0 * MS)
        trades, quotes, bands = no_prints(), no_quotes(), None
        if phase != CLOSED:
            bands, reopened = self._advance(t0, length_ms, phase)
            runs = self._runs(t0, length_ms)
            quotes = self._quotes_for(runs[0], t0, length_ms)
            trades = self._all_trades(runs, reopened, t0, t1, phase)
        window = Window(
            self._windows, t0, t1, phase, self._trades, self._quotes, trades, quotes, bands
        )
        self._windows += 1
        self._trades += len(trades)
        self._quotes += len(quotes)
        return window

    def _advance(self, t0: int, length_ms: int, phase: int) -> tuple[Banded | None, Int64s]:
        day, bands, reopened = self.day, None, np.zeros(0, np.int64)
        if t0 // _STEP_MS != self._step_ms:
            self._step_ms = t0 // _STEP_MS
            seconds = max(_STEP_MS, length_ms) / 1000.0
            day.prices.crash = self._crash(t0)
            day.prices.wide = 1.0 if phase == REGULAR else 2.0
            day.prices.step(seconds, t0, day.activity.heat, phase)
        if t0 // 1000 != self._second_ms:
            self._second_ms = t0 // 1000
            fresh, reopened = day.luld.second(t0, day.prices)
            day.activity.second(t0, phase, day.luld.trading)
            self._draw_pulse(t0)
            if len(fresh):
                upper, lower = day.prices.upper[fresh], day.prices.lower[fresh]
                bands = Banded(t0, fresh, upper, lower)
        return bands, reopened

    def _draw_pulse(self, t0: int) -> None:
        if self.day.rng.random() < _PULSE_CHANCE:
            begin = t0 + int(self.day.rng.integers(0, 1000 - _PULSE_MS))
            self._pulse_ms = (begin, begin + _PULSE_MS)

    def _crash(self, t0: int) -> float:
        after = self._scenario.crash_after_s
        if not after:
            return 0.0
        elapsed = (t0 - self.start_ms) / 1000.0 - after
        for seconds, total in _CRASH:
            if 0.0 <= elapsed < seconds:
                return total / seconds
            elapsed -= seconds
        return 0.0

    def _intensity(self, t0: int) -> float:
        rate = self.day.plan.curve.trades_s(t0) * self.day.activity.common / _PULSE_MEAN
        if self._pulse_ms[0] <= t0 < self._pulse_ms[1]:
            rate *= _PULSE_FACTOR
        every = self._scenario.burst_every_s
        if every and (t0 - self.start_ms) // 1000 % every >= every - self._scenario.burst_length_s:
            rate *= self._scenario.burst_factor
        return rate

    def _runs(self, t0: int, length_ms: int) -> tuple[Int64s, Int64s, Int64s]:
        """Draw runs of trades in one millisecond: rows, times, lengths."""
        rng, weights = self.day.rng, self.day.activity.trades
        due = self.day.auctions.due(t0, t0 + length_ms)
        mean = self._intensity(t0) * length_ms / 1000.0
        # The auctions' prints are part of the promised rate.
        mean = max(0.3 * mean, mean - (due.stop - due.start)) / sales.MEAN_RUN
        count = int(rng.poisson(mean)) if weights[-1] > 0.0 else 0
        rows = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
        times = np.sort(rng.integers(t0, t0 + length_ms, count))
        lengths = np.searchsorted(sales.RUN_EDGES, rng.random(count), side="right") + 1
        return rows.astype(np.int64), times, lengths.astype(np.int64)

    def _quotes_for(self, runs: Int64s, t0: int, length_ms: int) -> Quoted:
        rng, day = self.day.rng, self.day
        wanted = self._intensity(t0) * length_ms / 1000.0 * self._quotes_per_trade
        count = int(rng.poisson(wanted))
        weights = day.activity.quotes
        extra = max(0, count - len(runs)) if weights[-1] > 0.0 else 0
        others = np.searchsorted(weights, rng.random(extra) * weights[-1], side="right")
        beat = [0] if t0 % _SPY_MS < length_ms else []
        rows = np.concatenate([runs[:count], others, beat]).astype(np.int64)
        day.prices.refresh(np.unique(rows))
        sizes = (1 + rng.standard_exponential((2, len(rows))) * 3.0).astype(np.int64) * 100
        times = np.sort(rng.integers(t0, t0 + length_ms, len(rows)))
        bid, ask = day.prices.bid[rows], day.prices.ask[rows]
        return Quoted(times, rows, bid, ask, sizes[0], sizes[1])

    def _all_trades(
        self, runs: tuple[Int64s, Int64s, Int64s], reopened: Int64s, t0: int, t1: int, phase: int
    ) -> Prints:
        parts = [self._ordinary(*runs, phase)]
        due = self.day.auctions.due(t0, t1)
        if due.stop > due.start:
            parts.append(self._auction_prints(due))
        if len(reopened):
            parts.append(self._reopenings(reopened, t0))
        trades = parts[0]
        if len(parts) > 1:
            trades = join(parts)
            trades = trades.take(np.argsort(trades.ts_ms, kind="stable"))
        late = self._late(len(trades), t0, phase)
        return join([trades, late]) if late is not None else trades

    def _ordinary(self, rows: Int64s, times: Int64s, lengths: Int64s, phase: int) -> Prints:
        rng, n = self.day.rng, int(lengths.sum())
        run = np.repeat(np.arange(len(rows)), lengths)
        row = rows[run]
        u = rng.random((5, n))
        flips = rng.random(len(rows)) < 0.35
        side = self._sides(rows, flips)[run]
        venue = sales.VENUES[np.searchsorted(sales.VENUE_EDGES, u[0], side="right")]
        # About half of a run's trades take the venue of its first.
        first = np.cumsum(lengths) - lengths
        venue = np.where(u[1] < 0.5, venue[first[run]] if n else venue, venue)
        size = np.ceil(sales.SIZES[(u[2] * 4096).astype(np.int64)] * self._listing.size_factor[row])
        odd = size < self._listing.round_lot[row]
        regular = phase == REGULAR
        kinds = np.where(
            odd,
            (sales.REGULAR_ODD if regular else sales.EXTENDED_ODD).draw(u[3]),
            (sales.REGULAR_ROUND if regular else sales.EXTENDED_ROUND).draw(u[3]),
        ).astype(np.int64)
        venue = np.where(sales.OFF_EXCHANGE[kinds], sales.OFF_EXCHANGE_VENUE, venue)
        fraction = odd & (u[4] > 0.985) & (venue == sales.OFF_EXCHANGE_VENUE)
        size = np.where(fraction, size - np.floor(u[1] * 63 + 1) / 64.0, size)
        price = self._prices(row, side, kinds, venue, u[4])
        price, truth = self._spoil(price, u[0], n)
        return Prints(times[run], row, price, size, kinds, venue.astype(np.uint8), truth)

    def _sides(self, rows: Int64s, flips: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Int64s:
        # Repeated rows of one window take the last flip: a symbol has one side a window.
        self._side[rows[flips]] *= -1
        return self._side[rows].astype(np.int64)

    def _prices(self, row: Int64s, side: Int64s, kinds: Int64s, venue: Int64s, u: Floats) -> Int64s:
        prices = self.day.prices
        bid, ask, tick = prices.bid[row], prices.ask[row], prices.tick[row]
        price = np.where(side > 0, ask, bid)
        middle = (venue == sales.OFF_EXCHANGE_VENUE) & (u < 0.22)
        price = np.where(middle, (bid + ask) // 2, price)
        away = (u > 0.25) & (u < 0.29)
        price = np.where(away, price + np.where(u > 0.27, tick, -tick), price)
        off = sales.OFF_PRICE[kinds]
        if off.any():
            shifted = np.rint(price * (1.0 + (u - 0.5) * 0.012) / tick) * tick
            price = np.where(off, shifted.astype(np.int64), price)
        return np.clip(price, np.maximum(prices.lower[row], 1), prices.upper[row])

    def _spoil(
        self, price: Int64s, u: Floats, n: int
    ) -> tuple[Int64s, "np.ndarray[tuple[int], np.dtype[np.uint8]]"]:
        """Put a few isolated prints 15 to 60 % off the market."""
        rng, truth = self.day.rng, np.full(n, OK, np.uint8)
        for at in rng.integers(0, n, int(rng.poisson(n * self._scenario.bad_share))).tolist():
            distance = 0.15 + 0.45 * float(u[at])
            off = price[at] * (1.0 + (distance if u[at] * 997 % 1 < 0.5 else -distance))
            price[at] = max(1, int(off) // 100 * 100 or int(off))
            truth[at] = BAD
        return price, truth

    def _auction_prints(self, due: slice) -> Prints:
        day, schedule = self.day, self.day.auctions
        row, kinds = schedule.row[due], schedule.kind[due]
        traded = day.luld.trading[row]
        row, kinds = row[traded], kinds[traded]
        tick = day.prices.tick[row]
        # The official price repeats the auction's: both come from the quote that stood then.
        price = (day.prices.bid[row] + day.prices.ask[row]) // 2 // tick * tick
        return Prints(
            schedule.at_ms[due][traded], row, np.maximum(price, 1), schedule.size[due][traded],
            kinds, self._listing.venue[row], np.full(len(row), OK, np.uint8),
        )  # fmt: skip

    def _reopenings(self, rows: Int64s, t0: int) -> Prints:
        day = self.day
        day.prices.refresh(rows)
        size = np.rint(np.maximum(day.plan.adv[rows] * 0.004, 100.0) / 100.0) * 100.0
        price = day.prices.bid[rows]
        n = len(rows)
        return Prints(
            np.full(n, t0), rows, price, size, np.full(n, sales.kind(28)),
            self._listing.venue[rows], np.full(n, OK, np.uint8),
        )  # fmt: skip

    def _late(self, n: int, t0: int, phase: int) -> Prints | None:
        rng, weights = self.day.rng, self.day.activity.trades
        count = int(rng.poisson(n * self._scenario.late_share))
        if not count or t0 < self.start_ms + _LATE_AFTER_MS or weights[-1] <= 0.0:
            return None
        rows = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
        session = self.day.plan.session
        floor = (session.open_ns if phase == REGULAR else session.start_ns) // MS
        times = np.maximum(t0 - rng.integers(1_500, 20_000, count), max(floor, self.start_ms))
        choice = [sales.kind(30), sales.kind(32)] if phase == REGULAR else [sales.kind(13)]
        kinds = rng.choice(choice, count)
        price = self.day.prices.bid[rows]
        return Prints(
            times, rows.astype(np.int64), price, np.full(count, 100.0), kinds.astype(np.int64),
            np.full(count, sales.OFF_EXCHANGE_VENUE, np.uint8), np.full(count, LATE, np.uint8),
        )  # fmt: skip


def dollars(ticks: Int64s) -> Floats:
    """Return prices in dollars; the quotient is the nearest double to the decimal price."""
    price: Floats = ticks / TICKS
    return price
