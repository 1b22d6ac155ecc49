"""The market reckoned from the simulator's own ledger, one print and quote after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from oracle.sales import (
    OFFICIAL_OPEN,
    LastSale,
    Print,
    counts,
    is_regular,
    moves_high_low,
    moves_last,
)

Floats = npt.NDArray[np.float64]
NAN = float("nan")
MINUTE_NS = 60_000_000_000
SPECIAL_PRICES = 0.02
"""How far special sales may stand from the minute's mean price."""
TYPES = {"ADRC": "ADR"}
"""Massive's word for ordinary depositary receipts, and the gate's."""


class Hours(NamedTuple):
    """The session's regular hours in ns UTC."""

    open_ns: int
    close_ns: int


class Quote(NamedTuple):
    """One national best quote of the ledger."""

    symbol: str
    bid: float
    ask: float


def far(last: float) -> float:
    """Return how far from `last` a print is in doubt, as a fraction: docs/data-quality.md."""
    if last >= 3.0:
        return 0.10
    return 0.20 if last >= 0.75 else 0.50


@dataclass(slots=True)
class Row:
    """What is known of one symbol."""

    type: str
    prev_close: float
    listing: int
    float_shares: float
    vol: float
    dollar_vol: float
    last: float
    bid: float
    ask: float
    pm_vol: float
    open: float = NAN
    officially_open: bool = False
    last_ns: int = 0
    past: LastSale = field(default_factory=LastSale)

    def trade(self, sale: Print, hours: Hours) -> None:
        """Let one print change the row."""
        regular = is_regular(sale, *hours)
        to_last = moves_last(sale, regular, self.past, self.listing)
        priced = to_last or moves_high_low(sale, regular)
        held = sale.bad and priced and self._is_far(sale)
        if counts(sale.conditions):
            self._count(sale, self.last if held else sale.price, pre=sale.ts_ns < hours.open_ns)
        if OFFICIAL_OPEN in sale.conditions and sale.exchange == self.listing:
            self._open(sale.price)
        if to_last and not held:
            self._move(sale, regular)

    def _is_far(self, sale: Print) -> bool:
        """Tell whether a print is so far from a fresh last price that it must be held."""
        if not sale.ts_ns - self.last_ns <= MINUTE_NS:
            return False
        return abs(sale.price / self.last - 1.0) > far(self.last)

    def _count(self, sale: Print, worth: float, *, pre: bool) -> None:
        """Count the shares; a print that is held counts at the price of the last."""
        self.vol += sale.size
        self.dollar_vol += worth * sale.size
        if pre:
            self.pm_vol += sale.size

    def _open(self, price: float) -> None:
        if not self.officially_open:
            self.open, self.officially_open = price, True

    def _move(self, sale: Print, regular: bool) -> None:
        self.last, self.last_ns = sale.price, sale.ts_ns
        self.past.exchange = sale.exchange
        if regular:
            self.past.regular = True
            if self.open != self.open:
                self.open = sale.price


class Columns:
    """The columns of all symbols at one moment; symbols are in the order of the alphabet."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.symbols = np.array(sorted(rows))
        found = [rows[s] for s in self.symbols]
        self.type = np.array([r.type for r in found])
        for name in ("last", "prev_close", "vol", "dollar_vol", "pm_vol", "open", "bid", "ask"):
            setattr(self, name, np.array([getattr(r, name) for r in found], np.float64))
        self.float_shares = np.array([r.float_shares for r in found])

    last: Floats
    prev_close: Floats
    vol: Floats
    dollar_vol: Floats
    pm_vol: Floats
    open: Floats
    bid: Floats
    ask: Floats

    def correct_dollars(self, corrections: Mapping[str, float]) -> None:
        """Add to each symbol's dollars."""
        self.dollar_vol += np.array([corrections.get(s, 0.0) for s in self.symbols])

    @property
    def chg_pct(self) -> Floats:
        """Change from the previous close."""
        return 100.0 * (self.last - self.prev_close) / self.prev_close

    @property
    def gap_pct(self) -> Floats:
        """Gap: by the open once there is one, before by the last price."""
        reference = np.where(np.isnan(self.open), self.last, self.open)
        percent: Floats = 100.0 * (reference - self.prev_close) / self.prev_close
        return percent

    @property
    def spread_pct(self) -> Floats:
        """Ask less bid over the middle."""
        percent: Floats = 100.0 * (self.ask - self.bid) / ((self.ask + self.bid) / 2.0)
        return percent

    @property
    def float_rot(self) -> Floats:
        """Volume over the float."""
        turns: Floats = self.vol / self.float_shares
        return turns


class Reference(NamedTuple):
    """What the provider's REST service says of a symbol before the start."""

    type: str
    prev_close: float
    float_shares: float
    dollars: float
    """Of today's closed minute bars: volume x mean price."""


class Ledger:
    """Everything that the simulator sent, test symbols left out, in the order sent."""

    def __init__(self, folder: Path, symbols: Sequence[str]) -> None:
        kept = pl.col("symbol").is_in(list(symbols))
        self.start = pl.read_parquet(folder / "start.parquet").filter(kept)
        trades = pl.concat(pl.read_parquet(f) for f in sorted(folder.glob("trades-*.parquet")))
        quotes = pl.concat(pl.read_parquet(f) for f in sorted(folder.glob("quotes-*.parquet")))
        assert trades["n"].to_list() == list(range(len(trades))), "the ledger has a hole"
        self.trades, self.quotes = trades.filter(kept), quotes.filter(kept)

    def prints(self) -> Iterator[Print]:
        """Yield the trades in the order sent."""
        names = ("ts_ns", "symbol", "price", "size", "conditions", "exchange", "truth")
        columns = (self.trades[name].to_list() for name in names)
        for ts, symbol, price, size, conditions, exchange, truth in zip(*columns, strict=True):
            yield Print(ts, symbol, price, size, tuple(conditions), exchange, truth == "bad")

    def quoted(self) -> Iterator[Quote]:
        """Yield the quotes in the order sent."""
        columns = (self.quotes[name].to_list() for name in Quote._fields)
        for values in zip(*columns, strict=True):
            yield Quote(*values)

    def rows(self, references: Mapping[str, Reference]) -> dict[str, Row]:
        """Return the rows at the start, by symbol."""
        rows = {}
        for r in self.start.iter_rows(named=True):
            known = references[r["symbol"]]
            rows[r["symbol"]] = Row(
                TYPES.get(known.type, known.type), known.prev_close, r["listing_exchange"],
                known.float_shares, r["volume_before"], known.dollars,
                NAN if r["last_before"] is None else r["last_before"], r["bid"], r["ask"],
                pm_vol=r["volume_before"], last_ns=r["last_ts_ns"] or 0,
            )  # fmt: skip
        return rows


def unsure_dollars(ledger: Ledger, hours: Hours, until_ns: int) -> dict[str, float]:
    """Return by how much a symbol's dollars may differ, because bars must stand in for prints.

    What traded between the start and the scanner's snapshot it knows only through the provider's
    minute bars, as volume x mean price: rounded to 4 decimals, without the prices of special
    sales, and with no bar at all for a minute of special sales alone.
    """
    special: dict[tuple[str, int], float] = {}
    rounding: dict[str, float] = {}
    priced: set[tuple[str, int]] = set()
    for sale in ledger.prints():
        if sale.ts_ns >= until_ns or not counts(sale.conditions):
            continue
        at = (sale.symbol, sale.ts_ns // MINUTE_NS)
        rounding[sale.symbol] = rounding.get(sale.symbol, 0.0) + 0.5e-4 * sale.size
        if moves_high_low(sale, is_regular(sale, *hours)):
            priced.add(at)
        else:
            special[at] = special.get(at, 0.0) + sale.price * sale.size
    for at, dollars in special.items():
        rounding[at[0]] += dollars * (SPECIAL_PRICES if at in priced else 1.0)
    return rounding


def states(
    ledger: Ledger,
    references: Mapping[str, Reference],
    hours: Hours,
    seen: Sequence[tuple[int, int]],
) -> Iterator[Columns]:
    """Yield the columns after each of `seen`: (prints, quotes) from the start, ascending."""
    rows = ledger.rows(references)
    prints, quotes = ledger.prints(), ledger.quoted()
    done_t = done_q = 0
    for trades_seen, quotes_seen in seen:
        for _ in range(trades_seen - done_t):
            sale = next(prints)
            rows[sale.symbol].trade(sale, hours)
        for _ in range(quotes_seen - done_q):
            quote = next(quotes)
            row = rows[quote.symbol]
            row.bid, row.ask = quote.bid, quote.ask
        done_t, done_q = max(done_t, trades_seen), max(done_q, quotes_seen)
        yield Columns(rows)
